"""The pool of an event loop, its own module, since a thread's call need not load asyncio."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from kosha_connector_openai.http.engine import CONNECTED, AsyncEngine, AsyncReply, HeaderList, Phase, WireError, WireRequest
from kosha_connector_openai.http.pool import PIECE, is_short, told

_LARGE: Final = 1_048_576
"""Bytes; written at once, more would hold up the other calls of the loop and be copied whole into its buffer."""


class AsyncPool:
    """An engine of an event loop with a queue."""

    def __init__(self, engine: AsyncEngine, connections: int) -> None:
        self._engine = engine
        self._free = asyncio.Semaphore(connections)

    async def open(self, request: WireRequest) -> AsyncReply:
        """The same as of SyncPool. The deadline is kept here, too: no engine of an event loop knows it."""
        waits = self._free.locked()
        if waits:
            try:
                async with asyncio.timeout(min(request.timeouts.pool, request.deadline - time.monotonic())):
                    await self._free.acquire()
            except TimeoutError:
                raise WireError("pool", "TimeoutError") from None
        else:
            await self._free.acquire()
        try:
            if waits and time.monotonic() >= request.deadline:
                raise WireError("pool", "TimeoutError")
            return _HeldAsyncReply(await self._send(request), self._free.release)
        except BaseException:
            self._free.release()
            raise

    async def _send(self, request: WireRequest) -> AsyncReply:
        if isinstance(request.body, bytes) and len(request.body) > _LARGE:
            request = replace(request, body=_Pieces(request.body))
        head, now = request.timeouts.head, time.monotonic()
        short = is_short(request)
        until = min(request.deadline, now + head) if short else request.deadline
        opened = connected = False

        def connect() -> None:
            nonlocal connected
            connected = True

        token = CONNECTED.set(connect)
        try:
            async with asyncio.timeout(until - now) as timer:
                loop = asyncio.get_running_loop()

                def begin() -> None:
                    nonlocal until
                    if not opened and not timer.expired():
                        until = min(request.deadline, time.monotonic() + head)
                        timer.reschedule(until)

                if not short and not math.isinf(head):
                    request = replace(request, body=told(request.body, lambda: loop.call_soon_threadsafe(begin)))
                reply = await self._engine.open(request)
                opened = True
                return reply
        except TimeoutError:
            phase: Phase = "connect" if not connected else "head" if until < request.deadline else "read"
            raise WireError(phase, "TimeoutError") from None
        finally:
            opened = True
            CONNECTED.reset(token)

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.close()


class _HeldAsyncReply:
    """The same for asyncio."""

    def __init__(self, reply: AsyncReply, release: Callable[[], None]) -> None:
        self.status: int = reply.status
        self.headers: HeaderList = reply.headers
        self.ready = reply.ready
        self.chunks = reply.chunks
        self._reply = reply
        self._release: Callable[[], None] | None = release

    async def close(self) -> None:
        """Closes the reply, and frees its place once."""
        release, self._release = self._release, None
        try:
            await self._reply.close()
        finally:
            if release is not None:
                release()


class _Pieces:
    """Bytes as a body that is sent in pieces."""

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = content

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, 64 KiB at a time."""
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        view = memoryview(self._content)
        for start in range(0, self.length, PIECE):
            yield bytes(view[start : start + PIECE])
