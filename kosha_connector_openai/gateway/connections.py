"""Settings -> the connections to the upstream, each checked when the service starts: its form, its server, and that its secrets are there.

A connection named in the file has what the file says and nothing of the environment; the default one is what the environment says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.connector import Connector, RecordSink
from kosha_connector_openai.core import log
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.gateway.pages import SubmittedSecrets, unset_but_named
from kosha_connector_openai.gateway.settings import DEFAULT, ConnectionEntry, Settings
from kosha_connector_openai.http import Origin
from kosha_connector_openai.manifest import ConnectionField
from kosha_connector_openai.secrets import Secret, SecretStore
from kosha_connector_openai.secrets.stores import default_stores

_POOL: Final = 5.0
"""Seconds that a call waits for a free connection where the operator sets none: a service turns away, so that callers do not pile up."""
_BARE_HOST: Final = re.compile(r"(?!\d+(?:\.\d+){3}(?:/|\Z))[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[^:@]*)?")
"""A server without scheme and port, which the platform's connectors have always taken to be https."""


def open_connections(
    connector: Connector,
    settings: Settings,
    submitted: SubmittedSecrets,
    *,
    environ: Mapping[str, str] | None = None,
    record: RecordSink = log,
) -> tuple[Connector, dict[str, Connection]]:
    """A connector that can read what the connections name, and the connections by name. Raises SetupError with every fault.

    The connector given may be closed afterwards; the one returned is the caller's to close.
    """
    environ = os.environ if environ is None else environ
    entries = dict(settings.connections) or {DEFAULT: ConnectionEntry()}
    faults: list[Fault] = []
    found: dict[str, Connection] = {}
    for name, entry in entries.items():
        alone = environ if name == DEFAULT else {}
        faults += unset_but_named(connector, alone)
        try:
            found[name] = _open(connector, entry, alone, tenant=name)
        except SetupError as error:
            faults += _named(error, connector, name, alone)
    if not faults:
        widened = Connector(connector.folder, stores=[*_stores(connector, found.values()), submitted], record=record)
        faults = [fault for name, connection in found.items() for fault in _unreadable(widened, name, connection, environ)]
        if not faults:
            return widened, found
        widened.close()
    raise SetupError(
        "The gateway cannot start: its connection to the upstream is not complete.",
        tuple({(fault.pointer, fault.rule, fault.message): fault for fault in faults}.values()),
    )


def same_accounts(connector: Connector, connections: Mapping[str, Connection]) -> dict[str, str]:
    """Each connection -> the first that goes to the same server with the same secret: they are one account of the upstream's."""
    found: dict[str, str] = {}
    seen: list[tuple[Origin, list[Secret | str], str]] = []
    for name, connection in connections.items():
        held = list(_held(connector, connection))
        known = next((first for origin, others, first in seen if origin == connection.server.origin and _overlap(held, others)), None)
        found[name] = known or name
        seen.append((connection.server.origin, held, found[name]))
    return found


def _held(connector: Connector, connection: Connection) -> Iterator[Secret | str]:
    """The secrets of a connection; the reference of one that cannot be had now."""
    context = connection.secret_context(connector.id)
    for credential in connection.credentials.values():
        for reference in credential.references.values():
            try:
                yield connector.stores.resolve(reference, context)
            except ConnectorError:
                yield str(reference)


def _overlap(some: list[Secret | str], others: list[Secret | str]) -> bool:
    """Whether two connections have a secret in common; those without any are the same."""
    return some == others == [] or any(each == other for each in some for other in others)


def wide(connection: Connection, most: int) -> Connection:
    """The connection with a pool for all calls that admission can let in at once."""
    if connection.options.limits is not None:
        return connection
    return replace(connection, limits=replace(connection.limits, connections=most))


def _open(connector: Connector, entry: ConnectionEntry, environ: Mapping[str, str], *, tenant: str) -> Connection:
    server = next((field for field in connector.manifest.connection.fields if field.role == "server"), None)
    values = dict(entry.values)
    if server is not None:
        given = values.get(server.name) or next((environ[name] for name in server.env if environ.get(name, "").strip()), "")
        if _BARE_HOST.fullmatch(given.strip()):
            # The environment's server stays the environment's: its key may go there.
            environ = {name: text for name, text in environ.items() if name not in server.env}
            if server.name in entry.values:
                values[server.name] = f"https://{given.strip()}"
            else:
                environ[server.env[0]] = f"https://{given.strip()}"
    made = connector.connection(values, environ=environ, **{"tenant": tenant, **entry.options})
    return made if made.timeouts.pool else replace(made, timeouts=replace(made.timeouts, pool=_POOL))


def _named(error: SetupError, connector: Connector, name: str, environ: Mapping[str, str]) -> Iterator[Fault]:
    """The faults of a connection, each named as its author wrote it: by variable, or by its place in the file."""
    fields = {f"/{field.name}": field for field in connector.manifest.connection.fields}
    for fault in error.faults or [Fault(error.pointer, error.code, error.message, error.hint)]:
        field = fields.get(fault.pointer)
        if name == DEFAULT and field is not None:
            where = _variable(field, environ)
        elif field is not None:
            where = f"/connections/{name}/values{fault.pointer}"
        else:
            where = f"/connections/{name}{fault.pointer if fault.pointer.startswith('/options') else '/options' + fault.pointer}"
        yield Fault(where, fault.rule, fault.message, fault.fix, fault.allowed)


def _variable(field: ConnectionField, environ: Mapping[str, str]) -> str:
    """The variable that fills a field now, or all that could."""
    return next((variable for variable in field.env if environ.get(variable)), " or ".join(field.env) or field.name)


def _unreadable(connector: Connector, name: str, connection: Connection, environ: Mapping[str, str]) -> Iterator[Fault]:
    """Secrets that cannot be had now, or that no request could carry."""
    context = connection.secret_context(connector.id)
    for credential in connection.credentials.values():
        for reference in credential.references.values():
            if reference.scheme == "env" and environ is not os.environ and reference.locator in environ:
                continue  # an environment of a test's own; the store reads the process's
            if str(reference) == SubmittedSecrets.UNSET:
                continue  # it is asked for in the studio
            try:
                connector.stores.resolve(reference, context)
            except ConnectorError as error:
                where = reference.locator if reference.scheme == "env" else f"/connections/{name}"
                yield Fault(where, error.code, error.message, error.hint)


def _stores(connector: Connector, connections: Iterable[Connection]) -> Iterable[SecretStore]:
    """The connector's stores, with those that read exactly the variables and folders that the operator names."""
    references = {
        reference for each in connections for credential in each.credentials.values() for reference in credential.references.values()
    }
    variables = [reference.locator for reference in references if reference.scheme == "env"]
    folders = [Path(reference.locator).parent for reference in references if reference.scheme == "file" and reference.locator[:1] == "/"]
    own: dict[str, Any] = {store.scheme: store for store in default_stores(variables, folders) if store.scheme in ("env", "file")}
    if any(reference.scheme == "vault" for reference in references) and any(map(os.environ.get, ("VAULT_ADDR", "BAO_ADDR"))):
        from kosha_connector_openai.secrets.stores import VaultStore

        own["vault"] = VaultStore.from_environment()
    return {**connector.stores, **own}.values()
