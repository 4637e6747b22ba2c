"""Bulk runs on Temporal: one process begins a run and writes its output, workers anywhere send its rows, over a ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.flows.bulk.bulk import AsyncBulk
from kosha_connector_openai.flows.bulk.entry import RowState
from kosha_connector_openai.flows.bulk.job import RowJob
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.opening import ledger_of, open_ledger
from kosha_connector_openai.flows.bulk.options import BulkResult, Place, RowOptions, Rows, SendOptions
from kosha_connector_openai.flows.bulk.postgres import PostgresLedger
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.row import FaultList, Start
from kosha_connector_openai.flows.bulk.runner import DRAIN
from kosha_connector_openai.flows.bulk.sending import progress_of, waits_again
from kosha_connector_openai.flows.bulk.span_worker import KEPT, WORK
from kosha_connector_openai.flows.temporal import begun, connected, queue_of, told
from kosha_connector_openai.flows.temporal_place import TemporalPlace


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
        self._place, self._span = place, span
        self._client: Any = None

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
            if await _is_running(self._client, run):
                if adopt or retry_failed:
                    fix = "Let it end, or end it with `bulk cancel`; then do this again."
                    raise SetupError(
                        "Workers are on this run; nothing was changed.", [Fault("/ledger", "held", "goes on on Temporal.", fix)]
                    )
                with self._stoppable():
                    return await self._watched(self._old(ledger), _in_database(ledger), send, is_going=True)
        return await super().resume(path, send, adopt=adopt, retry_failed=retry_failed)

    async def _send(self, job: RowJob, ledger: Ledger, send: SendOptions, start: Start) -> BulkResult:
        kept = _in_database(ledger)
        kept.keep_inputs(row for row, _ in job.bases(FaultList()))
        more = {"temporal": self._place.kept(), "budget": send.budget.terms if send.budget else None}
        kept.keep("send", {name: getattr(send, name) for name in KEPT} | more)
        return await self._watched(job, kept, send)

    async def _watched(self, job: RowJob, ledger: PostgresLedger, send: SendOptions, *, is_going: bool = False) -> BulkResult:
        ended, decided, before, dedupe = _Ended(progress_of(ledger)), False, -1, job.options.dedupe
        while True:
            ledger.share()
            if is_going or ledger.waiting(dedupe=dedupe):  # where nothing waits, no worker needs to be there
                await self._passed(ledger, ended)
            is_going = False
            await self._settled(ledger)
            waiting = ledger.waiting(dedupe=dedupe)
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
        """One workflow over all rows that wait, watched to its end."""
        first, last = ledger.read("SELECT coalesce(min(n), 1), coalesce(max(n), 0) FROM rows WHERE state = 0")[0]
        plan = {"run": ledger.run, "next": first, "last": last, "span": self._span, "window": 16}
        queue = queue_of(self.connector, WORK)
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
            try:
                _show(ended.progress, ledger, began, done)
            except SetupError:  # PostgreSQL is away for a while: workers wait for it, too
                with suppress(SetupError):
                    ledger.again()
            if self._watch is not None:
                self._watch(ended.progress)
            if self._stopped and not asked:
                with suppress(RPCError, SetupError):
                    ledger.ask_to_stop()
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
    shared = _in_database(ledger)
    asked = shared.ask_to_stop()  # workers hear it at once, and of Temporal with a heartbeat; that ends what none has taken up
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    client = await connected(place)
    handle = client.get_workflow_handle(_id(shared.run))
    if not (await _is_running(client, shared.run) or asked):
        return False
    with suppress(RPCError, WorkflowFailureError):
        await handle.cancel()
        await handle.result()
    return True


async def _is_running(client: Any, run: str) -> bool:
    """Whether a run's workflow goes on; Temporal takes it for no fault to cancel one that has ended."""
    from temporalio.client import WorkflowExecutionStatus
    from temporalio.service import RPCError

    with suppress(RPCError):
        found = await client.get_workflow_handle(_id(run)).describe()
        return bool(found.status == WorkflowExecutionStatus.RUNNING)
    return False


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
    progress.in_flight, progress.waiting = counts[RowState.SENT], counts[RowState.PENDING]
    progress.seconds, progress.rate = seconds, (now.done - before) / max(seconds, 0.5)
