"""The plan of one call, Request -> attempts -> Result, as one generator without I/O; the executor drives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.result import (
    REPLY_LIMITS,
    Event,
    EventLimits,
    Facts,
    FileSink,
    Result,
    StreamReader,
    add_body_facts,
    decode_body,
    judge,
    malformed,
    merge,
    read_facts,
    to_api_error,
)
from kosha_connector_openai.core.transport import Failure, RetryPolicy, decide, parse_retry_after
from kosha_connector_openai.errors import (
    ApiError,
    ConnectorError,
    MalformedReplyError,
    NotSentError,
    OutcomeUnknownError,
    RedirectRefusedError,
    TruncatedReplyError,
)
from kosha_connector_openai.http import NOT_SENT, Phase, WireError
from kosha_connector_openai.manifest import ResultRules
from kosha_connector_openai.text import JsonLimits, JsonTextError, decode, encode, essence


@dataclass(frozen=True, slots=True)
class Open:
    """Step: send the request, wait for the headers of the reply."""


@dataclass(frozen=True, slots=True)
class Read:
    """Step: read the body whole, at most ``limit`` bytes, or into ``sink``; then close the reply."""

    limit: int
    sink: FileSink | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Step: close the reply without reading its body."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Step: wait, in seconds."""

    seconds: float


Step = Open | Read | Drop | Wait


@dataclass(slots=True)
class LiveStream:
    """An event stream, and the events that have been read of it."""

    reader: StreamReader
    head: Head
    facts: Facts
    events: list[Event] = field(default_factory=list)
    sink: FileSink | None = None
    """Where the data of each event goes as a line of JSON."""

    def take(self, chunk: bytes) -> Iterator[Event]:
        """The events that a piece of the body completes."""
        for event in self.reader.feed(chunk):
            self.events.append(event)
            if self.sink:
                self.sink.write(encode(event.data, _REPLY) + b"\n")
            yield event

    def settle(self, result: Result, *, keep: bool) -> None:
        """Puts the file in its place and notes it in the result; or removes what was written of it."""
        sink, self.sink = self.sink, None
        if sink and keep:
            result.saved = sink.commit(EVENT_STREAM)
        elif sink:
            sink.discard()


_REPLY = JsonLimits(bytes=1 << 62, nodes=1 << 62, string=1 << 62)
"""What was read under the limits of a stream is written whole."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
"""What a proxy or a sign-in page answers with; an answer only where the description promises it."""
T = TypeVar("T")
Plan = Generator[Step, Any, Result | LiveStream]


def plan(call: Call) -> Plan:
    """The steps of a call. Yields steps, is sent their results or thrown their errors, returns what came of it."""
    sink = FileSink(call.options.out, overwrite=call.options.overwrite) if call.options.out else None
    if sink:
        sink.check()
    return (yield from _attempts(call, lambda head: _answer(call, head, sink)))


def passthrough_plan(call: Call) -> Generator[Step, Any, Head]:
    """The steps until the head of a reply that is passed on unread, whatever its status but a redirect."""
    return (yield from _attempts(call, _unread))


def _unread(head: Head) -> Generator[Step, Any, Head]:
    yield from ()
    return head


def _attempts(call: Call, answer: Callable[[Head], Generator[Step, Any, T]]) -> Generator[Step, Any, T]:
    while True:
        call.attempts += 1
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
            return done
        except WireError as fault:
            error, failure = transport_error(call, fault)
        except ApiError as refusal:
            # All headers, not the error's: a manifest need not keep those that say when to come back.
            error, headers = refusal, merge(head.headers)
            failure = Failure("status", status=refusal.status, category_retryable=refusal.retryable, headers=headers)
        wait = retry_wait(call, failure)
        if wait is None:
            raise error
        yield Wait(wait)


def _answer(call: Call, head: Head, sink: FileSink | None) -> Generator[Step, Any, Result | LiveStream]:
    facts = read_facts(head.headers, call.manifest.result)
    headers = merge(head.headers)
    compressed = headers.get("content-encoding", "").strip().lower() not in ("", "identity")
    if head.status >= 400:  # noqa: PLR2004
        body = yield from _error_body(call, compressed=compressed)
        raise _refusal(call, head, facts, body)
    if compressed:
        yield Drop()
        raise MalformedReplyError(
            "The reply is compressed, although that was not asked for.", status=head.status, request_id=facts.request_id
        )
    if essence(headers.get("content-type", "")) == EVENT_STREAM:
        total = call.options.timeout or call.connection.timeouts.stream_total
        call.deadline = max(call.deadline, call.started + total)
        limits = call.connection.limits
        caps = EventLimits(line=limits.stream_event, event=limits.stream_event, stream=limits.stream)
        return LiveStream(StreamReader(call.manifest.streams, call.manifest.result, caps), head, facts, sink=sink)
    return (yield from _whole(call, head, facts, headers.get("content-type", ""), sink))


def _error_body(call: Call, *, compressed: bool) -> Generator[Step, Any, bytes]:
    """What there is of an error's body: the status alone says enough, so a cut, oversized or compressed body is no second error."""
    if compressed:
        yield Drop()
        return b""
    try:
        body: bytes = yield Read(call.connection.limits.reply_error)
        return body
    except (WireError, ConnectorError):
        return b""


