"""The reply of a call, read by what it is: a whole Result, an event stream, or the upstream's error."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.reply_body import (
    EVENT_STARTS,
    LARGEST_ERROR,
    NAMES,
    are_events,
    is_misnamed,
    lack_of_reply,
    looks_like_events,
    mislabelled,
    read_lines,
    read_media,
)
from kosha_connector_openai.core.result import (
    REPLY_LIMITS,
    Asked,
    Decoded,
    ErrorFacts,
    Event,
    EventLimits,
    Facts,
    FileSink,
    Result,
    StreamReader,
    add_body_facts,
    decode_body,
    has_part,
    judge,
    malformed,
    merge,
    read_error,
    read_error_bytes,
    read_facts,
    safe_text,
    shows_error,
    tells,
    to_api_error,
)
from kosha_connector_openai.core.steps import Drop, Read, Step
from kosha_connector_openai.core.transport import Failure, parse_retry_after, retryable
from kosha_connector_openai.errors import ApiError, ConnectorError, Fault, MalformedReplyError, RedirectRefusedError
from kosha_connector_openai.http import WireError
from kosha_connector_openai.manifest import ResultRules
from kosha_connector_openai.text import JsonLimits, JsonTextError, decode, encode, essence, find, is_json_lines

_ERROR, _FAILED = 400, 500
"""The first status of an error; what an error without one counts as (RFC 9110, section 15.6.1)."""
_ERROR_ALONE = 3
"""Properties of a body that is an error and nothing else."""


@dataclass(slots=True)
class LiveStream:
    """An event stream, and the events that have been read of it."""

    reader: StreamReader
    head: Head
    facts: Facts
    events: list[Event] = field(default_factory=list)
    sink: FileSink | None = None
    """Where the data of each event goes as a line of JSON."""
    loaded: bytes | None = None
    """The whole body, where it had to be read before it was known for a stream."""
    warnings: tuple[Fault, ...] = ()

    def take(self, chunk: bytes, *, last: bool = False) -> Iterator[Event]:
        """The events that a piece of the body completes; with ``last`` those too that only its end completes."""
        for event in chain(self.reader.feed(chunk), self.reader.rest() if last else ()):
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
    compressed = facts.given.get("content-encoding", "").strip().lower() not in ("", "identity")
    if head.status >= _ERROR:
        body = yield from _error_body(call, compressed=compressed)
        raise refusal(call, head, facts, read_error_bytes(body, call.manifest.error_body))
    if compressed:
        yield Drop()
        raise MalformedReplyError(
            "The reply is compressed in a way that was not asked for.",
            status=head.status,
            request_id=facts.request_id,
        )
    content_type = facts.given.get("content-type", "")
    kind = essence(content_type)
    if kind == EVENT_STREAM or (call.events and is_json_lines(kind)):
        total = call.options.timeout or call.connection.stream_total
        call.deadline = max(call.deadline, call.started + total)
        return LiveStream(_stream_reader(call, kind), head, facts, sink=sink)
    return (yield from _whole(call, head, facts, content_type, sink))


def _stream_reader(call: Call, kind: str) -> StreamReader:
    limits = call.connection.limits
    caps = EventLimits(line=limits.stream_event, event=limits.stream_event, stream=limits.stream)
    items = Asked(call.action.promise.carrier, call.wanted)
    return StreamReader(call.manifest.streams, call.manifest.result, caps, call.manifest.error_body, items, lines=is_json_lines(kind))


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


def _whole(call: Call, head: Head, facts: Facts, content_type: str, sink: FileSink | None) -> Generator[Step, Any, Result | LiveStream]:
    limits, kind, promise = call.connection.limits, essence(content_type), call.action.promise
    binary = sink is not None or not kind.endswith("json")
    if kind in _PAGES and kind not in promise.types:
        read = yield from _error_body(call, compressed=False)
        if not (promise.only_json and read.lstrip()[:8].startswith((b"{", b"[", *EVENT_STARTS))):
            raise malformed("The reply is a web page.", read, status=head.status, request_id=facts.request_id, scrub=call.scrub)
        if sink is not None:
            sink.write(read)
    else:
        read = yield Read(limits.download if binary else limits.reply_json, sink)
    if sink is not None:
        return _saved(call, head, facts, content_type, sink)
    if looks_like_events(read, kind, promise):
        return LiveStream(_stream_reader(call, kind), head, facts, loaded=read, warnings=(mislabelled("an event stream", kind),))
    if are_events(read, kind, promise):
        return LiveStream(_stream_reader(call, kind), head, facts, loaded=read)
    decoded, warnings = _decoded(call, head, facts, content_type, read)
    result = make_result(call, head, facts, decoded.kind, decoded.value, content_type)
    result.warnings += warnings
    result.raw = read if decoded.kind in ("json", "text") else None
    _judge(call, head, facts, result)
    return result


def _may_be_empty(call: Call, status: int) -> bool:
    """Whether the answer has no content: to HEAD (RFC 9110, section 9.3.2), and where the description promises none."""
    answers = {response.status.upper(): response.content for response in call.action.operation.responses}
    own = next((name for name in (str(status), f"{status // 100}XX", "DEFAULT") if name in answers), None)
    told = [answers[own]] if own else [content for name, content in answers.items() if name.startswith("2")]
    return call.action.operation.method == "HEAD" or (bool(told) and not any(told))


def _decoded(call: Call, head: Head, facts: Facts, content_type: str, read: bytes) -> tuple[Decoded, tuple[Fault, ...]]:
    """The body by its Content-Type; by what it is, with a warning, where JSON is promised and comes under a type that says nothing."""
    kind = essence(content_type)
    promise = call.action.promise
    if is_misnamed(kind, promise) and read.lstrip()[:1] in (b"{", b"["):
        with suppress(JsonTextError):
            return Decoded("json", decode(read, REPLY_LIMITS)), (mislabelled("JSON", kind),)
    if found := read_lines(read, kind, promise):
        return found, ()
    if read and promise.has_media and not kind.endswith("json") and (found := read_media(read, kind)):
        return found, (mislabelled(NAMES[found.kind], kind),)
    decoded = decode_body(
        content_type or None,
        read,
        status=head.status,
        request_id=facts.request_id,
        scrub=call.scrub,
        optional=not read and _may_be_empty(call, head.status),
    )
    return decoded, ()


def _judge(call: Call, head: Head, facts: Facts, result: Result) -> None:
    """Notes model, usage, text and outcome. Raises ApiError where the body is the upstream's error and holds nothing of an answer."""
    if result.kind == "json":
        add_body_facts(result, call.manifest.result)
    nothing = result.kind == "empty" and _may_be_empty(call, result.status)
    lack = None if nothing else _with_words(call, result, lack_of_reply(call.action.promise, result, call.wanted))
    judge(result, call.manifest.result, call.options.policy, lack, partial(words_of, call))
    found = _error_in(call, result, lack)
    if found is not None:
        ran = tells(result.usage) or has_part(result.value, call.action.promise.carrier)
        raise refusal(call, head, facts, read_error(found, call.manifest.error_body), ran=ran)


