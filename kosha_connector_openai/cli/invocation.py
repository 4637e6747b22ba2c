"""One call as the command line asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai import CallOptions, Connection, Connector
from kosha_connector_openai.cli.output import ShowOptions


@dataclass(frozen=True, slots=True)
class Invocation:
    """An action's id with inputs as they were read, the connection that it uses, and how its result is shown."""

    connector: Connector
    connection: Connection
    action: str
    inputs: Mapping[str, Any]
    call: CallOptions
    show: ShowOptions
