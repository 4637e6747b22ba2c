"""One call. In: an action, its inputs and a connection. Out: a Result, or an error of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face
from kosha_connector_openai.core._moved import register

if TYPE_CHECKING:
    from kosha_connector_openai.core.async_executor import AsyncExecutor as AsyncExecutor
    from kosha_connector_openai.core.async_executor import AsyncStream as AsyncStream
    from kosha_connector_openai.core.call import CallOptions as CallOptions
    from kosha_connector_openai.core.call import make_request as make_request
    from kosha_connector_openai.core.catalog_cache import Catalogs as Catalogs
    from kosha_connector_openai.core.drive import adrive_steps as adrive_steps
    from kosha_connector_openai.core.drive import drive_steps as drive_steps
    from kosha_connector_openai.core.executor import SyncExecutor as SyncExecutor
    from kosha_connector_openai.core.executor import SyncStream as SyncStream
    from kosha_connector_openai.core.passthrough import Passthrough as Passthrough
    from kosha_connector_openai.core.record import Record as Record
    from kosha_connector_openai.core.record import log as log
    from kosha_connector_openai.core.runtime import Runtime as Runtime
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "async_executor": "AsyncExecutor AsyncStream",
            "call": "CallOptions make_request",
            "catalog_cache": "Catalogs",
            "drive": "adrive_steps drive_steps",
            "executor": "SyncExecutor SyncStream",
            "passthrough": "Passthrough",
            "record": "Record log",
            "runtime": "Runtime",
        },
    )

register()
