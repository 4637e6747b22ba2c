"""How much work a schema can demand, counted before any value is checked.

Branches that descend into the same property multiply: eight branches, twelve levels deep, are 8**12 visits of
one value, and no engine can be stopped half way. So the worst case is counted, and values that are too deep
for it are refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.schema.keywords import SAME_VALUE, children

BUDGET = 5_000
"""Schemas that may be applied along one way from a value's root to a leaf; large APIs need about 700."""
DEEPEST = 64
"""Levels of nesting that callers let through at all."""
_ITEMS = frozenset({"contains", "items", "prefixItems", "unevaluatedItems"})
_FIELDS = frozenset({"additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"})


@dataclass(frozen=True, slots=True)
class Effort:
    """``deepest``: levels of nesting within the budget, -1 for none; ``visits``: the work along them."""

    deepest: int
    visits: int


def effort(schema: Mapping[str, Any]) -> Effort:
    """The worst case of a self-contained schema."""
    count = _Count(schema)
    low, high = -1, DEEPEST + 1
    while high - low > 1:
        middle = high - 1 if low < 0 and high > DEEPEST else (low + high) // 2
        low, high = (middle, high) if count.along(schema, middle) <= BUDGET else (low, middle)
    return Effort(low, count.along(schema, max(low, 0)))


@dataclass(frozen=True, slots=True)
class _Shape:
    """All that a schema applies to one value, and to the parts of that value."""

    here: int
    fields: tuple[list[Any], ...]
    every_field: list[Any]
    items: list[Any]


class _Count:
    """Counts over one schema; each stops just above the budget."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {})
        self._applied: dict[int, list[Any]] = {}
        self._shapes: dict[int, _Shape] = {}
        self._along: dict[tuple[int, int], int] = {}

    def along(self, schema: Any, depth: int) -> int:
        """The schemas applied to a value and, below it, along the worst way of ``depth`` levels."""
        key = (id(schema), depth)
        if key not in self._along:
            self._along[key] = min(self._count(self._shape(schema), depth - 1), BUDGET + 1)
        return self._along[key]

    def _count(self, shape: _Shape, below: int) -> int:
        if below < 0 or shape.here > BUDGET:
            return shape.here
        named = max((self._sum(schemas, below) for schemas in shape.fields), default=0)
        fields = named + self._sum(shape.every_field, below)
        return shape.here + max(fields, self._sum(shape.items, below))

    def _sum(self, schemas: Iterable[Any], depth: int) -> int:
        total = 0
        for schema in schemas:
            total += self.along(schema, depth)
            if total > BUDGET:
                break
        return total

    def _shape(self, schema: Any) -> _Shape:
        if id(schema) not in self._shapes:
            here = self._here(schema)
            fields: defaultdict[str, list[Any]] = defaultdict(list)
            every_field: list[Any] = []
            items: list[Any] = []
            for place, part in (child for applied in here for child in children(applied)):
                if place[0] == "properties":
                    fields[str(place[1])].append(part)
                elif place[0] in _FIELDS:
                    every_field.append(part)
                elif place[0] in _ITEMS:
                    items.append(part)
            self._shapes[id(schema)] = _Shape(len(here), tuple(fields.values()), every_field, items)
        return self._shapes[id(schema)]

    def _here(self, schema: Any) -> list[Any]:
        """The schema and those that it applies to the same value, as often as it does."""
        if id(schema) not in self._applied:
            found = [schema]
            if isinstance(schema, Mapping):
                for part in self._same_value(schema):
                    if len(found) > BUDGET:
                        break
                    found += self._here(part)
            self._applied[id(schema)] = found
        return self._applied[id(schema)]

    def _same_value(self, schema: Mapping[str, Any]) -> list[Any]:
        referred = [self._definitions.get(schema["$ref"].removeprefix("#/$defs/"), True)] if "$ref" in schema else []
        return referred + [part for place, part in children(schema) if place[0] in SAME_VALUE]
