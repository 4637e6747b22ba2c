"""Connection: to which server, with which credential *reference*, under which limits. It never holds the secret itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

from kosha_connector_openai.core.connection.auth import AUTH_TYPES, Credential, auth_type, combine
from kosha_connector_openai.core.connection.credentials import ANY, idle_fields, key_place, make_credentials
from kosha_connector_openai.core.connection.options import Options, check_options
from kosha_connector_openai.core.connection.server_kinds import missing, role, server_kind_of
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.http import Network, Origin, Server, WireTimeouts, parse_origin, parse_server
from kosha_connector_openai.manifest import (
    ConnectionField,
    ConnectionForm,
    Limits,
    Manifest,
    Retries,
    ServerForm,
    ServerKind,
    Timeouts,
    Validation,
)
from kosha_connector_openai.openapi import Document
from kosha_connector_openai.secrets import SecretContext, SecretReference
from kosha_connector_openai.text import nearest

T = TypeVar("T")
_SHORTEST_KEY: Final = 8
"""Characters: what is shorter is a part of a key."""


@dataclass(frozen=True)
class Connection:
    """A checked connection. Two calls with equal connections share their sockets; tenants never do."""

    server: Server
    credentials: Mapping[str, Credential]
    """Security scheme of the description (``*`` for all) -> how it is met; a scheme whose fields are empty is not here."""
    headers: tuple[tuple[str, str], ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = field(default_factory=Retries)
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    form: ServerForm | None = None
    """How this kind of server has the API, where that is not as described."""
    form_values: Mapping[str, str] = field(default_factory=dict)
    """The plain fields of the connection, which the server's form may need."""
    large_body: str = ""
    """What to send in place of a value that is too large for a body."""
    validation: Validation = "on"
    """How strictly inputs are held to the description, by the options or else by the kind of server."""
    shortest_secret: int = 1
    """Characters that a secret has at least: 8 at the manifest's own server, 1 elsewhere, since a server of your own may take any word."""
    standard_total: float = 120.0
    standard_stream_total: float = 1_800.0
    """Seconds for a call where neither the operator nor the manifest's entry of the action says how many."""

    def secret_context(self, connector: str) -> SecretContext:
        """For whom a connector reads this connection's secrets."""
        return SecretContext(self.options.tenant, str(self.server.origin), connector, self.shortest_secret)

    def total(self, usual: float | None = None) -> float:
        """Seconds for a call: the operator's ``timeouts.total``, else ``usual``, the action's own in the manifest, else the standard."""
        return self.timeouts.total or usual or self.standard_total

    @property
    def stream_total(self) -> float:
        """Seconds for an event stream: the operator's ``timeouts.stream_total``, else their ``timeouts.total``, else the standard."""
        return self.timeouts.stream_total or self.timeouts.total or self.standard_stream_total

    def credential(self, security: tuple[tuple[str, ...], ...]) -> Credential | None:
        """The credential for an operation's security alternatives: the first that this connection can meet, all its schemes together.

        None where no credential is asked for; raises SetupError where one is, and none is set.
        """
        for alternative in security:
            if all(scheme in self.credentials for scheme in alternative):
                found = combine([self.credentials[scheme] for scheme in alternative]) if alternative else None
                if found or not alternative:
                    return found
        if not security or ANY in self.credentials:
            return next(iter(self.credentials.values()), None)
        raise SetupError("This action needs a credential that the connection does not have.", [_missing(security)])

    def serving(self, servers: tuple[str, ...]) -> Connection:
        """The connection at the first of an operation's own servers to which its credentials may go; else as it is."""
        if not servers or self.form is not None:
            return self
        origins = [frozenset({self.server.origin}), *(credential.allowed_origins for credential in self.credentials.values())]
        for text in servers:
            try:
                server = parse_server(f"{self.server.origin}{text}" if text.startswith("/") and text[1:2] != "/" else text)
            except SetupError:
                continue
            if server.origin == self.server.origin or (len(origins) > 1 and all(server.origin in each for each in origins[1:])):
                return replace(self, server=server)
        return self

    @cached_property
    def wire_timeouts(self) -> WireTimeouts:
        """The seconds of one attempt's steps."""
        given = self.timeouts
        return WireTimeouts(given.connect, given.write, given.pool or math.inf, given.head or math.inf)

    @cached_property
    def pool_key(self) -> tuple[object, ...]:
        """What two calls must have in common to share sockets."""
        options = self.options
        reach = (options.networks, options.loopback, options.proxy, options.proxy_auth)
        trust = (options.ca_file, options.client_cert, options.client_key)
        return _PoolKey((options.tenant, self.server.origin, options.engine, *reach, *trust, self.limits))


