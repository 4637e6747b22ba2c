"""An event stream as typed events: which event is final, which is an error, which text it adds, by the manifest's rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from kosha_connector_openai.core.result.error_body import names_error, shows_error, tells
from kosha_connector_openai.core.result.sse import EventDecoder, EventLimits, LineDecoder, ServerSentEvent
from kosha_connector_openai.core.result.streamed_answer import Asked, StreamedAnswer
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import ErrorBody, ResultRules, StreamRules, StreamText
from kosha_connector_openai.text import JsonTextError, at, decode, find, first_of

_LARGEST_ERROR = 64 * 1024
_FIELD = re.compile(r"(?:data|event|id|retry)?:")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, its data as JSON values (or as text where it is not JSON), and its id where it has one."""

    type: str
    data: Any
    text: str = ""
    """The text that this event adds to the answer; "" where it adds none."""
    id: str | None = None


class StreamReader:
    """Bytes in, events out, no I/O. After ``end``, ``incomplete`` says whether the stream was cut, and why; ``lack`` what it lacks else."""

    def __init__(
        self,
        rules: StreamRules,
        facts: ResultRules,
        limits: EventLimits = EventLimits(),
        errors: ErrorBody = ErrorBody(),
        asked: Asked = Asked(),
        *,
        lines: bool = False,
    ) -> None:
        """``lines``: each line is the data of an event, in JSON."""
        self._rules = rules
        self._errors = errors
        self._facts = facts
        self._decoder = (LineDecoder if lines else EventDecoder)(limits)
        self._finished = False
        self._answer = StreamedAnswer(rules, asked, facts.carriers)
        self._head: bytearray | None = bytearray()
        """What came before the first event: an error may be sent as JSON, or as words, under the name of a stream."""
        self._told: StreamText | None = None
        """The rule by which text came last."""
        self._suspect: Any = None
        """The first event without content that may be an error: it is one where no content comes."""
        self.ran = False
        """Whether a part of an answer, or what it used, has come."""
        self.model: str | None = None
        self.usage: Mapping[str, Any] | None = None
        self.failure: Any = None
        """The upstream's error where an event carried one: what stands at its place, or all of its data."""
        self.incomplete: str | None = "the stream has not ended"
        self.lack: Fault | None = None

    @property
    def finished(self) -> bool:
        """Whether the event that closes the stream has come; what follows is not read."""
        return self._finished

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes."""
        if self._head is not None and len(self._head) < _LARGEST_ERROR:
            self._head += chunk
        for raw in chain.from_iterable(map(_apart, self._decoder.feed(chunk))):
            self._head = None
            if self._finished:
                return
            event = self._event(raw)
            if event is not None:
                yield event

    def rest(self) -> Iterator[Event]:
        """The last events of a body that came to its end, where the empty line after them is missing. A half of an event is none."""
        for raw in chain.from_iterable(map(_apart, self._decoder.rest())):
            if not self._finished and (self._is_done(raw) or _is_json(raw.data)):
                self._head = None
                event = self._event(raw)
                if event is not None:
                    yield event

    def end(self, cut: str | None = None) -> None:
        """Says that no more bytes come; ``cut`` names the reason where the connection broke."""
        answer = self._answer
        if self._rules.error and not answer.has_content and self.failure is None:
            self.failure = self._error_in_head() or self._suspect
        if self.failure is not None:
            self.incomplete = self.incomplete and "the upstream reported an error in the stream"
            return
        has_final = self.incomplete is None
        if not (self._finished or has_final or answer.ended):
            self.incomplete = cut or "the stream ended without its final event"
        elif not (has_final or answer.began or answer.has_content):
            self.incomplete = "the stream ended without any part of an answer"
        else:
            self.incomplete, self.lack = None, answer.lack()

    def _error_in_head(self) -> Any:
        """The error in a body that has no events; None where it is empty or holds fields of a stream alone."""
        text = bytes(self._head or b"")[:_LARGEST_ERROR].decode("utf-8", "replace").strip()
        if not text or _FIELD.match(text):
            return None
        with suppress(JsonTextError):
            data = decode(text.encode())
            error = at(data, self._rules.error or "")
            return error if tells(error) and error is not True else data if shows_error(data, self._errors) else None
        return text

    def _is_done(self, raw: ServerSentEvent) -> bool:
        return self._rules.done is not None and raw.data.startswith(self._rules.done)

    def _event(self, raw: ServerSentEvent) -> Event | None:
        if self._is_done(raw):
            self._finished = True
            self.end()
            return None
        try:
            data = decode(raw.data.encode())
        except JsonTextError:
            if raw.event in self._rules.failed:
                self.failure = raw.data
            elif not self._rules.content:
                self.ran = True
            self._suspect = self._suspect or raw.data.strip()
            return Event(raw.event, raw.data, id=raw.id)
        named = at(data, self._rules.type) if self._rules.type else None
        kind = named if isinstance(named, str) else raw.event
        self._note(kind, data)
        return Event(kind, data, self._text(kind, data), raw.id)

    def _note(self, kind: str, data: Any) -> None:
        model, usage = first_of(data, self._facts.model), first_of(data, self._facts.usage)
        self.model = model if isinstance(model, str) and model else self.model
        self.usage = usage if isinstance(usage, Mapping) else self.usage
        error = at(data, self._rules.error) if self._rules.error else None
        failed = tells(error) or kind in self._rules.failed or names_error(data, self._errors)
        if failed:
            self.failure = error if isinstance(error, Mapping) and tells(error) else data  # beside a text stand its code and status
        elif kind in self._rules.final:
            self.incomplete = None
        self._answer.add(kind, data)
        if not self._answer.has_content and self._suspect is None and shows_error(data, self._errors):
            self._suspect = data
        self.ran = self.ran or self._shows_work(data, failed=failed)

    def _shows_work(self, data: Any, *, failed: bool) -> bool:
        """Whether a part of the answer has come, reasoning, or what was used; an error's own words are neither."""
        if not self._rules.content:
            return not failed
        if self._answer.has_content or tells(self.usage):
            return True
        return any(map(tells, chain.from_iterable(find(data, path) for path in self._rules.reasoning)))

    def _text(self, kind: str, data: Any) -> str:
        for rule in self._rules.text:
            if (
                rule.type in (None, kind)
                and not (rule.whole and self._told not in (None, rule))
                and (found := "".join(text for text in find(data, rule.pointer) if isinstance(text, str)))
            ):
                self._told = rule
                return found
        return ""


def _apart(raw: ServerSentEvent) -> Sequence[ServerSentEvent]:
    """The events in one: some servers leave out the empty lines between them, and the first line is whole JSON by itself."""
    first, *others = raw.data.split("\n")
    if not others or _is_json(raw.data) or not _is_json(first):
        return (raw,)
    return [replace(raw, data=line) for line in (first, *others)]


def _is_json(text: str) -> bool:
    try:
        decode(text.encode())
    except (JsonTextError, UnicodeEncodeError):
        return False
    return True
