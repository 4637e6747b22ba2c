"""Secret stores: what one is, the closed set that a host uses, and the short memory of what they gave."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final, NamedTuple, Protocol, runtime_checkable

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret


@dataclass(frozen=True, slots=True)
class SecretContext:
    """For whom a secret is read. ``tenant`` comes from the host, never from an action's inputs."""

    tenant: str = ""
    origin: str = ""
    connector: str = ""


@runtime_checkable
class SecretStore(Protocol):
    """A place that keeps secrets, found by the scheme of a reference.

    Two optional marks: ``immediate = True`` for a store that never waits (it is read on the event loop),
    ``slow = True`` for one that may hang (it is read in a thread, within a time limit).
    """

    @property
    def scheme(self) -> str:
        """The word before the colon of its references."""

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret. Raises SecretMissingError, SecretRefusedError or SecretStoreError."""


class SecretStores(Mapping[str, SecretStore]):
    """A read-only mapping from scheme to store. A reference is answered by its own store or not at all."""

    def __init__(self, stores: Iterable[SecretStore], *, time_limit: float = 5) -> None:
        """``time_limit``: seconds, for slow stores. Raises SetupError when two stores claim one scheme."""
        self._stores: dict[str, SecretStore] = {}
        self._time_limit = time_limit
        for store in stores:
            if self._stores.setdefault(store.scheme, store) is not store:
                raise SetupError(f"Two secret stores claim the scheme {store.scheme}.", hint="Remove one of them.")

    def __getitem__(self, scheme: str) -> SecretStore:
        return self._stores[scheme]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    def immediate(self, reference: SecretReference) -> bool:
        """Whether resolving it never waits, so that async callers need no thread for it."""
        store = self._stores.get(reference.scheme)
        return store is None or bool(getattr(store, "immediate", False))

    def resolve(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret that the reference's own store holds.

        Raises SecretMissingError, SecretRefusedError or SecretStoreError; what else a store raises becomes a
        SecretStoreError that keeps nothing but its type's name. The value is checked as by ``check_secret``.
        """
        store = self._stores.get(reference.scheme)
        if store is None:
            known = ", ".join(sorted(self)) or "none"
            raise _final(SecretStoreError("No secret store has this scheme.", hint=f"Known: {known}."))
        read = self._read_in_time if getattr(store, "slow", False) else _read
        return _open(read(store, reference, context))

    def _read_in_time(self, store: SecretStore, reference: SecretReference, context: SecretContext) -> Secret | SecretError:
        answer: Future[Secret | SecretError] = Future()
        # A daemon thread: a store that hangs must not keep the process from ending.
        Thread(target=lambda: answer.set_result(_read(store, reference, context)), daemon=True).start()
        try:
            return answer.result(self._time_limit)
        except TimeoutError:
            return SecretStoreError(f"The secret store {store.scheme} did not answer within {self._time_limit:g} seconds.")


def _read(store: SecretStore, reference: SecretReference, context: SecretContext) -> Secret | SecretError:
    """What the store gave or why it did not, never raised: a frame of the store would show its variables."""
    try:
        return _checked(store.read(reference, context), reference)
    except SecretError as error:
        return error
    except Exception as error:
        return SecretStoreError(f"The secret store {store.scheme} failed with {type(error).__name__}.")


def _checked(found: object, reference: SecretReference) -> Secret:
    """What a store gave, if a request can carry it: an outside store may not have checked."""
    if not isinstance(found, Secret):
        del found
        raise _final(SecretStoreError(f"The secret store {reference.scheme} gave something that is no Secret."))
    if found.expires is not None and found.expires <= time.time():
        raise SecretStoreError(f"The secret store {reference.scheme} gave a secret that has ended.", hint="Check the clocks.")
    checked = check_secret(found.reveal(), str(reference), version=found.version, expires=found.expires)
    # A record names what was used: a secret that does not say where it came from is given its reference.
    return found if found == checked and found.reference else checked


def _open(outcome: Secret | SecretError) -> Secret:
    if isinstance(outcome, Secret):
        return outcome
    raise _afresh(outcome)


def _final(error: SecretError) -> SecretError:
    error.retryable = False
    return error


def _afresh(error: SecretError) -> SecretError:
    """The same error without traceback, cause and context, and of a type of our own."""
    kinds = (SecretMissingError, SecretRefusedError, SecretStoreError, SecretError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    again = kind(error.message, error.faults, hint=error.hint, pointer=error.pointer)
    again.retryable = error.retryable
    return again


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
                return _open(outcome)

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
                flight.outcome = _afresh(error)
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
