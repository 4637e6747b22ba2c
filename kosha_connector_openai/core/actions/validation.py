"""A value against its schema: every fault worth telling, with its place and a fix.

A valid value costs one call of the engine and one comparison of names; all the wording happens only after a
refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from kosha_connector_openai.core.actions import words
from kosha_connector_openai.core.actions.branches import CLOSED, LISTED, Telling, value_at
from kosha_connector_openai.core.actions.effort import DEEPEST, Effort, effort
from kosha_connector_openai.core.actions.engines import NOT_JSON, Compiled, Engine, RawFault, default_engine
from kosha_connector_openai.core.actions.faults import to_fault
from kosha_connector_openai.core.actions.limits import is_larger, not_json, too_deep
from kosha_connector_openai.core.actions.schema_reader import SchemaReader
from kosha_connector_openai.core.errors import Fault, InputError
from kosha_connector_openai.core.nearest import nearest
from kosha_connector_openai.core.spec.keywords import Path, children, with_children

_WORK = 2_000_000
"""Parts of a value times schemas along one way; above it one fault is looked for: all could take seconds."""
_MOST = 100
"""Faults in one report."""
_MORE = Fault("", "more", "may have more faults than the ones listed.", "Correct these and check again.")
_FIRST = {"unknown": 0, "required": 1, "type": 2, "enum": 3, "const": 3}
"""The order of telling; everything else comes after."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a value, the most telling first; and what was let through but is worth a look."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


_GOOD = Report()


