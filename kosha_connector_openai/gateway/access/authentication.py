"""Token -> the caller it stands for. Every refusal is the same 401 and does not say why."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b
from typing import Final

from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.gateway.access.jwt import JwtVerifier, Verified
from kosha_connector_openai.gateway.access.sessions import Sessions
from kosha_connector_openai.gateway.access.tokens import TokenTable
from kosha_connector_openai.gateway.budget_entries import BudgetEntry
from kosha_connector_openai.gateway.records import Allowance, Caller, ErrorResponse, Headers, Scope, Validation
from kosha_connector_openai.gateway.settings import DEFAULT, Settings, TokenEntry
from kosha_connector_openai.text import nearest

LONGEST: Final = 8 * 1024
"""Bytes of a token."""
_REMEMBERED: Final = 4_096
_SECONDS: Final = 60.0
"""How long a verified JSON Web Token is not verified again."""
_BEARER: Final = b"bearer"
_VISIBLE: Final = re.compile(rb"[!-~]+")


REFUSED: Final = ErrorResponse(
    401,
    "A valid token is needed: send it as `Authorization: Bearer TOKEN`.",
    code="invalid_api_key",
    headers=(("www-authenticate", "Bearer"),),
)
"""The one answer to every token that is missing, unknown, ill-formed or out of date."""


class Authenticator:
    """Checks the token of every request, before its path."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        privileged: Collection[str] = (),
        unmetered: Collection[str] = (),
        sessions: Sessions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``privileged`` are actions that a list must name, ``unmetered`` those that it must name under a budget; ``sessions`` those of
        browsers. Raises SetupError where a list has a name that nothing has, or the keys of JSON Web Tokens cannot be used."""
        self._settings = settings
        self._clock = clock
        self._sessions = sessions
        rights = _Rights(settings, catalog, frozenset(privileged), frozenset(unmetered))
        self._unlisted = rights.unlisted(settings.budgets.default)
        self._open = None if settings.protected else _anyone(settings, self._unlisted)
        self._table = TokenTable([(entry.hash, _holder(entry, number, settings, rights)) for number, entry in enumerate(settings.tokens)])
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
        if token is None and self._sessions is not None and all(name != b"authorization" for name, _ in headers):
            token = self._sessions.find(headers)
        if token is None:
            return None
        found = self._table.find(token)
        if found is None and self._jwt is not None and token.count(b".") == 2:  # noqa: PLR2004 - header, claims, signature
            return await self._by_jwt(self._jwt, token)
        return found

    async def sign_in(self, token: str) -> bytes | None:
        """The token as its sessions keep it, where it is a caller's; else None."""
        given = token.strip().encode("utf-8", "replace")
        known = self._open is None and await self.identify([(b"authorization", b"Bearer " + given)])
        return given if known else None

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
        caller = _bearer_of(verified, self._settings, self._unlisted)
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
    return token if scheme.lower() == _BEARER and _VISIBLE.fullmatch(token) else None


def _anyone(settings: Settings, actions: frozenset[str]) -> Caller:
    name = next(iter(settings.connections), DEFAULT)
    return Caller("local", "local", name, _validation(settings, name), _allowance(settings, None), actions, settings.budgets.default)


def _holder(entry: TokenEntry, number: int, settings: Settings, rights: _Rights) -> Caller:
    return Caller(
        entry.name,
        entry.tenant or entry.name,
        entry.connection,
        entry.validation or _validation(settings, entry.connection),
        _allowance(settings, entry),
        rights.of(entry, number),
        entry.budget or settings.budgets.default,
    )


class _Rights:
    """What callers may do: their lists, and of privileged actions only those that a list names one by one."""

    def __init__(self, settings: Settings, catalog: Catalog, privileged: frozenset[str], unmetered: frozenset[str]) -> None:
        """Raises SetupError where the list for callers without one of their own has an unknown name."""
        self._groups = {key: action.group.id for key, action in catalog.items()}
        self._privileged, self._unmetered = privileged, unmetered
        self._settings = settings
        self._check("/privileged", settings.privileged, self._groups)

    def unlisted(self, budget: BudgetEntry | None) -> frozenset[str]:
        """What those may do who have no list."""
        return frozenset(self._groups.keys() - self._named_alone(budget) | set(self._settings.privileged))

    def _named_alone(self, budget: BudgetEntry | None) -> frozenset[str]:
        """The actions that a list must name: a budget that meters cannot hold those whose use no reply tells."""
        return self._privileged | self._unmetered if budget is not None and budget.meters else self._privileged

    def of(self, entry: TokenEntry, number: int) -> frozenset[str]:
        """The actions that a token's lists leave; one counts that is in either list. Raises SetupError for an unknown name."""
        budget = entry.budget or self._settings.budgets.default
        if entry.actions is None and entry.groups is None:
            return self.unlisted(budget)
        named, groups = set(entry.actions or ()), set(entry.groups or ())
        self._check(f"/tokens/{number}/actions", named, self._groups)
        self._check(f"/tokens/{number}/groups", groups, set(self._groups.values()))
        alone = self._named_alone(budget)
        grouped = (key for key, group in self._groups.items() if group in groups and key not in alone)
        return frozenset(named.union(grouped))

    def _check(self, place: str, given: Iterable[str], known: Collection[str]) -> None:
        near = {name: nearest(name, known) for name in sorted(set(given) - set(known))}
        faults = [
            Fault(place, "unknown", "has a name that nothing has.", f"Did you mean `{each}`?" if each else "") for each in near.values()
        ]
        if faults:
            raise SetupError("The gateway cannot start: a list of actions is wrong.", faults)


def _bearer_of(verified: Verified, settings: Settings, actions: frozenset[str]) -> Caller:
    name = verified.connection or next(iter(settings.connections), DEFAULT)
    # Two kinds of tokens must not share a name, or one could spend the other's places.
    named = any(entry.tenant == verified.tenant for entry in settings.tokens)
    tenant = verified.tenant if named else f"jwt:{verified.tenant}"
    return Caller(
        f"jwt:{verified.subject}", tenant, name, _validation(settings, name), _allowance(settings, None), actions, settings.budgets.default
    )


def _validation(settings: Settings, connection: str) -> Validation:
    entry = settings.connections.get(connection)
    return (entry.validation if entry else None) or settings.validation


def _allowance(settings: Settings, entry: TokenEntry | None) -> Allowance:
    limits = settings.limits
    if entry is None:
        return Allowance(limits.calls, limits.streams, limits.calls_per_minute)
    rate = limits.calls_per_minute if entry.calls_per_minute is None else entry.calls_per_minute
    return Allowance(entry.calls or limits.calls, entry.streams or limits.streams, rate)
