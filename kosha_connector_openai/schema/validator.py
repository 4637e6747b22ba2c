"""Validates a value against its schema and reports each fault with its place and a fix.

A valid value costs one call of the backend and one comparison of names; messages are made for invalid values only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.schema.backend import NOT_JSON, Compiled, RawFault, SchemaBackend
from kosha_connector_openai.schema.backend_choice import default_backend
from kosha_connector_openai.schema.complexity import DEEPEST, Effort, Extract, effort, extract, too_deep
from kosha_connector_openai.schema.keywords import Path, children, with_children
from kosha_connector_openai.schema.messages import safe, safe_pointer, to_fault
from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.schema.unions import CLOSED, LISTED, UnionFaults
from kosha_connector_openai.text import OBJECT, at, check_value, is_shallow, nearest

_MOST = 100
"""Faults that one report lists."""
_UNKNOWN = 20
"""Unknown names that one report tells of: each is compared with all that it could have meant."""
_LOST = Fault("", "schema", "does not fit the schema, and is too large to tell where.", "Check a part of it.")
_WORK = 300_000
"""Parts of a value times schemas along one way: listing all faults of more than this takes a second and more."""
_NAMED = 500
"""Parts, where names have a schema: for each name that it refuses the compiled backend copies the whole object."""
_NOT_JSON = Fault("", "json", "is not a JSON value.")
_MORE = Fault("", "more", "may have more faults than the ones listed.", "Correct these and check again.")
_FIRST = {"unknown": 0, "required": 1, "type": 2, "enum": 3, "const": 3}
"""The order of the report; all other rules follow."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The faults of a value, the most specific first, and warnings about what was accepted."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


_GOOD = CheckReport()


class SchemaValidator:
    """Checks values against one self-contained JSON Schema 2020-12; compiled when first used, safe to share by threads.

    ``known`` are the names that an object may have at its top level. A name that is not known, there or in a
    closed object further in, is a fault where it is nearly a known one, and otherwise a warning: providers
    add fields before their descriptions do.
    """

    def __init__(self, schema: Mapping[str, Any], *, known: frozenset[str] | None = None, backend: SchemaBackend | None = None) -> None:
        self._schema = schema
        self._known = known
        self._given_backend = backend

    def check(self, value: Any) -> CheckReport:
        """The faults and warnings of a value.

        Raises InputError where the check could take too long, and DocumentError where the schema cannot be used.
        """
        if not is_shallow(value) and (lacking := _lacking(value)):
            return CheckReport(lacking)
        self._refuse_complex(value)
        try:
            return self._check(value)
        except NOT_JSON:
            return CheckReport(_lacking(value) or (_NOT_JSON,))

    def _check(self, value: Any) -> CheckReport:
        valid = self._strict.is_valid(value)
        known = self._known
        if valid and (known is None or not isinstance(value, OBJECT) or value.keys() <= known):
            return _GOOD
        return self._report(value, valid)

    def _report(self, value: Any, valid: bool) -> CheckReport:
        refusal = None if valid else self._strict.refusal(value)
        unknown = dict(islice((self._unknown_at_top(value) | (self._strict.unknown(refusal) if refusal else {})).items(), _UNKNOWN))
        misspelt = {path: near for path, names in unknown.items() if (near := nearest(str(path[-1]), names))}
        faults = [_unknown(path, f"Did you mean `{safe(near)}`?") for path, near in misspelt.items()]
        check = self._strict
        if refusal and refusal.closed:
            check, refusal = self._open, self._without_names(value)
        if refusal:
            faults += check.faults(refusal, {(*path[:-1], near) for path, near in misspelt.items()})
        passed = (path for path in unknown if path not in misspelt)
        warnings = tuple(_unknown(path, "It is passed on as it is.") for path in passed)
        return CheckReport(_in_order(faults, refusal is None or refusal.whole), warnings)

    def _unknown_at_top(self, value: Any) -> dict[Path, frozenset[str]]:
        """The top-level names that are not known, each with the known ones that it could have meant."""
        if self._known is None or not isinstance(value, Mapping):
            return {}
        free = frozenset(name for name in self._known if name not in value)
        return {(name,): free for name in islice((name for name in value if name not in self._known), _UNKNOWN)}

    def _without_names(self, value: Any) -> _Refusal | None:
        """What is wrong apart from names that closed objects refuse."""
        return None if self._open.is_valid(value) else self._open.refusal(value)

    def _refuse_complex(self, value: Any) -> None:
        deepest = self._effort.deepest
        path = too_deep(value, deepest) if deepest < DEEPEST else None
        if path is not None:
            pointer = safe_pointer(path)
            fix = f"Nest at most {deepest} levels." if deepest > 0 else ""
            fault = Fault(pointer, "too-complex", "is too complex.", fix)
            message = "The input is too complex to check against this action's schema."
            raise InputError(message, [fault], pointer=pointer)

    @cached_property
    def _effort(self) -> Effort:
        return effort(self._schema)

    @cached_property
    def _backend(self) -> SchemaBackend:
        return self._given_backend or default_backend()

    @cached_property
    def _limit(self) -> int:
        limit = _WORK // self._effort.visits
        return min(limit, _NAMED) if _checks_names(self._schema) else limit

    @cached_property
    def _strict(self) -> _Check:
        return _Check(self._schema, self._backend, self._limit)

    @cached_property
    def _open(self) -> _Check:
        return _Check(_opened(self._schema), self._backend, self._limit) if _is_closed(self._schema) else self._strict


