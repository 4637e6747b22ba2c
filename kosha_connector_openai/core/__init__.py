"""One call. In: an action, its inputs and a connection. Out: a Result, or an error of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face
from kosha_connector_openai.core._moved import register

if TYPE_CHECKING:
    from kosha_connector_openai.core.async_call import *
    from kosha_connector_openai.core.async_executor import *
    from kosha_connector_openai.core.call import *
    from kosha_connector_openai.core.catalog_cache import *
    from kosha_connector_openai.core.drive import *
    from kosha_connector_openai.core.executor import *
    from kosha_connector_openai.core.passthrough import *
    from kosha_connector_openai.core.record import *
    from kosha_connector_openai.core.recorded import *
    from kosha_connector_openai.core.runtime import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "async_call": "AsyncCall",
            "async_executor": "AsyncExecutor AsyncStream",
            "call": "Attempt CallBudget CallOptions CallPace Reservation file_policy make_request",
            "catalog_cache": "Catalogs",
            "drive": "adrive_steps drive_steps",
            "executor": "SyncExecutor SyncStream",
            "passthrough": "Passthrough",
            "record": "Record drop log",
            "recorded": "read_recorded",
            "runtime": "Runtime",
        },
    )

register()
