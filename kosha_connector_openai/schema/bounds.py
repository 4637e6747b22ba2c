"""What to send in place of a value that is out of its bounds: the whole range that the schema allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from kosha_connector_openai.schema.keywords import BOUNDS
from kosha_connector_openai.schema.reader import SchemaReader

_OPEN_BELOW: Final = {False: "at least", True: "above"}
_OPEN_ABOVE: Final = {False: "at most", True: "below"}
_COUNTS: Final[Mapping[str, str]] = {"Items": "item", "Length": "character", "Properties": "field"}


def range_fix(reader: SchemaReader, schema: Any, rule: str) -> str:
    """What to send, where ``schema`` has the bound ``rule``: the other end of the range is told too."""
    found: dict[str, Any] = {}
    for part in reader.parts(schema):
        for name in part.keys() & BOUNDS.keys():
            found[name] = BOUNDS[name](found.get(name, part[name]), part[name])
    what = rule[3:]
    if what in _COUNTS:
        return _count_fix(found.get(f"min{what}"), found.get(f"max{what}"), _COUNTS[what])
    types = set(reader.types(schema)) - {"null"}
    return _number_fix(*(_ends if types != {"integer"} else _whole_ends)(found))


_End = tuple[Any, bool] | None
"""A bound, and whether the bound itself is left out; None where there is none."""


def _ends(found: Mapping[str, Any]) -> tuple[_End, _End]:
    """The tighter bound of each side; of two that are equal, the one that leaves itself out."""
    low = [(found[name], is_open) for name, is_open in (("minimum", False), ("exclusiveMinimum", True)) if name in found]
    high = [(found[name], is_open) for name, is_open in (("maximum", False), ("exclusiveMaximum", True)) if name in found]
    return max(low, default=None), min(high, key=lambda end: (end[0], not end[1]), default=None)


def _whole_ends(found: Mapping[str, Any]) -> tuple[_End, _End]:
    """The first and the last whole number between the bounds."""
    low, high = _ends(found)
    first = None if low is None else (math.floor(low[0]) + 1 if low[1] else math.ceil(low[0]), False)
    last = None if high is None else (math.ceil(high[0]) - 1 if high[1] else math.floor(high[0]), False)
    return first, last


def _number_fix(low: _End, high: _End) -> str:
    least = f"{_OPEN_BELOW[low[1]]} {low[0]}" if low else ""
    most = f"{_OPEN_ABOVE[high[1]]} {high[0]}" if high else ""
    if not (low and high):
        is_open = (low or high or (0, True))[1]
        return f"Send a value {'' if is_open else 'of '}{least or most}." if low or high else ""
    if low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])):
        return ""  # nothing lies between them
    if low[0] == high[0]:
        return f"Send {low[0]}."
    return f"Send a value that is {least} and {most}." if low[1] or high[1] else f"Send a value from {low[0]} to {high[0]}."


def _count_fix(low: Any, high: Any, unit: str) -> str:
    if low is None or high is None:
        end = high if low is None else low
        return f"Send {end} {_many(unit, end)} or {'fewer' if low is None else 'more'}."
    return f"Send {low} {_many(unit, low)}." if low == high else f"Send {low} to {high} {unit}s."


def _many(unit: str, number: Any) -> str:
    return unit if number == 1 else f"{unit}s"
