"""What comes back from a call: one envelope around JSON, text, bytes, a saved file or an event stream."""

from __future__ import annotations

import base64
import fnmatch
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from kosha_connector_openai.core.result.file_sink import SavedFile
from kosha_connector_openai.core.result.stream import Event
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import ResultRules
from kosha_connector_openai.text import OBJECT, find, first_of

Kind = Literal["json", "text", "bytes", "file", "events", "empty"]


@dataclass(slots=True)
class Result:
    """What one finished call gave: its value, what was sent with it, and what it used.

    ``value`` is JSON values (objects keep their key order, integers are exact), a str, bytes, a SavedFile, a list of Event, or None for
    an empty answer; ``kind`` says which. ``duration`` is in seconds and counts all attempts and waits. ``incomplete`` gives the reason
    where a stream was cut; what came before is in ``value``. ``outcome`` says whether the answer is ``complete``, still ``pending``,
    ``incomplete`` (cut), ``refused``, ``filtered`` or ``failed``; ``reasons`` say why.
    """

    action: str
    status: int
    kind: Kind
    value: Any
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    model: str | None = None
    usage: Mapping[str, Any] | None = None
    rate_limit: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 1
    duration: float = 0.0
    warnings: tuple[Fault, ...] = ()
    incomplete: str | None = None
    outcome: str = "complete"
    reasons: tuple[str, ...] = ()
    answer: str = field(default="", repr=False)
    """The text in a JSON answer, where the manifest says that there is one."""
    raw: bytes | None = field(default=None, repr=False)
    """The body's bytes as they arrived, for JSON and text."""
    saved: SavedFile | None = field(default=None, repr=False)
    """The file that the events of a stream were saved in, a line of JSON for each; another body that was saved is the ``value``."""

    def __repr__(self) -> str:
        """Short however large the value is: event loops and test runners write down what they hold."""
        head = f"action={self.action!r}, status={self.status}, kind={self.kind!r}, outcome={self.outcome!r}"
        return f"Result({head}, value={_short(self.value)})"

    @property
    def limits(self) -> dict[str, float]:
        """``rate_limit`` as numbers; the names with ``reset`` are in seconds. What cannot be read is left out."""
        return read_limits(self.rate_limit)

    @property
    def text(self) -> str:
        """The answer as text: a text body, what a stream's events add up to, or where the manifest finds it in JSON; else ""."""
        if self.kind == "events":
            return "".join(event.text for event in self.value)
        return self.value if self.kind == "text" else self.answer

    def to_dict(self) -> dict[str, Any]:
        """The envelope as JSON-ready values; bytes become base64."""
        return {
            "action": self.action,
            "status": self.status,
            "kind": self.kind,
            "value": _plain(self.value),
            "content_type": self.content_type,
            "headers": dict(self.headers),
            "request_id": self.request_id,
            "model": self.model,
            "usage": self.usage,
            "rate_limit": dict(self.rate_limit),
            "attempts": self.attempts,
            "duration": round(self.duration, 6),
            "warnings": [{"pointer": w.pointer, "rule": w.rule, "message": w.message, "fix": w.fix} for w in self.warnings],
            "incomplete": self.incomplete,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
        }


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list) and value and isinstance(value[0], Event):
        return f"<{len(value)} events>"
    return reprlib.repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode(), "size": len(value)}
    if isinstance(value, SavedFile):
        return {
            "path": str(value.path),
            "size": value.size,
            "sha256": value.sha256,
            "content_type": value.content_type,
        }
    if isinstance(value, list) and value and isinstance(value[0], Event):
        return [{"type": event.type, "data": event.data} for event in value]
    return value


@dataclass(frozen=True, slots=True)
class Facts:
    """What the headers of a reply say, read by the manifest's rules. ``headers`` are those to keep, ``given`` are all."""

    headers: Mapping[str, str]
    request_id: str | None
    rate_limit: Mapping[str, str]
    given: Mapping[str, str] = field(default_factory=dict)


def read_facts(headers: Sequence[tuple[str, str]], rules: ResultRules) -> Facts:
    """The headers to keep, all of them, the request id and the rate-limit state."""
    given = merge(headers)
    keeps = _keeper(rules.headers)
    kept = {name: value for name, value in given.items() if keeps(name)}
    return Facts(
        headers=kept,
        request_id=next((given[name] for name in rules.request_id if name in given), None),
        rate_limit={name: given[header] for name, header in rules.rate_limit.items() if header in given},
        given=given,
    )


_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_PLAIN = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_FARTHEST = 86_400.0 * 366
"""Seconds: a limit that is reset later than this tells nothing."""


def read_limits(texts: Mapping[str, str]) -> dict[str, float]:
    """Limits as numbers: counts, and for names with ``reset`` seconds out of durations such as ``6m0s``, ``250ms`` or ``1.5``."""
    found: dict[str, float] = {}
    for name, text in texts.items():
        value = parse_duration(text) if "reset" in name else float(text) if _PLAIN.fullmatch(text.strip()) else None
        if value is not None:
            found[name] = value
    return found


def parse_duration(text: str) -> float | None:
    """Seconds of a duration in the form of ``1d2h3m4.5s`` or ``6ms``, or of a plain number of seconds; None where it is neither."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        value = float(text)
    else:
        match = _DURATION.fullmatch(text) if len(text) <= 40 else None  # noqa: PLR2004
        if match is None or not any(match.groups()):
            return None
        value = sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    return value if value <= _FARTHEST else None


@lru_cache(maxsize=16)
def _keeper(rules: tuple[str, ...]) -> Callable[[str], object]:
    """Whether a header's name fits one of the rules, as one compiled pattern."""
    return re.compile("|".join(map(fnmatch.translate, rules)) or "(?!)").match


def merge(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; several of one name are joined with a comma (RFC 9110, section 5.3)."""
    found = dict(headers)
    if len(found) != len(headers):
        found.clear()
        for name, value in headers:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def add_body_facts(result: Result, rules: ResultRules) -> None:
    """Notes the model, the usage and the text that a JSON answer holds."""
    model, usage = first_of(result.value, rules.model), first_of(result.value, rules.usage)
    result.model = model if isinstance(model, str) else None
    result.usage = usage if isinstance(usage, OBJECT) else None
    result.answer = ""
    for path in rules.text:
        if (found := find(result.value, path)) and (text := "".join(part for part in found if isinstance(part, str))):
            result.answer = text
            return
