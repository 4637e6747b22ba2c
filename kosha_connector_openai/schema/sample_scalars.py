"""Texts and numbers that fit a schema's ``pattern``, ``format``, lengths and bounds, always the same ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from kosha_connector_openai.errors import DocumentError

_FORMATS: Final[Mapping[str, Callable[[str], str]]] = {
    "date-time": lambda name: "2025-01-01T00:00:00Z",
    "date": lambda name: "2025-01-01",
    "time": lambda name: "00:00:00Z",
    "duration": lambda name: "PT1M",
    "email": lambda name: "someone@example.com",
    "hostname": lambda name: "example.com",
    "ipv4": lambda name: "192.0.2.1",
    "ipv6": lambda name: "2001:db8::1",
    "uri": lambda name: f"https://example.com/{re.sub('[^A-Za-z0-9]+', '-', name)}",
    "uuid": lambda name: str(uuid5(NAMESPACE_URL, name)),
    "byte": lambda name: "c2FtcGxl",
    "base64": lambda name: "c2FtcGxl",
    "json-pointer": lambda name: "/sample",
}
"""JSON Schema 2020-12, Validation, section 7.3, and OpenAPI's ``byte``; other formats are annotations."""
_ALIASES: Final = {"url": "uri", "iri": "uri", "uri-reference": "uri", "datetime": "date-time"}
_CLASSES: Final = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_COUNT: Final = re.compile(r"\{(\d+)(,?)(\d*)\}")
_USUAL: Final = {"unixtime": 1_735_689_600}
_MOST: Final = 1 << 16
"""Characters of a text."""
_DIFFERENT: Final = 100
"""Texts that are made for one pattern, where its classes allow it."""
_PROBES: Final = "a0A-_./ @#:+,~bcdef123456789"
_MEMBERS: Final = {"d": "0123456789", "w": "abcdefghij0123456789_"}


