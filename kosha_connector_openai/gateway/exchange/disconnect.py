"""Cancels a call once its client has gone: nobody would read the reply that is being paid for."""

from __future__ import annotations

import asyncio
from typing import Final

from kosha_connector_openai.gateway.records import Receive

_DELAY: Final = 0.05
"""Seconds; most calls are over by then and need no task that watches."""


class DisconnectWatch:
    """Cancels the task that made it when the client disconnects."""

    __slots__ = ("_after", "_handle", "_receive", "_stopped", "_task", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._receive = receive
        self._task = task
        self._after: asyncio.Event | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopped = False
        self.gone = False
        """Whether the client has gone, which is why the task was cancelled."""

    def start(self, after: asyncio.Event | None = None) -> None:
        """Begins to watch, once ``after`` is set: until then someone else reads what the client sends."""
        self._after = after
        self._handle = asyncio.get_running_loop().call_later(_DELAY, self._begin)

    def stop(self) -> None:
        """Ends watching."""
        self._stopped = True
        if self._handle is not None:
            self._handle.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        if self._after is not None:
            await self._after.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._stopped:
            self.gone = True
            self._task.cancel()
