"""The job of one batch upstream: its file goes up, the job is started and waited for, and both of its files are fetched.

What is left to do is read from the batch as the ledger has it, so another process goes on wherever this one ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from kosha_connector_openai.core.request import local_file
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import ApiError, ConnectorError, JobUnknownError, RejectedError
from kosha_connector_openai.flows.bulk.batch_file import BatchTarget, OpenBatches, RowBatch
from kosha_connector_openai.flows.bulk.opening import ledger_of, open_ledger
from kosha_connector_openai.flows.jobs import AsyncJobs, Handle, JobResult, Jobs, Status, WaitOptions
from kosha_connector_openai.manifest.parts import JobsPart
from kosha_connector_openai.text import at

if TYPE_CHECKING:
    from pathlib import Path

    from kosha_connector_openai.connector import Connection, Connector
    from kosha_connector_openai.flows.bulk.targets import RowTarget

_T = TypeVar("_T")
_TRIES: Final = 6
"""How often a request of ours that changes nothing is made before the run stops."""


class QueueFull(Exception):
    """The job was refused since too much waits upstream already: it can be started again later."""


class JobRefused(Exception):
    """The job was refused, and with it each of its rows; ``error`` says why."""

    def __init__(self, error: RejectedError) -> None:
        super().__init__(error.message)
        self.error = error


class BatchRun(Protocol):
    """What a job needs of the run that its batch belongs to."""

    @property
    def leaves(self) -> bool:
        """Whether this process ends before its batches do."""

    async def or_stop(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """The value of ``work``; None where the run stops before."""


@dataclass
class _Handles:
    """Where the handles of one batch are kept: in the ledger, with the batch."""

    batch: RowBatch
    open: OpenBatches
    uploads: frozenset[str]

    def keep(self, handle: Handle) -> None:
        """As HandleStore."""
        self._set(handle.kind in self.uploads, handle.to_dict())

    def drop(self, name: str) -> None:
        """As HandleStore."""
        self._set(self.batch.upload is not None and self.batch.upload["name"] == name, None)

    def held(self, handle: Handle) -> AbstractContextManager[None]:
        """As HandleStore; the ledger's own lock keeps others away."""
        del handle
        return nullcontext()

    def _set(self, is_upload: bool, value: dict[str, Any] | None) -> None:
        setattr(self.batch, "upload" if is_upload else "job", value)
        self.open.keep()


