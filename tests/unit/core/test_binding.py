"""What is worked out once for an action over a connection is that of this very connection."""

from __future__ import annotations

from dataclasses import replace

from kosha_connector_openai import open_connector
from kosha_connector_openai.core.binding import Bindings
from kosha_connector_openai.core.connection import Connection

ENVIRONMENT = {"OPENAI_API_KEY": "sk-0123456789abcdef"}


def _of_tenant(connection: Connection, tenant: str) -> Connection:
    return replace(connection, options=replace(connection.options, tenant=tenant))


def test_each_connection_is_bound_by_itself() -> None:
    """A thousand tenants in turn, whose connections are dropped at once, so that their addresses in memory come again."""
    with open_connector() as connector:
        action, usual, bindings = connector.catalog["createCompletion"], connector.connection({}, environ=ENVIRONMENT), Bindings("openai")
        for number in range(1_000):
            tenant = f"t{number}"
            binding = bindings.of(action, _of_tenant(usual, tenant))
            assert binding.context.tenant == binding.connection.options.tenant == tenant


def test_a_binding_is_made_once_for_a_connection_and_an_action() -> None:
    """The same pair gives the same binding, until all are forgotten; another action over the connection has one of its own."""
    with open_connector() as connector:
        connection, bindings = connector.connection({}, environ=ENVIRONMENT), Bindings("openai")
        first, second = connector.catalog["createCompletion"], connector.catalog["createEmbedding"]
        found = bindings.of(first, connection)
        assert bindings.of(first, connection) is found
        assert bindings.of(second, connection).action is second
        assert {str(reference) for reference in found.references.values()} == {"env:OPENAI_API_KEY"}
        bindings.clear()
        assert bindings.of(first, connection) is not found
