"""The part of a refused value whose faults are listed: all of it, or an extract where that takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.schema.keywords import Path
from kosha_connector_openai.schema.limits import is_larger

_ITEMS = 20
"""Items of each list in an extract."""
_FEWER = (_ITEMS, 5, 1)
_FIELDS = 200
"""Fields of each object in an extract; an object with more is a map, not a record with required fields."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A value to list the faults of, and where it stands in the one that was given."""

    value: Any
    whole: bool = True
    list_name: str = ""
    offset: int = 0

    def place(self, path: Path) -> Path:
        """The path in the given value of a path in this one."""
        if not self.offset or path[:1] != (self.list_name,) or len(path) == 1:
            return path
        return (self.list_name, int(path[1]) + self.offset, *path[2:])


def probe(value: Any, limit: int, is_valid: Callable[[Any], bool]) -> Probe | None:
    """The refused value itself where it has no more parts than ``limit``, else the first extract that is refused too.

    An extract has the first items of each list; after that, windows move along the lists of the top level.
    None where each of them is valid, so that the fault lies in the whole or far inside.
    """
    if not is_larger(value, limit):
        return Probe(value)
    return next((found for found in _extracts(value, limit) if not is_valid(found.value)), None)


def _extracts(value: Any, limit: int) -> Iterator[Probe]:
    keep = next((keep for keep in _FEWER if not is_larger(_cut(value, keep), limit)), 1)
    head = _cut(value, keep)
    yield Probe(head, whole=False)
    for name, items in value.items() if isinstance(value, Mapping) else ():
        if isinstance(items, (list, tuple)):
            for offset in range(keep, len(items), keep):
                window = _cut(items[offset : offset + keep], keep)
                yield Probe(head | {name: window}, whole=False, list_name=name, offset=offset)


def _cut(value: Any, keep: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part, keep) for name, part in list(value.items())[:_FIELDS]}
    return [_cut(part, keep) for part in value[:keep]] if isinstance(value, (list, tuple)) else value
