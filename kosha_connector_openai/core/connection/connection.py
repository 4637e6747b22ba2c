"""Connection: to which server, with which credential *reference*, under which limits. It never holds the secret itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kosha_connector_openai.core.connection.auth import AUTH_TYPES, Credential, auth_type
from kosha_connector_openai.core.connection.credentials import ANY, idle_fields, make_credentials
from kosha_connector_openai.core.connection.origin import Server, parse_origin, parse_server
from kosha_connector_openai.core.connection.secret import SecretReference
from kosha_connector_openai.core.errors import Fault, SetupError
from kosha_connector_openai.core.nearest import nearest
from kosha_connector_openai.core.spec.manifest import (
    ConnectionField,
    ConnectionForm,
    Limits,
    Manifest,
    Retries,
    Timeouts,
)

T = TypeVar("T")
EngineName = Literal["auto", "httpx", "httpx2", "aiohttp"]


class Options(BaseModel):
    """What an operator may set beyond the form. Nothing here can be set by a workflow's inputs.

    ``networks`` are private networks (such as ``10.1.0.0/16``) that a server may be in; public addresses may always be
    called, and with ``loopback`` this machine by the names that say so. ``headers`` go with every request. ``roots`` are folders that
    file inputs may be read from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    timeouts: Timeouts | None = None
    retries: Retries | None = None
    limits: Limits | None = None
    engine: EngineName = "auto"
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    loopback: bool = True
    allowed_origins: tuple[str, ...] = ()
    headers: Mapping[str, str] = Field(default_factory=dict)
    proxy: str | None = None
    ca_file: Path | None = None
    roots: tuple[Path, ...] = ()
    any_path: bool = False
    api_key_header: str = Field(default="api-key", description="Header of the key where the authentication type is API_KEY.")
    token_url: str = Field(default="", description="Where access tokens are renewed if the authentication type is OAUTH2.")
    tenant: str = ""


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

    def credential(self, security: tuple[tuple[str, ...], ...]) -> Credential | None:
        """The credential for an operation's security alternatives: the first of one scheme that this connection can meet.

        None where no credential is asked for; raises SetupError where one is, and none is set.
        """
        for alternative in security:
            if len(alternative) <= 1 and all(scheme in self.credentials for scheme in alternative):
                return self.credentials[alternative[0]] if alternative else None
        if not security or ANY in self.credentials:
            return next(iter(self.credentials.values()), None)
        raise SetupError("This action needs a credential that the connection does not have.", [_missing(security)])

    @cached_property
    def pool_key(self) -> tuple[object, ...]:
        """What two calls must have in common to share sockets."""
        options = self.options
        reach = (options.networks, options.loopback, options.proxy, options.ca_file)
        return (options.tenant, self.server.origin, options.engine, *reach, self.limits)


def make_connection(manifest: Manifest, values: Mapping[str, str], options: Options) -> Connection:
    """A connection from the form's values; raises SetupError with every fault, each naming its field.

    A secret field's value is a secret reference; the secret is not read here.
    """
    form = manifest.connection
    faults: list[Fault] = []
    given = _known(form, values, faults)
    server = _try(faults, lambda: _server(manifest, given))
    scheme = _try(faults, lambda: _scheme(form, given))
    faults += _missing_fields(form, given, idle_fields(form, manifest.auth, scheme or ""))
    references = {
        name: reference
        for name, text in given.items()
        if _field(form, name).secret and (reference := _try(faults, lambda text=text, name=name: _reference(text, name)))  # type: ignore[misc]
    }
    origins = _try(faults, lambda: frozenset(parse_origin(text) for text in options.allowed_origins))
    headers = _headers(form, given, options, faults)
    if faults or server is None or scheme is None:
        raise SetupError("The connection is not complete.", faults)
    allowed = origins or frozenset({server.origin})
    return Connection(
        server=server,
        credentials=make_credentials(
            manifest.auth, scheme, references, given, allowed, api_key_header=options.api_key_header, token_url=options.token_url
        ),
        headers=headers,
        timeouts=options.timeouts or manifest.defaults.timeouts,
        retries=options.retries or manifest.defaults.retries,
        limits=options.limits or manifest.defaults.limits,
        options=options,
    )


