"""The steps of a job's life: start, ask, wait, cancel, look up. Generators without I/O, but for the handles that are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.connector import CallOptions, Connection, Connector, Result
from kosha_connector_openai.core.transport import may_have_run
from kosha_connector_openai.errors import (
    ApiError,
    ConnectorError,
    InputError,
    JobPendingError,
    JobUnknownError,
    ReplyError,
)
from kosha_connector_openai.flows.driving import Pause, Run, Steps
from kosha_connector_openai.flows.jobs.handle import Handle, check_home, new_handle
from kosha_connector_openai.flows.jobs.state import GOES_ON, Schedule, Status, Tick, WaitOptions, job_of, kind_of, read_status
from kosha_connector_openai.flows.paging import PagingOptions, Walk
from kosha_connector_openai.manifest.parts import JobKind, JobsPart
from kosha_connector_openai.text import at

MARK = "kosha_job"
_FRESH = 3
"""How often a job that was just started may be unknown to the server before that is believed."""
_LOOKED = 10
"""Pages of a list in which a job is looked for."""
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the steps of jobs share: the connector, the connection and its name, and what keeps and drops handles."""

    connector: Connector
    connection: Connection
    name: str | None
    keep: Callable[[Handle], None]
    drop: Callable[[Handle], None]

    def known(self, action: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those values that the action takes."""
        names = {parameter.name for parameter in self.connector.catalog_of(self.connection)[action].operation.parameters}
        return {name: value for name, value in values.items() if name in names}

    def walk(self, action: str, values: Mapping[str, Any], options: PagingOptions = PagingOptions()) -> Walk:
        """A walk through a list of jobs, events or files."""
        return Walk(self.connector, action, values, options, connection=self.connection)

    def note(self, handle: Handle) -> None:
        """Keeps what was seen, if that can be: the job goes on whether its folder can be written or not."""
        with suppress(InputError):
            self.keep(handle)

    def call(self, left: float) -> CallOptions:
        """One question may take as long as calls may, and hardly longer than the wait."""
        return CallOptions(timeout=min(max(1.0, left), self.connection.total()))


def start(context: JobContext, action: str, inputs: Mapping[str, Any], call: CallOptions, *, mark: bool) -> Steps[Handle]:
    """Starts the job once. The handle is kept before the request is sent, and again with the job's ids."""
    name, kind = job_of(context.connector, context.connection, action, inputs)
    handle = new_handle(context.connector, context.connection, name, action, context.name)
    if mark:
        inputs, marked = _marked(context, kind, action, inputs, handle.name)
        handle = handle.with_(marked=marked)
    kept = {name: str(inputs[name]) for name in kind.keep if name in inputs}
    handle = handle.with_(ids=kept)
    context.connector.check(action, inputs, context.connection)
    context.keep(handle)
    try:
        result: Result = yield Run(action, inputs, call)
    except ConnectorError as error:
        if not may_have_run(error):
            context.drop(handle)
            raise
        cause = error
    else:
        return named(context, handle, kind, result.value)
    raise unknown(handle, kind, cause)


def named(context: JobContext, handle: Handle, kind: JobKind, value: Any) -> Handle:
    """The handle with the ids in an answer, kept."""
    found = {name: at(value, pointer) for name, pointer in kind.ids.items()} if isinstance(value, dict) else {}
    if not all(isinstance(found.get(name), str) and found[name] for name in kind.ids):
        raise JobUnknownError("The job was started, and the answer does not say its id.", handle=handle.to_dict(), hint=_LOOK)
    handle = handle.with_(phase="started", ids={**handle.ids, **found})
    try:
        context.keep(handle)
    except InputError as error:
        cause = error
    else:
        return handle
    raise JobPendingError("The job was started, and its handle cannot be kept.", handle=handle.to_dict(),
                          hint="Keep the handle yourself; it is in this error.", cause=cause)  # fmt: skip


_LOOK = "Look for it before you start it again: it may run, and may have been paid for."


def unknown(handle: Handle, kind: JobKind, cause: ConnectorError | None = None) -> JobUnknownError:
    """The error for a start that got no answer."""
    hint = "Resume from the handle: that looks for it by its mark." if handle.marked and kind.lookup else _LOOK
    return JobUnknownError("The job may have been started: the request was sent and no answer came.",
                           handle=handle.to_dict(), hint=hint, cause=cause)  # fmt: skip


def _marked(context: JobContext, kind: JobKind, action: str, inputs: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], bool]:
    """The inputs with the handle's name among their metadata, where the API has a place for it that is not full."""
    lookup = kind.lookup
    if lookup is None:
        return inputs, False
    given = inputs.get(lookup.mark) or {}
    if not isinstance(given, Mapping) or len(given) >= lookup.room or MARK in given:
        return inputs, False
    return {**inputs, lookup.mark: {**given, MARK: name}}, True