def _error_in(call: Call, result: Result, lack: Fault | None) -> Any:
    """The upstream's error in a body that holds nothing of an answer; None where there is none, or where the object is asked for."""
    rules, value = call.manifest.error_body, result.value
    if result.kind != "json":
        return None
    if lack and lack.rule == "failed" and lack.message in result.reasons:
        return value if shows_error(value, rules) else None
    if not call.action.promise.has_json:  # a file may hold anything; an error holds hardly more than itself
        alone = isinstance(value, dict) and len(value) <= _ERROR_ALONE and "error" in value
        return value if alone and shows_error(value, rules) else None
    if result.outcome != "failed" or result.answer or call.action.idempotent:
        return None
    return next((found[0] for rule in call.manifest.result.outcomes if rule.says and (found := find(value, rule.says))), None)


def words_of(call: Call, value: Any) -> str:
    """The provider's own words, safe to show."""
    return safe_text(call.scrub(safe_text(read_error(value, call.manifest.error_body).message)))


def _with_words(call: Call, result: Result, lack: Fault | None) -> Fault | None:
    """What is lacking, with what came instead where that is words."""
    said = words_of(call, result.value) if lack and lack.rule == "failed" and isinstance(result.value, (str, dict, list)) else ""
    return replace(lack, message=f"{lack.message.rstrip('.')}: {said.rstrip('.')}.") if lack and said else lack


def _saved(call: Call, head: Head, facts: Facts, content_type: str, sink: FileSink) -> Result:
    """The file, judged like every other answer. One that cannot be read stays as it was saved; an error is not kept."""
    probe = make_result(call, head, facts, "file", None, content_type)
    try:
        found = _peeked(call, essence(content_type), sink)
        if found is not None:
            probe.kind, probe.value = found.kind, found.value
            _judge(call, head, facts, probe)
    except ConnectorError:
        sink.discard()
        raise
    probe.kind, probe.value = "file", sink.commit(content_type)
    return probe


def _peeked(call: Call, kind: str, sink: FileSink) -> Decoded | None:
    """What a saved body is, where that can be judged: JSON, nothing at all, or words in place of JSON or of sound; else None."""
    promise = call.action.promise
    named = kind.endswith("json") or is_misnamed(kind, promise)
    found = sink.peek(call.connection.limits.reply_json if named else LARGEST_ERROR if promise.has_media else 0)
    if not found:
        return None if found is None else Decoded("empty", None)
    if promise.has_media and not named:
        return read_media(found, kind) or (Decoded("text", found.decode()) if kind.startswith("text/") else None)
    try:
        return Decoded("json", decode(found, REPLY_LIMITS)) if named else None
    except JsonTextError:
        return Decoded("bytes", None) if promise.only_json else None


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
    return refusal(call, live.head, live.facts, read_error(live.reader.failure, call.manifest.error_body), ran=live.reader.ran)


def refusal(call: Call, head: Head, facts: Facts, said: ErrorFacts, *, ran: bool = False) -> ApiError:
    """The upstream's error, by the manifest's table; ``retryable`` is about this very call, which may have ``ran`` before the error."""
    error = to_api_error(
        head.status,
        said,
        facts=facts,
        rules=call.manifest.errors,
        scrub=call.scrub,
        retry_after=parse_retry_after(facts.given, time.time()),
        attempts=call.attempts,
    )
    helps = error.retryable
    # All headers, not the error's: a manifest need not keep those that say when to come back.
    status = error.status if error.status >= _ERROR else said.status or _FAILED
    failure = Failure("status", False, status, helps, error.category, facts.given, ran)
    error.ran = ran
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