def values_from_environment(form: ConnectionForm, environ: Mapping[str, str]) -> dict[str, str]:
    """The form's values from the variables that its fields name; a secret field becomes a reference to the variable."""
    found = {}
    for entry in form.fields:
        name = next((name for name in entry.env if environ.get(name)), None)
        if name:
            found[entry.name] = f"env:{name}" if entry.secret else environ[name]
    return found


def home_of_environment(manifest: Manifest, found: Mapping[str, str], named: Mapping[str, str]) -> str | None:
    """The origin that the environment's secrets are for, where someone named another server without naming a secret; else None."""
    server = next((entry.name for entry in manifest.connection.fields if entry.role == "server"), "")
    borrowed = [entry.name for entry in manifest.connection.fields if entry.secret and entry.name in found and not named.get(entry.name)]
    home = found.get(server) or manifest.servers.default
    return str(parse_server(home).origin) if borrowed and named.get(server) and home else None


def read_options(values: Mapping[str, Any]) -> Options:
    """Options from plain values; raises SetupError naming each field that is wrong."""
    try:
        return Options.model_validate(values)
    except ValidationError as error:
        faults = [
            Fault("/" + "/".join(str(token) for token in entry["loc"]), entry["type"], f"{entry['msg']}.", _near(entry["loc"]))
            for entry in error.errors(include_input=False)
        ]
    # Raised out here: inside, the library's error would stay its context, and that one holds the values.
    raise SetupError("The connection's options are wrong.", faults)


def form_schema(form: ConnectionForm) -> dict[str, Any]:
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
    names = {entry.name for entry in form.fields}
    for name in values.keys() - names:
        near = nearest(name, names)
        fix = f"Did you mean `{near}`?" if near else f"Known: {', '.join(sorted(names))}."
        faults.append(Fault(f"/{name}", "unknown", "The connection has no such field.", fix))
    given = {entry.name: entry.default for entry in form.fields if entry.default is not None}
    given |= {name: text.strip() for name, text in values.items() if name in names and text and text.strip()}
    return given


def _missing_fields(form: ConnectionForm, given: Mapping[str, str], idle: Collection[str]) -> Iterator[Fault]:
    for entry in form.fields:
        if entry.required and entry.role != "server" and entry.name not in given and entry.name not in idle:
            sources = f" or set {' or '.join(entry.env)}" if entry.env else ""
            yield Fault(f"/{entry.name}", "required", "is missing.", f"Fill it in{sources}.")


def _server(manifest: Manifest, given: Mapping[str, str]) -> Server:
    entry = next((entry for entry in manifest.connection.fields if entry.role == "server"), None)
    text = given.get(entry.name) if entry else None
    if text and not manifest.servers.override:
        raise SetupError("This connector has one server.", [Fault(f"/{entry.name}", "fixed", "may not be changed.")])  # type: ignore[union-attr]
    text = text or manifest.servers.default
    if not text:
        name = entry.name if entry else "server"
        raise SetupError("No server.", [Fault(f"/{name}", "required", "is missing.", "Give the server's URL.")])
    return parse_server(text, pointer=f"/{entry.name}" if entry else "/server")


def _scheme(form: ConnectionForm, given: Mapping[str, str]) -> str:
    """The authentication scheme that the form asks for; "" where the description decides."""
    entry = next((entry for entry in form.fields if entry.role == "auth_type"), None)
    return auth_type(given[entry.name]) if entry and entry.name in given else ""


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


def _near(location: tuple[int | str, ...]) -> str:
    near = nearest(str(location[-1]), Options.model_fields) if location else None
    return f"Did you mean `{near}`?" if near else ""