def _whole(call: Call, head: Head, facts: Facts, content_type: str, sink: FileSink | None) -> Generator[Step, Any, Result]:
    limits, kind = call.connection.limits, essence(content_type)
    if kind in _PAGES and kind not in call.action.output_types:
        page = yield from _error_body(call, compressed=False)
        raise malformed("The reply is a web page.", page, status=head.status, request_id=facts.request_id, scrub=call.scrub)
    binary = sink is not None or not kind.endswith("json")
    read = yield Read(limits.download if binary else limits.reply_json, sink)
    if sink is not None:
        saved = make_result(call, head, facts, "file", sink.commit(content_type), content_type)
        if kind.endswith("json"):
            _look_into(call, saved)
        return saved
    decoded = decode_body(content_type or None, read, status=head.status, request_id=facts.request_id, scrub=call.scrub)
    result = make_result(call, head, facts, decoded.kind, decoded.value, content_type)
    if decoded.kind == "json":
        add_body_facts(result, call.manifest.result)
        judge(result, call.manifest.result, call.options.policy)
    result.raw = read if decoded.kind in ("json", "text") else None
    return result


def _look_into(call: Call, saved: Result) -> None:
    """Notes of a saved JSON answer what is noted of every other: model, usage, outcome. One that cannot be read stays as it was saved."""
    file = saved.value
    if file.size > call.connection.limits.reply_json:
        return
    try:
        value = decode(file.path.read_bytes(), REPLY_LIMITS)
    except (OSError, JsonTextError):
        return
    probe = replace(saved, kind="json", value=value)
    add_body_facts(probe, call.manifest.result)
    judge(probe, call.manifest.result, call.options.policy)
    saved.model, saved.usage, saved.answer = probe.model, probe.usage, probe.answer
    saved.outcome, saved.reasons, saved.warnings = probe.outcome, probe.reasons, probe.warnings


def make_result(call: Call, head: Head, facts: Facts, kind: Any, value: Any, content_type: str) -> Result:
    """The envelope around a value."""
    return Result(
        action=call.action.id,
        status=head.status,
        kind=kind,
        value=value,
        content_type=content_type,
        headers=facts.headers,
        request_id=facts.request_id,
        rate_limit=facts.rate_limit,
        attempts=call.attempts,
        duration=call.clock() - call.started,
        warnings=call.request.warnings,
    )


def stream_error(call: Call, live: LiveStream) -> ApiError:
    """The upstream's error that an event carried, after a 200."""
    import orjson

    return _refusal(call, live.head, live.facts, orjson.dumps({"error": live.reader.failure}))


def _refusal(call: Call, head: Head, facts: Facts, body: bytes) -> ApiError:
    return to_api_error(
        head.status,
        body,
        facts=facts,
        rules=call.manifest.errors,
        scrub=call.scrub,
        retry_after=parse_retry_after(merge(head.headers), time.time()),
        attempts=call.attempts,
    )


def redirect_refused(head: Head, rules: ResultRules) -> RedirectRefusedError:
    """The error for a redirect, which names the other host and nothing else of the address."""
    from urllib.parse import urlsplit

    try:
        host = urlsplit(merge(head.headers).get("location", "")).hostname
    except ValueError:
        host = None
    return RedirectRefusedError(
        f"The server redirects to {ascii(host[:100]) if host else 'the same host'}, and a credential never follows.",
        status=head.status,
        request_id=read_facts(head.headers, rules).request_id,
        hint="Set the server URL of the connection to the final address.",
    )


def transport_error(call: Call, fault: WireError) -> tuple[ConnectorError, Failure]:
    """The error for a fault of the wire, by whether anything was sent, and what the retry rules are asked about it."""
    late = call.clock() >= call.deadline
    phase: Phase = "deadline" if late else fault.phase
    nothing_sent = fault.phase in NOT_SENT
    failure = Failure(kind=phase, nothing_sent=nothing_sent)
    if nothing_sent:
        hint = "Check the server URL and the network."
        return NotSentError(_MESSAGES[phase], phase=phase, hint=hint, attempts=call.attempts), failure
    if fault.phase == "truncated" and not late:
        return TruncatedReplyError(_MESSAGES["truncated"], hint=_LOOK), failure
    if fault.phase == "protocol" and not late:
        return MalformedReplyError(_MESSAGES["protocol"], hint=_LOOK), failure
    unknown = OutcomeUnknownError(_MESSAGES[phase], phase=phase, attempts=call.attempts)
    if call.action.idempotent:
        unknown.retryable, unknown.hint = True, "Nothing is changed by asking again."
    else:
        unknown.hint = _LOOK
    return unknown, failure


_LOOK = "It may have run, and may have been charged: look before you run it again."
_MESSAGES = {
    "pool": "No connection became free in time.",
    "connect": "The server could not be reached.",
    "tls": "No secure connection could be made.",
    "write": "The connection broke while the request was sent.",
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
