"""Where a value stands in JSON text, for people who have to correct it there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

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
