"""Connections by client address: by those that are not known to hold a token, one address takes few places and little memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

_PATIENCE: Final = 3.0
"""Seconds that a new connection has to show its token before it may have to give way."""
_AT_ONCE: Final = 8
"""Times as many connections as may stay can come at once, as when many clients start together."""
_HEADS: Final = 1024 * 1024
"""Bytes of heads that are not whole or not answered, of all connections that showed no token."""
_SHARE: Final = 8 * 1024
"""Bytes of them that one connection may hold however many there are: the head of a usual call, with what is kept beside it."""


class Droppable(Protocol):
    """What the places need of a connection."""

    def drop(self) -> None:
        """Closes the connection without a reply."""

    def waits(self) -> bool:
        """Whether the service is behind with it: its first bytes, or a whole head, are here and nothing came of them yet."""


class Places:
    """Who is connected. A connection is anonymous until a request by it was let in; the oldest anonymous ones give way."""

    def __init__(self, most: int, anonymous: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``most``: connections of all; ``anonymous``: connections of one address that have shown no token."""
        self._most = most
        self._anonymous = anonymous
        self._clock = clock
        self._all: dict[Droppable, str] = {}
        self._waiting: dict[str, dict[Droppable, float]] = {}
        self._heads = 0
        self._ending: set[Droppable] = set()

    def add(self, connection: Droppable, address: str) -> bool:
        """Takes a place; False where there is none, and then none is taken."""
        waiting = self._waiting.setdefault(address, {})
        while len(waiting) >= self._anonymous and self._drop_oldest(waiting):
            pass
        full = len(self._all) >= self._most and not any(self._drop_oldest(each) for each in list(self._waiting.values()))
        if full or len(waiting) >= _AT_ONCE * self._anonymous:
            self._tidy(address)
            return False
        self._all[connection] = address
        self._waiting.setdefault(address, waiting)[connection] = self._clock()
        return True

    def know(self, connection: Droppable) -> None:
        """A request by this connection was let in."""
        address = self._all.get(connection)
        if address is not None and self._waiting.get(address, {}).pop(connection, None) is not None:
            self._tidy(address)

    def remove(self, connection: Droppable) -> None:
        """Gives the place back."""
        self._ending.discard(connection)
        address = self._all.pop(connection, None)
        if address is not None and self._waiting.get(address, {}).pop(connection, None) is not None:
            self._tidy(address)

    def linger(self, connection: Droppable) -> bool:
        """Whether a connection that ends may stay until its client has read why: no more of them than one address may have."""
        if len(self._ending) >= self._anonymous:
            return False
        self._ending.add(connection)
        return True

    def hold(self, before: int, size: int) -> bool:
        """Counts the bytes of heads that a connection without a token holds; False where it should hold no more."""
        self._heads += size - before
        return size <= _SHARE or self._heads <= _HEADS

    def _drop_oldest(self, waiting: dict[Droppable, float]) -> bool:
        oldest = next(iter(waiting), None)
        if oldest is None or self._clock() - waiting[oldest] < _PATIENCE:
            return False
        if oldest.waits():  # the service is behind, not the client
            del waiting[oldest]
            waiting[oldest] = self._clock()
            return False
        self.remove(oldest)
        oldest.drop()
        return True

    def _tidy(self, address: str) -> None:
        if not self._waiting.get(address, True):
            del self._waiting[address]
