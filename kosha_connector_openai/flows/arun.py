"""How a flow's calls are made: the facade's own way, or a host's that checks each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kosha_connector_openai.connector import CallOptions, Connection, Result

ARun = Callable[[str, Mapping[str, Any], Connection, CallOptions], Awaitable[Result]]
"""Runs one action, as ``Connector.arun`` does. A host that checks each call of a flow gives its own; a ConnectorError refuses a call."""
