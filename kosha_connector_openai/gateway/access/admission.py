"""Rate and concurrency limits for each token and for all; calls wait in turn over the tokens, and what is too much is refused at once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from kosha_connector_openai.gateway.records import Allowance

Kind = Literal["call", "stream"]
_MINUTE = 60.0
_FORGET = 10_000
"""Tokens without a call that are remembered; static tokens are few, subjects of JSON Web Tokens may be many."""


class Shed(Exception):
    """Turned away before any work was done: ``status`` 429 where the caller takes too much, 503 where all together do."""

    def __init__(self, status: Literal[429, 503], reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


@dataclass(slots=True)
class _Holder:
    """One token's places."""

    taken: dict[Kind, int] = field(default_factory=lambda: {"call": 0, "stream": 0})
    waiting: deque[tuple[Kind, Allowance, asyncio.Future[None]]] = field(default_factory=deque)
    permits: float = 0.0
    refilled: float = 0.0

    @property
    def idle(self) -> bool:
        return not self.waiting and not any(self.taken.values())


class Admission:
    """Places for calls and for open streams. One event loop; nothing here blocks or reads the network."""

    def __init__(self, *, calls: int, streams: int, queue: int, queue_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``calls`` and ``streams`` are for all tokens together; ``queue`` calls of one token may wait, ``queue_seconds`` long."""
        self._total: dict[Kind, int] = {"call": calls, "stream": streams}
        self._taken: dict[Kind, int] = {"call": 0, "stream": 0}
        self._queue = queue
        self._seconds = queue_seconds
        self._clock = clock
        self._holders: OrderedDict[str, _Holder] = OrderedDict()
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._closed = False

    @property
    def taken(self) -> dict[Kind, int]:
        """How many places are taken, by kind."""
        return dict(self._taken)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return sum(len(self._holders[name].waiting) for name in self._turns)

    @property
    def closed(self) -> bool:
        """Whether everything is turned away."""
        return self._closed

    def close(self) -> None:
        """From now on everything is turned away: the service is about to stop."""
        self._closed = True
        for name in list(self._turns):
            for _, _, turn in self._holders[name].waiting:
                if not turn.done():
                    turn.set_exception(Shed(503, "The service is stopping.", 1))

    @asynccontextmanager
    async def place(self, token: str, allowance: Allowance, kind: Kind = "call") -> AsyncIterator[None]:
        """A place for as long as the block lasts; raises Shed."""
        await self.take(token, allowance, kind)
        try:
            yield
        finally:
            self.give_back(token, kind)

    def begin(self, token: str, allowance: Allowance) -> None:
        """Counts a call whose body is still to be read, and turns it away where no place could come. Raises Shed."""
        if self._closed:
            raise Shed(503, "The service is stopping.", 1)
        holder = self._holder(token)
        self._spend(holder, allowance)
        if len(holder.waiting) >= self._queue and not self._fits(holder, allowance, "call"):
            raise self._too_many(holder, allowance, "call")

    async def take(self, token: str, allowance: Allowance, kind: Kind = "call", *, begun: bool = False) -> None:
        """Waits for a place and takes it; whoever took one gives it back. ``begun``: the call was counted already. Raises Shed."""
        if self._closed:
            raise Shed(503, "The service is stopping.", 1)
        holder = self._holder(token)
        if not begun:
            self._spend(holder, allowance)
        if not holder.waiting and self._fits(holder, allowance, kind):
            self._seat(holder, kind)
            return
        if kind == "stream":
            self._refuse_stream(holder, allowance)
        if len(holder.waiting) >= self._queue:
            raise self._too_many(holder, allowance, kind)
        await self._wait(token, holder, allowance, kind)

    def give_back(self, token: str, kind: Kind = "call") -> None:
        """Frees a place and gives it to the next token in turn."""
        holder = self._holders[token]
        holder.taken[kind] -= 1
        self._taken[kind] -= 1
        self._next()

    def change(self, token: str, allowance: Allowance) -> bool:
        """Makes a call's place a stream's, once its reply turns out to be one; False where no place for a stream is left."""
        holder = self._holders[token]
        if not self._fits(holder, allowance, "stream"):
            return False
        self._seat(holder, "stream")
        self.give_back(token, "call")
        return True

    @contextmanager
    def watching(self, token: str, allowance: Allowance) -> Iterator[None]:
        """Makes a call's place a stream's for as long as the block lasts: its request looks on while others work. Raises Shed."""
        holder = self._holder(token)
        if not self.change(token, allowance):
            raise self._too_many(holder, allowance, "stream")
        try:
            yield
        finally:
            self._seat(holder, "call")  # beyond the limit for a moment: the request is about to end
            self.give_back(token, "stream")

    def _holder(self, token: str) -> _Holder:
        holder = self._holders.get(token)
        if holder is None:
            if len(self._holders) >= _FORGET:
                self._forget()
            holder = self._holders[token] = _Holder(refilled=self._clock())
            holder.permits = -1
        self._holders.move_to_end(token)
        return holder

    def _forget(self) -> None:
        """Drops tokens that have done nothing for a minute; their rate would be full again."""
        for name in [n for n, h in self._holders.items() if h.idle and self._clock() - h.refilled > _MINUTE]:
            del self._holders[name]

    def _spend(self, holder: _Holder, allowance: Allowance) -> None:
        """One of the permits that fill up over a minute (token bucket), if calls are counted at all."""
        rate = allowance.calls_per_minute
        now = self._clock()
        if not rate:
            holder.refilled = now
            return
        filled = rate if holder.permits < 0 else min(float(rate), holder.permits + (now - holder.refilled) * rate / _MINUTE)
        holder.permits, holder.refilled = filled, now
        if filled < 1:
            raise Shed(429, f"This token may begin {rate} calls in a minute.", (1 - filled) * _MINUTE / rate)
        holder.permits = filled - 1

    def _fits(self, holder: _Holder, allowance: Allowance, kind: Kind) -> bool:
        own = allowance.calls if kind == "call" else allowance.streams
        return holder.taken[kind] < own and self._taken[kind] < self._total[kind]

    def _seat(self, holder: _Holder, kind: Kind) -> None:
        holder.taken[kind] += 1
        self._taken[kind] += 1

    def _refuse_stream(self, holder: _Holder, allowance: Allowance) -> None:
        """Streams last for minutes: waiting for one to end would help nobody."""
        raise self._too_many(holder, allowance, "stream")

    def _too_many(self, holder: _Holder, allowance: Allowance, kind: Kind) -> Shed:
        own = allowance.calls if kind == "call" else allowance.streams
        noun = "calls at once" if kind == "call" else "open streams"
        if holder.taken[kind] >= own:
            return Shed(429, f"This token may have {own} {noun}.", 1)
        return Shed(503, "The service has as many calls as it can take.", 1)

    async def _wait(self, token: str, holder: _Holder, allowance: Allowance, kind: Kind) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (kind, allowance, turn)
        holder.waiting.append(entry)
        self._turns.setdefault(token)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except TimeoutError:
            if turn.done() and not turn.cancelled():
                return  # the place came in the last moment
            raise self._too_many(holder, allowance, kind) from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(token, kind)  # the place came together with the cancellation
            raise
        finally:
            self._leave(token, holder, entry)

    def _leave(self, token: str, holder: _Holder, entry: tuple[Kind, Allowance, asyncio.Future[None]]) -> None:
        if entry in holder.waiting:
            holder.waiting.remove(entry)
        if not holder.waiting:
            self._turns.pop(token, None)

    def _next(self) -> None:
        """Hands free places out, one to each waiting token in turn, so that a busy token cannot starve the others."""
        for token in list(self._turns):
            holder = self._holders[token]
            while holder.waiting and holder.waiting[0][2].done():
                holder.waiting.popleft()
            if not holder.waiting:
                self._turns.pop(token, None)
                continue
            kind, allowance, turn = holder.waiting[0]
            if not self._fits(holder, allowance, kind):
                continue
            holder.waiting.popleft()
            self._seat(holder, kind)
            turn.set_result(None)
            self._turns.pop(token, None)
            if holder.waiting:
                self._turns[token] = None  # to the end of the line
