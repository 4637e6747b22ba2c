"""What to send in place of a value that is out of its bounds: the whole range that the schema allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kosha_connector_openai.schema.keywords import BOUNDS
from kosha_connector_openai.schema.reader import SchemaReader

_NUMBERS: Final[Mapping[str, str]] = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
_COUNTS: Final[Mapping[str, str]] = {"Items": "item", "Length": "character", "Properties": "field"}


def range_fix(reader: SchemaReader, schema: Any, rule: str) -> str:
    """What to send, where ``schema`` has the bound ``rule``: the other end of the range is told too."""
    found: dict[str, Any] = {}
    for part in reader.parts(schema):
        for name in part.keys() & BOUNDS.keys():
            found[name] = BOUNDS[name](found.get(name, part[name]), part[name])
    what = rule[3:]
    return _count_fix(found.get(f"min{what}"), found.get(f"max{what}"), _COUNTS[what]) if what in _COUNTS else _number_fix(found)


def _number_fix(found: Mapping[str, Any]) -> str:
    bounds = {name: found[name] for name in _NUMBERS if name in found}
    if bounds.keys() == {"minimum", "maximum"}:
        return f"Send a value from {bounds['minimum']} to {bounds['maximum']}."
    return f"Send a value of {' and '.join(_NUMBERS[name].format(value) for name, value in bounds.items())}." if bounds else ""


def _count_fix(low: Any, high: Any, unit: str) -> str:
    if low is None or high is None:
        end = high if low is None else low
        return f"Send {end} {_many(unit, end)} or {'fewer' if low is None else 'more'}."
    return f"Send {low} {_many(unit, low)}." if low == high else f"Send {low} to {high} {unit}s."


def _many(unit: str, number: Any) -> str:
    return unit if number == 1 else f"{unit}s"
