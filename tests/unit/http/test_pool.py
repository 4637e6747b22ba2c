"""The queue before an engine: who waits, for how long, and which limit is told."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from kosha_connector_openai.http.async_pool import AsyncPool
from kosha_connector_openai.http.engine import CONNECTED, WireError, WireRequest, WireTimeouts
from kosha_connector_openai.http.pool import SyncPool


def request(body: Any = None, *, ends: float = 30.0, **timeouts: float) -> WireRequest:
    return WireRequest("POST", "http://127.0.0.1/", [], body, WireTimeouts(5, 5, **timeouts), time.monotonic() + ends)


class Reply:
    status = 200
    headers = ()
    closed = 0

    def close(self) -> None:
        self.closed += 1

    def chunks(self, *_: float) -> Any:
        yield b""


class AsyncReply(Reply):
    def ready(self) -> None: ...

    async def close(self) -> None:  # type: ignore[override]
        self.closed += 1


class Engine:
    """Takes a body and answers; or, with ``silent``, waits for its deadline as an engine of threads does."""

    def __init__(self, *, silent: bool = False, failure: Exception | None = None, connects: bool = True) -> None:
        self.silent, self.failure, self.at, self.body, self.connects = silent, failure, float("inf"), b"", connects

    def limit(self, deadline: float) -> None:
        self.at = deadline

    def open(self, wire: WireRequest) -> Reply:
        self.at = wire.deadline
        if wire.body is not None:
            self.body = wire.body if isinstance(wire.body, bytes) else b"".join(wire.body.chunks())  # type: ignore[union-attr]
        if self.failure:
            raise self.failure
        if self.silent:
            time.sleep(max(0.0, self.at - time.monotonic()))
            raise WireError("read", "ReadTimeout")
        return Reply()

    def close(self) -> None: ...


class AsyncEngine(Engine):
    async def open(self, wire: WireRequest) -> AsyncReply:  # type: ignore[override]
        body = wire.body
        if self.connects:
            CONNECTED.get()()
        if body is not None and hasattr(body, "pieces"):
            self.body = b"".join([piece async for piece in body.pieces])
        elif body is not None:
            self.body = body if isinstance(body, bytes) else await asyncio.to_thread(lambda: b"".join(body.chunks()))
        if self.failure:
            raise self.failure
        if self.silent:
            await asyncio.sleep(60)
        return AsyncReply()

    async def close(self) -> None: ...  # type: ignore[override]


def phase(pool: SyncPool, wire: WireRequest) -> str:
    with pytest.raises(WireError) as caught:
        pool.open(wire)
    return caught.value.phase


def aphase(engine: AsyncEngine, wire: WireRequest) -> str:
    async def go() -> None:
        await AsyncPool(engine, 1).open(wire)

    with pytest.raises(WireError) as caught:
        asyncio.run(go())
    return caught.value.phase


def test_who_finds_no_place_is_told_that_it_is_the_pool() -> None:
    """By its own limit, by the end of the call, and where that is over already; the next finds the place that is given back, once."""
    pool = SyncPool(Engine(), 1)
    held = pool.open(request())
    assert [phase(pool, request(pool=0.01)), phase(pool, request(ends=0.01)), phase(pool, request(ends=-1))] == ["pool"] * 3
    held.close()
    held.close()
    pool.open(request())
    assert phase(pool, request(pool=0.01)) == "pool"


def test_who_waits_goes_on_once_a_place_is_free() -> None:
    """A thread that waits for a place is let in by the reply that is closed."""
    pool = SyncPool(Engine(), 1)
    held, found = pool.open(request()), []
    waiting = threading.Thread(target=lambda: found.append(pool.open(request(pool=20))))
    waiting.start()
    held.close()
    waiting.join(20)
    assert len(found) == 1


@pytest.mark.parametrize("failure", [WireError("connect", "ConnectError"), ValueError("x")])
def test_a_failure_gives_its_place_back(failure: Exception) -> None:
    """Whatever an engine raises passes, and holds no place."""
    pool = SyncPool(Engine(failure=failure), 1)
    for _ in range(3):
        with pytest.raises(type(failure)):
            pool.open(request(pool=0.01))


def test_on_an_event_loop_too() -> None:
    """The limit, the end of the call and a cancelled wait; none of them loses a place."""

    async def go() -> list[str]:
        pool = AsyncPool(AsyncEngine(), 1)
        held, phases = await pool.open(request()), []
        for wire in (request(pool=0.01), request(ends=0.01), request(ends=-1)):
            with pytest.raises(WireError) as caught:
                await pool.open(wire)
            phases.append(caught.value.phase)
        waiting = asyncio.ensure_future(pool.open(request()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        next_one = asyncio.ensure_future(pool.open(request()))
        await asyncio.sleep(0)
        await held.close()
        await held.close()
        await (await next_one).close()
        return phases

    assert asyncio.run(go()) == ["pool"] * 3


@pytest.mark.parametrize("body", [None, b"short", b"x" * 200_000])
def test_the_head_has_a_limit_of_its_own(body: bytes | None) -> None:
    """It begins where the request was sent; without it the call's end alone counts."""
    engine = Engine(silent=True)
    assert phase(SyncPool(engine, 1), request(body, head=0.01)) == "head"
    assert engine.body == (body or b"")
    assert phase(SyncPool(Engine(silent=True), 1), request(body, ends=0.01, head=9)) == "read"
    assert phase(SyncPool(Engine(silent=True), 1), request(body, ends=0.01)) == "read"
    assert aphase(AsyncEngine(silent=True), request(body, head=0.01)) == "head"
    assert aphase(AsyncEngine(silent=True), request(body, ends=0.01, head=9)) == "read"


def test_what_found_no_connection_in_its_time_was_not_sent() -> None:
    """On an event loop the pool keeps the limits, and an engine tells it when there is a connection."""
    for limits in ({"ends": 0.01}, {"head": 0.01}):
        assert aphase(AsyncEngine(silent=True, connects=False), request(**limits)) == "connect"


def test_a_place_that_comes_after_the_calls_end_is_passed_on() -> None:
    """The request is not begun; it was the pool that it waited for."""
    pool = SyncPool(Engine(), 1)
    held, found = pool.open(request()), []
    wire = request(ends=30)
    waiting = threading.Thread(target=lambda: found.append(phase(pool, wire)))
    waiting.start()
    time.sleep(0.05)
    wire.deadline = time.monotonic()
    held.close()
    waiting.join(20)
    assert found == ["pool"]
    pool.open(request(pool=0.01)).close()


class Live:
    """A body that arrives while it is sent, with a pause."""

    length = 10

    @property
    def pieces(self) -> Any:
        return self._pieces()

    async def _pieces(self) -> Any:
        yield b"12345"
        await asyncio.sleep(0.05)
        yield b"67890"


class Slow:
    length = 4

    def chunks(self) -> Any:
        yield b"ab"
        time.sleep(0.05)
        yield b"cd"


def test_a_body_that_takes_long_does_not_count_as_waiting_for_the_head() -> None:
    """The sending of a large file is not cut by the limit of the head, nor is an upload that arrives slowly."""
    engine = Engine()
    SyncPool(engine, 1).open(request(Slow(), head=0.02)).close()
    assert engine.body == b"abcd"

    async def go(body: Any) -> bytes:
        engine = AsyncEngine()
        await (await AsyncPool(engine, 1).open(request(body, head=0.02))).close()
        return engine.body

    assert [asyncio.run(go(Slow())), asyncio.run(go(Live()))] == [b"abcd", b"1234567890"]
    assert aphase(AsyncEngine(silent=True), request(Live(), head=0.01)) == "head"
