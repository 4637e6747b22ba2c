"""The runs over rows that are under way in this process: each goes on when its request has ended, until it is done, told to stop, or the
service ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import ConnectorError, SetupError
from kosha_connector_openai.gateway.pages.bulk.run_folders import FullError, RunFolder, RunFolders

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk import AsyncBulk, BulkResult, RunProgress
    from kosha_connector_openai.outputs import Budget

_EACH: Final = 5.0
"""Seconds between two looks at the disk."""


@dataclass(slots=True)
class LiveRun:
    """One of them. ``stop`` says why it was told to stop, "" while it goes on."""

    owner: str
    folder: RunFolder
    budget: Budget
    bulk: AsyncBulk | None = None
    progress: RunProgress | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    stop: str = ""
    error: ConnectorError | None = None
    """Why it could not begin."""

    def goes_on(self) -> bool:
        """Whether its rows still leave."""
        return not self.stop

    def watch(self, progress: RunProgress) -> None:
        """Takes in how it stands, four times a second."""
        self.progress = progress
        self.begun.set()
        if self.stop and self.bulk is not None:
            self.bulk.stop()  # it may have been told before there was anything to stop

    def end(self, why: str) -> None:
        """Tells it to stop: nothing new leaves, and what is under way is finished and kept."""
        self.stop = self.stop or why
        if self.bulk is not None:
            self.bulk.stop()


class LiveRuns:
    """All of them, by owner and name. For one event loop."""

    def __init__(self, folders: RunFolders) -> None:
        self._folders = folders
        self._runs: dict[tuple[str, str], LiveRun] = {}

    def find(self, owner: str, name: str) -> LiveRun | None:
        """The owner's run of this name, if it is under way."""
        return self._runs.get((owner, name))

    def count(self, owner: str) -> int:
        """How many runs of the owner's are under way."""
        return sum(live.owner == owner for live in self._runs.values())

    async def begin(self, live: LiveRun, work: Callable[[], Awaitable[BulkResult]]) -> None:
        """Has the work done, and returns once its first row may leave. Raises the ConnectorError for which it could not begin."""
        key = (live.owner, live.folder.id)
        self._runs[key] = live
        live.task = asyncio.create_task(self._run(key, live, work))
        begun = asyncio.create_task(live.begun.wait())
        try:
            await asyncio.wait({live.task, begun}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        if live.error is not None:
            raise live.error

    def stop(self) -> None:
        """Tells all of them to stop: the service is about to end."""
        for live in self._runs.values():
            live.end("service")

    async def aclose(self, seconds: float) -> None:
        """Waits until all have stopped, so long, and ends the others: what they had sent is told as unknown."""
        self.stop()
        tasks = [live.task for live in self._runs.values() if live.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: tuple[str, str], live: LiveRun, work: Callable[[], Awaitable[BulkResult]]) -> None:
        disk = asyncio.create_task(self._guard(live))
        end: dict[str, Any] = {"stop": "interrupted", "reason": None}
        try:
            await asyncio.to_thread(self._keep, live, None)
            result = await work()
            end = {"stop": (live.stop or result.stop) if result.stop else "", "reason": result.reason.to_dict() if result.reason else None}
        except Exception as error:
            found = _told(error)
            live.error = None if live.begun.is_set() else found
            end = {"stop": "error", "reason": found.to_dict()}
        finally:
            disk.cancel()
            self._runs.pop(key, None)
            with suppress(OSError):  # then it is told as interrupted
                self._keep(live, end)

    def _keep(self, live: LiveRun, end: dict[str, Any] | None) -> None:
        if live.folder.path.exists():
            self._folders.keep(live.folder.path, {**live.folder.facts, "end": end and {**end, "at": time.time()}})

    async def _guard(self, live: LiveRun) -> None:
        """Stops the run where the disk is as full as it may be."""
        while True:
            await asyncio.sleep(_EACH)
            try:
                await asyncio.to_thread(self._folders.check_room, live.owner)
            except FullError:
                live.end("disk")
                return


def _told(error: Exception) -> ConnectorError:
    """What the caller is told of an error; of one of ours, whose text may quote a row, its kind alone."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, OSError):
        return SetupError(f"The run cannot be kept: {error.strerror}.")
    return SetupError(f"The run failed in the gateway ({type(error).__name__}). Tell its operator.")