def texts(schema: Mapping[str, Any], name: str) -> Iterator[str]:
    """Texts for a string schema, the one most like ``name`` first; raises DocumentError where its pattern is beyond this module."""
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", _MOST))
    if "pattern" in schema:
        yield from (text for text in pattern_texts(schema["pattern"], least) if len(text) <= most)
        return
    if least > _MOST:
        return
    kind = str(schema.get("format", ""))
    make = _FORMATS.get(_ALIASES.get(kind, kind))
    if make and least <= len(make(name)) <= most:
        yield make(name)
        return
    word = name or "x"
    yield (word * (least // len(word) + 1))[: max(least, min(len(word), most))]


def numbers(flat: Mapping[str, Any], *, whole: bool) -> Iterator[float]:
    """Numbers within the bounds, the plainest first."""
    low = max(flat.get("minimum", -math.inf), flat.get("exclusiveMinimum", -math.inf))
    high = min(flat.get("maximum", math.inf), flat.get("exclusiveMaximum", math.inf))
    step = flat.get("multipleOf", 1 if whole else None)
    usual = _USUAL.get(str(flat.get("format")), 0)
    inside = [bound + shift for bound, shift in ((low, 0), (low, 1), (high, 0), (high, -1)) if math.isfinite(bound)]
    middle = [(low + high) / 2] if math.isfinite(low) and math.isfinite(high) else []
    aligned = [math.ceil(value / step) * step for value in inside] if step else []
    fractions = [] if whole else [*middle, 0.5]
    for value in dict.fromkeys([usual, 1, *aligned, *inside, *fractions]):
        number = int(value) if whole and float(value).is_integer() else value
        if (not whole or isinstance(number, int)) and _within(number, flat):
            yield number


def _within(value: float, flat: Mapping[str, Any]) -> bool:
    step = flat.get("multipleOf")
    return (
        value >= flat.get("minimum", value)
        and value <= flat.get("maximum", value)
        and ("exclusiveMinimum" not in flat or value > flat["exclusiveMinimum"])
        and ("exclusiveMaximum" not in flat or value < flat["exclusiveMaximum"])
        and (step is None or math.isclose(value / step, round(value / step), abs_tol=1e-9))
    )


def pattern_texts(pattern: str, least: int = 0) -> Iterator[str]:
    """Texts that match an ECMA 262 pattern of literals, classes, groups, alternatives and counts, at least ``least`` long, all different.

    Raises DocumentError for look-around, back references and properties.
    """
    tree = _Parser(pattern).alternatives()
    extra = max(0, min(least, _MOST) - len(_Writer(0).write(tree)))
    texts = (_Writer(extra, number).write(tree) for number in range(_DIFFERENT))
    yield from dict.fromkeys(text for text in texts if len(text) >= least)


class _Parser:
    """A pattern as nested tuples: ("text", char), ("any", branches) or ("times", node, least, most)."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> tuple[Any, ...]:
        branches: list[list[Any]] = [[]]
        while self._at < len(self._pattern) and self._peek() != ")":
            if self._skip("|"):
                branches.append([])
            elif not (self._skip("^") or self._skip("$")):
                branches[-1].append(self._counted(self._atom()))
        return "any", branches

    def _atom(self) -> tuple[Any, ...]:
        if self._skip("("):
            if self._skip("?") and not self._skip(":"):
                raise _refused()
            inner = self.alternatives()
            if not self._skip(")"):
                raise _refused()
            return inner
        if self._skip("["):
            return "one", self._class()
        if self._peek() == "\\" and (members := _MEMBERS.get(self._pattern[self._at + 1 : self._at + 2])):
            self._at += 2
            return "one", members
        if self._skip("."):
            return "one", "abcdefghij"
        return "text", self._escaped() if self._skip("\\") else self._next()

    def _class(self) -> str:
        negated, start = self._skip("^"), self._at
        first = ""
        while self._peek() != "]" or self._at == start:
            char = self._escaped() if self._skip("\\") else self._next()
            first = first or char
        self._at += 1
        shape = self._pattern[start - 2 if negated else start - 1 : self._at]
        others = "".join(char for char in _PROBES if char != first and _matches(shape, char))
        return others or "a" if negated else first + others

    def _escaped(self) -> str:
        char = self._next()
        if char in "123456789bBpPkuxc":
            raise _refused()
        return _CLASSES.get(char) or _CONTROL.get(char) or char

    def _counted(self, node: tuple[Any, ...]) -> tuple[Any, ...]:
        simple = {"*": (0, _MOST), "+": (1, _MOST), "?": (0, 1)}.get(self._peek())
        counted = _COUNT.match(self._pattern, self._at)
        if simple:
            self._at += 1
            least, most = simple
        elif counted:
            self._at = counted.end()
            least = int(counted[1])
            most = int(counted[3]) if counted[3] else _MOST if counted[2] else least
        else:
            return node
        self._skip("?")
        if least > _MOST:
            raise _refused()
        return "times", node, least, most

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        if not (char := self._peek()):
            raise _refused()
        self._at += 1
        return char

    def _skip(self, char: str) -> bool:
        found = self._peek() == char
        self._at += found
        return found


class _Writer:
    """Writes a parsed pattern; the first part that may be repeated takes the ``extra`` characters.

    ``number`` chooses among the characters of its classes: each number gives another text, as long as there are any.
    """

    def __init__(self, extra: int, number: int = 0) -> None:
        self._extra = extra
        self._number = number

    def write(self, node: tuple[Any, ...]) -> str:
        kind, value = node[0], node[1]
        if kind == "text":
            return str(value)
        if kind == "one":
            self._number, chosen = divmod(self._number, len(value))
            return str(value[chosen])
        if kind == "any":
            return "".join(self.write(part) for part in value[0])
        times = min(node[3], node[2] + self._extra)
        self._extra -= times - node[2]
        text = "".join(self.write(value) for _ in range(times))
        if len(text) > _MOST:
            raise _refused()
        return text


def _matches(shape: str, char: str) -> bool:
    try:
        return re.match(shape, char) is not None
    except re.error:
        return False


def _refused() -> DocumentError:
    return DocumentError("No sample can be made for this pattern.")
