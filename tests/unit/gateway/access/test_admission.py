"""Places and rates: taken, given back, waited for in turn, and refused quickly."""

import asyncio
import time

import pytest

from kosha_connector_openai.gateway.access.admission import Admission, Shed
from kosha_connector_openai.gateway.records import Allowance

ONE = Allowance(calls=1, streams=1)
MANY = Allowance(calls=100, streams=100)


def admission(calls: int = 100, streams: int = 100, queue: int = 10, queue_seconds: float = 0.05, **more) -> Admission:
    return Admission(calls=calls, streams=streams, queue=queue, queue_seconds=queue_seconds, **more)


async def test_a_place_is_free_again_after_the_block_even_if_it_fails():
    """No error keeps a place."""
    gate = admission()
    for _ in range(3):
        with pytest.raises(ValueError):
            async with gate.place("a", ONE):
                raise ValueError
    assert gate.taken == {"call": 0, "stream": 0}


async def test_a_call_waits_for_its_turn_and_gets_it():
    """The place of the first goes to the second."""
    gate = admission(queue_seconds=5)
    await gate.take("a", ONE)
    waiting = asyncio.create_task(gate.take("a", ONE))
    await asyncio.sleep(0)
    assert gate.waiting == 1
    gate.give_back("a")
    await waiting
    assert (gate.taken["call"], gate.waiting) == (1, 0)


async def test_who_waits_too_long_is_turned_away_quickly():
    """R11: within 100 ms by default; 429 for a token's own limit, 503 for that of all, both with when to come back."""
    gate = admission(calls=1)
    await gate.take("a", ONE)
    started = time.monotonic()
    with pytest.raises(Shed) as own:
        await gate.take("a", ONE)
    with pytest.raises(Shed) as total:
        await gate.take("b", ONE)
    assert (own.value.status, total.value.status) == (429, 503)
    assert own.value.retry_after > 0
    assert time.monotonic() - started < 1
    assert gate.waiting == 0


async def test_a_full_queue_refuses_at_once():
    """Nobody waits behind more calls than may wait."""
    gate = admission(queue=0, queue_seconds=60)
    await gate.take("a", ONE)
    with pytest.raises(Shed):
        await gate.take("a", ONE)


async def test_streams_do_not_wait():
    """One that ends may be minutes away."""
    gate = admission(queue_seconds=60)
    await gate.take("a", ONE, "stream")
    with pytest.raises(Shed) as error:
        await gate.take("a", ONE, "stream")
    assert error.value.status == 429
    await gate.take("a", ONE)


async def test_a_busy_token_does_not_starve_a_quiet_one():
    """Turns go round the tokens, not by arrival alone."""
    gate = admission(calls=1, queue_seconds=10)
    await gate.take("busy", MANY)
    order: list[str] = []

    async def call(name: str) -> None:
        await gate.take(name, MANY)
        order.append(name)
        gate.give_back(name)

    tasks = [asyncio.create_task(call("busy")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(call("quiet")))
    await asyncio.sleep(0)
    gate.give_back("busy")
    await asyncio.gather(*tasks)
    assert order.index("quiet") <= 1
    assert len(order) == 6


async def test_a_token_at_its_own_limit_does_not_block_the_others():
    """Whoever cannot go is passed over."""
    gate = admission(calls=2, queue_seconds=10)
    await gate.take("a", ONE)
    stuck = asyncio.create_task(gate.take("a", ONE))
    await asyncio.sleep(0)
    await gate.take("b", ONE)
    waiting = asyncio.create_task(gate.take("c", ONE))
    await asyncio.sleep(0)
    gate.give_back("b")
    await asyncio.wait_for(waiting, 1)
    assert not stuck.done()
    stuck.cancel()


async def test_a_caller_that_leaves_the_queue_takes_nothing_along():
    """R8: cancelled while waiting, and cancelled just as the place came."""
    gate = admission(calls=1, queue_seconds=10)
    await gate.take("a", MANY)
    waiting = asyncio.create_task(gate.take("a", MANY))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert gate.waiting == 0
    late = asyncio.create_task(gate.take("a", MANY))
    await asyncio.sleep(0)
    gate.give_back("a")
    late.cancel()
    await asyncio.wait([late])
    assert gate.taken["call"] == 0


async def test_many_aborts_leak_nothing():
    """R8: a thousand calls, a third of them cancelled at some point."""
    gate = admission(calls=5, queue=1000, queue_seconds=5)

    async def call(number: int) -> None:
        async with gate.place(f"t{number % 7}", MANY):
            await asyncio.sleep(0.001 * (number % 3))

    tasks = [asyncio.create_task(call(number)) for number in range(1000)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
    await asyncio.wait(tasks)
    assert (gate.taken, gate.waiting) == ({"call": 0, "stream": 0}, 0)


async def test_calls_in_a_minute_are_counted():
    """A token bucket: full at the start, refilled evenly, and the refusal says when the next call may begin."""
    now = 100.0
    gate = admission(clock=lambda: now)
    rate = Allowance(100, 100, calls_per_minute=6)
    for _ in range(6):
        async with gate.place("a", rate):
            pass
    with pytest.raises(Shed) as error:
        await gate.take("a", rate)
    assert error.value.status == 429
    assert error.value.retry_after == pytest.approx(10)
    now += 10
    await gate.take("a", rate)
    async with gate.place("b", rate):
        pass


async def test_a_call_can_become_a_stream():
    """Its place changes kind; where there is none for streams, it says so and the call keeps its own."""
    gate = admission(streams=1)
    await gate.take("a", ONE)
    assert gate.change("a", ONE)
    assert gate.taken == {"call": 0, "stream": 1}
    await gate.take("a", ONE)
    assert not gate.change("a", ONE)
    assert gate.taken == {"call": 1, "stream": 1}


async def test_when_it_stops_nobody_waits_and_nobody_comes():
    """Those who wait are told at once."""
    gate = admission(queue_seconds=60)
    await gate.take("a", ONE)
    waiting = asyncio.create_task(gate.take("a", ONE))
    await asyncio.sleep(0)
    gate.close()
    with pytest.raises(Shed, match="stopping"):
        await waiting
    with pytest.raises(Shed, match="stopping"):
        await gate.take("b", ONE)


async def test_tokens_without_calls_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    """Subjects of an issuer come and go; memory stays bounded."""
    monkeypatch.setattr("kosha_connector_openai.gateway.access.admission._FORGET", 10)
    now = 0.0
    gate = admission(clock=lambda: now)
    for number in range(200):
        now += 61
        async with gate.place(f"t{number}", ONE):
            pass
    assert len(gate._holders) <= 11


async def test_a_request_that_looks_on_takes_a_streams_place():
    """While it watches, its place for calls is free for others; without a place for a stream it is turned away."""
    admission = Admission(calls=9, streams=9, queue=0, queue_seconds=0.01)
    only = Allowance(1, 1)
    await admission.take("t", only)
    with admission.watching("t", only):
        assert admission.taken == {"call": 0, "stream": 1}
        await admission.take("t", only)
        with pytest.raises(Shed), admission.watching("t", only):
            pass
        admission.give_back("t")
    assert admission.taken == {"call": 1, "stream": 0}
