"""A value against its schema: every fault worth telling, with its place and a fix.

A valid value costs one call of the engine and one comparison of names; all the wording happens after a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.schema import words
from kosha_connector_openai.schema.check import MOST, Check, Refusal, checks_names, is_closed, opened
from kosha_connector_openai.schema.complexity import DEEPEST, Effort, effort
from kosha_connector_openai.schema.engine import NOT_JSON, Engine, default_engine
from kosha_connector_openai.schema.keywords import Path
from kosha_connector_openai.schema.limits import too_deep
from kosha_connector_openai.text import check_value, is_shallow, nearest

_WORK = 1_000_000
"""Parts of a value times schemas along one way: listing all faults of more than this could take seconds."""
_NAMED = 500
"""Parts, where names have a schema: for each name that it refuses the compiled engine copies the whole object."""
_NOT_JSON = Fault("", "json", "is not a JSON value.")
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
    """Checks values against one self-contained JSON Schema 2020-12; compiled when first used, safe to share by threads.

    ``known`` are the names that an object may have at its top level. A name that is not known, there or in a
    closed object further in, is a fault where it is nearly a known one, and otherwise a warning: providers
    add fields before their descriptions do.
    """

    def __init__(self, schema: Mapping[str, Any], *, known: frozenset[str] | None = None, engine: Engine | None = None) -> None:
        self._schema = schema
        self._known = known
        self._given_engine = engine

    def check(self, value: Any) -> Report:
        """The faults and warnings of a value.

        Raises InputError where the check could take too long, and DocumentError where the schema cannot be used.
        """
        if not is_shallow(value) and (lacking := _lacking(value)):
            return Report(lacking)
        self._refuse_complex(value)
        try:
            return self._check(value)
        except NOT_JSON:
            return Report(_lacking(value) or (_NOT_JSON,))

    def _check(self, value: Any) -> Report:
        valid = self._strict.is_valid(value)
        known = self._known
        if valid and (known is None or not isinstance(value, Mapping) or value.keys() <= known):
            return _GOOD
        return self._report(value, valid)

    def _report(self, value: Any, valid: bool) -> Report:
        refusal = None if valid else self._strict.refusal(value)
        unknown = self._unknown_at_top(value) | (self._strict.unknown(refusal) if refusal else {})
        misspelt = {path: near for path, names in unknown.items() if (near := nearest(str(path[-1]), names))}
        faults = [_unknown(path, f"Did you mean `{words.safe(near)}`?") for path, near in misspelt.items()]
        check = self._strict
        if refusal and refusal.closed:
            check, refusal = self._open, self._without_names(value)
        if refusal:
            faults += check.faults(refusal, {(*path[:-1], near) for path, near in misspelt.items()})
        passed = (path for path in unknown if path not in misspelt)
        warnings = tuple(_unknown(path, "It is passed on as it is.") for path in passed)
        return Report(_in_order(faults, refusal is None or refusal.whole), warnings)

    def _unknown_at_top(self, value: Any) -> dict[Path, frozenset[str]]:
        """The top-level names that are not known, each with the known ones that it could have meant."""
        if self._known is None or not isinstance(value, Mapping):
            return {}
        return {(name,): self._known - value.keys() for name in value if name not in self._known}

    def _without_names(self, value: Any) -> Refusal | None:
        """What is wrong apart from names that closed objects refuse."""
        return None if self._open.is_valid(value) else self._open.refusal(value)

    def _refuse_complex(self, value: Any) -> None:
        deepest = self._effort.deepest
        path = too_deep(value, deepest) if deepest < DEEPEST else None
        if path is not None:
            pointer = words.pointer(path)
            fix = f"Nest at most {deepest} levels." if deepest > 0 else ""
            fault = Fault(pointer, "too-complex", "is too complex.", fix)
            message = "The input is too complex to check against this action's schema."
            raise InputError(message, [fault], pointer=pointer)

    @cached_property
    def _effort(self) -> Effort:
        return effort(self._schema)

    @cached_property
    def _engine(self) -> Engine:
        return self._given_engine or default_engine()

    @cached_property
    def _limit(self) -> int:
        limit = _WORK // self._effort.visits
        return min(limit, _NAMED) if checks_names(self._schema) else limit

    @cached_property
    def _strict(self) -> Check:
        return Check(self._schema, self._engine, self._limit)

    @cached_property
    def _open(self) -> Check:
        return Check(opened(self._schema), self._engine, self._limit) if is_closed(self._schema) else self._strict


def _lacking(value: Any) -> tuple[Fault, ...]:
    """What JSON lacks in a value, or does not bear: cycles, depth, NaN, torn text, names that are numbers."""
    try:
        check_value(value)
    except InputError as error:
        return error.faults
    return ()


def _unknown(path: Path, fix: str) -> Fault:
    return Fault(words.pointer(path), "unknown", "is not a known field.", fix)


def _in_order(faults: Iterable[Fault], whole: bool) -> tuple[Fault, ...]:
    """Each fault once, the most telling first, and a word where there may be more."""
    once = {(fault.pointer, fault.rule): fault for fault in faults}
    ordered = sorted(once.values(), key=_order)
    more = bool(ordered) and (not whole or len(ordered) > MOST)
    return (*ordered[:MOST], *((_MORE,) if more else ()))


def _order(fault: Fault) -> tuple[int, list[tuple[int, str]]]:
    steps = fault.pointer.split("/")
    return _FIRST.get(fault.rule, len(_FIRST)), [(int(step) if step.isdecimal() else -1, step) for step in steps]
