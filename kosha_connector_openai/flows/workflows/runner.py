"""A document is run: its interpreter is driven from a thread or from an event loop, and what happens is noted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.core import adrive_steps, drive_steps
from kosha_connector_openai.core.request import caller_files
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.arun import ARun
from kosha_connector_openai.flows.driving import Pause, adrive, drive
from kosha_connector_openai.flows.usage import add_usage
from kosha_connector_openai.flows.workflows.commands import Begun, End, Move, Moves, RunLimits, StepCall
from kosha_connector_openai.flows.workflows.interpreter import Interpreter, checked_inputs
from kosha_connector_openai.flows.workflows.journal import Journal, is_heard, log
from kosha_connector_openai.flows.workflows.model import Workflow, WorkflowDocument
from kosha_connector_openai.flows.workflows.result import StepRecord, WorkflowResult
from kosha_connector_openai.flows.workflows.step_runners import Worker
from kosha_connector_openai.schema import safe
from kosha_connector_openai.text import nearest

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import JobStore

Watch = Callable[[Begun | StepRecord], None]


def choose(document: WorkflowDocument, name: str | None = None) -> Workflow:
    """The workflow of this name; without one the only one. Raises InputError."""
    known = document.workflows
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[str(name)]
    near = nearest(name or "", known, shortest=3)
    fix = f"Did you mean `{safe(near)}`?" if near else f"There is {', '.join(map(safe, known))}."
    message = "The document has several workflows, and none was named." if name is None else "No workflow has this id."
    raise InputError(message, [Fault("/workflow", "unknown", "names no workflow.", fix)])


@dataclass(slots=True)
class WorkflowRun:
    """One run, as it goes."""

    document: WorkflowDocument
    workflow: Workflow
    worker: Worker
    limits: RunLimits
    journal: Journal
    watch: Watch | None
    clock: Callable[[], float]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    records: list[StepRecord] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0

    def moves(self, inputs: Mapping[str, Any]) -> Moves:
        """The steps of the run, as a generator that waits for each one's reply. Raises InputError for wrong inputs."""
        given = checked_inputs(self.workflow, inputs)
        self.started = self.clock()
        unsafe = bool(self.worker.options.unsafe_retries)
        catalog = self.worker.connector.catalog_of(self.worker.connection)
        return Interpreter(self.document, catalog, self.limits, self.clock, unsafe=unsafe).begin(self.workflow, caller_files(given))

    def note(self, move: Begun | StepRecord) -> None:
        """Keeps the record of a step that has ended, in the run and in its journal, and tells whoever watches."""
        if isinstance(move, StepRecord):
            self.records.append(move)
            self.usage = add_usage(self.usage, move.usage or {})
            if is_heard(self.journal):
                # A warning may have the provider's words: the journal has its rule alone.
                told = {"warnings": [fault.rule for fault in move.warnings]} if move.warnings else {}
                self.journal({"run": self.id, "time": _now(), "connector": self.worker.connector.id, **move.to_dict(), **told})
        if self.watch is not None:
            self.watch(move)

    def finish(self, end: End) -> WorkflowResult:
        """The result; raises the WorkflowError that the run ended with, the result in it."""
        outcome: Any = "failed" if end.error else "succeeded"
        seconds = self.clock() - self.started
        result = WorkflowResult(end.workflow, outcome, end.outputs, tuple(self.records), seconds, self.usage, self.id)
        self._close(outcome, end.error.code if end.error else None, seconds)
        if end.error is not None:
            end.error.result = result
            raise end.error.with_traceback(None)
        return result

    def cut(self) -> None:
        """The run was interrupted: the journal says so."""
        self._close("interrupted", None, self.clock() - self.started)

    def _close(self, outcome: str, error: str | None, seconds: float) -> None:
        if not is_heard(self.journal):
            return
        line = {
            "run": self.id,
            "time": _now(),
            "connector": self.worker.connector.id,
            "document": self.document.title,
            "workflow": self.workflow.id,
            "outcome": outcome,
            "error": error,
            "steps": len(self.records),
            "usage": self.usage,
            "duration": round(seconds, 6),
        }
        self.journal({name: value for name, value in line.items() if value is not None})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def run_workflow(
    document: WorkflowDocument,
    connector: Connector,
    connection: Connection,
    inputs: Mapping[str, Any] | None = None,
    *,
    workflow: str | None = None,
    limits: RunLimits = RunLimits(),
    options: CallOptions = CallOptions(),
    handles: JobStore | None = None,
    journal: Journal = log,
    watch: Watch | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> WorkflowResult:
    """Runs one workflow of a document to its end; ``options`` are those of each call.

    Raises WorkflowError where it fails, with the outputs so far and a record of each step in ``result``; InputError where the inputs are
    wrong or no such workflow is there. ``watch`` is told of each step as it begins and ends; ``journal`` gets a line for each step and one
    for the run. ``handles`` keeps the handle of each job that a step starts, from before it is started.
    """
    run = WorkflowRun(document, choose(document, workflow), Worker(connector, connection, options, handles), limits, journal, watch, clock)

    def perform(move: Move) -> Any:
        if isinstance(move, StepCall):
            return drive(run.worker.steps(move), connector, connection)
        return sleep(move.seconds) if isinstance(move, Pause) else run.note(move)

    moves = run.moves(inputs or {})
    try:
        end: End = drive_steps(moves, perform)
    except BaseException:
        run.cut()
        raise
    return run.finish(end)


async def arun_workflow(
    document: WorkflowDocument,
    connector: Connector,
    connection: Connection,
    inputs: Mapping[str, Any] | None = None,
    *,
    workflow: str | None = None,
    limits: RunLimits = RunLimits(),
    options: CallOptions = CallOptions(),
    handles: JobStore | None = None,
    journal: Journal = log,
    watch: Watch | None = None,
    sleep: Callable[[float], Awaitable[object]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    arun: ARun | None = None,
) -> WorkflowResult:
    """``run_workflow`` for asyncio; cancelling it closes the upstream connection. ``arun`` runs each action, by default the
    connector's own does."""
    import asyncio

    run = WorkflowRun(document, choose(document, workflow), Worker(connector, connection, options, handles), limits, journal, watch, clock)
    await connector.aread(connection)

    async def perform(move: Move) -> Any:
        if isinstance(move, StepCall):
            return await adrive(run.worker.steps(move), connector, connection, arun)
        return await (sleep or asyncio.sleep)(move.seconds) if isinstance(move, Pause) else run.note(move)

    moves = run.moves(inputs or {})
    try:
        end: End = await adrive_steps(moves, perform)
    except BaseException:
        run.cut()
        raise
    return run.finish(end)
