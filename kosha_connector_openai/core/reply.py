"""The reply of a call, read by what it is: a whole Result, an event stream, or the upstream's error."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.result import (
    REPLY_LIMITS,
    ErrorFacts,
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
    read_error,
    read_error_bytes,
    read_facts,
    to_api_error,
)
from kosha_connector_openai.core.steps import Drop, Read, Step
from kosha_connector_openai.core.transport import Failure, parse_retry_after, retryable
from kosha_connector_openai.errors import ApiError, ConnectorError, MalformedReplyError, RedirectRefusedError
from kosha_connector_openai.http import WireError
from kosha_connector_openai.manifest import ResultRules
from kosha_connector_openai.text import JsonLimits, JsonTextError, decode, encode, essence


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


LOOK = "It may have run, and may have been charged: look before you run it again."
_REPLY = JsonLimits(bytes=1 << 62, nodes=1 << 62, string=1 << 62)
"""What was read under the limits of a stream is written whole."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
"""What a proxy or a sign-in page answers with; an answer only where the description promises it."""


def read_reply(call: Call, head: Head, sink: FileSink | None) -> Generator[Step, Any, Result | LiveStream]:
    """What a reply holds. Raises ApiError where that is the upstream's error, and ReplyError where it cannot be used."""
    facts = read_facts(head.headers, call.manifest.result)
    headers = merge(head.headers)
    compressed = headers.get("content-encoding", "").strip().lower() not in ("", "identity")
    if head.status >= 400:  # noqa: PLR2004
        body = yield from _error_body(call, compressed=compressed)
        raise refusal(call, head, facts, read_error_bytes(body, call.manifest.error_body))
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
    decoded = decode_body(
        content_type or None,
        read,
        status=head.status,
        request_id=facts.request_id,
        scrub=call.scrub,
        optional=_may_be_empty(call, head.status),
    )
    result = make_result(call, head, facts, decoded.kind, decoded.value, content_type)
    if decoded.kind == "json":
        add_body_facts(result, call.manifest.result)
        judge(result, call.manifest.result, call.options.policy)
    result.raw = read if decoded.kind in ("json", "text") else None
    return result


def _may_be_empty(call: Call, status: int) -> bool:
    """Whether the answer has no content: to HEAD (RFC 9110, section 9.3.2), and where the description promises none."""
    answers = {response.status.upper(): response.content for response in call.action.operation.responses}
    own = next((name for name in (str(status), f"{status // 100}XX", "DEFAULT") if name in answers), None)
    told = [answers[own]] if own else [content for name, content in answers.items() if name.startswith("2")]
    return call.action.operation.method == "HEAD" or (bool(told) and not any(told))


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
    return refusal(call, live.head, live.facts, read_error(live.reader.failure, call.manifest.error_body))


def refusal(call: Call, head: Head, facts: Facts, said: ErrorFacts) -> ApiError:
    """The upstream's error, by the manifest's table; ``retryable`` is about this very call."""
    headers = merge(head.headers)
    error = to_api_error(
        head.status,
        said,
        facts=facts,
        rules=call.manifest.errors,
        scrub=call.scrub,
        retry_after=parse_retry_after(headers, time.time()),
        attempts=call.attempts,
    )
    helps = error.retryable
    # All headers, not the error's: a manifest need not keep those that say when to come back.
    failure = Failure("status", False, error.status, helps, error.category, headers)
    error.retryable = retryable(failure, method=call.action.operation.method, idempotent=call.action.idempotent)
    if helps and error.retryable is None:
        error.hint = LOOK
    return error


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
