"""One timer bounds many waits: each ends in time, a cancellation from outside is told apart, and quick waits set no timers."""

from __future__ import annotations

import asyncio
import time

import pytest

from kosha_connector_openai.core.transport.idle_timer import IdleTimer


async def later(seconds: float, value: str = "done") -> str:
    await asyncio.sleep(seconds)
    return value


async def test_what_comes_in_time_is_given() -> None:
    """The value passes."""
    patience = IdleTimer()
    assert await patience.wait(later(0), time.monotonic() + 1) == "done"
    patience.close()


async def test_what_comes_too_late_is_a_timeout() -> None:
    """And the task is not left cancelled."""
    patience = IdleTimer()
    with pytest.raises(TimeoutError):
        await patience.wait(later(5), time.monotonic() + 0.05)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await patience.wait(later(0.01), time.monotonic() + 1) == "done"
    patience.close()


async def test_each_wait_has_its_own_end() -> None:
    """A long wait after short ones is not cut by their timer, and a short one after long ones ends in time."""
    patience = IdleTimer()
    await patience.wait(later(0), time.monotonic() + 0.05)
    assert await patience.wait(later(0.15), time.monotonic() + 5) == "done"
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await patience.wait(later(5), time.monotonic() + 0.05)
    assert time.monotonic() - started < 1
    patience.close()


async def test_a_cancellation_from_outside_passes() -> None:
    """It is no timeout."""
    patience = IdleTimer()
    task = asyncio.ensure_future(patience.wait(later(5), time.monotonic() + 5))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.close()


async def test_nothing_rings_between_waits_or_after_the_end() -> None:
    """A timer that goes off while nothing waits cancels nobody."""
    patience = IdleTimer()
    await patience.wait(later(0), time.monotonic() + 0.02)
    await asyncio.sleep(0.05)
    patience.close()
    await asyncio.sleep(0.02)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_many_quick_waits_share_a_timer() -> None:
    """This is what it is for: the loop's timers do not grow with the pieces of a stream."""
    patience, loop = IdleTimer(), asyncio.get_running_loop()
    calls = 0
    call_at = loop.call_at

    def counted(*arguments: object, **options: object) -> asyncio.TimerHandle:
        nonlocal calls
        calls += 1
        return call_at(*arguments, **options)  # type: ignore[arg-type]

    loop.call_at = counted  # type: ignore[method-assign, assignment]
    try:
        for _ in range(100):
            await patience.wait(asyncio.sleep(0), time.monotonic() + 60)
    finally:
        loop.call_at = call_at  # type: ignore[method-assign]
        patience.close()
    assert calls == 1
