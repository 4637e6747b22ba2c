"""Kosha connector for the OpenAI REST API. Importing this package does no I/O; the public names load when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector as Connector
    from kosha_connector_openai.core import CallOptions as CallOptions
    from kosha_connector_openai.core import Record as Record
    from kosha_connector_openai.core.connection import Connection as Connection
    from kosha_connector_openai.core.connection import Options as Options
    from kosha_connector_openai.core.request import Preview as Preview
    from kosha_connector_openai.core.result import Event as Event
    from kosha_connector_openai.core.result import Result as Result
    from kosha_connector_openai.errors import ConnectorError as ConnectorError
    from kosha_connector_openai.errors import Fault as Fault
    from kosha_connector_openai.hookspecs import hookimpl as hookimpl
    from kosha_connector_openai.plugins import create_plugin_manager as create_plugin_manager
    from kosha_connector_openai.plugins import load_connectors as load_connectors
    from kosha_connector_openai.secrets import Secret as Secret
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "connector": "Connector",
            "core": "CallOptions Record",
            "core.connection": "Connection Options",
            "core.request": "Preview",
            "core.result": "Event Result",
            "errors": "ConnectorError Fault",
            "hookspecs": "hookimpl",
            "plugins": "create_plugin_manager load_connectors",
            "secrets": "Secret",
        },
    )
    __all__ += ["__version__", "open_connector"]


def open_connector() -> Connector:
    """The OpenAI connector, ready to run actions; close it, or use it as a context manager."""
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.shipped import folder

    return Connector(folder())
