"""What does a task: a table by the step's runner, one row each for operations, presets and jobs; for threads and for event loops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kosha_connector_openai.connector import Action, CallOptions, Connection, Connector
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import ApiError, ConnectorError
from kosha_connector_openai.flows.workflows.commands import Task
from kosha_connector_openai.flows.workflows.expressions import MISSING
from kosha_connector_openai.flows.workflows.result import plain
from kosha_connector_openai.flows.workflows.scope import Reply

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import JobResult, JobStore
    from kosha_connector_openai.flows.tasks import TaskResult


@dataclass(frozen=True, slots=True)
class Worker:
    """Where tasks are done."""

    connector: Connector
    connection: Connection
    options: CallOptions = CallOptions()
    handles: JobStore | None = None
    """Keeps the handle of each job that a step starts, so that any process can go on with it."""

    def action(self, task: Task) -> Action:
        """The action that a task runs, as the connection's description has it."""
        return self.connector.catalog_of(self.connection)[task.step.target]

    def call(self, task: Task) -> CallOptions:
        """The options of the calls of one task: never longer than the run may still take."""
        usual = self.options.timeout or self.connection.timeouts.total
        if task.step.runner == "operation" and self.options.timeout is None:
            usual = self.action(task).overlay.timeout or usual
        attempts = 1 if task.once else self.options.attempts
        return replace(self.options, timeout=min(usual, max(task.seconds, 0.001)), attempts=attempts, out=None)

    def do(self, task: Task) -> Reply:
        """What came of a task; an error is part of it."""
        try:
            return _RUNNERS[task.step.runner](self, task)
        except ConnectorError as error:
            return self._refused(task, error)

    async def ado(self, task: Task) -> Reply:
        """The same on the running event loop."""
        try:
            return await _ASYNC_RUNNERS[task.step.runner](self, task)
        except ConnectorError as error:
            return self._refused(task, error)

    def _refused(self, task: Task, error: ConnectorError) -> Reply:
        body = error.body if isinstance(error, ApiError) and error.body is not None else MISSING
        if isinstance(error, ApiError) and error.place and body is not MISSING:
            body = {error.place.removeprefix("/"): body}
        reply = Reply(
            status=getattr(error, "status", None),
            headers=error.headers if isinstance(error, ApiError) else {},
            body=body,
            usage=getattr(error, "usage", None) or None,
            request_id=getattr(error, "request_id", None) or next(iter(getattr(error, "request_ids", ())), None),
            requests=getattr(error, "attempts", 0),
            error=error,
        )
        return self._addressed(reply, task)

    def _addressed(self, reply: Reply, task: Task) -> Reply:
        """The reply with the method and, where it is asked for, the URL that it came from."""
        if task.step.runner == "operation":
            reply.method = self.action(task).operation.method
            if task.step.asks_url:
                try:
                    reply.url = self.connector.preview(task.step.target, task.inputs, self.connection).url
                except ConnectorError:
                    reply.url = None
        return reply


def _operation(worker: Worker, task: Task) -> Reply:
    result = worker.connector.run(task.step.target, task.inputs, worker.connection, worker.call(task))
    return worker._addressed(_reply(result), task)


async def _aoperation(worker: Worker, task: Task) -> Reply:
    result = await worker.connector.arun(task.step.target, task.inputs, worker.connection, worker.call(task))
    return worker._addressed(_reply(result), task)


def _reply(result: Result) -> Reply:
    body = [event.data for event in result.value] if result.kind == "events" else MISSING if result.kind == "empty" else result.value
    return Reply(
        status=result.status,
        headers=result.headers,
        body=body,
        usage=result.usage,
        request_id=result.request_id,
        requests=result.attempts,
        incomplete=result.incomplete,
    )


def _preset(worker: Worker, task: Task) -> Reply:
    from kosha_connector_openai.flows.tasks import run_task  # noqa: PLC0415 - few documents name one

    return _of_preset(run_task(worker.connector, task.step.target, task.inputs, worker.connection, options=worker.call(task)))


async def _apreset(worker: Worker, task: Task) -> Reply:
    from kosha_connector_openai.flows.tasks import arun_task  # noqa: PLC0415

    return _of_preset(await arun_task(worker.connector, task.step.target, task.inputs, worker.connection, options=worker.call(task)))


def _of_preset(result: TaskResult) -> Reply:
    return Reply(
        body=plain(result.value),
        usage=result.usage or None,
        request_id=next(iter(result.request_ids), None),
        requests=result.calls,
        incomplete=None if result.outcome == "ok" else result.outcome,
    )


def _job(worker: Worker, task: Task) -> Reply:
    from kosha_connector_openai.flows.jobs import Jobs, WaitOptions  # noqa: PLC0415 - few documents name one

    jobs = Jobs(worker.connector, worker.connection, store=worker.handles)
    handle = jobs.start(task.step.target, task.inputs, worker.call(task))
    return _of_job(jobs.fetch(jobs.wait(handle, WaitOptions(timeout=task.seconds), fresh=True).check()))


async def _ajob(worker: Worker, task: Task) -> Reply:
    from kosha_connector_openai.flows.jobs import AsyncJobs, WaitOptions  # noqa: PLC0415

    jobs = AsyncJobs(worker.connector, worker.connection, store=worker.handles)
    handle = await jobs.start(task.step.target, task.inputs, worker.call(task))
    return _of_job(await jobs.fetch((await jobs.wait(handle, WaitOptions(timeout=task.seconds), fresh=True)).check()))


def _of_job(result: JobResult) -> Reply:
    """The job's value; the rows of a table become a list, so that its files can go."""
    from kosha_connector_openai.flows.jobs import LineTable  # noqa: PLC0415

    value = result.value
    if isinstance(value, LineTable):
        with value:
            value = [row.to_dict() for row in value]
    return Reply(body=value if isinstance(value, (bytes, bytearray)) else plain(value), usage=result.usage, requests=1)


_RUNNERS: Final[Mapping[str, Callable[[Worker, Task], Reply]]] = {"operation": _operation, "preset": _preset, "job": _job}
_ASYNC_RUNNERS: Final[Mapping[str, Callable[[Worker, Task], Awaitable[Reply]]]] = {
    "operation": _aoperation,
    "preset": _apreset,
    "job": _ajob,
}
