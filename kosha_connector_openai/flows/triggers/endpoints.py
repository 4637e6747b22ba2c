"""Endpoints: the addresses to which an API sends its events; a signing secret goes to whoever keeps it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.core.connection import scrub
from kosha_connector_openai.errors import ConnectorError, MalformedReplyError, SetupError
from kosha_connector_openai.flows.paging import Pager
from kosha_connector_openai.manifest.parts import EndpointRules, Triggers
from kosha_connector_openai.secrets import Secret, check_secret
from kosha_connector_openai.text import at, to_pointer

Keep = Callable[[str, Secret], None]
"""Takes an endpoint's id and its signing secret."""


def endpoint_rules(connector: Connector) -> EndpointRules:
    """How endpoints are made; raises SetupError where the API has none."""
    found: EndpointRules | None = connector.part("triggers", Triggers).endpoints
    if found is None:
        raise SetupError("This connector cannot register addresses for events.", hint="Register the address at the provider.")
    return found


def sent_types(connector: Connector, connection: Connection) -> list[str]:
    """The types of events that an endpoint may ask for: those that the description lists, else those that the connector knows."""
    rules, catalog = endpoint_rules(connector), connector.catalog_of(connection)
    field = catalog.document.schema(catalog[rules.create].inputs.fields[rules.types], request=True)
    items = field.get("items", {})
    return list(items.get("enum", ())) or list(connector.part("triggers", Triggers).events)


def register(connector: Connector, connection: Connection, url: str, types: Iterable[str], keep: Keep, *, name: str = "") -> dict[str, Any]:
    """Makes an endpoint, hands its signing secret to ``keep``, and returns what was answered without the secret, wherever it stands.

    The secret is shown this once, so one whose secret cannot be kept is removed again. Raises what calls and ``keep`` raise.
    """
    rules = endpoint_rules(connector)
    result = connector.run(rules.create, {rules.url: url, rules.types: list(types), rules.name: name or url}, connection)
    endpoint, secret = at(result.value, rules.id, None), at(result.value, rules.secret, None)
    if not isinstance(endpoint, str) or not isinstance(secret, str):
        raise MalformedReplyError("The answer has no id or no signing secret.", status=result.status, request_id=result.request_id)
    try:
        checked = check_secret(secret, rules.secret)
        if scrub(endpoint, [checked]) != endpoint:  # it names the secret wherever that is kept
            raise MalformedReplyError("The id of the endpoint has its signing secret.", status=result.status)
        keep(endpoint, checked)
    except BaseException:
        with suppress(ConnectorError):
            remove(connector, connection, endpoint)
        raise
    return dict(_scrubbed(_without(result.value, rules), checked))


def list_endpoints(connector: Connector, connection: Connection) -> Iterable[dict[str, Any]]:
    """Every endpoint, without secrets. Raises what calls and lists raise."""
    rules = endpoint_rules(connector)
    return (_without(item, rules) for item in Pager(connector, rules.list, {}, connection).items() if isinstance(item, Mapping))


def remove(connector: Connector, connection: Connection, endpoint: str) -> None:
    """Removes an endpoint by its id: nothing is sent to it any more. Raises what calls raise."""
    rules = endpoint_rules(connector)
    connector.run(rules.remove, {rules.remove_id: endpoint}, connection)


def _scrubbed(value: Any, secret: Secret) -> Any:
    """The value with every form of the secret starred out, in names too."""
    if isinstance(value, str):
        return scrub(value, [secret])
    if isinstance(value, Mapping):
        return {scrub(str(name), [secret]): _scrubbed(part, secret) for name, part in value.items()}
    return [_scrubbed(part, secret) for part in value] if isinstance(value, list) else value


def _without(data: Mapping[str, Any], rules: EndpointRules) -> dict[str, Any]:
    return {name: value for name, value in data.items() if to_pointer((name,)) != rules.secret}
