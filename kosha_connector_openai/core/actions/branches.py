"""Which branch of an ``anyOf`` or ``oneOf`` was meant: the faults of that one are worth telling, those of the others are noise.

First by JSON type, then by tags (``role``, ``type``: properties with listed texts), then the branch that got deepest, then the
one with the fewest faults. Where that leaves several, the fault is the choice itself, and the accepted forms are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kosha_connector_openai.core.actions.engines import Path, RawFault
from kosha_connector_openai.core.actions.schema_reader import SchemaReader, Tags
from kosha_connector_openai.core.actions.words import json_type

CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})
_LISTED = frozenset({"const", "enum"})


@dataclass(frozen=True, slots=True)
class _Branch:
    """One alternative: where its schema stands, and its faults."""

    schema: Any
    raws: tuple[RawFault, ...]


class Telling:
    """Turns the engine's tree of faults for one value into the flat list of those worth telling."""

    def __init__(self, reader: SchemaReader, value: Any) -> None:
        self._reader = reader
        self._value = value

    def faults(self, raws: Iterable[RawFault]) -> list[RawFault]:
        """The faults without branches; a choice that stays open is one ``anyOf`` fault with ``params["schemas"]``."""
        return [leaf for raw in raws for leaf in (self._choice(raw) if raw.branches else [raw])]

    def _choice(self, union: RawFault) -> list[RawFault]:
        here = value_at(self._value, union.instance_path)
        branches = self._flat(union)
        fitting = [branch for branch in branches if not _other_type(branch, union.instance_path, here)]
        if not fitting:
            return [_type_fault(union, branches)]
        if isinstance(here, Mapping):
            fitting, fault = self._by_tags(union, fitting, here)
            if fault:
                return [fault]
        told = [self.faults(branch.raws) for branch in fitting]
        best = min(map(_rank, told))
        kept = [index for index, leaves in enumerate(told) if _rank(leaves) == best]
        first = told[kept[0]]
        if all(_places(told[index]) == _places(first) for index in kept):
            return _merged([told[index] for index in kept])
        return [replace(union, params={"schemas": [fitting[index].schema for index in kept]}, branches=())]

    def _flat(self, union: RawFault) -> list[_Branch]:
        """The branches, with those that are themselves nothing but a choice at the same place opened up."""
        found: list[_Branch] = []
        for index, raws in enumerate(union.branches):
            inner = raws[0]
            if len(raws) == 1 and inner.branches and inner.instance_path == union.instance_path:
                found += self._flat(inner)
            else:
                found.append(_Branch(self._reader.at((*union.schema_path, index)), raws))
        return found

    def _by_tags(
        self, union: RawFault, branches: list[_Branch], here: Mapping[str, Any]
    ) -> tuple[list[_Branch], RawFault | None]:
        """The branches whose tags the object has; or the fault that the tag itself is, where no branch remains."""
        tags = [self._reader.tags(branch.schema) for branch in branches]
        names = {name for tag in tags for name, texts in tag.items() if len(texts) == 1}
        hits = [sum(here[name] in tag[name] for name in names & tag.keys() & here.keys()) for tag in tags]
        misses = [[name for name in sorted(names & tag.keys() & here.keys()) if here[name] not in tag[name]] for tag in tags]
        live = [index for index, missed in enumerate(misses) if not missed]
        group = [index for index in live or range(len(branches)) if hits[index] == max(hits[i] for i in live or range(len(branches)))]
        if not live:
            name = Counter(name for index in group for name in misses[index]).most_common(1)[0][0]
            return [], _tag_fault(union, "enum", name, [tags[index] for index in group])
        return [branches[index] for index in group], None
