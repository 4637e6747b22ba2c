"""Waits with an end, for a task that waits often: one timer serves all of them, and is set anew only when it goes off too early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class IdleTimer:
    """Bounds the waits of one task at a time. ``asyncio.timeout`` would set and cancel a timer for each piece of a stream."""

    __slots__ = ("_cancelling", "_handle", "_loop", "_rang", "_task", "_until")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._until = 0.0
        self._cancelling = 0
        self._rang: asyncio.Task[object] | None = None

    async def wait(self, awaitable: Awaitable[T], until: float) -> T:
        """What ``awaitable`` gives; raises TimeoutError where it has not by ``until``, a time of ``time.monotonic``."""
        self.begin(until)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self.is_over():
                raise TimeoutError from None
            raise
        finally:
            self.end()

    def begin(self, until: float) -> None:
        """The same for whoever waits in a loop: begins a wait of the running task, which is cancelled if it is not over by ``until``."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._until = task, until
        if self._handle is None or self._handle.when() > until:
            self._set()

    def end(self) -> None:
        """Ends the wait."""
        self._task = None

    def is_over(self) -> bool:
        """Whether a cancellation that was just caught means that the time was over; it then counts no more as one."""
        rang, self._rang = self._rang, None
        return rang is not None and rang.uncancel() <= self._cancelling

    def close(self) -> None:
        """Takes the timer back."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._handle = None
        if self._task is None:
            return
        if self._loop.time() < self._until:
            self._set()
            return
        self._rang, self._cancelling = self._task, self._task.cancelling()
        self._task.cancel()
