"""The steps of a document's run, each by whichever worker is there; the ledger knows which were begun and what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.errors import ConnectorError, Fault, OutcomeUnknownError, SetupError
from kosha_connector_openai.flows.bulk import KeptBudget, Ledger, RowAnswer, RowEntry, RowState, dsn_of, shared_ledger
from kosha_connector_openai.flows.driving import Pause, adrive
from kosha_connector_openai.flows.durable.codec import dump, load
from kosha_connector_openai.flows.temporal import Failures, begun, connected, finished, queue_of, run_worker, told
from kosha_connector_openai.flows.temporal_place import TemporalPlace
from kosha_connector_openai.flows.workflows import (
    End,
    RunLimits,
    StepCall,
    StepReply,
    Worker,
    WorkflowResult,
    WorkflowRun,
    checked_inputs,
    choose,
    read_workflows,
)
from kosha_connector_openai.outputs import Budget

_WORK: Final = "workflows"
_UNKNOWN: Final = "A worker was lost while it ran this step: it may have run, and may have been paid for."


async def begin_workflow(
    document: Mapping[str, Any],
    connector: Connector,
    connection: Connection,
    inputs: Mapping[str, Any],
    *,
    name: str,
    ledger: str,
    place: TemporalPlace,
    workflow: str | None = None,
    limits: RunLimits = RunLimits(),
    budget: Budget | None = None,
) -> WorkflowResult:
    """Runs a document's workflow on Temporal, or goes on with the run of this ``name``, and waits for its end.

    ``document`` is the document's values, ``ledger`` the reference to the DSN of the database that all workers reach; ``budget`` covers
    the run, whichever workers run its steps. Raises as ``run_workflow`` does, and SetupError where Temporal, the database or a worker's
    part is not as it should be.
    """
    from temporalio.client import WorkflowFailureError

    client = await connected(place)
    await connector.aread(connection)
    chosen = choose(read_workflows(document, connector, catalog=connector.catalog_of(connection)), workflow)
    checked_inputs(chosen, inputs)
    settings = {"document": document, "workflow": chosen.id, "inputs": inputs, "steps": limits.steps, "seconds": limits.seconds}
    with ledger_of_run(ledger, name) as kept:
        _keep_run(kept, dump(settings), budget)
        is_ended = kept.kept("result") is not None
    if not is_ended:
        queue = queue_of(connector, _WORK)
        async with begun(client, place, "kosha-workflow", [name, 0], name=f"kosha-workflow-{name}", queue=queue) as handle:
            try:
                await handle.result()
            except WorkflowFailureError as error:
                raise told(error) from None
    with shared_ledger(ledger, f"workflow-{name}", read_only=True) as kept:
        if budget is not None:
            budget.go_on(kept.kept("spent") or {})  # what workers have spent
        return _result_of(kept)


def _keep_run(ledger: Ledger, settings: bytes, budget: Budget | None) -> None:
    """Keeps a run's settings, where it is new, and its budget. Raises SetupError where a run of the name has other settings."""
    before = ledger.kept("run")
    if before is not None and before["settings"].encode() != settings:
        fix = "Name another run, or give the document and inputs that it was begun with."
        raise SetupError("A run of this name is there.", [Fault("/run", "exists", "has another document or other inputs.", fix)])
    if before is None or budget is not None:
        started = before or {"settings": settings.decode(), "started": time.time()}
        ledger.keep("run", {**started, "budget": budget.terms if budget else None})


def _result_of(ledger: Ledger) -> WorkflowResult:
    """The result of a run that has ended. Raises the error that ended it."""
    values = load(str(ledger.kept("result")).encode())
    found = WorkflowResult(**{**values["result"], "steps": tuple(values["result"]["steps"])})
    if values["error"] is not None:
        values["error"].result = found
        raise values["error"]
    return found


def ledger_of_run(reference: str, name: str) -> Ledger:
    """The ledger of a document's run, made where there is none; one that is there is not held, since a worker may be on a step of it."""
    run = f"workflow-{name}"
    try:
        return shared_ledger(reference, run, read_only=True)
    except SetupError as error:
        if not any(fault.rule == "run" for fault in error.faults):
            raise
    return shared_ledger(reference, run, new=True)


