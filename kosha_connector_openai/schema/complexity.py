"""How much work the check of a value may be: counted from the schema, bounded by the value's depth, cut to an extract for the report.

Branches that descend into the same property multiply: eight branches, twelve levels deep, are 8**12 visits of
one value, and no backend can be stopped half way. So the worst case is counted, and values that are too deep
for it are refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.schema.keywords import SAME_VALUE, Path, children

BUDGET = 5_000
"""Schemas that may be applied along one way from a value's root to a leaf; large APIs need about 700."""
DEEPEST = 64
"""Levels of nesting that callers let through at all."""
_SCALARS = (str, int, float, type(None))
_LISTED = frozenset({"contains", "items", "prefixItems", "unevaluatedItems"})
_NAMED = frozenset({"additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"})
_ITEMS = 20
"""Items of each list in an extract."""
_FEWER_ITEMS = (_ITEMS, 5, 1)
_FIELDS = 200
"""Fields of each object in an extract; an object with more is a map, not a record with required fields."""


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
    """The schemas that a schema applies to one value and to its parts."""

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
                elif place[0] in _NAMED:
                    every_field.append(part)
                elif place[0] in _LISTED:
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


def parts(value: Any, deepest: int = DEEPEST) -> Iterator[tuple[Path, Any]]:
    """Every part of a value with its path, itself first, in order; one level below ``deepest`` at most."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, part = waiting.pop()
        yield path, part
        if len(path) <= deepest:
            waiting.extend(((*path, step), child) for step, child in reversed(_children(part)))


def too_deep(value: Any, deepest: int) -> Path | None:
    """The path of the first part that lies deeper than this many levels."""
    return next((path for path, _ in parts(value, deepest) if len(path) > deepest), None)


def is_larger(value: Any, limit: int) -> bool:
    """Whether a value has more parts than this."""
    count, waiting = 0, [value]
    while waiting and count <= limit:
        part = waiting.pop()
        count += 1
        if isinstance(part, (list, tuple)):
            waiting.extend(part)
        elif not isinstance(part, _SCALARS) and isinstance(part, Mapping):
            waiting.extend(part.values())
    return count > limit


def _children(part: Any) -> list[tuple[str | int, Any]]:
    if isinstance(part, Mapping):
        return list(part.items())
    return list(enumerate(part)) if isinstance(part, (list, tuple)) else []


@dataclass(frozen=True, slots=True)
class Extract:
    """The part of a value whose faults are listed, and its position in the given value."""

    value: Any
    whole: bool = True
    list_name: str = ""
    offset: int = 0

    def place(self, path: Path) -> Path:
        """The path in the given value of a path in this one."""
        if not self.offset or path[:1] != (self.list_name,) or len(path) == 1:
            return path
        return (self.list_name, int(path[1]) + self.offset, *path[2:])


def extract(value: Any, limit: int, is_valid: Callable[[Any], bool]) -> Extract | None:
    """The refused value itself where it has no more parts than ``limit``, else the first extract that is refused too.

    An extract has the first items of each list; after that, windows move along the lists of the top level.
    None where each of them is valid, so that the fault lies in the whole or far inside.
    """
    if not is_larger(value, limit):
        return Extract(value)
    return next((found for found in _extracts(value, limit) if not is_valid(found.value)), None)


def _extracts(value: Any, limit: int) -> Iterator[Extract]:
    keep = next((keep for keep in _FEWER_ITEMS if not is_larger(_cut(value, keep), limit)), 1)
    head = _cut(value, keep)
    yield Extract(head, whole=False)
    for name, items in value.items() if isinstance(value, Mapping) else ():
        if isinstance(items, (list, tuple)):
            for offset in range(keep, len(items), keep):
                window = _cut(items[offset : offset + keep], keep)
                yield Extract(head | {name: window}, whole=False, list_name=name, offset=offset)


def _cut(value: Any, keep: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part, keep) for name, part in list(value.items())[:_FIELDS]}
    return [_cut(part, keep) for part in value[:keep]] if isinstance(value, (list, tuple)) else value
