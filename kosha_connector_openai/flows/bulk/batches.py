"""Sends rows in batches: files of requests are written, each has a job upstream, and both of its files are read row by row.

No row is in two batches: a row is claimed for a file before that goes up, the job's handle is kept before the job is started, and one
whose start got no answer is looked for before it is started again.

One module: which rows are in which file and what becomes of each of them are one state, read together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    BudgetError,
    ConnectorError,
    InputError,
    RejectedError,
    SetupError,
)
from kosha_connector_openai.flows.bulk.batch_file import BatchFile, BatchTarget, OpenBatches, RowBatch, batch_rate, line_of
from kosha_connector_openai.flows.bulk.batch_job import BatchJob, JobRefused, QueueFull
from kosha_connector_openai.flows.bulk.entry import RowAnswer, RowEntry, RowState
from kosha_connector_openai.flows.bulk.runner import DRAIN, IN_A_ROW, Item, Runner, Stop
from kosha_connector_openai.flows.jobs import LineRow, LineTable, Status
from kosha_connector_openai.text import at, encode

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.row import Row, Start

_T = TypeVar("_T")
_FILES: Final = 16
"""Files that are written at the same time, one for each model."""
_TURN: Final = 200
"""Rows after which the event loop goes on."""
_SERVER: Final = 500
_EXPECTED: Final = frozenset({"expired", "cancelled"})
"""Ends that leave rows that did not run."""


class BatchRunner(Runner):
    """Sends the rows of a run in batches. ``feeds`` gives the rows that wait, anew each time it is asked, ``rows`` those of entries."""

    how: BatchTarget
    feeds: Callable[[], Iterator[Item]]
    rows: Callable[[Iterable[RowEntry], Start], Iterator[Item]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._open = OpenBatches(self.ledger)
        self._files: dict[str | None, BatchFile] = {}
        self._tickets: dict[int, Any] = {}
        self._returned = 0
        self._queued = self._busy = 0
        self._pause = 0.0
        self._trouble: ConnectorError | None = None

    async def run(self) -> None:
        """As Runner.run; on a stop the batches go on upstream, and are read by the next process."""
        self._loop = asyncio.get_running_loop()
        ticker = asyncio.create_task(self._tick())
        carried = {asyncio.create_task(self._carry(batch)) for batch in self._open.all.values()}
        try:
            await self._send_all(carried)
        finally:
            if carried:
                await asyncio.wait(carried, timeout=DRAIN)
            for task in carried:
                task.cancel()
            ticker.cancel()
            await asyncio.gather(*carried, ticker, return_exceptions=True)
            self._forget_files()
            await self._flushed(last=True)
            self._show()

    async def _send_all(self, carried: set[asyncio.Task[None]]) -> None:
        while True:
            if not carried and self._streak >= IN_A_ROW and not self.progress.done:
                self.drain("failures", self._trouble)
            wants = not self.stop or (self.stop == "budget" and self._files)
            sends = wants and not self._queued and len(carried) < self.how.rules.at_once
            batch = await self._filled() if sends else None
            if batch is not None:
                carried.add(asyncio.create_task(self._carry(batch)))
                continue
            if not carried or self.leaves:
                return
            await self._first(*carried)
            for task in [task for task in carried if task.done()]:
                carried.remove(task)
                task.result()

    @property
    def leaves(self) -> bool:
        """Whether this process ends before its batches do."""
        return self.stop not in ("", "budget")

    async def _first(self, *tasks: asyncio.Task[Any], timeout: float | None = None) -> None:
        """Waits for the first of the tasks, or until the run stops, or another batch has ended."""
        gate = self._here.create_future()
        self._gates.append(gate)
        try:
            if not self.leaves:
                await asyncio.wait([*tasks, gate], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if gate in self._gates:
                self._gates.remove(gate)

    def _show(self) -> None:
        self.progress.in_flight = sum(batch.rows for batch in self._open.all.values())
        self.progress.batches = len(self._open.all)
        super()._show()

    # --- files ---

    async def _filled(self) -> RowBatch | None:
        """The next batch, its rows claimed; None where no row waits."""
        turn = 0
        while not self.stop and (item := self._next()) is not None:
            turn += 1
            if turn % _TURN == 0:
                await asyncio.sleep(0)
            full = self._put(*item)
            if full is not None and await self._claimed(full):
                return full.batch
        while self._files:
            file = self._files.pop(next(iter(self._files)))
            if await self._claimed(file):
                return file.batch
        if self._returned and not self.stop:
            # What returns while this waits is counted anew, and fed in the next turn.
            self._returned, self._ended_feed = 0, False
            await self._flushed()
            self.feed = self.feeds()
            return await self._filled()
        return None

    def _put(self, entry: RowEntry, row: Row) -> BatchFile | None:
        """Writes a row into the file of its model; gives a file that is full."""
        try:
            inputs = self.row_map.inputs(row)
            line = line_of(self.how, self.target, inputs, entry.key)
            if self.budget is not None:
                rate = batch_rate(self.how, self.budget.prices)
                self._tickets[entry.n] = self.budget.reserve(self.target.name, inputs, len(line), paid=True, rate=rate)
        except (BudgetError, InputError) as error:
            self._refused(entry, row, error)
            return None
        rules, model, items = self.how.rules, self.target.model(inputs), self._items(inputs)
        full = None
        file = self._files.get(model)
        if file is not None and (file.size + len(line) > rules.bytes or file.items + items > rules.lines):
            full = self._files.pop(model)
        elif file is None and len(self._files) == _FILES:
            full = self._files.pop(max(self._files, key=lambda each: self._files[each].size))
        if model not in self._files:
            batch = RowBatch()
            self._files[model] = BatchFile(batch, self._open.place(batch))
        self._files[model].add(entry, row, line, items)
        return full

    def _forget_files(self) -> None:
        """What was never claimed waits in the ledger as before."""
        for file in self._files.values():
            file.close()
            self._open.clear(file.batch)
            for entry, _ in file.rows:
                self._release(entry)
        self._files = {}

    def _release(self, entry: RowEntry) -> None:
        """The row did not run: what was set aside for it is free."""
        if (ticket := self._tickets.pop(entry.n, None)) is not None:
            ticket.settle(None, SetupError("The row was not sent."))

    def _items(self, inputs: dict[str, Any]) -> int:
        given = inputs.get(self.how.rules.items.get(self.target.name, ""))
        return len(given) if isinstance(given, list) and given and not isinstance(given[0], int) else 1

    async def _claimed(self, file: BatchFile) -> bool:
        """Claims the rows of a whole file, and only then keeps its batch: what a crash leaves before that was never sent."""
        file.close()
        taken = await asyncio.gather(*(self._claim(entry) for entry, _ in file.rows))
        ours = [item for item, mine in zip(file.rows, taken, strict=True) if mine is True]
        if len(ours) < len(file.rows):  # another process has some of them
            for entry, row in ours:
                self._back(entry, row, wait=0.0, counted=False)
            self._open.clear(file.batch)
            return False
        for entry, _ in ours:
            entry.category = file.batch.name
            self._moved.append((entry, None))
        await self._flushed()
        self._open.all[file.batch.name] = file.batch
        self._open.keep()
        return True

    # --- one batch ---

    async def _carry(self, batch: RowBatch) -> None:
        """A batch from its file to its last row; stops where the run does."""
        job = BatchJob(self.how, self.target, batch, self._open, self)
        try:
            while not self.leaves:
                try:
                    status = await job.ended()
                except QueueFull:
                    job.forget()
                    await self._queue()
                except JobRefused as refused:
                    await self._reject(batch, refused.error)
                    return
                else:
                    if status is not None:
                        await self._read(job, batch, status)
                        return
        except ConnectorError as error:
            self.drain(*_stop_for(error))
        finally:
            self.wake()

    async def _reject(self, batch: RowBatch, error: RejectedError) -> None:
        """The job was refused, and with it each of its rows."""
        for entry, row in self._rows_of(batch):
            self._release(entry)
            self._refused(entry, row, error)
        await self._flushed()
        self._open.drop(batch)

    async def or_stop(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """The value of ``work``; None where the run stops before."""
        task = asyncio.create_task(work)
        while not task.done() and not self.leaves:
            await self._first(task)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    # --- the queue ---

    async def _queue(self) -> None:
        """Waits until a batch of ours has ended, or a while; meanwhile no other is sent."""
        poll = self.how.job.poll
        self._pause = min(poll.cap, max(poll.start, self._pause * poll.factor))
        self._queued += 1
        try:
            await self._first(timeout=self._pause)
        finally:
            self._queued -= 1

    # --- answers ---

    async def _read(self, job: BatchJob, batch: RowBatch, status: Status) -> None:
        """Each row's answer out of the job's files, then the rows that have none; the batch is forgotten when all of them are kept."""
        result = await job.answers(status)
        busy = self._busy
        with result:
            left, answered = await self._read_lines(result.value, batch)
        refused = job.refused_lines(status)
        for place, (entry, row) in enumerate(left, 1):
            self._without_answer(entry, row, status, answered, is_refused=place in refused)
        batch.rows = 0
        await self._flushed()
        self._open.drop(batch)
        if self._busy > busy:
            await self._queue()
        else:
            self._pause = 0.0

    def _rows_of(self, batch: RowBatch) -> Iterator[Item]:
        """The rows that are in a batch still, in the order of its file. Raises InputError where one is another than before."""
        sent = (entry for entry in self.ledger.entries(RowState.SENT) if entry.category == batch.name)
        return self.rows(sent, batch.start)

    async def _read_lines(self, table: LineTable, batch: RowBatch) -> tuple[list[Item], int]:
        """Settles the rows that have a line; gives the others, and how many lines say that something ran."""
        left: list[Item] = []
        answered = 0
        for number, (entry, row) in enumerate(self._rows_of(batch), 1):
            line = table.row(entry.key)
            if line is None:
                left.append((entry, row))
                continue
            batch.rows -= 1
            if line.status is None and at(line.error, f"/{self.how.rules.errors.code}") in self.how.rules.again:
                self._release(entry)
                self._back(entry, row, wait=0.0, counted=False)
            else:
                answered += 1
                self._settle(entry, row, line)
            if number % _TURN == 0:
                await self._flushed()
        return left, answered

    def _settle(self, entry: RowEntry, row: Row, line: LineRow) -> None:
        """What the row's call would have come to, had it been answered so."""
        ticket = self._tickets.pop(entry.n, None)
        status, body = (_SERVER, {"error": line.error}) if line.status is None else (line.status, line.body)
        result, failure = None, None
        try:
            options = CallOptions(policy="pass", named_files=False)
            result = self.target.connector.read_reply(
                self.target.name, self.row_map.inputs(row), self.target.connection, options, status=status, body=encode(body)
            )
            result.request_id = line.request_id
            answer, ended = self.target.judged(result)
        except ConnectorError as error:
            failure = error
            if isinstance(error, ApiError):
                error.request_id = line.request_id
            self._refused(entry, row, error)
        else:
            self._succeeded(entry, answer, ended)
        if ticket is not None:
            ticket.settle(result, failure)

    def _without_answer(self, entry: RowEntry, row: Row, status: Status, answered: int, *, is_refused: bool) -> None:
        """A row that neither file names: refused, or not run and sent again, or nobody knows."""
        done = status.done
        did_not_run = (status.end == "failure" and not done) or (status.end in _EXPECTED and done is not None and answered >= done)
        if did_not_run:
            self._release(entry)
        if did_not_run and status.end == "failure":
            if is_refused or entry.tries >= self.attempts:
                self._end(entry, RowState.FAILED, "rejected", RowAnswer(b"null", {"message": status.error or "The file was refused."}))
            else:
                self._back(entry, row, wait=0.0)
        elif did_not_run:
            self._back(entry, row, wait=0.0, counted=False)
        else:
            words = "The batch has ended, and neither of its files has an answer for this row."
            self._end(entry, RowState.UNKNOWN, "no_answer", RowAnswer(b"null", {"message": words}))

    def _count(self, *, failed: bool, error: ConnectorError | None = None) -> None:
        """Rows of one file fail together, such as those of a model that is not there: what is sent already is read in any case."""
        self._streak = self._streak + 1 if failed else 0
        self._trouble = error or self._trouble

    def _refused(self, entry: RowEntry, row: Row, error: ConnectorError) -> None:
        self._busy += turned_away(error)
        super()._refused(entry, row, error)

    def _back(self, entry: RowEntry, row: Row, *, wait: float, counted: bool = True) -> None:
        """The row waits for the next file. It is read again then: what returns from large files has no room in memory."""
        del row, wait
        if entry.state != RowState.PENDING:
            entry.state, entry.category = RowState.PENDING, ""
            entry.tries = entry.tries if counted else max(0, entry.tries - 1)
            self._moved.append((entry, None))
            self._ask_flush()
        self._returned += 1


def _stop_for(error: ConnectorError) -> tuple[Stop, ConnectorError]:
    """Why the run stops where a batch cannot be sent, asked for or read."""
    if isinstance(error, InputError):
        return "input", error
    return ("access" if isinstance(error, (AccessError, SetupError)) else "failures"), error


def batch_runner_by(
    how: BatchTarget, feeds: Callable[[], Iterator[Item]], rows: Callable[[Iterable[RowEntry], Start], Iterator[Item]]
) -> Callable[..., Runner]:
    """Makes the runner of a target whose requests go in batches."""

    def make(*values: Any) -> Runner:
        runner = BatchRunner(*values)
        runner.how, runner.feeds, runner.rows = how, feeds, rows
        return runner

    return make
