"""One compiled schema and what it refuses in a value: faults worth telling, and names it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.schema.engine import Compiled, Engine, RawFault
from kosha_connector_openai.schema.keywords import Path, children, with_children
from kosha_connector_openai.schema.limits import locate
from kosha_connector_openai.schema.messages import to_fault
from kosha_connector_openai.schema.probe import Probe, probe
from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.schema.unions import CLOSED, LISTED, Telling

MOST = 100
"""Faults that one report lists."""
_LOST = Fault("", "schema", "does not fit the schema, and is too large to tell where.", "Check a part of it.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The faults in the part of a value that was looked at; no part where the fault cannot be placed."""

    probe: Probe | None
    leaves: tuple[RawFault, ...] = ()
    closed: bool = False
    """Whether any branch refuses a name, so that an open schema could come to another result."""

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return self.probe is not None and self.probe.whole and len(self.leaves) <= MOST


class Check:
    """A compiled schema."""

    def __init__(self, schema: Mapping[str, Any], engine: Engine, limit: int) -> None:
        self._compiled: Compiled = engine.compile(schema)
        self._reader = SchemaReader(schema)
        self._limit = limit
        self.is_valid = self._compiled.is_valid

    def refusal(self, value: Any) -> Refusal:
        """What is wrong with a value that is not valid."""
        part = probe(value, self._limit, self.is_valid)
        if part is None:
            return Refusal(None)
        raws = list(islice(self._compiled.errors(part.value), MOST + 1))
        leaves = Telling(self._reader, part.value).faults(raws)
        return Refusal(part, tuple(leaves), any(map(_refuses_a_name, raws)))

    def unknown(self, refusal: Refusal) -> dict[Path, frozenset[str]]:
        """The names that closed objects refuse, each with the known ones that it could have meant."""
        found: dict[Path, frozenset[str]] = {}
        part = refusal.probe or Probe(None)
        for leaf in refusal.leaves:
            if leaf.keyword in CLOSED and self._reader.at(leaf.schema_path) is False:
                known = self._reader.names(self._reader.at(leaf.schema_path[:-1]))
                path, owner = locate(part.value, leaf.instance_path)
                free = known - owner.keys()
                found |= {(*part.place(path), name): free for name in leaf.params["names"]}
        return found

    def faults(self, refusal: Refusal, without: set[Path]) -> Iterator[Fault]:
        """The faults in words, but for the missing names in ``without``."""
        if refusal.probe is None:
            yield _LOST
            return
        for leaf in _telling(refusal.leaves, refusal.probe.value):
            path, part = locate(refusal.probe.value, leaf.instance_path)
            place = refusal.probe.place(path)
            if leaf.keyword != "required" or (*place, leaf.params["name"]) not in without:
                yield to_fault(replace(leaf, instance_path=place), part, self._reader)


def _telling(leaves: Sequence[RawFault], value: Any) -> Iterator[RawFault]:
    """Of a wrong type and a value that is not listed, at one place, the one that helps more."""
    listed = {leaf.instance_path for leaf in leaves if leaf.keyword in LISTED}
    typed = {leaf.instance_path for leaf in leaves if leaf.keyword == "type"}
    for leaf in leaves:
        is_type = leaf.keyword == "type"
        both = leaf.instance_path in listed & typed and (is_type or leaf.keyword in LISTED)
        if not both or is_type is (locate(value, leaf.instance_path)[1] is None):
            yield leaf


def _refuses_a_name(raw: RawFault) -> bool:
    return raw.keyword in CLOSED or any(_refuses_a_name(inner) for branch in raw.branches for inner in branch)


def is_closed(schema: Any) -> bool:
    """Whether any object in a schema is closed to other names."""
    return any((place[0] in CLOSED and part is False) or is_closed(part) for place, part in children(schema))


def checks_names(schema: Any) -> bool:
    """Whether any object in a schema has a schema for its names."""
    return any(place[0] == "propertyNames" or checks_names(part) for place, part in children(schema))


def opened(schema: Any) -> Any:
    """The schema with its objects opened; what is negated stays, and a choice may fit more than once."""
    if not isinstance(schema, Mapping):
        return schema
    kept = {keyword: schema[keyword] for keyword in ("if", "not") if keyword in schema}
    out = with_children(schema, opened) | kept
    for keyword in CLOSED:
        if out.get(keyword) is False:
            del out[keyword]
    if "oneOf" in out and "anyOf" not in out:
        out["anyOf"] = out.pop("oneOf")
    return out