@dataclass(slots=True)
class StepWorker:
    """Runs steps of documents; ``ledger`` is the reference to the DSN, ``steps`` how many run at a time."""

    connector: Connector
    connection: Connection
    ledger: str
    options: CallOptions = CallOptions()
    steps: int = 20
    _failures: Failures = field(default_factory=Failures, init=False, repr=False)

    async def run(self, place: TemporalPlace) -> None:
        """Works until it is asked to end; a step that is under way is then finished and kept."""
        from kosha_connector_openai.flows.durable.temporal_workflow import STEP, StepsWorkflow

        dsn_of(self.ledger)  # what is wrong with it is told before there is work
        await self.connector.aread(self.connection)
        await run_worker(place, queue_of(self.connector, _WORK), StepsWorkflow, {STEP: self.step}, self.steps)

    async def step(self, name: str, place: int) -> dict[str, Any]:
        """Runs the next task of a run: whether the run has ended, and seconds to wait before the next one. Only one worker has a run."""
        del place  # the ledger knows where the run is; the number tells one activity from another
        try:
            with shared_ledger(self.ledger, f"workflow-{name}") as ledger:
                task = _Task(self, ledger)
                await finished(task.run(), lambda: None)
                return task.answer
        except ConnectorError as error:
            raise self._failures.told(error) from None


@dataclass(slots=True)
class _Task:
    """One task of a run: what came back before is given to the interpreter again, then the next one is done and kept."""

    worker: StepWorker
    ledger: Ledger
    answer: dict[str, Any] = field(default_factory=lambda: {"ended": False, "pause": 0.0})
    now: float | None = None
    budget: Budget | None = None

    def clock(self) -> float:
        """The time of what came back before, then that of the clock: so a run goes the same way again."""
        return time.time() if self.now is None else self.now

    async def run(self) -> None:
        kept = self.ledger.kept("run")
        self.now = kept["started"]
        settings = load(kept["settings"].encode())
        connector, connection = self.worker.connector, self.worker.connection
        document = read_workflows(settings["document"], connector, catalog=connector.catalog_of(connection))
        limits = RunLimits(steps=settings["steps"], seconds=settings["seconds"])
        steps = Worker(connector, connection, self._options(kept.get("budget")))
        run = WorkflowRun(document, choose(document, settings["workflow"]), steps, limits, lambda _: None, None, self.clock)
        moves = run.moves(settings["inputs"])
        number, sent, entries = 0, None, {entry.n: entry for entry in self.ledger.entries()}
        done = sum(entry.state == RowState.DONE for entry in entries.values())
        try:
            while True:
                move = moves.send(sent)
                sent = None
                if not isinstance(move, (StepCall, Pause)):
                    run.note(move)
                    continue
                number += 1
                entry = entries.get(number)
                if entry is None or entry.state != RowState.DONE:
                    await self._do(steps, move, entry or RowEntry(number, number.to_bytes(16, "big")))
                    return
                self.now = entry.at
                sent = load(self.ledger.answer_of(entry).body)
                if number == done:
                    self.now = None
        except StopIteration as stop:
            self._end(run, stop.value)

    def _options(self, terms: Mapping[str, Any] | None) -> CallOptions:
        """Those of the worker's calls; with a budget, a call leaves when what it set aside is kept."""
        if terms is None:
            return self.worker.options
        self.budget = self.worker.connector.outputs.budget_of(terms)
        self.budget.go_on(self.ledger.kept("spent") or {})
        return replace(self.worker.options, budget=self.budget, pace=KeptBudget(None, self.budget, self._keep_spent))

    def _keep_spent(self) -> asyncio.Future[None]:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ledger.commit(spent=self._spent)
        kept.set_result(None)
        return kept

    @property
    def _spent(self) -> dict[str, str] | None:
        return self.budget.kept if self.budget is not None else None

    async def _do(self, steps: Worker, move: StepCall | Pause, entry: RowEntry) -> None:
        reply: StepReply | None = None
        if isinstance(move, Pause):
            self.answer["pause"] = move.seconds
        elif entry.state == RowState.SENT and not _is_harmless(steps, move):
            reply = StepReply(error=OutcomeUnknownError(_UNKNOWN, phase="read"))
        else:
            self._keep(entry, RowState.SENT)
            reply = await adrive(steps.steps(move), self.worker.connector, self.worker.connection)
        self._keep(entry, RowState.DONE, RowAnswer(dump(reply)))

    def _keep(self, entry: RowEntry, state: RowState, answer: RowAnswer | None = None) -> None:
        entry.state, entry.at, entry.tries = state, time.time(), entry.tries + (state == RowState.SENT)
        self.ledger.commit(moved=[(entry, answer)], spent=self._spent)

    def _end(self, run: WorkflowRun, end: End) -> None:
        error: ConnectorError | None = None
        try:
            result = run.finish(end)
        except ConnectorError as failed:
            error, result = failed, failed.result  # type: ignore[attr-defined]
        values = {name: getattr(result, name) for name in ("workflow", "outcome", "outputs", "steps", "duration", "usage", "run")}
        self.ledger.keep("result", dump({"result": values, "error": error}).decode())
        self.answer["ended"] = True


def _is_harmless(steps: Worker, move: StepCall) -> bool:
    return move.step.runner == "operation" and bool(steps.action(move).hints.idempotent)
