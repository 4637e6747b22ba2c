"""The compiled backend, jsonschema-rs: patterns run in linear time, or on short texts with few steps back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from kosha_connector_openai.schema.backend import RawFault, not_a_schema, patterns, unsafe_pattern
from kosha_connector_openai.schema.keywords import Path, with_children
from kosha_connector_openai.text import at

_SIZE = 1 << 16
"""Bytes of a compiled pattern; it keeps the linear engine's worst case near one microsecond a character."""
_LARGE = 1 << 20
_LINEAR = jsonschema_rs.RegexOptions(size_limit=_SIZE)
_BACKTRACKING = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=_LARGE)
_SHORT = 256
"""Characters of a text that a large or backtracking pattern may match; its time can be a power of them."""
_CLOSED = "additionalProperties"
_PARAMS = {
    "types": "value",
    "options": "value",
    "expected_value": "value",
    "limit": "value",
    "multiple_of": "value",
    "pattern": "value",
    "property": "name",
    "unexpected": "names",
}
_KINDS = jsonschema_rs.ValidationErrorKind
_SLOW = (_KINDS.BacktrackLimitExceeded, _KINDS.RegexEngineFailure)


class RustBackend:
    """Compiles schemas with jsonschema-rs, offline."""

    def compile(self, schema: Mapping[str, Any]) -> RustCompiled:
        """Returns the compiled schema; raises DocumentError."""
        try:
            return RustCompiled(_validator(schema, _LINEAR))
        except jsonschema_rs.ValidationError as error:
            kind, place = error.kind.name, tuple(error.instance_path)
        if kind != "format":
            raise not_a_schema(place)
        risky = {place: pattern for place, pattern in patterns(schema) if not _is_linear(pattern)}
        for place in risky:
            if place[-2:-1] == ("patternProperties",):
                raise unsafe_pattern(place)
        try:
            return RustCompiled(_validator(_guarded(schema, frozenset(risky.values())), _BACKTRACKING))
        except jsonschema_rs.ValidationError as error:
            place = tuple(error.instance_path)
        raise unsafe_pattern(place)


class RustCompiled:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Draft202012Validator) -> None:
        self._validator = validator
        self.is_valid = validator.is_valid

    def errors(self, value: Any) -> Iterator[RawFault]:
        """Every violated keyword."""
        return (_raw(value, error) for error in self._validator.iter_errors(value))


def _validator(schema: Any, patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, offline=True, mask="(value)", pattern_options=patterns)


def _guarded(schema: Any, risky: frozenset[str]) -> Any:
    """The schema with each risky pattern behind a bound on the length of the text."""
    if not isinstance(schema, Mapping):
        return schema
    out = with_children(schema, lambda part: _guarded(part, risky))
    if out.get("pattern") in risky:
        bound = {"maxLength": _SHORT}
        guard = {"if": bound, "then": {"pattern": out.pop("pattern")}, "else": bound}
        out["allOf"] = [*out.get("allOf", ()), guard]
    return out


def _is_linear(pattern: str) -> bool:
    try:
        _validator({"pattern": pattern}, _LINEAR)
    except jsonschema_rs.ValidationError:
        return False
    return True


def _raw(value: Any, error: jsonschema_rs.ValidationError) -> RawFault:
    kind = error.kind
    path, schema_path = _own_path(value, error.instance_path), tuple(error.evaluation_path)
    if isinstance(kind, _KINDS.PropertyNames):
        path = (*path, str(kind.error.instance))
    if isinstance(kind, _KINDS.FalseSchema) and schema_path[-1:] == (_CLOSED,):
        # A closed object schema that names no property is compiled to "nothing is valid".
        return RawFault(_CLOSED, path, schema_path, {"names": list(at(value, path))})
    context: list[list[jsonschema_rs.ValidationError]] = getattr(kind, "context", [])
    branches = tuple(tuple(_raw(value, inner) for inner in branch) for branch in context) if all(context) else ()
    return RawFault(kind.name, path, schema_path, _params(kind), branches)


def _own_path(value: Any, given: Iterable[str | int]) -> Path:
    """The path with the value's own keys: the library gives the key "007" as 7."""
    found: list[str | int] = []
    for step in given:
        name = step
        if isinstance(value, Mapping) and step not in value:
            name = next((key for key in value if _is_number(key, step)), step)
        found.append(name)
        value = at(value, (name,))
    return tuple(found)


def _is_number(key: str, number: str | int) -> bool:
    return isinstance(number, int) and key.lstrip("+0") == str(number).lstrip("0")


def _params(kind: jsonschema_rs.ValidationErrorKind) -> Mapping[str, Any]:
    if isinstance(kind, _SLOW):
        return {"slow": True}
    return {name: getattr(kind, field) for field, name in _PARAMS.items() if hasattr(kind, field)}
