"""At most so many requests at a time over one engine: more wait for their turn, and a reply that is closed gives its place to the next.

The wait has a limit of its own, and so has the wait for a reply's head; what an engine's pool cannot tell apart is told apart here.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Protocol

from kosha_connector_openai.http.engine import (
    HeaderList,
    LiveWireBody,
    SyncEngine,
    SyncReply,
    WireBody,
    WireError,
    WireRequest,
)

PIECE = 65_536


class _Bounded(SyncEngine, Protocol):
    def limit(self, deadline: float) -> None:
        """Sets another deadline to the exchange that the running thread is in."""


class SyncPool:
    """An engine of threads with a queue."""

    def __init__(self, engine: _Bounded, connections: int) -> None:
        self._engine = engine
        self._free = threading.Semaphore(connections)

    def open(self, request: WireRequest) -> SyncReply:
        """The reply once its headers are here; its place is free again once it is closed. Raises WireError, whose phase is "pool"
        where no place became free in time, and "head" where the headers did not come in theirs."""
        waits = not self._free.acquire(blocking=False)
        wait = min(request.timeouts.pool, request.deadline - time.monotonic(), threading.TIMEOUT_MAX)
        if waits and not self._free.acquire(timeout=max(wait, 0)):
            raise WireError("pool", "TimeoutError")
        ends = [request.deadline]
        try:
            if waits and time.monotonic() >= request.deadline:
                raise WireError("pool", "TimeoutError")
            return _HeldReply(self._engine.open(self._told(request, ends)), self._free.release)
        except WireError as fault:
            self._free.release()
            phase = "head" if fault.phase == "read" and ends[0] < request.deadline and time.monotonic() >= ends[0] else fault.phase
            failure = WireError(phase, fault.kind)
        except BaseException:
            self._free.release()
            raise
        raise failure

    def _told(self, request: WireRequest, ends: list[float]) -> WireRequest:
        head = request.timeouts.head
        if math.isinf(head):
            return request

        def sent() -> None:
            ends[0] = min(request.deadline, time.monotonic() + head)
            self._engine.limit(ends[0])

        if is_short(request):
            ends[0] = min(request.deadline, time.monotonic() + head)
            return replace(request, deadline=ends[0])
        return replace(request, body=told(request.body, sent))

    def close(self) -> None:
        """Closes every connection."""
        self._engine.close()


class _HeldReply:
    """A reply that holds a place until it is closed."""

    def __init__(self, reply: SyncReply, release: Callable[[], None]) -> None:
        self.status: int = reply.status
        self.headers: HeaderList = reply.headers
        self.chunks = reply.chunks
        self._reply = reply
        self._release: Callable[[], None] | None = release

    def close(self) -> None:
        """Closes the reply, and frees its place once."""
        release, self._release = self._release, None
        try:
            self._reply.close()
        finally:
            if release is not None:
                release()


def is_short(request: WireRequest) -> bool:
    """Whether the request is sent as good as at once, so that the wait for the head begins with it."""
    return request.body is None or (isinstance(request.body, bytes) and len(request.body) <= PIECE)


def told(body: bytes | WireBody | LiveWireBody | None, sent: Callable[[], object]) -> WireBody | LiveWireBody:
    """The body, which calls ``sent`` once its last byte was taken to be sent."""
    if isinstance(body, LiveWireBody):
        return _ToldLiveBody(body, sent)
    assert body is not None
    return _ToldBody(body, sent)


class _ToldBody:
    """A body that tells when its last byte was taken to be sent."""

    def __init__(self, body: bytes | WireBody, sent: Callable[[], object]) -> None:
        self.length = len(body) if isinstance(body, bytes) else body.length
        self._body = body
        self._sent = sent

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes."""
        if isinstance(self._body, bytes):
            view = memoryview(self._body)
            yield from (bytes(view[start : start + PIECE]) for start in range(0, len(view), PIECE))
        else:
            yield from self._body.chunks()
        self._sent()


class _ToldLiveBody:
    """The same for a body that arrives while it is sent."""

    def __init__(self, body: LiveWireBody, sent: Callable[[], object]) -> None:
        self.length = body.length
        self._body = body
        self._sent = sent

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """The body's bytes."""
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._body.pieces:
            yield piece
        self._sent()
