"""What runs a step, as a flow: a table by the step's runner, one row each for operations, tasks and jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kosha_connector_openai.connector import Action, CallOptions, Connection, Connector
from kosha_connector_openai.core.result import Policy, Result, settle
from kosha_connector_openai.errors import AnswerError, ApiError, ConnectorError, Fault
from kosha_connector_openai.flows.driving import Run, Steps
from kosha_connector_openai.flows.workflows.commands import StepCall
from kosha_connector_openai.flows.workflows.expressions import MISSING
from kosha_connector_openai.flows.workflows.result import plain
from kosha_connector_openai.flows.workflows.scope import StepReply

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import JobResult, JobStore

_PAID: Final = "What came of it was paid for: look before you run it again."


@dataclass(frozen=True, slots=True)
class Worker:
    """The connector and the connection that steps run on."""

    connector: Connector
    connection: Connection
    options: CallOptions = CallOptions()
    handles: JobStore | None = None
    """Keeps the handle of each job that a step starts, so that any process can go on with it."""

    def action(self, call: StepCall) -> Action:
        """The action that a call runs, as the connection's description has it."""
        return self.connector.catalog_of(self.connection)[call.step.target]

    def options_of(self, call: StepCall) -> CallOptions:
        """The options of the calls of one step: never longer than the run may still take."""
        own = self.action(call).overlay.timeout if call.step.runner == "operation" else None
        usual = self.options.timeout or self.connection.total(own)
        attempts = 1 if call.once else self.options.attempts
        timeout = min(usual, max(call.seconds, 0.001))
        policy: Policy = "pass" if self.options.policy == "pass" else "warn"  # the step's reply says what `fail` makes of the answer
        return replace(self.options, timeout=timeout, attempts=attempts, policy=policy, out=None, named_files=False)

    def trouble(self, result: Result | None) -> AnswerError | None:
        """Why an answer is none for a step: one that was cut or has failed whatever the policy, and by the policy any that is not whole."""
        useless = result is not None and (result.incomplete or result.outcome == "failed")
        try:
            settle(result, "fail" if useless else self.options.policy)
        except AnswerError as error:
            error.hint = _PAID if useless else error.hint
            return error.with_traceback(None)
        return None

    def steps(self, call: StepCall) -> Steps[StepReply]:
        """Returns what came of a step; an error is part of it."""
        try:
            return (yield from _RUNNERS[call.step.runner](self, call))
        except ConnectorError as error:
            return self._refused(call, error.with_traceback(None))  # its frames hold inputs

    def _refused(self, call: StepCall, error: ConnectorError) -> StepReply:
        body = error.body if isinstance(error, ApiError) and error.body is not None else MISSING
        if isinstance(error, ApiError) and error.place and body is not MISSING:
            body = {error.place.removeprefix("/"): body}
        reply = StepReply(
            status=getattr(error, "status", None),
            headers=error.headers if isinstance(error, ApiError) else {},
            body=body,
            usage=getattr(error, "usage", None) or None,
            request_id=getattr(error, "request_id", None) or next(iter(getattr(error, "request_ids", ())), None),
            requests=getattr(error, "attempts", 0),
            error=error,
        )
        return self._addressed(reply, call)

    def _addressed(self, reply: StepReply, call: StepCall) -> StepReply:
        """The reply with the method and, where it is asked for, the URL that it came from."""
        if call.step.runner == "operation":
            reply.method = self.action(call).operation.method
            if call.step.asks_url:
                try:
                    reply.url = self.connector.preview(call.step.target, call.inputs, self.connection).url
                except ConnectorError:
                    reply.url = None
        return reply


def _operation(worker: Worker, call: StepCall) -> Steps[StepReply]:
    result: Result = yield Run(call.step.target, call.inputs, worker.options_of(call))
    body = [event.data for event in result.value] if result.kind == "events" else MISSING if result.kind == "empty" else result.value
    reply = StepReply(
        status=result.status,
        headers=result.headers,
        body=body,
        usage=result.usage,
        request_id=result.request_id,
        requests=result.attempts,
        error=worker.trouble(result),
        answer=result.outcome,
        warnings=result.warnings,
    )
    return worker._addressed(reply, call)


def _task(worker: Worker, call: StepCall) -> Steps[StepReply]:
    from kosha_connector_openai.flows.tasks import task_steps

    found = task_steps(worker.connector, call.step.target, call.inputs, worker.connection, options=worker.options_of(call))
    result = yield from found
    return StepReply(
        body=plain(result.value),
        usage=result.usage or None,
        request_id=next(iter(result.request_ids), None),
        requests=result.calls,
        answer="complete",
        warnings=result.warnings,
    )


def _job(worker: Worker, call: StepCall) -> Steps[StepReply]:
    """Runs a job to its end; the rows of a table become a list, so that its files can go."""
    from kosha_connector_openai.flows.jobs import Jobs, LineTable, WaitOptions

    jobs = Jobs(worker.connector, worker.connection, store=worker.handles)
    options = WaitOptions(timeout=call.seconds)
    result = yield from jobs.run_steps(call.step.target, call.inputs, options, worker.options_of(call))
    value = result.value
    if isinstance(value, LineTable):
        with value:
            value = [row.to_dict() for row in value]
    body = value if isinstance(value, (bytes, bytearray)) else plain(value)
    return StepReply(
        body=body,
        usage=result.usage,
        requests=1,
        error=worker.trouble(result.status.result) or _useless(result),
        answer=result.outcome,
        warnings=tuple(Fault("", "job", warning) for warning in result.warnings),
    )


def _useless(result: JobResult) -> AnswerError | None:
    """Why a job that ended with success is none for a step: it left nothing."""
    return AnswerError(" ".join(result.warnings), usage=result.usage) if result.outcome == "failed" else None


_RUNNERS: Final[Mapping[str, Callable[[Worker, StepCall], Steps[StepReply]]]] = {"operation": _operation, "task": _task, "job": _job}
