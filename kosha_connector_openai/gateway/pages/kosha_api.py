"""What the platform asks a connector: which variables it takes, and whether a connection made of some works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import orjson

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.errors import ApiError, ConnectorError, Fault, SetupError
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.http import Origin, parse_server
from kosha_connector_openai.manifest import ConnectionField

HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""What every page of ours is sent with."""
LARGEST: Final = 64 * 1024
"""Bytes of the credentials to try."""
_SECONDS: Final = 15.0
_AT_ONCE: Final = 4
"""Tries under way; each takes a thread."""


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """A status and JSON values."""

    status: int
    value: Any
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        """The values as JSON; integers of any size stay exact."""
        try:
            return orjson.dumps(self.value, default=_plain)
        except TypeError:
            return json.dumps(self.value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def labels(connector: Connector) -> dict[str, str]:
    """The connection's variables, each with its field's label, in the form's order; of several names for one field all of them."""
    return {variable: entry.label for entry in connector.manifest.connection.fields for variable in _variables(entry)}


class Tries:
    """Tries connections, at most four at once."""

    def __init__(self, connector: Connector, submitted: SubmittedSecrets, home: Connection) -> None:
        """``connector`` reads secrets from ``submitted`` too; ``home`` is the connection that an empty body means."""
        self._connector = connector
        self._submitted = submitted
        self._home = home
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, body: bytes, connection: Connection | None = None) -> JsonResponse:
        """What a POST of credentials, by variable, answers: 200 with a sentence, or 400 with what is wrong.

        An empty object tries the caller's own ``connection``. The service's key is never sent to a server that the body names.
        """
        values = _read(body)
        if values is None:
            return _wrong("The request is no JSON object of variables and texts.")
        async with self._gate:
            return await asyncio.to_thread(self._try, values, connection or self._home)

    def _try(self, values: Mapping[str, str], home: Connection) -> JsonResponse:
        try:
            given = self._by_field(values)
            if not given:
                return _works(self._connector.test(home))
            secret = {entry.name for entry in self._fields if entry.secret}
            with self._submitted.hold({name: text for name, text in given.items() if name in secret}) as references:
                connection = self._connection({**given, **references}, home)
                return _works(self._connector.test(connection))
        except ConnectorError as error:
            return _wrong(sentence(error, self._fields))

    @property
    def _fields(self) -> tuple[ConnectionField, ...]:
        return self._connector.manifest.connection.fields

    def _by_field(self, values: Mapping[str, str]) -> dict[str, str]:
        """The form's values; raises SetupError for a variable that it does not have."""
        names = {variable.upper(): entry.name for entry in self._fields for variable in (*_variables(entry), entry.name)}
        faults = [Fault(_shown(key), "unknown", "is no variable of this connector.") for key in values if key.upper() not in names]
        if faults:
            raise SetupError("The connection cannot be tried.", faults)
        # A variable that comes first in the form's list wins, whatever the body's order.
        ranks = {variable.upper(): rank for entry in self._fields for rank, variable in enumerate(_variables(entry))}
        found: dict[str, str] = {}
        for key in sorted(values, key=lambda key: ranks.get(key.upper(), -1)):
            if values[key].strip():
                found.setdefault(names[key.upper()], values[key].strip())
        return found

    def _connection(self, given: Mapping[str, str], home: Connection) -> Connection:
        """A connection of what was given alone: nothing of the service's environment is mixed in."""
        retries = replace(home.retries, attempts=1)
        timeouts = replace(home.timeouts, total=min(_SECONDS, home.total()))
        own = self._origin(given, home) == home.server.origin
        options = {
            "retries": retries,
            "timeouts": timeouts,
            "engine": home.options.engine,
            "proxy": home.options.proxy,
            "ca_file": home.options.ca_file,
            "api_key_header": home.options.api_key_header,
            "token_url": home.options.token_url,
            # Whoever may try servers could look around in this network with it; the service's own server is known anyway.
            "loopback": own and home.options.loopback,
            "networks": home.options.networks if own else (),
        }
        return self._connector.connection(given, environ={}, **options)

    def _origin(self, given: Mapping[str, str], home: Connection) -> Origin | None:
        name = next((entry.name for entry in self._fields if entry.role == "server"), "")
        with suppress(SetupError):
            return parse_server(given[name], networks=home.options.networks).origin if name in given else None
        return None


def _plain(value: Any) -> Any:
    """Read-only mappings as objects."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _variables(entry: ConnectionField) -> tuple[str, ...]:
    return entry.env or (entry.name.upper(),)


def _read(body: bytes) -> dict[str, str] | None:
    """The object of texts in a body; None for anything else."""
    if len(body) > LARGEST:
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    fits = isinstance(value, dict) and all(isinstance(text, (str, type(None))) for text in value.values())
    return {name: text for name, text in value.items() if text is not None} if fits else None


def _works(sentence: str) -> JsonResponse:
    return JsonResponse(200, {"ok": True, "message": sentence})


def _wrong(sentence: str) -> JsonResponse:
    return JsonResponse(400, {"error": sentence})


def sentence(error: ConnectorError, fields: tuple[ConnectionField, ...]) -> str:
    """What is wrong, in words; places in the form are named by their variable."""
    names = {f"/{entry.name}": _variables(entry)[0] for entry in fields}
    faults = [f"{names.get(fault.pointer, fault.pointer)} {fault.message} {fault.fix}".strip() for fault in getattr(error, "faults", ())]
    place = names.get(error.pointer)
    # Servers quote the ends of the key that they refuse.
    refused = isinstance(error, ApiError) and error.status == HTTPStatus.UNAUTHORIZED
    told = "The server answered 401." if error.hint else "The key is not accepted (401)."  # the connector's advice says it in its own words
    message = told if refused else error.message
    head = f"{place}: {message}" if place else message
    return " ".join(part for part in (head, *faults, error.hint) if part)


def _shown(key: str) -> str:
    """A name that the caller sent, short and plain enough to be shown."""
    return "".join(char for char in key[:60] if char.isprintable())


def unset_but_named(connector: Connector, environ: Mapping[str, str]) -> Iterator[Fault]:
    """The variables that are set to nothing where something is needed: an empty key or server is a mistake, not a default."""
    for entry in connector.manifest.connection.fields:
        blank = [name for name in entry.env if name in environ and not environ[name].strip()]
        filled = any(environ.get(name, "").strip() for name in entry.env)
        if blank and not filled and (entry.required or entry.role):
            yield Fault(blank[0], "empty", "is set and empty.", "Give it a value, or do not set it.")
