"""Server-sent events, decoded as their bytes arrive (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.errors import ReplyTooLargeError

MIB: Final = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event; ``id`` is the last that the stream gave, None before any; ``retry`` is in milliseconds."""

    event: str = "message"
    data: str = ""
    id: str | None = None
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class EventLimits:
    """Bytes of a line, of an event's fields and of the stream; data lines of an event, events of the stream."""

    line: int = MIB
    event: int = 4 * MIB
    lines: int = 10_000
    stream: int = 256 * MIB
    events: int = 500_000


DEFAULT_LIMITS: Final = EventLimits()


class EventDecoder:
    """Bytes in, events out; where the chunks are cut makes no difference.

    Lines end with CR, LF or CRLF and with nothing else; invalid UTF-8 becomes U+FFFD. An event that its empty
    line never ended is dropped, as the standard asks, and ``pending`` tells of it.
    """

    def __init__(self, limits: EventLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._partial = bytearray()
        self._total = 0
        self._count = 0
        self._after_cr = False
        self._started = False
        self._overflow: ReplyTooLargeError | None = None
        self._last_id: str | None = None
        self._reset()

    @property
    def pending(self) -> bool:
        """Whether bytes of an event have come that is not complete yet."""
        return bool(self._partial or self._data or self._event or self._retry is not None)

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that ``chunk`` completes; at a limit :class:`ReplyTooLargeError`, once those are out."""
        if self._overflow is not None:
            raise self._overflow
        events: list[ServerSentEvent] = []
        try:
            self._read(chunk, events)
        except ReplyTooLargeError as error:
            if not events:
                raise
            self._overflow = error
        return events

    def rest(self) -> list[ServerSentEvent]:
        """The event that no empty line ended, where one waits: the standard drops it, and some servers leave the line out."""
        events: list[ServerSentEvent] = []
        if self._partial:
            line = bytes(self._partial)
            self._partial.clear()
            self._line(line, events)
        self._dispatch(events)
        return events

    def close(self) -> bool:
        """Drop what is incomplete and say whether there was any; raises what :meth:`feed` still had to."""
        if self._overflow is not None:
            raise self._overflow
        pending = self.pending
        self._partial.clear()
        self._reset()
        return pending

    def _reset(self) -> None:
        self._event = ""
        self._data: list[bytes] = []
        self._size = 0
        self._retry: int | None = None

    def _read(self, chunk: bytes, events: list[ServerSentEvent]) -> None:
        self._total += len(chunk)
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        # bytes.splitlines knows CR, LF and CRLF only; its str twin would tear a line at U+2028.
        lines = chunk.splitlines()
        if lines and not chunk.endswith((b"\n", b"\r")):
            rest = lines.pop()
        else:
            rest = b""
            self._after_cr = self._after_cr or chunk.endswith(b"\r")
        if lines and self._partial:
            self._partial += lines[0]
            lines[0] = bytes(self._partial)
            self._partial.clear()
        for line in lines:
            self._line(line, events)
        self._partial += rest
        self._check(len(self._partial), self._limits.line, "a line")
        self._check(self._total, self._limits.stream, "the event stream")

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        self._check(len(line), self._limits.line, "a line")
        if not self._started:
            line = line.removeprefix(_BOM)
            self._started = True
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if name in _FIELDS:
            self._size += len(value)
            self._check(self._size, self._limits.event, "an event")
            _FIELDS[name](self, value.removeprefix(b" "))

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            self._count += 1
            if self._count > self._limits.events:
                raise ReplyTooLargeError(f"The event stream has more than {self._limits.events} events.")
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(ServerSentEvent(self._event or "message", data, self._last_id, self._retry))
        self._reset()

    def _on_data(self, value: bytes) -> None:
        self._data.append(value)
        if len(self._data) > self._limits.lines:
            raise ReplyTooLargeError(f"An event has more than {self._limits.lines} data lines.")

    def _on_event(self, value: bytes) -> None:
        self._event = value.decode("utf-8", "replace")

    def _on_id(self, value: bytes) -> None:
        if b"\0" not in value:
            self._last_id = value.decode("utf-8", "replace")

    def _on_retry(self, value: bytes) -> None:
        if value.isdigit() and len(value) <= len("9" * 15):
            self._retry = int(value)

    @staticmethod
    def _check(size: int, limit: int, what: str) -> None:
        if size > limit:
            raise ReplyTooLargeError(f"{what[0].upper()}{what[1:]} is longer than {limit} bytes.")


_FIELDS: Final = {
    b"data": EventDecoder._on_data,
    b"event": EventDecoder._on_event,
    b"id": EventDecoder._on_id,
    b"retry": EventDecoder._on_retry,
}


class LineDecoder(EventDecoder):
    """The same for JSON lines: each value is an event of its own. Lines that are no object or list are read as an event's fields."""

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        value = line.removeprefix(_BOM).strip()
        if not value.startswith((b"{", b"[")):
            super()._line(line, events)
            return
        self._check(len(line), self._limits.line, "a line")
        self._started = True
        self._on_data(value)
        self._dispatch(events)