def _lacking(value: Any) -> tuple[Fault, ...]:
    """The faults of a value that JSON cannot represent: cycles, depth, NaN, lone surrogates, keys that are not text."""
    try:
        check_value(value)
    except InputError as error:
        return error.faults
    return ()


def _unknown(path: Path, fix: str) -> Fault:
    return Fault(safe_pointer(path), "unknown", "is not a known field.", fix)


def _in_order(faults: Iterable[Fault], whole: bool) -> tuple[Fault, ...]:
    """Each fault once, the most specific first, and a last one where there may be more."""
    once = {(fault.pointer, fault.rule): fault for fault in faults}
    ordered = sorted(once.values(), key=_order)
    more = bool(ordered) and (not whole or len(ordered) > _MOST)
    return (*ordered[:_MOST], *((_MORE,) if more else ()))


def _order(fault: Fault) -> tuple[int, list[tuple[int, str]]]:
    steps = fault.pointer.split("/")
    return _FIRST.get(fault.rule, len(_FIRST)), [(int(step) if step.isdecimal() else -1, step) for step in steps]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The faults of the examined extract of a value; no extract where the fault has no place."""

    extract: Extract | None
    leaves: tuple[RawFault, ...] = ()
    closed: bool = False
    """Whether any branch refuses a name, so that an open schema could come to another result."""

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return self.extract is not None and self.extract.whole and len(self.leaves) <= _MOST


class _Check:
    """A compiled schema."""

    def __init__(self, schema: Mapping[str, Any], backend: SchemaBackend, limit: int) -> None:
        self._compiled: Compiled = backend.compile(schema)
        self._reader = SchemaReader(schema)
        self._limit = limit
        self.is_valid = self._compiled.is_valid

    def refusal(self, value: Any) -> _Refusal:
        """Returns the faults of an invalid value."""
        part = extract(value, self._limit, self.is_valid)
        if part is None:
            return _Refusal(None)
        raws = list(islice(self._compiled.errors(part.value), _MOST + 1))
        leaves = UnionFaults(self._reader, part.value).faults(raws)
        return _Refusal(part, tuple(leaves), any(map(_refuses_a_name, raws)))

    def unknown(self, refusal: _Refusal) -> dict[Path, frozenset[str]]:
        """The names that closed objects refuse, each with the known ones that it could have meant."""
        found: dict[Path, frozenset[str]] = {}
        part = refusal.extract or Extract(None)
        for leaf in refusal.leaves:
            if leaf.keyword in CLOSED and self._reader.at(leaf.schema_path) is False:
                known = self._reader.names(self._reader.at(leaf.schema_path[:-1]))
                path, owner = leaf.instance_path, at(part.value, leaf.instance_path)
                free = frozenset(name for name in known if name not in owner)
                found |= {(*part.place(path), name): free for name in islice(leaf.params["names"], _UNKNOWN)}
        return found

    def faults(self, refusal: _Refusal, without: set[Path]) -> Iterator[Fault]:
        """Yields the faults with their messages, except the missing names in ``without``."""
        if refusal.extract is None:
            yield _LOST
            return
        for leaf in _more_helpful(refusal.leaves, refusal.extract.value):
            part, place = at(refusal.extract.value, leaf.instance_path), refusal.extract.place(leaf.instance_path)
            if leaf.keyword != "required" or (*place, leaf.params["name"]) not in without:
                yield to_fault(replace(leaf, instance_path=place), part, self._reader)


def _more_helpful(leaves: Sequence[RawFault], value: Any) -> Iterator[RawFault]:
    """Where a value has a wrong type and is not listed either, keeps the fault that helps more."""
    listed = {leaf.instance_path for leaf in leaves if leaf.keyword in LISTED}
    typed = {leaf.instance_path for leaf in leaves if leaf.keyword == "type"}
    for leaf in leaves:
        is_type = leaf.keyword == "type"
        both = leaf.instance_path in listed & typed and (is_type or leaf.keyword in LISTED)
        if not both or is_type is (at(value, leaf.instance_path) is None):
            yield leaf


def _refuses_a_name(raw: RawFault) -> bool:
    return raw.keyword in CLOSED or any(_refuses_a_name(inner) for branch in raw.branches for inner in branch)


def _is_closed(schema: Any) -> bool:
    """Whether any object in a schema is closed to other names."""
    return any((place[0] in CLOSED and part is False) or _is_closed(part) for place, part in children(schema))


def _checks_names(schema: Any) -> bool:
    """Whether any object in a schema has a schema for its names."""
    return any(place[0] == "propertyNames" or _checks_names(part) for place, part in children(schema))


def _opened(schema: Any) -> Any:
    """The schema with its objects opened; what is negated stays, and a choice may fit more than once."""
    if not isinstance(schema, Mapping):
        return schema
    kept = {keyword: schema[keyword] for keyword in ("if", "not") if keyword in schema}
    out = with_children(schema, _opened) | kept
    for keyword in CLOSED:
        if out.get(keyword) is False:
            del out[keyword]
    if "oneOf" in out and "anyOf" not in out:
        out["anyOf"] = out.pop("oneOf")
    return out
