"""A run as a generator without I/O: it yields step calls, pauses and notes, is sent replies, and returns how it ended.

A step has succeeded where its criteria hold, or without criteria where its call did. A reply of 400 or above counts as a success only
where a criterion asks for the status. A step that has failed, and that no failure action takes up, ends the run as failed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from kosha_connector_openai.core.actions import Action, is_file
from kosha_connector_openai.core.request import is_file_value
from kosha_connector_openai.core.transport import may_begin_again, note_paid, parse_retry_after, was_paid
from kosha_connector_openai.errors import ConnectorError, InputError, WorkflowError, WorkflowLimitError
from kosha_connector_openai.flows.driving import Pause
from kosha_connector_openai.flows.workflows.commands import Begun, End, Move, Moves, RunLimits, StepCall
from kosha_connector_openai.flows.workflows.filling import fill_step
from kosha_connector_openai.flows.workflows.model import Step, StepAction, Workflow, WorkflowDocument
from kosha_connector_openai.flows.workflows.result import StepRecord
from kosha_connector_openai.flows.workflows.scope import Frame, Known, StepExchange, StepReply
from kosha_connector_openai.flows.workflows.templates import Omitted, Template, Unfilled
from kosha_connector_openai.schema import safe

_BAD: Final = 400
_SENDING: Final = ("operation", "job")
_PLAIN: Final = (str, int, float, dict, type(None))


@dataclass(slots=True)
class _Attempt:
    """One attempt at a step; ``failed`` points at the criterion or value that failed it."""

    known: Known
    exchange: StepExchange
    error: ConnectorError | None = None
    failed: str | None = None
    unmet: str = ""
    """The text of the criterion, which is the document's own."""

    @property
    def ok(self) -> bool:
        return self.error is None and self.failed is None


def checked_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with the schema's defaults; raises InputError with every fault."""
    given = {**workflow.inputs.defaults, **inputs}
    known = workflow.inputs.schema.get("properties", {})
    plain = {name: "file" if _takes_file(known.get(name)) and is_file(value) else _stand_in(value) for name, value in given.items()}
    report = workflow.inputs.validator.check(plain)
    fix = f"Known here: {', '.join(known) or 'none'}."  # any other name could have no effect
    if faults := (*report.faults, *(replace(fault, fix=fix) for fault in report.warnings)):
        raise InputError(f"The inputs of {workflow.id} are wrong.", faults)
    return given


