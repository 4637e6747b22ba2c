"""Token -> the caller it stands for. Every refusal is the same 401 and does not say why."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Final

from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.gateway.access.jwt import JwtVerifier, Verified
from kosha_connector_openai.gateway.access.tokens import TokenTable
from kosha_connector_openai.gateway.records import Allowance, Caller, ErrorResponse, Headers, Scope, Validation
from kosha_connector_openai.gateway.settings import DEFAULT, Settings, TokenEntry
from kosha_connector_openai.text import nearest

LONGEST: Final = 8 * 1024
"""Bytes of a token."""
_REMEMBERED: Final = 4_096
_SECONDS: Final = 60.0
"""How long a verified JSON Web Token is not verified again."""
_BEARER: Final = b"bearer"


REFUSED: Final = ErrorResponse(
    401,
    "A valid token is needed: send it as `Authorization: Bearer TOKEN`.",
    code="invalid_api_key",
    headers=(("www-authenticate", "Bearer"),),
)
"""The one answer to every token that is missing, unknown, ill-formed or out of date."""


class Authenticator:
    """Checks the token of every request, before its path."""

    def __init__(self, settings: Settings, catalog: Catalog, *, clock: Callable[[], float] = time.time) -> None:
        """Raises SetupError where a token's actions or groups are unknown, or the keys of JSON Web Tokens cannot be used."""
        self._settings = settings
        self._clock = clock
        self._open = None if settings.protected else _anyone(settings)
        self._table = TokenTable([(entry.hash, _holder(entry, number, settings, catalog)) for number, entry in enumerate(settings.tokens)])
        self._jwt = JwtVerifier(settings.jwt) if settings.jwt else None
        self._key = os.urandom(32)
        self._verified: dict[bytes, tuple[Caller, float]] = {}

    @property
    def open(self) -> bool:
        """Whether anyone on this machine may call, without a token."""
        return self._open is not None

    async def __call__(self, scope: Scope) -> Caller | ErrorResponse:
        """The caller behind a request, or the one refusal."""
        return await self.identify(scope["headers"]) or REFUSED

    async def identify(self, headers: Headers) -> Caller | None:
        """The caller behind a request's headers (names in lower case); None for every reason there is to refuse."""
        if self._open is not None:
            return self._open
        token = _token(headers)
        if token is None:
            return None
        found = self._table.find(token)
        if found is None and self._jwt is not None and token.count(b".") == 2:  # noqa: PLR2004 - header, claims, signature
            return await self._by_jwt(self._jwt, token)
        return found

    async def _by_jwt(self, verifier: JwtVerifier, token: bytes) -> Caller | None:
        mark = blake2b(token, digest_size=32, key=self._key).digest()
        now = self._clock()
        known = self._verified.get(mark)
        if known is not None and now < known[1]:
            return known[0]
        verified = await verifier.verify(token.decode("ascii"))
        if verified is None:
            self._verified.pop(mark, None)
            return None
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        caller = _bearer_of(verified, self._settings)
        until = min(now + _SECONDS, verified.expires) if verified.expires else now + _SECONDS
        self._verified[mark] = caller, until
        return caller


def tenants(settings: Settings) -> dict[str, list[str]]:
    """The tenants of each connection; an issuer's tokens stand for many."""
    found: dict[str, list[str]] = {}
    for entry in settings.tokens:
        found.setdefault(entry.connection, []).append(entry.tenant or entry.name)
    if settings.jwt:
        for name in _reachable_by_jwt(settings):
            found.setdefault(name, []).extend(("*", "**"))
    return found


def _reachable_by_jwt(settings: Settings) -> Iterator[str]:
    if settings.jwt and settings.jwt.connections:
        yield from set(settings.jwt.connections.values())
    else:
        yield next(iter(settings.connections), DEFAULT)


def _token(headers: Headers) -> bytes | None:
    """The one bearer token (RFC 6750, section 2.1) of a request."""
    found = [value for name, value in headers if name == b"authorization"]
    if len(found) != 1 or len(found[0]) > LONGEST:
        return None
    scheme, _, token = found[0].strip().partition(b" ")
    token = token.strip()
    fits = scheme.lower() == _BEARER and token and all(0x21 <= byte <= 0x7E for byte in token)  # noqa: PLR2004 - visible ASCII
    return token if fits else None


def _anyone(settings: Settings) -> Caller:
    name = next(iter(settings.connections), DEFAULT)
    return Caller("local", "local", name, _validation(settings, name), _allowance(settings, None))


def _holder(entry: TokenEntry, number: int, settings: Settings, catalog: Catalog) -> Caller:
    return Caller(
        entry.name,
        entry.tenant or entry.name,
        entry.connection,
        entry.validation or _validation(settings, entry.connection),
        _allowance(settings, entry),
        _actions(entry, number, catalog),
    )


def _actions(entry: TokenEntry, number: int, catalog: Catalog) -> frozenset[str] | None:
    """The actions that a token's lists leave; None for all. An action counts that is in either list."""
    if entry.actions is None and entry.groups is None:
        return None
    known = {key: action.group.id for key, action in catalog.items()}
    named, groups = set(entry.actions or ()), set(entry.groups or ())
    faults = [
        Fault(f"/tokens/{number}/{place}", "unknown", "has a name that nothing has.", f"Did you mean `{near}`?" if near else "")
        for place, given, all_names in (("actions", named, set(known)), ("groups", groups, set(known.values())))
        for near in [nearest(name, all_names) for name in sorted(given - all_names)]
    ]
    if faults:
        raise SetupError("The gateway cannot start: a token's list is wrong.", faults)
    return frozenset(action for action, group in known.items() if action in named or group in groups)


def _bearer_of(verified: Verified, settings: Settings) -> Caller:
    name = verified.connection or next(iter(settings.connections), DEFAULT)
    # Two kinds of tokens must not share a name, or one could spend the other's places.
    return Caller(f"jwt:{verified.subject}", verified.tenant, name, _validation(settings, name), _allowance(settings, None))


def _validation(settings: Settings, connection: str) -> Validation:
    entry = settings.connections.get(connection)
    return (entry.validation if entry else None) or settings.validation


def _allowance(settings: Settings, entry: TokenEntry | None) -> Allowance:
    limits = settings.limits
    if entry is None:
        return Allowance(limits.calls, limits.streams, limits.calls_per_minute)
    rate = limits.calls_per_minute if entry.calls_per_minute is None else entry.calls_per_minute
    return Allowance(entry.calls or limits.calls, entry.streams or limits.streams, rate)
