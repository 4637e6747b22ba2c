"""The plan of one call, Request -> attempts -> Result, as one generator without I/O; the executor drives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from kosha_connector_openai.core.call import Attempt, Call, Head
from kosha_connector_openai.core.reply import LOOK, LiveStream, read_reply, redirect_refused
from kosha_connector_openai.core.result import FileSink, Result, read_facts, read_limits
from kosha_connector_openai.core.steps import Drop, Open, Step, Wait
from kosha_connector_openai.core.transport import Failure, RetryPolicy, decide, retryable
from kosha_connector_openai.errors import (
    ApiError,
    ConnectorError,
    MalformedReplyError,
    NotSentError,
    OutcomeUnknownError,
    ReplyError,
    TruncatedReplyError,
)
from kosha_connector_openai.http import NOT_SENT, Phase, WireError

T = TypeVar("T")
Plan = Generator[Step, Any, Result | LiveStream]


def plan(call: Call) -> Plan:
    """The steps of a call. Yields steps, is sent their results or thrown their errors, returns what came of it."""
    sink = FileSink(call.options.out, overwrite=call.options.overwrite) if call.options.out else None
    if sink:
        sink.check()
    return (yield from _attempts(call, lambda head: read_reply(call, head, sink)))


def passthrough_plan(call: Call) -> Generator[Step, Any, Head]:
    """The steps until the head of a reply that is passed on unread, whatever its status but a redirect."""
    return (yield from _attempts(call, _unread))


def _unread(head: Head) -> Generator[Step, Any, Head]:
    yield from ()
    return head


def _attempts(call: Call, answer: Callable[[Head], Generator[Step, Any, T]]) -> Generator[Step, Any, T]:
    attempt = _attempt(call)
    while True:
        yield from _paced(call, attempt)
        call.attempts += 1
        head: Head | None = None
        try:
            head = call.scrub_head((yield Open()))
            if head.status == 401 and call.request.replayable and not call.refreshed and call.refresh():  # noqa: PLR2004 - not executed
                call.refreshed = True
                yield Drop()
                continue
            if 300 <= head.status < 400:  # noqa: PLR2004
                yield Drop()
                raise redirect_refused(head, call.manifest.result)
            done = yield from answer(head)
            call.retry_budget.succeeded()
            _told(call, attempt, head, done if isinstance(done, Result) else None, None)
            return done
        except WireError as fault:
            error, failure = transport_error(call, fault)
            _note_head(call, error, head)
        except ReplyError as unusable:
            _note_head(call, unusable, head)
            if isinstance(unusable, MalformedReplyError):
                unusable.retryable = retryable(Failure("protocol"), method=call.action.operation.method, idempotent=call.action.idempotent)
            _told(call, attempt, head, None, unusable)
            raise
        except ApiError as refusal:
            # All headers, not the error's: a manifest need not keep those that say when to come back.
            error, facts = refusal, read_facts(head.headers if head else (), call.manifest.result)
            refusal.rate_limit = dict(facts.rate_limit)
            failure = Failure("status", False, refusal.status, refusal.retryable, refusal.category, facts.given, refusal.ran)
        if _told(call, attempt, head, None, error) and call.request.replayable:
            call.attempts -= 1
            yield Drop()
            continue
        wait = retry_wait(call, failure)
        if wait is None:
            raise error
        yield Wait(wait)


def _attempt(call: Call) -> Attempt | None:
    """What a pace is asked about; one whose answer it was not told (a 401 with a newer secret) leaves again in the slot that it has."""
    if call.options.pace is None:
        return None
    body = call.request.body
    return Attempt(call.action.id, call.model, (body.length or 0) if body else 0)


def _paced(call: Call, attempt: Attempt | None) -> Generator[Step, Any, None]:
    """Waits until the call's pace lets the next attempt go; that is not the call's own time."""
    if call.options.pace is None or attempt is None:
        return
    began = call.clock()
    while (wait := call.options.pace.wait(attempt)) > 0:
        yield Wait(wait)
    waited = call.clock() - began
    call.started += waited
    call.deadline += waited


def _told(call: Call, attempt: Attempt | None, head: Head | None, result: Result | None, error: ConnectorError | None) -> bool:
    """Tells the pace how the attempt ended; whether it leaves again without being counted."""
    if call.options.pace is None or attempt is None:
        return False
    told = result.rate_limit if result else read_facts(head.headers, call.manifest.result).rate_limit if head else {}
    return call.options.pace.answered(attempt, read_limits(told), result, error)


def _note_head(call: Call, error: ConnectorError, head: Head | None) -> None:
    """Notes in the error what was seen of the reply before it failed."""
    if head is None or not isinstance(error, (ReplyError, OutcomeUnknownError)):
        return
    if isinstance(error, OutcomeUnknownError) and error.phase == "read":
        error.message = "The reply stopped before its end."
    error.status = error.status or head.status
    error.request_id = error.request_id or read_facts(head.headers, call.manifest.result).request_id


def transport_error(call: Call, fault: WireError) -> tuple[ConnectorError, Failure]:
    """The error for a fault of the wire, by whether anything was sent, and what the retry rules are asked about it."""
    late = call.clock() >= call.deadline
    phase: Phase = "deadline" if late and fault.phase != "pool" else fault.phase
    nothing_sent = fault.phase in NOT_SENT
    failure = Failure(kind=phase, nothing_sent=nothing_sent)
    error: ConnectorError
    if nothing_sent:
        return NotSentError(_MESSAGES[phase], phase=phase, hint=_HINTS.get(phase, _NETWORK), attempts=call.attempts), failure
    if fault.phase == "truncated" and not late:
        error = TruncatedReplyError(_MESSAGES["truncated"])
    elif fault.phase == "protocol" and not late:
        error = MalformedReplyError(_MESSAGES["protocol"])
    else:
        error = OutcomeUnknownError(_MESSAGES[phase], phase=phase, attempts=call.attempts)
    error.retryable = retryable(failure, method=call.action.operation.method, idempotent=call.action.idempotent)
    error.hint = "Nothing is changed by asking again." if error.retryable else LOOK
    return error, failure


_NETWORK = "Check the server URL and the network."
_HINTS = {
    "pool": "Make fewer calls at a time, or raise `limits.connections` or `timeouts.pool` of the connection.",
    "deadline": "Nothing was sent: no connection was made in time. Raise `timeouts.total`, or look whether the server is there.",
}
_MESSAGES = {
    "pool": "The pool is full: all connections to this server were in use, and none became free in time.",
    "connect": "The server could not be reached.",
    "tls": "No secure connection could be made.",
    "write": "The connection broke while the request was sent.",
    "head": "The reply's head did not arrive within timeouts.head.",
    "read": "The server did not answer, or not in time.",
    "truncated": "The reply ended before its end.",
    "protocol": "The server's reply is not valid HTTP.",
    "deadline": "The call did not end within its total time.",
}


def retry_wait(call: Call, failure: Failure) -> float | None:
    """Seconds until the next attempt; None where there is none."""
    retries, options = call.connection.retries, call.options
    if not call.request.replayable:
        return None
    policy = RetryPolicy(
        attempts=options.attempts or retries.attempts,
        base=retries.base,
        cap=retries.cap,
        retry_after_cap=retries.retry_after_cap,
        unsafe=retries.unsafe if options.unsafe_retries is None else options.unsafe_retries,
    )
    decision = decide(
        policy,
        failure,
        method=call.action.operation.method,
        idempotent=call.action.idempotent,
        attempt=call.attempts,
        now=time.time(),
        remaining=call.deadline - call.clock(),
        rand=call.rand,
    )
    return decision.wait if decision.action == "retry" and call.retry_budget.spend() else None
