"""Where JSON Schema 2020-12 keeps schemas inside schemas, as tables, and the walks that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

ONE = frozenset({
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems",
    "unevaluatedProperties",
})  # fmt: skip
"""Keywords whose value is a schema."""
LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""
MAP = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose value has a schema under each name."""
SAME_VALUE = frozenset({"allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
"""Keywords that, like ``$ref``, apply their schemas to the value itself, not to a part of it."""
LOWER = frozenset({"minimum", "minContains", "minItems", "minLength", "minProperties"})
UPPER = frozenset({"maximum", "maxContains", "maxItems", "maxLength", "maxProperties"})
BOUNDS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys((*LOWER, "exclusiveMinimum"), max),
    **dict.fromkeys((*UPPER, "exclusiveMaximum"), min),
}
"""Keyword -> the bound that holds where two schemas apply to one value."""

Path = tuple[str | int, ...]


def common_types(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """The types that two lists of types both allow, in the order of the first; a whole number is a number."""
    first, second = list(one), set(other)
    wide = {"number", "integer"}
    common = [name for name in first if name in second]
    whole = "integer" not in common and wide <= second.union(first) and wide & second and wide & set(first)
    return [*common, "integer"] if whole else common


def children(schema: Any) -> Iterator[tuple[Path, Any]]:
    """Each schema directly inside a schema, with the path to it."""
    for keyword, value in schema.items() if isinstance(schema, Mapping) else ():
        if keyword in ONE:
            yield (keyword,), value
        elif keyword in LIST and isinstance(value, (list, tuple)):
            yield from (((keyword, index), part) for index, part in enumerate(value))
        elif keyword in MAP and isinstance(value, Mapping):
            yield from (((keyword, name), part) for name, part in value.items())


def with_children(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """A copy of a schema with ``change`` made to each schema directly inside it."""
    out = dict(schema)
    for keyword, value in schema.items():
        if keyword in ONE:
            out[keyword] = change(value)
        elif keyword in LIST and isinstance(value, (list, tuple)):
            out[keyword] = [change(part) for part in value]
        elif keyword in MAP and isinstance(value, Mapping):
            out[keyword] = {name: change(part) for name, part in value.items()}
    return out
