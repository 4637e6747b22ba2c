"""One alternative of a schema: what it accepts of one JSON type, cut down to the keywords that matter for that type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from kosha_connector_openai.openapi.diff.merging import Flat
from kosha_connector_openai.schema import LOWER, UPPER

Schema = Mapping[str, Any] | bool
Limit = tuple[float, int]
"""A bound and how strict it is, ordered so that a lower bound is tighter the greater it is, and an upper one the smaller."""

_ANY_TYPE: Final = ("not", "if", "then", "else", "anyOf", "unevaluatedItems")
_RULES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "object": ("propertyNames", "patternProperties", "dependentRequired", "dependentSchemas"),
        "array": ("contains", "uniqueItems"),
        "string": ("pattern", "format", "contentEncoding", "contentMediaType"),
        "number": ("multipleOf", "format"),
        "integer": ("multipleOf", "format"),
    }
)
_LIMITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "object": ("minProperties", "maxProperties"),
        "array": ("minItems", "maxItems", "minContains", "maxContains"),
        "string": ("minLength", "maxLength"),
    }
)
_BOUNDS: Final = (("minimum", "exclusiveMinimum", 1, math.ceil, math.floor), ("maximum", "exclusiveMaximum", -1, math.floor, math.ceil))
"""Bounds, their strict form, the way inwards, and how whole numbers round the two."""
_EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "object": ("properties", "required", "additionalProperties", *_RULES["object"], *_LIMITS["object"]),
        "array": ("items", "prefixItems", *_RULES["array"], *_LIMITS["array"]),
        "string": ("pattern", *_LIMITS["string"]),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
"""Keywords that authors write only where they mean this type, although they forget to say so."""
_NAMES: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        bool: ("boolean",),
        type(None): ("null",),
        int: ("number", "integer"),
        float: ("number",),
        str: ("string",),
        list: ("array",),
        dict: ("object",),
    }
)
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class TypeBranch:
    """What a schema accepts of one JSON type (``any``: of every type). Compared by identity; its parts are not opened yet."""

    type: str
    name: str = ""
    """The component that it comes from, else its title."""
    values: Mapping[str, Any] | None = None
    """JSON text -> value, where only these are allowed."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """Values that are named although others are allowed too."""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Keywords that can only be compared as a whole."""
    fields: Mapping[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    rest: Schema = True
    """What unnamed fields may be."""
    items: Schema = True
    prefix: tuple[Schema, ...] = ()

    @property
    def kind(self) -> str:
        """The type, integers counted as numbers."""
        return "number" if self.type == "integer" else self.type

    @property
    def is_plain(self) -> bool:
        """Whether every value of the type is accepted, as far as the branch itself can say."""
        return self.values is None and not (self.limits or self.rules)

    def open_with(self, known: Mapping[str, Any]) -> TypeBranch:
        """The same branch, which also names some of the values that it allows."""
        return replace(self, known=known) if known else self


def split(flat: Flat) -> Iterator[TypeBranch]:
    """A branch for each type that an alternative accepts; of a list of values each type gets its own."""
    values = flat.get("enum")
    for name in _types(flat):
        limits = _limits(flat, name)
        allowed = (
            None if values is None else {text: value for text, value in values.items() if name in _names_of(value) and _fits(value, limits)}
        )
        if allowed is None or allowed:
            yield _branch(flat, name, allowed)


def _types(flat: Flat) -> list[str]:
    if "type" in flat:
        given: frozenset[str] = flat["type"]
        return sorted(given - {"integer"} if "number" in given else given)
    if "enum" in flat:
        return sorted({_names_of(value)[0] for value in flat["enum"].values()})
    return [name for name, keywords in _EVIDENCE.items() if any(keyword in flat for keyword in keywords)][:1] or ["any"]


def _names_of(value: Any) -> tuple[str, ...]:
    """The names of a JSON value's type; a number without a fraction is an integer, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return next(names for kind, names in _NAMES.items() if isinstance(value, kind))


def _branch(flat: Flat, name: str, values: Mapping[str, Any] | None) -> TypeBranch:
    label = flat.get("name", "")
    if values is not None:
        return TypeBranch(name, label, values)
    prefix = tuple(flat.get("prefixItems", ()))
    is_array, is_object = name == "array", name == "object"
    return TypeBranch(
        name,
        label,
        limits=_limits(flat, name),
        rules={keyword: flat[keyword] for keyword in (*_RULES.get(name, ()), *_ANY_TYPE) if flat.get(keyword, False) is not False},
        fields=_fields(flat) if is_object else _NONE,
        required=flat.get("required", frozenset()) if is_object else frozenset(),
        rest=_opened(flat.get("additionalProperties", True)) if is_object else True,
        items=_opened(flat.get("items", True)) if is_array else True,
        prefix=prefix if is_array else (),
    )


def _fields(flat: Flat) -> dict[str, Schema]:
    """The properties, and what is required without being one."""
    return {
        **flat.get("properties", {}),
        **dict.fromkeys(sorted(flat.get("required", frozenset()) - flat.get("properties", {}).keys()), True),
    }


def _opened(schema: Schema) -> Schema:
    return True if schema == {} else schema


def _limits(flat: Flat, name: str) -> dict[str, Limit]:
    if name in ("integer", "number"):
        return dict(_bounds(flat, name == "integer"))
    given = {keyword: flat[keyword] for keyword in _LIMITS.get(name, ()) if keyword in flat}
    return {keyword: (number, 0) for keyword, number in given.items() if number or keyword in UPPER}


def _bounds(flat: Flat, whole: bool) -> Iterator[tuple[str, Limit]]:
    """The bounds of numbers; of whole numbers a strict one is the next number (``> 0`` is ``>= 1``)."""
    for keyword, strict, step, round_plain, round_strict in _BOUNDS:
        found = [(round_plain(flat[keyword]) if whole else flat[keyword], 0)] if keyword in flat else []
        if strict in flat:
            found.append((round_strict(flat[strict]) + step, 0) if whole else (flat[strict], step))
        if found:
            yield keyword, max(found) if keyword in LOWER else min(found)


def _fits(value: Any, limits: Mapping[str, Limit]) -> bool:
    """Whether a listed value keeps the limits that stand beside the list; what an array contains is not looked at."""
    size = value if isinstance(value, (int, float)) else 0 if value is None else len(value)
    for keyword, (number, strict) in limits.items():
        if keyword not in ("minContains", "maxContains"):
            inside = size >= number if keyword in LOWER else size <= number
            if not inside or (strict and size == number):
                return False
    return True


def limit_words(keyword: str, limit: Limit | None) -> dict[str, Any] | None:
    """A limit as the keyword and number that a description would have."""
    if limit is None:
        return None
    number, strict = limit
    return {f"exclusive{keyword[:1].upper()}{keyword[1:]}" if strict else keyword: number}
