"""YAML as people write manifests and descriptions: YAML 1.2 core-schema types only, no tags, no cycles, no bombs.

Built on the parser's events, iteratively, so that depth and alias expansion are bounded before anything recursive sees the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.text.json_faults import JsonLimits
from kosha_connector_openai.text.json_text import loads_strict

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where its wheel is built: about eight times faster

_OLD_BREAKS = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]")
"""NEL, LS and PS: breaks of lines for YAML 1.1, which the parser reads, and plain characters for JSON and YAML 1.2 (section 5.4)."""
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STANDARD_TAGS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": lambda text: _BOOLEANS[text],
    "tag:yaml.org,2002:null": lambda text: None,
}


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """Sizes in bytes and counts; ``nodes`` counts each alias as all that it stands for."""

    bytes: int = 16 * 1024 * 1024
    depth: int = 100
    nodes: int = 2_000_000


def load_yaml(data: bytes, limits: YamlLimits = YamlLimits(), *, what: str = "YAML") -> Any:
    """The one document in ``data`` as JSON values; raises DocumentError with the line where a rule is broken.

    Types are those of YAML 1.2's core schema (section 10.3), without its octal, hexadecimal and non-finite numbers: ``no`` and
    ``12:30:45`` stay text.
    """
    if len(data) > limits.bytes:
        raise DocumentError(f"{what} is larger than {limits.bytes} bytes.")
    if (value := _torn_json(data, limits)) is not None:
        return value
    builder = _Builder(limits, what)
    try:
        parser = _Parser(data)
        while parser.check_event():
            builder.take(parser.get_event())
    except yaml.YAMLError as error:
        if "nesting depth" in str(getattr(error, "problem", "")):  # libyaml's own limit, met while it looks ahead for a key
            raise DocumentError(f"{what} is nested deeper than {limits.depth} levels.") from None
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise DocumentError(f"{what} is not valid YAML{line}.") from None
    except (UnicodeDecodeError, ValueError):
        raise DocumentError(f"{what} is not valid UTF-8 YAML.") from None
    return builder.value


def _torn_json(data: bytes, limits: YamlLimits) -> Any:
    """The value of JSON text whose names the parser would tear at an old break; None for everything else."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"[") or not _OLD_BREAKS.search(data):
        return None
    try:
        return loads_strict(data, JsonLimits(bytes=limits.bytes, depth=limits.depth, nodes=limits.nodes))
    except InputError:
        return None  # YAML, or a fault that is told with its line


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("anchor", "key", "value", "weight")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.weight = 1


class _Builder:
    def __init__(self, limits: YamlLimits, what: str) -> None:
        self.value: Any = None
        self._limits = limits
        self._what = what
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._place(_scalar(event, self._fail), 1, event, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._stack.pop()
            self._place(done.value, done.weight, event, done.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._fail(event, "has more than one document")

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        standard = "tag:yaml.org,2002:map" if isinstance(event, yaml.MappingStartEvent) else "tag:yaml.org,2002:seq"
        if event.tag not in (None, "!", standard):
            self._fail(event, f"has the tag {_safe(event.tag)}, and tags are not allowed")
        if len(self._stack) >= self._limits.depth:
            self._fail(event, f"is nested deeper than {self._limits.depth} levels")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(value, event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        if any(level.anchor == event.anchor for level in self._stack):
            self._fail(event, f"has the anchor {_safe(event.anchor)} inside itself")
        if event.anchor not in self._anchors:
            self._fail(event, f"has an alias to {_safe(event.anchor)}, which is not defined")
        value, weight = self._anchors[str(event.anchor)]
        self._place(value, weight, event, None)

    def _place(self, value: Any, weight: int, event: yaml.Event, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = (value, weight)
        if not self._stack:
            self.value = value
            return
        parent = self._stack[-1]
        parent.weight += weight
        if parent.weight > self._limits.nodes:
            self._fail(event, f"expands to more than {self._limits.nodes} values")
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            parent.key = self._key(value, parent.value, event)
        else:
            parent.value[parent.key] = value
            parent.key = None

    def _key(self, key: Any, mapping: dict[str, Any], event: yaml.Event) -> str:
        # Response codes are often written bare (200:), and JSON has only text keys.
        if isinstance(key, (dict, list)):
            self._fail(event, "has a key that is not text")
        text = key if isinstance(key, str) else getattr(event, "value", str(key))
        if text in mapping:
            self._fail(event, f"has the key {_safe(text)} twice")
        return text

    def _fail(self, event: yaml.Event, problem: str) -> Any:
        line = event.start_mark.line + 1 if event.start_mark else 0
        raise DocumentError(f"{self._what} {problem} (line {line}).", [Fault("", "yaml", f"Line {line} {problem}.")])


def _scalar(event: yaml.ScalarEvent, fail: Callable[[yaml.Event, str], Any]) -> Any:
    if event.tag not in (None, "!"):
        return _tagged(event, fail)
    return _plain(event.value) if event.implicit[0] else event.value


def _tagged(event: yaml.ScalarEvent, fail: Callable[[yaml.Event, str], Any]) -> Any:
    try:
        return _STANDARD_TAGS[str(event.tag)](event.value)
    except (KeyError, ValueError):
        return fail(event, f"has the tag {_safe(event.tag)}, and tags are not allowed")


def _plain(text: str) -> Any:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NULL.match(text):
        return None
    if _INT.match(text) and len(text) <= 400:  # noqa: PLR2004 - the digits limit of inputs
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _safe(text: str | None) -> str:
    text = text or ""
    return "".join(char if char.isprintable() else "?" for char in text[:60])