class SchemaValidator:
    """Checks values against one self-contained JSON Schema 2020-12; compiled when first used, shared by
    threads.

    ``known`` are the names that an object may have at its top level. A name that is not known, there or in a
    closed object further in, is a fault where it is nearly a known one, and otherwise a warning: providers
    add fields before their descriptions do.
    """

    def __init__(
        self, schema: Mapping[str, Any], *, known: frozenset[str] | None = None, engine: Engine | None = None
    ) -> None:
        self._schema = schema
        self._known = known
        self._given_engine = engine

    def check(self, value: Any) -> Report:
        """The faults and warnings of a value, which must not be nested deeper than 64 levels.

        Raises InputError where the check could take too long, and DocumentError where the schema cannot be
        used.
        """
        self._refuse_complex(value)
        try:
            valid = self._strict.compiled.is_valid(value)
        except NOT_JSON:
            return Report(
                tuple(islice(not_json(value), _MOST)) or (Fault("", "json", "is not a JSON value."),)
            )
        known = self._known
        if valid and (known is None or not isinstance(value, Mapping) or value.keys() <= known):
            return _GOOD
        return self._report(value, valid)

    def _report(self, value: Any, valid: bool) -> Report:
        whole = valid or not is_larger(value, _WORK // self._effort.visits)
        leaves = [] if valid else self._strict.leaves(value, whole)
        unknown = self._unknown_at_top(value) | self._strict.unknown(value, leaves)
        if leaves and self._open is not self._strict:
            leaves = self._open.leaves(value, whole)
        misspelt = {path: near for path, names in unknown.items() if (near := nearest(str(path[-1]), names))}
        meant = {(*path[:-1], near) for path, near in misspelt.items()}
        faults = [_unknown(path, f"Did you mean `{words.safe(near)}`?") for path, near in misspelt.items()]
        faults += self._open.faults(value, [leaf for leaf in leaves if not _is_missing(leaf, meant)])
        warnings = tuple(
            _unknown(path, "It is passed on as it is.") for path in unknown if path not in misspelt
        )
        return Report(_in_order(faults, whole), warnings)

    def _unknown_at_top(self, value: Any) -> dict[Path, frozenset[str]]:
        """The top-level names that are not known, each with the known ones that it could have meant."""
        if self._known is None or not isinstance(value, Mapping):
            return {}
        return {(name,): self._known - value.keys() for name in value if name not in self._known}

    def _refuse_complex(self, value: Any) -> None:
        deepest = self._effort.deepest
        path = too_deep(value, deepest) if deepest < DEEPEST else None
        if path is not None:
            pointer = words.pointer(path)
            message = "The input is too complex to check against this action's schema."
            fix = f"Nest at most {deepest} levels." if deepest > 0 else ""
            raise InputError(
                message, [Fault(pointer, "too-complex", "is too complex.", fix)], pointer=pointer
            )

    @cached_property
    def _effort(self) -> Effort:
        return effort(self._schema)

    @cached_property
    def _engine(self) -> Engine:
        return self._given_engine or default_engine()

    @cached_property
    def _strict(self) -> _Check:
        return _Check(self._schema, self._engine)

    @cached_property
    def _open(self) -> _Check:
        """The schema without its closed objects: what is wrong apart from unknown names."""
        return _Check(_opened(self._schema), self._engine) if _has_closed(self._schema) else self._strict


class _Check:
    """A compiled schema, and the wording of what it refuses."""

    def __init__(self, schema: Mapping[str, Any], engine: Engine) -> None:
        self.compiled: Compiled = engine.compile(schema)
        self._reader = SchemaReader(schema)

    def leaves(self, value: Any, whole: bool) -> list[RawFault]:
        """The faults worth telling; one at least where not the whole value is to be looked at."""
        first = None if whole else self.compiled.first_error(value)
        raws = islice(self.compiled.errors(value), _MOST + 1) if whole else filter(None, [first])
        return Telling(self._reader, value).faults(raws)

    def unknown(self, value: Any, leaves: Iterable[RawFault]) -> dict[Path, frozenset[str]]:
        """The names that closed objects refuse, each with the ones that it could have meant."""
        found: dict[Path, frozenset[str]] = {}
        for leaf in leaves:
            if leaf.keyword in CLOSED and self._reader.at(leaf.schema_path) is False:
                names = self._reader.names(self._reader.at(leaf.schema_path[:-1]))
                free = names - value_at(value, leaf.instance_path).keys()
                found |= {(*leaf.instance_path, name): free for name in leaf.params["names"]}
        return found

    def faults(self, value: Any, leaves: Sequence[RawFault]) -> list[Fault]:
        """The faults in words; of a wrong type and a value that is not listed, the one that helps more."""
        listed = {leaf.instance_path for leaf in leaves if leaf.keyword in LISTED}
        typed = {leaf.instance_path for leaf in leaves if leaf.keyword == "type"}
        found = []
        for leaf in leaves:
            part = value_at(value, leaf.instance_path)
            other = listed if leaf.keyword == "type" else typed if leaf.keyword in LISTED else ()
            if leaf.instance_path not in other or (leaf.keyword == "type") is (part is None):
                found.append(to_fault(leaf, part, self._reader))
        return found


def _unknown(path: Path, fix: str) -> Fault:
    return Fault(words.pointer(path), "unknown", "is not a known field.", fix)


def _is_missing(leaf: RawFault, meant: set[Path]) -> bool:
    return leaf.keyword == "required" and (*leaf.instance_path, leaf.params["name"]) in meant


def _in_order(faults: Iterable[Fault], whole: bool) -> tuple[Fault, ...]:
    """Each fault once, the most telling first, and a word where there may be more."""
    once = {(fault.pointer, fault.rule): fault for fault in faults}
    ordered = sorted(once.values(), key=_order)
    more = bool(ordered) and (not whole or len(ordered) > _MOST)
    return (*ordered[:_MOST], *((_MORE,) if more else ()))


def _order(fault: Fault) -> tuple[int, list[tuple[int, str]]]:
    steps = fault.pointer.split("/")
    return _FIRST.get(fault.rule, len(_FIRST)), [
        (int(step) if step.isdecimal() else -1, step) for step in steps
    ]


def _has_closed(schema: Any) -> bool:
    return any(
        (place[0] in CLOSED and part is False) or _has_closed(part) for place, part in children(schema)
    )


def _opened(schema: Any) -> Any:
    """The schema with its objects opened; what is negated stays, and a choice may fit more than once."""
    if not isinstance(schema, Mapping):
        return schema
    out = with_children(schema, _opened) | {
        keyword: schema[keyword] for keyword in ("if", "not") if keyword in schema
    }
    for keyword in CLOSED:
        if out.get(keyword) is False:
            del out[keyword]
    if "oneOf" in out and "anyOf" not in out:
        out["anyOf"] = out.pop("oneOf")
    return out
