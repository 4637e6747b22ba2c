"""Requests that come at once begin over several rounds of the event loop: what else is ready, a probe for one, has its turn in between."""

from __future__ import annotations

import asyncio
from typing import Final

_AT_ONCE: Final = 8
"""Requests that begin in one round; each takes some tenths of a millisecond until it waits for something."""


class Rounds:
    """Lets so many begin in each round, in the order in which they came."""

    def __init__(self, most: int = _AT_ONCE) -> None:
        self._most = most
        self._begun = 0

    async def turn(self) -> None:
        """Returns in this round, or in one of the next."""
        while self._begun == self._most:
            await asyncio.sleep(0)
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next)
        self._begun += 1

    def _next(self) -> None:
        self._begun = 0