def _takes_file(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("format") == "binary"


def _stand_in(value: Any) -> Any:
    """A text in place of a file that is no JSON, so that the schema can be checked."""
    if isinstance(value, list):
        return [_stand_in(item) for item in value]
    return "file" if not isinstance(value, _PLAIN) and is_file_value(value) else value


class Interpreter:
    """One run of a document. ``unsafe`` lets a retry send again what may have run already."""

    def __init__(
        self,
        document: WorkflowDocument,
        catalog: Mapping[str, Action],
        limits: RunLimits = RunLimits(),
        clock: Callable[[], float] = time.monotonic,
        *,
        unsafe: bool = False,
    ) -> None:
        self._document = document
        self._catalog = catalog
        self._limits = limits
        self._clock = clock
        self._unsafe = unsafe
        self._started = clock()
        self._count = 0
        self._paid = 0
        """Calls that were, or may have been, run and paid for."""
        self._finished: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}

    def begin(self, workflow: Workflow, given: Mapping[str, Any], depth: int = 0) -> Moves:
        """The moves of one workflow with checked inputs, and of those that it depends on or hands over to; returns an End."""
        paid = self._paid
        end: End = yield from self._whole(workflow, given, depth)
        if end.error is not None and self._paid > paid:
            note_paid(end.error)
        return end

    def _nested(self, name: str, inputs: Mapping[str, Any], depth: int) -> Moves:
        workflow = self._document.workflows[name]
        if depth > self._limits.depth:
            return self._limit(workflow, None, f"Workflows run inside workflows more than {self._limits.depth} deep.")
        try:
            given = checked_inputs(workflow, inputs)
        except InputError as error:
            return self._failed(workflow, "The inputs of the workflow are wrong.", error)
        return (yield from self.begin(workflow, given, depth))

    def _whole(self, workflow: Workflow, given: Mapping[str, Any], depth: int) -> Moves:
        for other in workflow.depends_on:
            if other not in self._finished:
                end = yield from self._nested(other, self._passed_on(other, given), depth + 1)
                if end.error is not None:
                    return End(workflow.id, {}, end.error)
        return (yield from self._steps(Frame(workflow, given), depth))

    def _passed_on(self, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the present inputs that another workflow takes, too."""
        names = self._document.workflows[name].inputs.names
        return {key: value for key, value in inputs.items() if key in names}

    def _steps(self, frame: Frame, depth: int) -> Moves:
        workflow, place = frame.workflow, 0
        error: WorkflowError | None = None
        while place < len(workflow.steps):
            step = workflow.steps[place]
            action, error = yield from self._step(frame, step, depth)
            if error is not None and (action is None or action.turn == "end"):
                break
            if action is None:
                place += 1
            elif action.step:
                place = workflow.place(action.step)
            elif action.workflow:
                return (yield from self._handed_over(frame, action, depth))
            else:
                break
            error = None
        outputs = self._outputs(Known(self._document, self._finished, frame), workflow.outputs)
        if error is None:
            self._finished[workflow.id] = (frame.inputs, outputs)
        return End(workflow.id, outputs, error, frame.last_status)

    def _handed_over(self, frame: Frame, action: StepAction, depth: int) -> Moves:
        assert action.workflow is not None
        return (yield from self._nested(action.workflow, self._passed_on(action.workflow, frame.inputs), depth + 1))

    def _step(self, frame: Frame, step: Step, depth: int) -> Generator[Move, Any, tuple[StepAction | None, WorkflowError | None]]:
        """Runs one step until it need not be tried again; the action that comes next, and why it failed."""
        tries: Counter[str] = Counter()
        for number in range(1, self._limits.steps + 2):
            error = self._over(frame, step)
            if error is not None:
                return None, error
            started = self._clock()
            yield Begun(frame.workflow.id, step, number)
            attempt = yield from self._attempt(frame, step, depth)
            frame.steps[step.id] = self._outputs(attempt.known, step.outputs)
            frame.last_status = attempt.exchange.reply.status
            action = self._next(attempt, step, tries)
            yield self._record(frame, attempt, action, number, self._clock() - started)
            failure = None if attempt.ok else self._why(frame.workflow, attempt)
            if action is None or action.turn != "retry":
                return action, failure
            tries[action.name] += 1
            if (error := (yield from self._before_retry(frame, action, depth))) is not None:
                return None, error
            if pause := self._pause(action, attempt):
                yield Pause(pause)
        return None, self._over(frame, step)

    def _over(self, frame: Frame, step: Step) -> WorkflowError | None:
        self._count += 1
        if self._count > self._limits.steps:
            return self._limit_error(frame.workflow, step, f"More than {self._limits.steps} steps were run.")
        if self._left() <= 0:
            return self._late(frame.workflow, step)
        return None

    def _late(self, workflow: Workflow, step: Step) -> WorkflowError:
        return self._limit_error(workflow, step, f"The run took longer than {self._limits.seconds:g} seconds.")

    def _left(self) -> float:
        return self._started + self._limits.seconds - self._clock()

    def _attempt(self, frame: Frame, step: Step, depth: int) -> Generator[Move, Any, _Attempt]:
        exchange = StepExchange(step)
        attempt = _Attempt(Known(self._document, self._finished, frame, exchange), exchange)
        try:
            inputs = fill_step(attempt.known, exchange, self._catalog[step.target] if step.runner in _SENDING else None)
        except InputError as error:
            attempt.error, attempt.failed = error, error.pointer
            return attempt
        if step.runner == "workflow":
            exchange.reply = yield from self._inner(step, inputs, depth)
        else:
            exchange.reply = yield StepCall(step, inputs, step.retries, self._left())
            self._paid += not self._is_harmless(step) and was_paid(exchange.reply.error)
        self._judge(attempt)
        return attempt

    def _inner(self, step: Step, inputs: Mapping[str, Any], depth: int) -> Generator[Move, Any, StepReply]:
        end = yield from self._nested(step.target, inputs, depth + 1)
        return StepReply(status=end.status, outputs=end.outputs, error=end.error)

    def _judge(self, attempt: _Attempt) -> None:
        """Whether the step has succeeded."""
        step, reply = attempt.exchange.step, attempt.exchange.reply
        refused = step.runner == "operation" and reply.status is not None and reply.status >= _BAD
        if reply.error is not None and not (refused and any(criterion.about_status for criterion in step.criteria)):
            attempt.error = reply.error
            return
        for criterion in step.criteria:
            if not criterion.satisfied(attempt.known.look):
                attempt.failed, attempt.unmet, attempt.error = criterion.pointer, criterion.text, reply.error
                return

    def _next(self, attempt: _Attempt, step: Step, tries: Counter[str]) -> StepAction | None:
        """The first action whose criteria hold; a retry that is used up, too late or could pay twice is passed over."""
        for action in step.on_success if attempt.ok else step.on_failure:
            if not all(criterion.satisfied(attempt.known.look) for criterion in action.criteria):
                continue
            if action.turn != "retry" or (tries[action.name] < action.retry_limit and self._may_repeat(action, attempt)):
                return action
        return None

    def _may_repeat(self, action: StepAction, attempt: _Attempt) -> bool:
        step = attempt.exchange.step
        if self._pause(action, attempt) > min(self._limits.pause, self._left()):
            return False
        harmless = self._unsafe or self._is_harmless(step)
        named = any(criterion.about_status or attempt.error is None for criterion in action.criteria)
        return may_begin_again(attempt.error, harmless=harmless, named=named)

    def _is_harmless(self, step: Step) -> bool:
        return step.runner == "operation" and self._catalog[step.target].hints.idempotent

    @staticmethod
    def _pause(action: StepAction, attempt: _Attempt) -> float:
        """Seconds before a retry: the server's word goes before the document's."""
        reply = attempt.exchange.reply
        asked = getattr(reply.error, "retry_after", None) if reply.error else parse_retry_after(reply.headers, time.time())
        return float(action.retry_after or 0) if asked is None else float(asked)

    def _before_retry(self, frame: Frame, action: StepAction, depth: int) -> Generator[Move, Any, WorkflowError | None]:
        """What a retry does first: another step, once and without its own actions, or another workflow."""
        if action.workflow:
            end = yield from self._nested(action.workflow, self._passed_on(action.workflow, frame.inputs), depth + 1)
            found: WorkflowError | None = end.error
            return found
        if not action.step:
            return None
        step = frame.workflow.steps[frame.workflow.place(action.step)]
        if (error := self._over(frame, step)) is not None:
            return error
        started = self._clock()
        yield Begun(frame.workflow.id, step, 1)
        attempt = yield from self._attempt(frame, step, depth)
        frame.steps[step.id] = self._outputs(attempt.known, step.outputs)
        yield self._record(frame, attempt, None, 1, self._clock() - started, then="retry" if attempt.ok else "fail")
        return None if attempt.ok else self._why(frame.workflow, attempt)

    @staticmethod
    def _outputs(known: Known, templates: Mapping[str, Template]) -> dict[str, Any]:
        """Those outputs that there is a value for."""
        found = {}
        for name, template in templates.items():
            with suppress(Omitted, Unfilled):
                found[name] = template.fill(known.look)
        return found

    def _record(
        self, frame: Frame, attempt: _Attempt, action: StepAction | None, number: int, seconds: float, *, then: str | None = None
    ) -> StepRecord:
        step, reply, error = attempt.exchange.step, attempt.exchange.reply, attempt.error
        return StepRecord(
            workflow=frame.workflow.id,
            step=step.id,
            pointer=step.pointer,
            runner=step.runner,
            target=step.target,
            outcome="succeeded" if attempt.ok else "failed",
            attempt=number,
            requests=reply.requests,
            status=reply.status,
            request_id=reply.request_id,
            duration=seconds,
            usage=reply.usage,
            error=None if attempt.ok else error.code if error else "criteria",
            failed=attempt.failed,
            answer=reply.answer,
            warnings=reply.warnings,
            then=then or _then(action, ok=attempt.ok),
        )

    def _why(self, workflow: Workflow, attempt: _Attempt) -> WorkflowError:
        error, step = attempt.error, attempt.exchange.step
        if isinstance(error, WorkflowError):
            return error
        if self._left() <= 0:
            return self._late(workflow, step)
        pointer = attempt.failed or step.pointer
        what = f"failed: {error.message}" if error else f"does not meet `{safe(attempt.unmet)}`."
        message = f"The step `{step.id}` {what}"
        hint = "" if error else "Its call was made; look at what it answered."
        return WorkflowError(message, pointer=pointer, workflow=workflow.id, step=step.id, hint=hint, cause=error)

    @staticmethod
    def _failed(workflow: Workflow, message: str, cause: ConnectorError) -> End:
        return End(workflow.id, {}, WorkflowError(message, pointer=f"{workflow.pointer}/inputs", workflow=workflow.id, cause=cause))

    def _limit(self, workflow: Workflow, step: Step | None, message: str) -> End:
        return End(workflow.id, {}, self._limit_error(workflow, step, message))

    @staticmethod
    def _limit_error(workflow: Workflow, step: Step | None, message: str) -> WorkflowLimitError:
        place = step or workflow
        hint = "Look for a loop that does not end, or raise the limit."
        return WorkflowLimitError(message, pointer=place.pointer, workflow=workflow.id, step=step.id if step else None, hint=hint)


def _then(action: StepAction | None, *, ok: bool) -> str:
    if action is None:
        return "next" if ok else "fail"
    return f"goto:{action.step or action.workflow}" if action.turn == "goto" else action.turn
