"""The reference backend, jsonschema: used where jsonschema-rs is not installed, and as the oracle in tests. It fetches nothing.

Python's ``re`` backtracks without bound, so this backend runs only patterns that cannot backtrack: characters and
classes in a row, anchored at the start, with at most one quantifier of variable length.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from kosha_connector_openai.schema.backend import RawFault, not_a_schema, patterns, unsafe_pattern
from kosha_connector_openai.schema.reader import SchemaReader

_ATOM = r"(?:[^\\.*+?^$|()\[\]{}]|\\[dw.\-/_]|\[\^?(?:[^\\\[\]&~|]|\\[dw.\-/\]\[])+\])"
_ITEM = re.compile(rf"{_ATOM}(?P<fixed>\{{\d{{1,4}}\}})?(?P<loose>[*+?]|\{{\d{{1,4}},\d{{0,4}}\}})?")
_PLAIN = re.compile(rf"\^?(?:{_ITEM.pattern.replace('?P<fixed>', '?:').replace('?P<loose>', '?:')})*\$?")
_VALUED = frozenset({
    "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
    "minLength", "minProperties", "minimum", "multipleOf", "pattern", "type",
})  # fmt: skip
_CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})


class PythonBackend:
    """Compiles schemas with jsonschema, over a registry that is empty and stays so."""

    def compile(self, schema: Mapping[str, Any]) -> PythonCompiled:
        """Returns the compiled schema; raises DocumentError."""
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            place = tuple(error.absolute_path)
        else:
            for place, pattern in patterns(schema):
                if not _is_linear(pattern):
                    raise unsafe_pattern(place)
            return PythonCompiled(schema)
        raise not_a_schema(place)


class PythonCompiled:
    """A schema with its validator."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._reader = SchemaReader(schema)
        self._validator = _strict()(schema, registry=Registry())

    def is_valid(self, value: Any) -> bool:
        """Whether the value is valid."""
        return next(self._errors(value), None) is None

    def errors(self, value: Any) -> Iterator[RawFault]:
        """Every violated keyword."""
        return (raw for error in self._errors(value) for raw in self._raws(error))

    def _errors(self, value: Any) -> Iterator[ValidationError]:
        try:
            yield from self._validator.iter_errors(value)
        except Unresolvable:
            raise not_a_schema(()) from None

    def _raws(self, error: ValidationError) -> Iterator[RawFault]:
        keyword = str(error.validator or "falseSchema")
        path, schema_path = tuple(error.absolute_path), tuple(error.absolute_schema_path)
        if "propertyNames" in schema_path[-2:] and isinstance(error.instance, str):
            yield RawFault("propertyNames", (*path, error.instance), schema_path)
        elif keyword in ("required", "dependentRequired"):
            for name in _missing(error):
                yield RawFault("required", path, schema_path, {"name": name})
        else:
            yield RawFault(keyword, path, schema_path, self._params(keyword, error), self._branches(error))

    def _params(self, keyword: str, error: ValidationError) -> Mapping[str, Any]:
        if keyword in _VALUED:
            value = error.validator_value
            return {"value": [value] if keyword == "type" and isinstance(value, str) else value}
        if keyword in _CLOSED and error.validator_value is False:
            known = self._reader.names(error.schema) if isinstance(error.schema, dict) else ()
            names: Any = error.instance
            return {"names": [name for name in names if name not in known]}
        return {}

    def _branches(self, error: ValidationError) -> tuple[tuple[RawFault, ...], ...]:
        found: defaultdict[Any, list[RawFault]] = defaultdict(list)
        for child in error.context or ():
            found[child.schema_path[0]].extend(self._raws(child))
        return tuple(tuple(found[index]) for index in sorted(found))


def _missing(error: ValidationError) -> Iterator[str]:
    """The name that ``required`` or ``dependentRequired`` misses; only the message tells it."""
    rule: Any = error.validator_value
    names = rule if isinstance(rule, list) else [name for needed in rule.values() for name in needed]
    return (name for name in dict.fromkeys(names) if error.message.startswith(f"{name!r} is a "))


def _strict() -> type[Validator]:
    """The library's validator, with patterns as ECMA-262 reads them and with numbers that JSON has."""
    numbers = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
    types = numbers.redefine("array", lambda _, value: isinstance(value, (list, tuple)))
    untyped: Any = extend
    strict: type[Validator] = untyped(Draft202012Validator, {"pattern": _pattern}, type_checker=types)
    return strict


def _is_number(_: object, value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and math.isfinite(value))


def _pattern(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    r"""``\d`` and ``\w`` mean ASCII, and ``$`` means the very end."""
    text = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(value, str) and not re.search(text, value, re.ASCII):
        yield ValidationError("")


def _is_linear(pattern: str) -> bool:
    if not _PLAIN.fullmatch(pattern):
        return False
    loose = sum(item["loose"] is not None for item in _ITEM.finditer(pattern.strip("^$")))
    return loose == 0 or (loose == 1 and pattern.startswith("^"))