class BatchJob:
    """One batch's job; each step keeps what it did before the next begins."""

    def __init__(self, how: BatchTarget, target: RowTarget, batch: RowBatch, kept: OpenBatches, run: BatchRun) -> None:
        """``kept`` holds the run's batches, this one among them."""
        self._how = how
        self._target = target
        self._batch = batch
        self._kept = kept
        self._run = run
        parts = how.rules.file.parts
        self._jobs = AsyncJobs(target.connector, target.connection, store=_Handles(batch, kept, frozenset({parts} if parts else ())))

    async def ended(self) -> Status | None:
        """The job's last state, once all that was left to do is done; None where the run stops, or the job has to begin anew.

        Raises QueueFull, JobRefused, and ConnectorError where a request of ours stays without success.
        """
        batch = self._batch
        if batch.job is None and batch.file is None:
            await self._upload()
            self._kept.keep()
        self._kept.clear(batch)
        if batch.job is None and not self._run.leaves:
            await self._start()
        status = None if batch.job is None else await self._last_status()
        if status is not None and status.end == "failure" and any(code in self._how.rules.full for code, _ in self._file_errors(status)):
            raise QueueFull
        return status

    def forget(self) -> None:
        """The job is to be started again, with the file that is up."""
        self._batch.job = None
        self._kept.keep()

    async def answers(self, status: Status) -> JobResult:
        """Both files as a table of lines, which the caller closes. Raises ConnectorError."""
        return await self._again(lambda: self._jobs.fetch(status, order=False))

    def refused_lines(self, status: Status) -> set[Any]:
        """The numbers of the lines for which the whole file was refused, from 1."""
        return {line for _, line in self._file_errors(status)} if status.end == "failure" else set()

    def _file_errors(self, status: Status) -> list[tuple[Any, Any]]:
        """The code and the line of each thing that is wrong with a file."""
        rules = self._how.rules.errors
        found = at(status.result.value, rules.at) if status.result else None
        return [(each.get(rules.code), each.get(rules.line)) for each in found or () if isinstance(each, dict)]

    async def _upload(self) -> None:
        """The batch's file, whole or in parts: a file that goes up twice costs nothing."""
        rules, batch, jobs, path = self._how.rules.file, self._batch, self._jobs, self._kept.whole(self._batch)
        connector, connection = self._target.connector, self._target.connection
        parts = connector.part("jobs", JobsPart).uploads.get(rules.parts or "")
        if parts is None or path.stat().st_size <= parts.size:
            inputs = {**rules.inputs, rules.data: local_file(path)}
            result = await self._again(lambda: connector.arun(rules.action, inputs, connection), harmless=True)
            batch.file = str(at(result.value, rules.id))
            return
        if batch.upload is None or batch.upload["phase"] == "sending":
            await self._again(lambda: jobs.start_upload(local_file(path), rules.inputs, rules.parts or ""), harmless=True)
        forever = WaitOptions(timeout=None)
        status = await self._again(lambda: jobs.wait(batch.upload or {}, forever, source=local_file(path)), harmless=True)
        batch.file, batch.upload = str(at((await jobs.fetch(status)).value, rules.id)), None

    async def _start(self) -> None:
        """Starts the job, and keeps its handle before that; a start whose answer was lost is left for ``_last_status`` to look for."""
        rules = self._how.rules
        inputs = {**rules.inputs, rules.input: self._batch.file, rules.url: self._how.path}
        try:
            await self._again(lambda: self._jobs.start(self._how.start, inputs))
        except JobUnknownError:
            return
        except RejectedError as error:
            raise QueueFull if error.api_code in rules.full else JobRefused(error) from None

    async def _last_status(self) -> Status | None:
        """The job's last state; None where the run stops, or where the job was never started after all."""
        settle = self._how.rules.settle
        since: float | None = None  # a look that takes long, since the upstream is away, says nothing about the time before it
        while not self._run.leaves:
            try:
                return await self._run.or_stop(self._jobs.wait(self._batch.job or {}, WaitOptions(timeout=None), fresh=True))
            except JobUnknownError as error:
                if not error.absent:
                    raise
                since = time.monotonic() if since is None else since
                if time.monotonic() - since >= settle:
                    self.forget()
                    return None
                await self._run.or_stop(asyncio.sleep(min(5.0, settle / 4)))
        return None

    async def _again(self, make: Callable[[], Coroutine[Any, Any, _T]], *, harmless: bool = False) -> _T:
        """What ``make`` gives; made again where nothing of it was carried out, or where that is ``harmless``. Raises what stays."""
        number = 1
        while True:
            try:
                return await make()
            except ConnectorError as error:
                helps = error.retryable or (harmless and error.retryable is None)
                if self._run.leaves or not (turned_away(error) or (helps and number < _TRIES)):
                    raise
                told = error.retry_after if isinstance(error, ApiError) else None
            await self._run.or_stop(asyncio.sleep(told if told is not None else min(20.0, 0.5 * 2**number)))
            number += 1


def cancel_batches(connector: Connector, connection: Connection, path: Path) -> int:
    """Cancels the open batches of a run upstream; gives how many. What they have done is read when the run goes on.

    Raises the error of the first that cannot be cancelled.
    """
    count = 0
    with open_ledger(ledger_of(path)) as ledger:
        found = OpenBatches(ledger)
        for batch in found.all.values():
            if batch.job is None or batch.job["phase"] == "ended":
                continue
            Jobs(connector, connection, store=_Handles(batch, found, frozenset())).cancel(batch.job)
            count += 1
    return count
