"""Waits with an end, for a task that waits often: one timer serves all of them, and is set anew only when it goes off too early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Bounds the waits of one task at a time. ``asyncio.timeout`` would set and cancel a timer for each piece of a stream."""

    __slots__ = ("_cancelling", "_handle", "_loop", "_rang", "_task", "_until")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._until = 0.0
        self._cancelling = 0
        self._rang = False

    async def wait(self, awaitable: Awaitable[T], until: float) -> T:
        """What ``awaitable`` gives; raises TimeoutError where it has not by ``until``, a time of ``time.monotonic``."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._until, self._rang, self._cancelling = task, until, False, task.cancelling()
        if self._handle is None or self._handle.when() > until:
            self._set()
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._rang and task.uncancel() <= self._cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._task = None

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
        self._rang = True
        self._task.cancel()
