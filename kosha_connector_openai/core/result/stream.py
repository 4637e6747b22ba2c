"""An event stream as typed events: which event is final, which is an error, which text it adds, by the manifest's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.core.result.error_body import tells
from kosha_connector_openai.core.result.sse import EventDecoder, EventLimits, ServerSentEvent
from kosha_connector_openai.manifest import ResultRules, StreamRules
from kosha_connector_openai.text import JsonTextError, at, decode, find, first_of


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, its data as JSON values (or as text where it is not JSON), and its id where it has one."""

    type: str
    data: Any
    text: str = ""
    """The text that this event adds to the answer; "" where it adds none."""
    id: str | None = None


class StreamReader:
    """Bytes in, events out, no I/O. After ``end``, ``incomplete`` says whether the stream was cut, and why."""

    def __init__(self, rules: StreamRules, facts: ResultRules, limits: EventLimits = EventLimits()) -> None:
        self._rules = rules
        self._facts = facts
        self._decoder = EventDecoder(limits)
        self._finished = False
        self.model: str | None = None
        self.usage: Mapping[str, Any] | None = None
        self.failure: Any = None
        """The upstream's error where an event carried one: what stands at its place, or all of its data."""
        self.incomplete: str | None = "the stream has not ended"

    @property
    def finished(self) -> bool:
        """Whether the event that closes the stream has come; what follows is not read."""
        return self._finished

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes."""
        for raw in self._decoder.feed(chunk):
            if self._finished:
                return
            event = self._event(raw)
            if event is not None:
                yield event

    def end(self, cut: str | None = None) -> None:
        """Says that no more bytes come; ``cut`` names the reason where the connection broke."""
        if self._finished or self.incomplete is None:
            return
        if self.failure is not None:
            self.incomplete = "the upstream reported an error in the stream"
        else:
            self.incomplete = cut or "the stream ended without its final event"

    def _event(self, raw: ServerSentEvent) -> Event | None:
        if self._rules.done is not None and raw.data.startswith(self._rules.done):
            self._finished, self.incomplete = True, None
            return None
        try:
            data = decode(raw.data.encode())
        except JsonTextError:
            if raw.event in self._rules.failed:
                self.failure = raw.data
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
        if tells(error) or kind in self._rules.failed:
            self.failure = error if tells(error) and error is not True else data
        elif kind in self._rules.final:
            self.incomplete = None

    def _text(self, kind: str, data: Any) -> str:
        for rule in self._rules.text:
            if rule.type in (None, kind) and (found := "".join(text for text in find(data, rule.pointer) if isinstance(text, str))):
                return found
        return ""
