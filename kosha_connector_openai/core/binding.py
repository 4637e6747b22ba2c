"""An action bound to a connection: what all its calls have in common, worked out by the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.connection import Connection, Credential
from kosha_connector_openai.secrets import SecretContext, SecretReference

_MOST: Final = 256


@dataclass(eq=False)
class Binding:
    """One action over one connection, for the connector with the id ``connector``. It holds no secret."""

    action: Action
    given: Connection
    """The connection that was named; ``connection`` is the same, at the server that serves the action."""
    connector: str

    @cached_property
    def connection(self) -> Connection:
        """The connection at the server that serves the action."""
        return self.given.serving(self.action.operation.servers)

    @cached_property
    def credential(self) -> Credential | None:
        """The credential that the action asks for; raises SetupError where the connection has none."""
        return self.connection.credential(self.action.operation.security)

    @cached_property
    def references(self) -> Mapping[str, SecretReference]:
        """Where the credential's secrets are kept."""
        return self.credential.every_reference if self.credential else {}

    @cached_property
    def context(self) -> SecretContext:
        """For whom they are read."""
        return self.connection.secret_context(self.connector)


class Bindings:
    """The bindings of one connector's calls. Connections are told apart by identity: an equal one is bound anew."""

    def __init__(self, connector: str) -> None:
        self._connector = connector
        self._found: dict[tuple[int, int], Binding] = {}

    def of(self, action: Action, connection: Connection) -> Binding:
        """The binding of an action to a connection."""
        key = id(action), id(connection)  # no others have these as long as the binding holds both
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MOST:
                self._found.clear()
            found = self._found[key] = Binding(action, connection, self._connector)
        return found

    def clear(self) -> None:
        """Forgets them all."""
        self._found.clear()
