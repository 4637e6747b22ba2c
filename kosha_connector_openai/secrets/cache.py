"""The short memory of what secret stores gave."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final, NamedTuple

from kosha_connector_openai.errors import SecretError
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, afresh, unwrap


class CacheKey(NamedTuple):
    """All that decides which secret is meant; two tenants never share one."""

    tenant: str
    connector: str
    origin: str
    scheme: str
    locator: str
    field: str | None


def cache_key(reference: SecretReference, context: SecretContext) -> CacheKey:
    """The key under which a secret read for this context is remembered."""
    place = (reference.scheme, reference.locator, reference.field)
    return CacheKey(context.tenant, context.connector, context.origin, *place)


_EARLY: Final = 30.0
"""Seconds, at most, before its end at which a secret is no longer used: a call takes time."""


class _Kept(NamedTuple):
    outcome: Secret | SecretError
    until: float
    ends: float
    """The second of ``time.time`` from which the secret is too near its end to be used."""


@dataclass(slots=True, eq=False)
class _Flight:
    done: Event = field(default_factory=Event)
    outcome: Secret | SecretError | None = None


class SecretCache:
    """Remembers secrets for ``ttl`` seconds, failures for ``negative_ttl``, and reads once for all who ask.

    A secret that its store lets end sooner is read anew before its end: a tenth of its time before, at most half a minute. Safe from any
    thread; async callers use ``peek`` first and then ``get`` in a thread. One cache belongs to one SecretStores.
    """

    def __init__(
        self,
        ttl: float = 60,
        negative_ttl: float = 2,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[CacheKey, _Kept] = {}
        self._flights: dict[CacheKey, _Flight] = {}

    def peek(self, key: CacheKey) -> Secret | None:
        """The remembered secret, or None; never waits for a store."""
        with self._lock:
            outcome = self._fresh(key)
        return outcome if isinstance(outcome, Secret) else None

    def get(self, key: CacheKey, read: Callable[[], Secret]) -> Secret:
        """The remembered secret, or what ``read`` gives; raises its SecretError, also to those who waited."""
        while True:
            with self._lock:
                outcome = self._fresh(key)
                flight = self._flights.get(key)
                leads = outcome is None and flight is None
                if leads:
                    flight = self._flights[key] = _Flight()
            if outcome is None and flight is not None:
                outcome = self._fly(key, flight, read) if leads else self._wait(flight)
            if outcome is not None:
                return unwrap(outcome)

    def invalidate(self, key: CacheKey, stale: Secret | None = None) -> None:
        """Forgets the secret, so that the next caller reads it anew.

        With ``stale``, the secret that the upstream refused, a newer one is kept: of many calls refused
        together, one refreshes.
        """
        with self._lock:
            kept = self._kept.get(key)
            if stale is None:
                self._flights.pop(key, None)
            if kept is not None and (stale is None or kept.outcome is stale):
                del self._kept[key]

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()
            self._flights.clear()

    def _fresh(self, key: CacheKey) -> Secret | SecretError | None:
        kept = self._kept.get(key)
        # By both clocks: an end is a date, and a date's clock may be set back.
        return kept.outcome if kept is not None and self._clock() < kept.until and self._wall() < kept.ends else None

    def _fly(self, key: CacheKey, flight: _Flight, read: Callable[[], Secret]) -> Secret | SecretError:
        started = self._clock()
        try:
            try:
                flight.outcome = read()
            except SecretError as error:
                flight.outcome = afresh(error)
            return flight.outcome
        finally:
            self._land(key, flight, started)

    def _land(self, key: CacheKey, flight: _Flight, started: float) -> None:
        with self._lock:
            # A flight that was invalidated on its way may carry the old value: it is handed out, not kept.
            if self._flights.get(key) is flight:
                del self._flights[key]
                self._keep(key, flight.outcome, started)
        flight.done.set()

    def _keep(self, key: CacheKey, outcome: Secret | SecretError | None, started: float) -> None:
        now = self._clock()
        self._kept = {old: kept for old, kept in self._kept.items() if now < kept.until}
        if outcome is not None:
            ttl = self._ttl if isinstance(outcome, Secret) else self._negative_ttl
            left = self._left(outcome)
            self._kept[key] = _Kept(outcome, min(started + ttl, now + left), self._wall() + left)

    def _left(self, outcome: Secret | SecretError) -> float:
        """Seconds for which the secret may be used."""
        if not isinstance(outcome, Secret) or outcome.expires is None:
            return math.inf
        left = outcome.expires - self._wall()
        return left - min(_EARLY, left / 10)

    @staticmethod
    def _wait(flight: _Flight) -> Secret | SecretError | None:
        flight.done.wait()
        return flight.outcome
