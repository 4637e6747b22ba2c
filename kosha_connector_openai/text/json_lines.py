"""Where a value stands in JSON text, for people who have to correct it there."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from kosha_connector_openai.text.json_pointer import tokens

_BLANK: Final = re.compile(r"[ \t\r\n]*")


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line, counted from 1, on which the value at ``path`` begins; of a path that leads nowhere, the last value on it.

    The text is valid JSON (RFC 8259).
    """
    position = _after_blanks(text, 0)
    for token in path:
        position = _member(text, position, token)
    return text.count("\n", 0, position) + 1


def _member(text: str, start: int, token: str | int) -> int:
    """Where a member of the object or array at ``start`` begins; ``start`` itself where it has no such member."""
    decoder, is_object = json.JSONDecoder(), text[start] == "{"
    position, number = _after_blanks(text, start + 1), 0
    while text[start] in "{[" and text[position] not in "}]":
        key: str | int = number
        if is_object:
            key, end = decoder.raw_decode(text, position)
            position = _after_blanks(text, _after_blanks(text, end) + 1)
        if key == token:
            return position
        end = _after_blanks(text, decoder.raw_decode(text, position)[1])
        position = _after_blanks(text, end + 1) if text[end] == "," else end
        number += 1
    return start


def _after_blanks(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


class TextLines:
    """The lines of places in one JSON or YAML text, which is valid; each object and list is looked through once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_json = text.lstrip()[:1] == "{"
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._known: dict[int, Mapping[str, int]] = {}

    def at(self, pointer: str) -> int:
        """The line, counted from 1, of the place; of one that is not there, that of the last value on the way to it."""
        position = self._after(0)
        for token in tokens(pointer):
            following = self._members(position).get(token)
            if following is None:
                break
            position = following
        return bisect_left(self._ends, position) + 1

    def _members(self, start: int) -> Mapping[str, int]:
        """Where the members or items of the value at a position begin, by key or number."""
        if not self._is_json:
            return self._yaml.get(start, {})
        if start not in self._known:
            self._known[start] = dict(self._scan(start)) if self._text[start] in "{[" else {}
        return self._known[start]

    def _scan(self, start: int) -> Iterator[tuple[str, int]]:
        decoder, text, number = json.JSONDecoder(), self._text, 0
        position = self._after(start + 1)
        while text[position] not in "}]":
            key = str(number)
            if text[start] == "{":
                key, end = decoder.raw_decode(text, position)
                position = self._after(self._after(end) + 1)
            yield key, position
            end = self._after(decoder.raw_decode(text, position)[1])
            position = self._after(end + 1) if text[end] == "," else end
            number += 1

    def _after(self, position: int) -> int:
        return _after_blanks(self._text, position) if self._is_json else position

    @cached_property
    def _yaml(self) -> Mapping[int, Mapping[str, int]]:
        """Position of each collection -> positions of what is in it; the whole document stands at 0."""
        import yaml

        found: dict[int, dict[str, int]] = {}
        root = yaml.compose(self._text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        waiting = [(0, root)]
        while waiting:
            position, node = waiting.pop()
            pairs: list[tuple[str, Any]] = []
            if isinstance(node, yaml.MappingNode):
                pairs = [(str(key.value), value) for key, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                pairs = [(str(index), value) for index, value in enumerate(node.value)]
            if pairs and position not in found:
                found[position] = {key: value.start_mark.index for key, value in pairs}
                waiting += [(value.start_mark.index, value) for _, value in pairs]
        return found
