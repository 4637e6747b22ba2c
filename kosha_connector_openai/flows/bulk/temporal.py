"""Bulk runs on Temporal: one process begins a run and writes its output, workers anywhere send its rows, over a ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.flows.bulk.bulk import AsyncBulk
from kosha_connector_openai.flows.bulk.collector import rare_collections
from kosha_connector_openai.flows.bulk.entry import RowState
from kosha_connector_openai.flows.bulk.job import RowJob
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.opening import dsn_of, ledger_of, open_ledger, shared_ledger
from kosha_connector_openai.flows.bulk.options import BulkResult, Place, RowOptions, Rows, SendOptions
from kosha_connector_openai.flows.bulk.postgres import PostgresLedger
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.row import FaultList, Format, Row, Start, refused
from kosha_connector_openai.flows.bulk.runner import DRAIN, Item, Runner
from kosha_connector_openai.flows.bulk.sending import Sending, progress_of, waits_again
from kosha_connector_openai.flows.temporal import begun, connected, finished, queue_of, run_worker, told
from kosha_connector_openai.flows.temporal_place import TemporalPlace

_WORK: Final = "bulk"
_KEPT: Final = ("requests", "tokens", "attempts", "timeout", "in_flight")


@dataclass(slots=True)
class _Ended:
    """How a run on Temporal ended, as a Runner tells it."""

    progress: RunProgress
    stop: str = ""
    reason: ConnectorError | None = None
    unkept: list[int] = field(default_factory=list)


class TemporalBulk(AsyncBulk):
    """Runs whose rows workers send; as AsyncBulk otherwise. ``span`` is how many rows a worker takes up at once."""

    def __init__(self, connector: Connector, connection: Connection, *, place: TemporalPlace, span: int = 500, **more: Any) -> None:
        super().__init__(connector, connection, **more)
        self._place, self._span, self._stopping = place, span, False
        self._client: Any = None

    def stop(self) -> None:
        """Ends sending: workers finish and keep what is under way."""
        self._stopping = True

    async def run(
        self, target: str, rows: Rows, out: Place, options: RowOptions = RowOptions(), send: SendOptions = SendOptions()
    ) -> BulkResult:
        """As AsyncBulk.run; ``options.ledger`` is needed. Raises SetupError where Temporal is not there."""
        if options.ledger is None:
            fix = "Give --ledger, a secret reference to the DSN of a PostgreSQL database that all workers reach."
            raise SetupError(
                "A run on Temporal has its ledger in PostgreSQL; nothing was sent.", [Fault("/ledger", "required", "is missing.", fix)]
            )
        if options.via == "batch":
            fault = Fault("/via", "engine", "is batch, which one process sends; workers send rows in calls.", "Leave out --on, or --via.")
            raise SetupError("The options of the run are wrong.", [fault])
        self._client = await connected(self._place)
        return await super().run(target, rows, out, options, send)

    async def resume(
        self, path: Place, send: SendOptions = SendOptions(), *, adopt: bool = False, retry_failed: bool = False
    ) -> BulkResult:
        """As AsyncBulk.resume; where workers are still on the run, it is watched to its end."""
        self._client = await connected(self._place)
        with open_ledger(ledger_of(Path(path)), read_only=True) as ledger:
            run = _in_database(ledger).run
            if await self._is_running(run):
                return await self._watched(self._old(ledger), _in_database(ledger), send)
        return await super().resume(path, send, adopt=adopt, retry_failed=retry_failed)

    async def _is_running(self, run: str) -> bool:
        from temporalio.client import WorkflowExecutionStatus
        from temporalio.service import RPCError

        with suppress(RPCError):
            found = await self._client.get_workflow_handle(_id(run)).describe()
            return bool(found.status == WorkflowExecutionStatus.RUNNING)
        return False

    async def _send(self, job: RowJob, ledger: Ledger, send: SendOptions, start: Start) -> BulkResult:
        kept = _in_database(ledger)
        kept.keep_inputs(row for row, _ in job.bases(FaultList()))
        more = {"temporal": self._place.kept(), "budget": send.budget.terms if send.budget else None}
        kept.keep("send", {name: getattr(send, name) for name in _KEPT} | more)
        return await self._watched(job, kept, send)

    async def _watched(self, job: RowJob, ledger: PostgresLedger, send: SendOptions) -> BulkResult:
        ended, decided, before = _Ended(progress_of(ledger)), False, -1
        while True:
            ledger.share()
            await self._passed(ledger, ended)
            await self._settled(ledger)
            waiting = 0 if job.options.dedupe else ledger.counts()[RowState.WAITING]
            if ended.stop or ended.reason:
                break
            if waiting and waiting != before:  # a worker that was lost gave rows back after their span had ended
                before = waiting
            elif decided or not waits_again(ledger, send, ended.progress):
                break
            else:
                decided = True
        if send.budget is not None:
            send.budget.go_on(ledger.kept("spent") or {})  # what workers have spent
        return self._result(job, ledger, ended)

    async def _passed(self, ledger: PostgresLedger, ended: _Ended) -> None:
        """One workflow over all rows, watched to its end."""
        last = int(ledger.read("SELECT coalesce(max(n), 0) FROM rows")[0][0])
        plan = {"run": ledger.run, "next": 1, "last": last, "span": self._span, "window": 16}
        queue = queue_of(self.connector, _WORK)
        async with begun(self._client, self._place, "kosha-bulk", [plan], name=_id(ledger.run), queue=queue) as handle:
            await self._followed(handle, ledger, ended)

    async def _followed(self, handle: Any, ledger: PostgresLedger, ended: _Ended) -> None:
        """Shows how the workflow goes on, until it has ended."""
        from temporalio.client import WorkflowFailureError
        from temporalio.service import RPCError

        result: asyncio.Task[str] | None = None
        asked, began, done = False, time.monotonic(), ended.progress.done
        while True:
            result = result or asyncio.create_task(handle.result())
            await asyncio.wait([result], timeout=0.5)
            _show(ended.progress, ledger, began, done)
            if self._watch is not None:
                self._watch(ended.progress)
            if self._stopping and not asked:
                with suppress(RPCError):
                    await handle.cancel()
                    asked = True
            if not result.done():
                continue
            try:
                ended.stop = result.result()
            except WorkflowFailureError as error:
                ended.stop, ended.reason = "access", told(error)
            except RPCError:  # the server is away for a while
                result = None
                await asyncio.sleep(0.5)
                continue
            return

    async def _settled(self, ledger: PostgresLedger) -> None:
        """Waits for what is under way; what then is not answered may have run."""
        end = time.monotonic() + DRAIN
        while not ledger.alone() and time.monotonic() < end:
            await asyncio.sleep(0.2)
        ledger.move(RowState.SENT, RowState.UNKNOWN, "process_ended")


async def cancel_on_temporal(ledger: Ledger, place: TemporalPlace | None = None) -> bool:
    """Ends what workers send of a run, and waits until they have kept what was under way; whether Temporal had such a run going on.

    Without a ``place`` it is the one that the run was begun with. Raises SetupError where Temporal is not there.
    """
    kept = (ledger.kept("send") or {}).get("temporal")
    if kept is None:
        return False
    place = place or TemporalPlace.of_kept(kept)
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    handle = (await connected(place)).get_workflow_handle(_id(_in_database(ledger).run))
    try:
        await handle.cancel()
    except RPCError:  # it has ended, or was never begun
        return False
    with suppress(WorkflowFailureError):
        await handle.result()
    return True


def _id(run: str) -> str:
    return f"kosha-bulk-{run}"


def _in_database(ledger: Ledger) -> PostgresLedger:
    if not isinstance(ledger, PostgresLedger):
        fix = "Begin it with --ledger; a ledger in a file is for one machine."
        raise SetupError("The run cannot go on on Temporal.", [Fault("/ledger", "kind", "is a file.", fix)])
    return ledger


def _show(progress: RunProgress, ledger: PostgresLedger, began: float, before: int) -> None:
    now = progress_of(ledger)
    counts, seconds = ledger.counts(), time.monotonic() - began
    progress.done, progress.failed, progress.unknown = now.done, now.failed, now.unknown
    progress.in_flight, progress.waiting = counts[RowState.SENT], counts[RowState.WAITING]
    progress.seconds, progress.rate = seconds, (now.done - before) / max(seconds, 0.5)


@dataclass(slots=True)
class _LedgerRows:
    """The input of a run as its ledger keeps it, for hosts that do not have the file."""

    ledger: PostgresLedger
    path: Path
    format: Format

    def columns(self) -> tuple[str, ...] | None:
        first = self.ledger.first_row() if self.format != "jsonl" else None
        return tuple(first.values) if first else None

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        del start  # the first row alone is asked for; spans are read from the ledger
        first = self.ledger.first_row()
        if first is not None:
            yield first


@dataclass(slots=True)
class SpanWorker:
    """Sends spans of rows; ``ledger`` is the reference to the DSN. ``in_flight`` rows at most in each span, ``spans`` at a time."""

    connector: Connector
    connection: Connection
    ledger: str
    in_flight: int = 50
    spans: int = 2
    reached: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """How many rows of a run were under way at the end of its last span: the next one begins with them."""

    async def run(self, place: TemporalPlace) -> None:
        """Works until it is asked to end; what is under way is then finished and kept."""
        from kosha_connector_openai.flows.bulk.temporal_workflow import SPAN, BulkWorkflow

        dsn_of(self.ledger)  # what is wrong with it is told before there is work
        await self.connector.aread(self.connection)
        with rare_collections(self.in_flight * self.spans):
            await run_worker(place, queue_of(self.connector, _WORK), BulkWorkflow, {SPAN: self.span}, self.spans)

    async def span(self, run: str, first: int, last: int) -> str:
        """Sends the rows from ``first`` to ``last`` that wait; "" or why the whole run stops."""
        from temporalio.exceptions import ApplicationError

        span = _Span(self, run, first, last)
        try:
            cancelled = await finished(span.send(), span.drain)
        except ConnectorError as error:
            again = any(fault.rule in ("server", "held") for fault in getattr(error, "faults", ()))
            raise ApplicationError(error.message, type=error.code, non_retryable=not again) from None
        if cancelled:
            return "signal"
        if span.stop in ("signal", "ledger"):
            raise ApplicationError("This worker ends; another takes the rest.", type=span.stop)
        return span.stop

    def runner(self, ledger: PostgresLedger, first: int, last: int) -> Runner:
        """The local runner, over a span."""
        settings, kept = ledger.kept("settings"), ledger.kept("send")
        source = _LedgerRows(ledger, Path(settings["input"]), settings["options"]["format"])
        job = AsyncBulk(self.connector, self.connection)._old(ledger, source)
        if job.target.digest != settings["description"]:
            raise refused("/target", "changed", "has another description here.", "Give all workers the connector that the run began with.")
        budget = self.connector.outputs.budget_of(kept["budget"]) if kept.get("budget") else None  # of this span; the ledger adds them up
        send = replace(SendOptions(**{name: kept[name] for name in _KEPT}), in_flight=self.in_flight, budget=budget)
        items: list[Item] = [(entry, row) for entry, row in ledger.span(first, last) if not (job.options.dedupe and entry.occurrence)]
        start = self.reached.get(ledger.run)
        return Sending(self.connector, self.connection, job, ledger, send, start=start).runner(iter(items), RunProgress(total=len(items)))


@dataclass(slots=True)
class _Span:
    """The sending of one span. Its ledger is opened and closed in a thread, since the worker's other spans are on the same event loop."""

    worker: SpanWorker
    run: str
    first: int
    last: int
    stop: str = ""
    _runner: Runner | None = None
    _is_drained: bool = False

    async def send(self) -> None:
        ledger = await asyncio.to_thread(shared_ledger, self.worker.ledger, self.run, shared=True)
        try:
            self._runner = await asyncio.to_thread(self.worker.runner, _in_database(ledger), self.first, self.last)
            if self._is_drained:
                self._runner.drain()
            await self._runner.run()
            self.stop, self.worker.reached = self._runner.stop, {self.run: self._runner.flight.size}
        finally:
            await asyncio.to_thread(ledger.close)

    def drain(self) -> None:
        """As a runner's; it may come before there is one."""
        self._is_drained = True
        if self._runner is not None:
            self._runner.drain()
