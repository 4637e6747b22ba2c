"""Kosha connector for the OpenAI REST API. Importing this package does no I/O; the public names load when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.core.call import CallOptions
    from kosha_connector_openai.core.connection.connection import Connection
    from kosha_connector_openai.core.connection.options import Options
    from kosha_connector_openai.core.record import Record
    from kosha_connector_openai.core.request.request import Preview
    from kosha_connector_openai.core.result.result import Result
    from kosha_connector_openai.core.result.stream import Event
    from kosha_connector_openai.errors import ConnectorError, Fault
    from kosha_connector_openai.hookspecs import hookimpl
    from kosha_connector_openai.plugins import create_plugin_manager, load_connectors
    from kosha_connector_openai.secrets.secret import Secret

_HOMES = {
    "CallOptions": "core.call",
    "Connection": "core.connection.connection",
    "Connector": "connector",
    "ConnectorError": "errors",
    "Event": "core.result.stream",
    "Fault": "errors",
    "Options": "core.connection.options",
    "Preview": "core.request.request",
    "Record": "core.record",
    "Result": "core.result.result",
    "Secret": "secrets.secret",
    "create_plugin_manager": "plugins",
    "hookimpl": "hookspecs",
    "load_connectors": "plugins",
}

__all__ = [
    "CallOptions",
    "Connection",
    "Connector",
    "ConnectorError",
    "Event",
    "Fault",
    "Options",
    "Preview",
    "Record",
    "Result",
    "Secret",
    "__version__",
    "create_plugin_manager",
    "hookimpl",
    "load_connectors",
    "open_connector",
]


def open_connector() -> Connector:
    """The OpenAI connector, ready to run actions; close it, or use it as a context manager."""
    from kosha_connector_openai.connector import Connector  # noqa: PLC0415 - importing the package stays cheap
    from kosha_connector_openai.plugin import folder  # noqa: PLC0415

    return Connector(folder())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("kosha-connector-openai")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