def found(context: JobContext, handle: Handle) -> Steps[Handle]:
    """The handle of a job whose start got no answer, looked up by its mark; the handle itself where it has its ids."""
    check_home(handle, context.connector, context.connection)
    kind = kind_of(context.connector, handle)
    if handle.phase != "sending":
        return handle
    if kind.lookup is None or not handle.marked:
        raise unknown(handle, kind)
    walk = context.walk(kind.lookup.action, context.known(kind.lookup.action, handle.ids), PagingOptions(pages=_LOOKED))
    while not walk.finished:
        inputs, call = walk.wanted()
        page = walk.take((yield Run(walk.action, inputs, call)))
        for item in page.items:
            if at(item, f"/{kind.lookup.mark}/{MARK}") == handle.name:
                return named(context, handle, kind, item)
    error = JobUnknownError(
        "No job bears the mark of this handle: most likely it was never started.",
        handle=handle.to_dict(),
        hint="Look once more in a minute; then start it again, and drop this handle.",
    )
    error.absent = True
    raise error


def ask(context: JobContext, handle: Handle) -> Steps[Status]:
    """The present state."""
    handle = yield from found(context, handle)
    kind = kind_of(context.connector, handle)
    return _read(context, handle, kind, (yield Run(kind.status, context.known(kind.status, handle.ids))))


def events(context: JobContext, handle: Handle, most: int | None) -> Steps[list[Any]]:
    """Returns the job's events as the API lists them. Raises InputError where the API has no such list."""
    handle = yield from found(context, handle)
    action = kind_of(context.connector, handle).events
    if action is None:
        raise InputError("The API lists no events of this kind of job.", hint="Ask for its state.")
    walk = context.walk(action, context.known(action, handle.ids), PagingOptions(items=most))
    listed: list[Any] = []
    while not walk.finished:
        inputs, call = walk.wanted()
        listed += walk.take((yield Run(walk.action, inputs, call))).items
    return listed


def cancel(context: JobContext, handle: Handle) -> Steps[Status]:
    """Cancels the job upstream; its state afterwards. Raises InputError where its kind cannot be cancelled."""
    handle = yield from found(context, handle)
    kind = kind_of(context.connector, handle)
    if kind.cancel is None:
        raise InputError("The API has no way to cancel this kind of job.", hint="Let it end; the wait can be given up.")
    return _read(context, handle, kind, (yield Run(kind.cancel, context.known(kind.cancel, handle.ids))))


def wait(context: JobContext, handle: Handle, options: WaitOptions, *, fresh: bool = False) -> Steps[Status]:
    """Asks until the job ends, and never starts anything. A ``fresh`` job is given a pause first.

    Raises JobPendingError, with the handle, where time is up or the state cannot be asked for any more.
    """
    handle = yield from found(context, handle)
    kind, rules = kind_of(context.connector, handle), context.connector.part("jobs", JobsPart)
    schedule = Schedule(kind.poll, rules.hints, rules.hint_cap, options)
    end = options.clock() + (options.timeout or math.inf)
    pause, asked, failures, seen = schedule.pause() if fresh else 0.0, 0, 0, False
    while True:
        yield Pause(max(0.0, min(pause, end - options.clock())))
        left = end - options.clock()
        asked += 1
        try:
            result = yield Run(kind.status, context.known(kind.status, handle.ids), context.call(left))
        except ConnectorError as error:
            failures += 1
            limit = kind.poll.tolerate if _passes(error) else _FRESH if _is_new(error, seen=seen) else 0
            if failures > limit:
                raise _pending(handle, "Its state cannot be asked for any more.", error) from None
            pause = schedule.pause(asked=getattr(error, "retry_after", None))
            _tell(options, Tick(handle, asked, handle.state, trouble=error, wait=pause))
        else:
            status, failures, seen = _read(context, handle, kind, result), 0, True
            handle = status.handle
            pause = 0.0 if status.end else schedule.pause(result.headers)
            _tell(options, _tick(status, asked, pause))
            if status.end:
                return status
        if options.clock() >= end:
            raise _pending(handle, f"It did not end within {options.timeout:g} seconds.")


def _read(context: JobContext, handle: Handle, kind: JobKind, result: Result) -> Status:
    status = read_status(handle, kind, result, context.connector.manifest)
    if (status.handle.phase, status.handle.state) != (handle.phase, handle.state):
        context.note(status.handle)
    return status


def _passes(error: ConnectorError) -> bool:
    """Whether asking again may help; a question changes nothing, so an answer that cannot be used is one of those."""
    return error.retryable is not False or isinstance(error, ReplyError)


def _is_new(error: ConnectorError, *, seen: bool) -> bool:
    """Whether the answer may mean that the server does not know the job yet."""
    return not seen and isinstance(error, ApiError) and error.status == _NOT_FOUND


def _pending(handle: Handle, message: str, cause: ConnectorError | None = None) -> JobPendingError:
    reason = f" {cause.message}" if cause else ""
    return JobPendingError(f"The job has not been seen to end. {message}{reason}", handle=handle.to_dict(), hint=GOES_ON, cause=cause)


def _tick(status: Status, asked: int, pause: float) -> Tick:
    return Tick(status.handle, asked, status.state, status.end, status.done, status.total, status.percent, wait=pause or None)


def _tell(options: WaitOptions, tick: Tick) -> None:
    if options.progress is not None:
        options.progress(tick)
