"""What is known of a job: its kind, its state in the upstream's word and in ours, how far it got, and when to ask again."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.connector import Connection, Connector, Result
from kosha_connector_openai.core.result import Facts, read_error, tells, to_api_error
from kosha_connector_openai.core.transport import Failure, retryable
from kosha_connector_openai.errors import ApiError, ConnectorError, Fault, InputError, JobEndedError
from kosha_connector_openai.flows.jobs.handle import Handle
from kosha_connector_openai.manifest import Manifest
from kosha_connector_openai.manifest.parts import End, Hint, JobKind, JobsPart, Poll, UploadKind
from kosha_connector_openai.text import at, first_of

_FAILED = 500
"""What an error without a status counts as (RFC 9110, section 15.6.1)."""
GOES_ON = "It goes on upstream: resume from the handle, or cancel it."


@dataclass(frozen=True, slots=True)
class Status:
    """What the last answer said. ``end`` is None while the job goes on; ``error`` is the upstream's own words where it failed."""

    handle: Handle
    state: str
    end: End | None
    done: int | None = None
    total: int | None = None
    percent: float | None = None
    error: str | None = None
    proceed: str | None = None
    """The action that gives the job what it waits for, where it does."""
    result: Result | None = field(default=None, repr=False)
    cause: ApiError | None = field(default=None, repr=False)
    """The upstream's error as the same error of a call would be: with category, code and retryability."""

    @property
    def ok(self) -> bool:
        """Whether the job has ended with success."""
        return self.end == "success"

    def check(self) -> Status:
        """The status itself where the job has not ended, or with success; raises JobEndedError otherwise."""
        if self.end in (None, "success"):
            return self
        reason = f" {self.error}" if self.error else ""
        handle, hint = self.handle.to_dict(), self._advice()
        raise JobEndedError(f"{_WORDS[self.end]}{reason}", handle=handle, state=self.state, end=self.end, hint=hint, cause=self.cause)

    def _advice(self) -> str:
        if self.end == "failure" and self.cause:
            return self.cause.hint
        if self.end == "needs_action":
            return f"Give it what it waits for{f' by {self.proceed}' if self.proceed else ''}, then resume from the handle."
        return "What there is of a result can be fetched from the handle." if self.end != "failure" else ""

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON-ready values, the last answer among them."""
        names = ("state", "end", "done", "total", "percent", "error", "proceed")
        value = self.result.value if self.result else None
        return {"handle": self.handle.to_dict(), **{name: getattr(self, name) for name in names}, "answer": value}


_WORDS: Mapping[str, str] = {
    "failure": "The job failed.",
    "cancelled": "The job was cancelled.",
    "expired": "The job expired before it was done.",
    "incomplete": "The job ended before it was complete.",
    "needs_action": "The job waits for an action of yours.",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """One step of a wait, for a progress display: how often was asked, what was seen or went wrong, seconds until the next time."""

    handle: Handle
    asked: int
    state: str | None
    end: End | None = None
    done: int | None = None
    total: int | None = None
    percent: float | None = None
    trouble: ConnectorError | None = None
    wait: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON-ready values."""
        names = ("asked", "state", "end", "done", "total", "percent", "wait")
        trouble = {"trouble": self.trouble.to_dict()} if self.trouble else {}
        return {"job": self.handle.name, **{name: getattr(self, name) for name in names}, **trouble}


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """How to wait; seconds. ``timeout`` is for the whole wait, None waits for ever. ``interval`` replaces the schedule's first pause.

    ``cancel`` cancels the job upstream where the wait is interrupted. ``progress`` is called at each step, in the waiting thread.
    """

    timeout: float | None = 3_600
    interval: float | None = None
    cancel: bool = False
    progress: Callable[[Tick], None] | None = None
    clock: Callable[[], float] = time.monotonic
    rand: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in ("timeout", "interval"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError("The options of the wait are wrong.", [Fault(f"/{name}", "range", "must be more than 0 seconds.")])


def job_of(connector: Connector, connection: Connection, action: str, inputs: Mapping[str, Any]) -> tuple[str, JobKind]:
    """The kind of job that this action starts with these inputs; raises InputError where it starts none."""
    found = connector.catalog_of(connection)[action].job
    if found is None:
        raise InputError("This action starts no long job.", hint="Run it without waiting.")
    rule = found[1].start[action]
    refused = [name for name in rule.refuse if inputs.get(name)]
    if refused:
        faults = [Fault(f"/{name}", "job", "cannot be used with a job.", "Leave it out: the state is asked for.") for name in refused]
        raise InputError("These inputs start no job that can be waited for.", faults)
    if rule.when is not None and not at(dict(inputs), rule.when):
        fix = "Set it (a switch: to true), or run the action without waiting."
        raise InputError("These inputs start no long job.", [Fault(rule.when, "required", "is not set.", fix)])
    return found


def kind_of(connector: Connector, handle: Handle) -> JobKind:
    """The kind of a handle; raises InputError where this connector has no such kind."""
    kind = connector.part("jobs", JobsPart).kinds.get(handle.kind)
    if kind is None:
        raise InputError("This connector knows no such kind of job.", [Fault("/kind", "enum", "is not known here.")])
    return kind


def upload_kind(connector: Connector, name: str) -> UploadKind | None:
    """The kind of upload with this name, if there is one."""
    return connector.part("jobs", JobsPart).uploads.get(name)


def read_status(handle: Handle, kind: JobKind, result: Result, manifest: Manifest) -> Status:
    """Reads a job's status from an answer; a state that the data does not name counts as running. The manifest says how errors are read."""
    state = at(result.value, kind.state) if isinstance(result.value, dict) else None
    state = state if isinstance(state, str) else "unknown"
    end, progress = kind.ends.get(state), kind.progress
    done = [count for pointer in (progress.done if progress else ()) if isinstance(count := at(result.value, pointer), int)]
    total = at(result.value, progress.total) if progress and progress.total else None
    percent = at(result.value, progress.percent) if progress and progress.percent else None
    error = first_of(result.value, kind.error) if end not in (None, "success") else None
    said = error if isinstance(error, str) else read_error(error, manifest.error_body).message
    return Status(
        handle=handle.with_(phase="ended" if end not in (None, "needs_action") else "started", state=state[:200]),
        state=state,
        end=end,
        done=sum(done) if done else None,
        total=total if isinstance(total, int) else None,
        percent=percent if isinstance(percent, (int, float)) else None,
        error=said or None,
        proceed=kind.proceed if end == "needs_action" else None,
        result=result,
        cause=_cause(result, manifest) if end == "failure" and error else None,
    )


def _cause(result: Result, manifest: Manifest) -> ApiError:
    """The error in the last answer about a job that failed; the job, like a paid call, may have run in part."""
    facts = Facts(result.headers, result.request_id, result.rate_limit)
    said = read_error(result.value, manifest.error_body)
    error = to_api_error(result.status, said, facts=facts, rules=manifest.errors, scrub=str)
    error.ran = tells(result.usage) or bool(result.answer)
    failure = Failure("status", False, said.status or _FAILED, error.retryable, error.category, ran=error.ran)
    error.retryable = retryable(failure, method="POST", idempotent=False)
    return error


class Schedule:
    """The schedule of questions: growing pauses with jitter, never shorter than the server asks for."""

    def __init__(self, poll: Poll, hints: tuple[Hint, ...], cap: float, options: WaitOptions) -> None:
        self._poll = poll
        self._hints = hints
        self._cap = cap
        self._rand = options.rand
        self._next = options.interval or poll.start

    def pause(self, headers: Mapping[str, str] | None = None, asked: float | None = None) -> float:
        """Seconds until the next time; ``asked`` is what an error said."""
        hint = asked if asked is not None else self._hint(headers or {})
        own, self._next = self._next, min(self._poll.cap, self._next * self._poll.factor)
        if hint is not None and 0 < hint <= self._cap:
            return hint * (1 + 0.1 * self._rand())
        return own * (1 - 0.25 * self._rand())

    def _hint(self, headers: Mapping[str, str]) -> float | None:
        for hint in self._hints:
            try:
                seconds = float(headers.get(hint.header, "")) / (1_000 if hint.unit == "ms" else 1)
            except ValueError:
                continue
            if math.isfinite(seconds) and seconds > 0:
                return seconds
        return None