class _PoolKey(tuple[object, ...]):  # noqa: SLOT001 - its hash is kept in it
    """Its hash is computed once: each call looks for it several times."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return _PoolKey, (tuple(self),)  # another process hashes texts otherwise


def make_connection(
    manifest: Manifest,
    values: Mapping[str, str],
    options: Options,
    document: Callable[[], Document] | None = None,
    homes: Mapping[str, Origin] = {},
) -> Connection:
    """A connection from the form's values; raises SetupError with every fault, each naming its field.

    A secret field's value is a secret reference; the secret is not read here. ``document`` is asked where a key goes that nobody says.
    ``homes`` has the secret fields that are for another origin than the server's or those of the options.
    """
    values = key_place(manifest, values, document) | {**values} if document else values
    form = manifest.connection
    faults: list[Fault] = []
    kind = _try(faults, lambda: server_kind_of(manifest, values)) or ServerKind(title="unknown")
    given = _known(form, {**kind.values, **{name: text for name, text in values.items() if text and text.strip()}}, faults)
    faults += missing(kind, given)
    server = _try(faults, lambda: _server(manifest, given, options.networks))
    scheme = _try(faults, lambda: _scheme(form, given))
    faults += _missing_fields(form, given, idle_fields(form, manifest.auth, scheme or ""))
    references = _references(form, given, faults)
    origins = _try(faults, lambda: frozenset(parse_origin(text, networks=options.networks) for text in options.allowed_origins))
    headers = _headers(form, given, options, faults)
    faults += check_options(options)
    if faults or server is None or scheme is None:
        raise SetupError("The connection is not complete.", faults)
    allowed = origins or frozenset({server.origin})
    connection = Connection(
        server=server,
        credentials=make_credentials(manifest.auth, scheme, references, given, allowed, options, document, homes),
        headers=headers,
        options=options,
        form=kind.form,
        form_values={name: text for name, text in given.items() if not _field(form, name).secret} if kind.form else {},
        validation=options.validation or kind.validation,
        shortest_secret=_SHORTEST_KEY if _is_default(manifest, server, options.networks) else 1,
    )
    return _limited(connection, manifest)


def _limited(connection: Connection, manifest: Manifest) -> Connection:
    """The connection with the times, retries and limits of its options, else of the manifest."""
    options, defaults = connection.options, manifest.defaults
    times = defaults.timeouts
    return replace(
        connection,
        timeouts=options.timeouts or replace(times, total=None),
        retries=options.retries or defaults.retries,
        limits=options.limits or defaults.limits,
        large_body=defaults.large_body,
        standard_total=times.total or Connection.standard_total,
        standard_stream_total=times.stream_total or Connection.standard_stream_total,
    )


def form_schema(form: ConnectionForm, kinds: Mapping[str, ServerKind] = MappingProxyType({})) -> dict[str, Any]:
    """The connection form as JSON Schema 2020-12; a secret field is marked ``writeOnly`` and takes a reference."""
    properties = {}
    for entry in form.fields:
        schema: dict[str, Any] = {"type": "string", "title": entry.label, "description": entry.help}
        if entry.default is not None:
            schema["default"] = entry.default
        if entry.placeholder:
            schema["examples"] = [entry.placeholder]
        if entry.secret:
            schema |= {"writeOnly": True, "format": "secret-reference"}
        if entry.role == "auth_type":
            schema["enum"] = list(AUTH_TYPES)
        if entry.role == "server_kind":
            schema["oneOf"] = [{"const": name, "title": kind.title, "description": kind.help} for name, kind in kinds.items()]
        properties[entry.name] = schema
    required = [entry.name for entry in form.fields if entry.required]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _known(form: ConnectionForm, values: Mapping[str, str], faults: list[Fault]) -> dict[str, str]:
    names = {name: entry.name for entry in form.fields for name in (*entry.aliases, entry.name)}
    for name in values.keys() - names.keys():
        near = nearest(name, names)
        fix = f"Did you mean `{near}`?" if near else f"Known: {', '.join(sorted(set(names.values())))}."
        faults.append(Fault(f"/{name}", "unknown", "The connection has no such field.", fix))
    given = {entry.name: entry.default for entry in form.fields if entry.default is not None}
    # An alias never goes before the present name: it comes first, so that the name takes its place.
    ordered = sorted(values.items(), key=lambda item: names.get(item[0]) == item[0])
    given |= {names[name]: text.strip() for name, text in ordered if name in names and text and text.strip()}
    return given


def _missing_fields(form: ConnectionForm, given: Mapping[str, str], idle: Collection[str]) -> Iterator[Fault]:
    for entry in form.fields:
        if entry.required and entry.role != "server" and entry.name not in given and entry.name not in idle:
            sources = f" or set {' or '.join(entry.env)}" if entry.env else ""
            yield Fault(f"/{entry.name}", "required", "is missing.", f"Fill it in{sources}.")


def _server(manifest: Manifest, given: Mapping[str, str], networks: Sequence[Network]) -> Server:
    entry = role(manifest, "server")
    text = given.get(entry.name) if entry else None
    if text and not manifest.servers.override:
        raise SetupError("This connector has one server.", [Fault(f"/{entry.name}", "fixed", "may not be changed.")])  # type: ignore[union-attr]
    text = text or manifest.servers.default
    if not text:
        name = entry.name if entry else "server"
        raise SetupError("No server.", [Fault(f"/{name}", "required", "is missing.", "Give the server's URL.")])
    return parse_server(text, pointer=f"/{entry.name}" if entry else "/server", networks=networks)


def _is_default(manifest: Manifest, server: Server, networks: Sequence[Network]) -> bool:
    default = manifest.servers.default
    return default is not None and parse_server(default, networks=networks).origin == server.origin


def _scheme(form: ConnectionForm, given: Mapping[str, str]) -> str:
    """The authentication scheme that the form asks for; "" where the description decides."""
    entry = next((entry for entry in form.fields if entry.role == "auth_type"), None)
    return auth_type(given[entry.name]) if entry and entry.name in given else ""


def _references(form: ConnectionForm, given: Mapping[str, str], faults: list[Fault]) -> dict[str, SecretReference]:
    """The references of the secret fields that are filled in."""
    texts = {name: text for name, text in given.items() if _field(form, name).secret}
    found = {name: _try(faults, partial(_reference, text, name)) for name, text in texts.items()}
    return {name: reference for name, reference in found.items() if reference}


def _reference(text: str, name: str) -> SecretReference:
    try:
        return SecretReference.parse(text)
    except SetupError as error:
        raise SetupError(error.message, [Fault(f"/{name}", "reference", error.message, error.hint)]) from None


def _headers(form: ConnectionForm, given: Mapping[str, str], options: Options, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    pairs = [(entry.header, given[entry.name], f"/{entry.name}") for entry in form.fields if entry.header and entry.name in given]
    pairs += [(name, value, f"/headers/{name}") for name, value in options.headers.items()]
    for name, value, pointer in pairs:
        if not all(" " <= char <= "~" for char in f"{name}{value}"):
            faults.append(Fault(pointer, "control", "has a character that a header cannot carry.", "Use plain letters."))
    return tuple((name, value) for name, value, _ in pairs)


def _field(form: ConnectionForm, name: str) -> ConnectionField:
    return next(entry for entry in form.fields if entry.name == name)


def _try(faults: list[Fault], make: Callable[[], T]) -> T | None:
    """What ``make`` gives; where it raises, its faults are collected, so that a user sees all of them at once."""
    try:
        return make()
    except SetupError as error:
        faults.extend(error.faults or [Fault(error.pointer, error.code, error.message, error.hint)])
        return None


def _missing(security: tuple[tuple[str, ...], ...]) -> Fault:
    names = " or ".join(" with ".join(alternative) for alternative in security)
    return Fault("/credentials", "security", f"needs {names}.", "Fill in the credential of the connection.")
