"""Transcripts of pieces -> one transcript: texts joined, times moved to where each piece stands; as text, segments, SRT or WebVTT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kosha_connector_openai.core.result import Result
from kosha_connector_openai.manifest.parts import Split
from kosha_connector_openai.text import at


@dataclass
class Transcript:
    """The transcript so far; times in seconds."""

    texts: list[str] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    language: str | None = None
    end: float = 0.0

    def add(self, result: Result, rules: Split, start: float, length: float | None) -> bool:
        """Adds the transcript of a piece that starts at ``start``; False where the answer holds none."""
        text = at(result.value, rules.text) if result.kind == "json" else result.text
        if not isinstance(text, str):
            return False
        if text.strip():
            self.texts.append(text.strip())
        found = at(result.value, rules.segments) if result.kind == "json" else None
        for segment in found if isinstance(found, list) else ():
            self._add(segment, rules, start)
        if self.language is None and rules.language is not None:
            named = at(result.value, rules.language) if result.kind == "json" else None
            self.language = named if isinstance(named, str) else None
        self.end = start + length if length is not None else max([self.end, *(segment["end"] for segment in self.segments)])
        return True

    def _add(self, segment: Any, rules: Split, start: float) -> None:
        begins, ends, words = at(segment, rules.start), at(segment, rules.end), at(segment, rules.words)
        if _is_time(begins) and _is_time(ends) and isinstance(words, str):
            self.segments.append({"start": round(start + begins, 3), "end": round(start + ends, 3), "text": words.strip()})

    def as_form(self, form: str) -> Any:
        """The transcript in one of the forms."""
        return _FORMS[form](self)

    def _text(self) -> str:
        return " ".join(self.texts)

    def _detailed(self) -> Mapping[str, Any]:
        return {"text": self._text(), "language": self.language, "duration": round(self.end, 3), "segments": self.segments}

    def _srt(self) -> str:
        cues = enumerate(self.segments, 1)
        return "".join(f"{number}\n{_span(cue, ',')}\n{_lines(cue)}\n\n" for number, cue in cues)

    def _vtt(self) -> str:
        return "WEBVTT\n\n" + "".join(f"{_span(cue, '.')}\n{_lines(cue)}\n\n" for cue in self.segments)


_FORMS: Final[Mapping[str, Callable[[Transcript], Any]]] = {
    "text": Transcript._text,
    "segments": Transcript._detailed,
    "srt": Transcript._srt,
    "vtt": Transcript._vtt,
}
_LONGEST: Final = 1_000_000
"""Seconds; a time beyond is none."""
TIMED: Final = frozenset(_FORMS) - {"text"}
"""The forms that are made of segments."""


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LONGEST


def _span(cue: Mapping[str, Any], point: str) -> str:
    return f"{_clock(cue['start'], point)} --> {_clock(cue['end'], point)}"


def _clock(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _lines(cue: Mapping[str, Any]) -> str:
    """The words of a cue: no blank line and no arrow, which would end it."""
    lines = [line for line in str(cue["text"]).splitlines() if line.strip()]
    return "\n".join(lines).replace("-->", "->")
