"""Which deliveries were taken before: in memory, or in a store that several processes share."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final, Protocol

from kosha_connector_openai.errors import TriggerError

KEEP: Final = 3 * 86_400
"""Seconds: senders repeat a delivery that was not answered for up to three days."""


class ReplayGuard(Protocol):
    """Remembers deliveries. A shared store does ``take`` in one atomic step, such as a SET with NX and an expiry."""

    def take(self, key: str, now: float) -> bool:
        """Takes a key; returns True where it is new, False where it was taken before."""

    def forget(self, key: str) -> None:
        """Removes a key: the delivery was not handled and may be taken again."""


class MemoryGuard:
    """For one process: at most ``most`` deliveries of the last ``keep`` seconds. Safe to share between threads.

    A delivery that could still be copied is never forgotten to make room: where all are, new ones are refused with 503, and come again.
    """

    def __init__(self, *, most: int = 100_000, keep: float = KEEP, fresh: float = 900) -> None:
        """``fresh``: seconds in which a copy could still pass the check of its time; at least twice the tolerance."""
        self._most = most
        self._keep = keep
        self._fresh = fresh
        self._taken: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, key: str, now: float) -> bool:
        """As ReplayGuard.take; raises TriggerError where there is no room."""
        with self._lock:
            self._drop(now)
            if key in self._taken:
                return False
            if len(self._taken) >= self._most and not self._make_room(now):
                error = TriggerError("Too many deliveries came at once to remember them.", hint="Answer 503: it will come again.")
                error.status, error.retryable = 503, True
                raise error
            self._taken[key] = now
            return True

    def forget(self, key: str) -> None:
        """As ReplayGuard.forget."""
        with self._lock:
            self._taken.pop(key, None)

    def _drop(self, now: float) -> None:
        while self._taken and next(iter(self._taken.values())) < now - self._keep:
            self._taken.popitem(last=False)

    def _make_room(self, now: float) -> bool:
        if next(iter(self._taken.values())) >= now - self._fresh:
            return False
        self._taken.popitem(last=False)
        return True
