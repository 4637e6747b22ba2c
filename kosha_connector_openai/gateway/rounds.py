"""The bounds of one round of the event loop: of what comes at once, a few have their turn in each, and whatever else is ready, a probe for
one, has its own in between."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final

BEGUN: Final = 4
"""Requests that begin in one round; each takes about half a millisecond until it waits for something."""
ANSWERED: Final = 4
"""Calls whose upstream has answered and that go on in one round; each takes a quarter of a millisecond to its end."""
ACCEPTED: Final = 100
"""Connections that are accepted in one round; each takes a tenth of a millisecond until its first bytes are read."""
READ: Final = 8
"""Connections of which a piece of a body, 64 KiB, is read in one round; each takes about a tenth of a millisecond, with who gets it."""


class Rounds:
    """Lets so many have their turn in each round, in the order in which they asked. Whoever waits costs nothing meanwhile."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: OrderedDict[Callable[[], None], None] = OrderedDict()

    def take(self, begin: Callable[[], None]) -> None:
        """Calls ``begin`` at once, or in one of the next rounds."""
        if self._granted():
            begin()
        else:
            self._waiting[begin] = None

    def drop(self, begin: Callable[[], None]) -> None:
        """Gives up a turn, if it has not come yet."""
        self._waiting.pop(begin, None)

    async def turn(self) -> None:
        """Returns at once, or in one of the next rounds."""
        if not self._granted():
            turn = asyncio.get_running_loop().create_future()
            self._waiting[partial(_open, turn)] = None
            await turn

    def _granted(self) -> bool:
        """Takes a turn of this round; False where none is left."""
        if self._taken == self._most:
            return False
        if not self._taken:
            asyncio.get_running_loop().call_soon(self._next)
        self._taken += 1
        return True

    def _next(self) -> None:
        self._taken = 0
        for _ in range(min(self._most, len(self._waiting))):
            self.take(self._waiting.popitem(last=False)[0])


def _open(turn: asyncio.Future[None]) -> None:
    if not turn.done():  # whoever waited has gone
        turn.set_result(None)
