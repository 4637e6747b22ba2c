"""One alternative of a schema: what it accepts of one JSON type, cut down to the keywords that matter for that type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from kosha_connector_openai.core.spec.drift.merging import LOWER, UPPER, Flat

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
_BOUNDS: Final = (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1))
_EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "object": ("properties", "required", "additionalProperties", *_RULES["object"], *_LIMITS["object"]),
        "array": ("items", "prefixItems", *_RULES["array"], *_LIMITS["array"]),
        "string": ("pattern", *_LIMITS["string"]),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
"""Keywords that authors write only where they mean this type, although they forget to say so."""
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
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

    def open_with(self, known: Mapping[str, Any]) -> Branch:
        """The same branch, which also names some of the values that it allows."""
        return replace(self, known=known) if known else self


def split(flat: Flat) -> Iterator[Branch]:
    """A branch for each type that an alternative accepts; of a list of values each type gets its own."""
    values = flat.get("enum")
    for name in _types(flat):
        allowed = None if values is None else {text: value for text, value in values.items() if _type_of(value, name)}
        if allowed is None or allowed:
            yield _branch(flat, name, allowed)


def _types(flat: Flat) -> list[str]:
    if "type" in flat:
        given: frozenset[str] = flat["type"]
        return sorted(given - {"integer"} if "number" in given else given)
    if "enum" in flat:
        return sorted({_name_of(value) for value in flat["enum"].values()})
    return [name for name, keywords in _EVIDENCE.items() if any(keyword in flat for keyword in keywords)][:1] or ["any"]


def _name_of(value: Any) -> str:
    return next(name for name in ("null", "boolean", "number", "string", "array", "object") if _type_of(value, name))


def _type_of(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    python = {"null": type(None), "number": (int, float), "string": str, "array": list, "object": Mapping}
    return isinstance(value, python.get(name, object if name == "any" else ()))  # type: ignore[arg-type]


def _branch(flat: Flat, name: str, values: Mapping[str, Any] | None) -> Branch:
    label = flat.get("name", "")
    if values is not None:
        return Branch(name, label, values)
    prefix = tuple(flat.get("prefixItems", ()))
    is_array, is_object = name == "array", name == "object"
    return Branch(
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
        **{name: True for name in sorted(flat.get("required", ())) if name not in flat.get("properties", {})},
    }


def _opened(schema: Schema) -> Schema:
    return True if schema == {} else schema


def _limits(flat: Flat, name: str) -> dict[str, Limit]:
    limits = {keyword: (flat[keyword], 0) for keyword in _LIMITS.get(name, ()) if flat.get(keyword, 0) or keyword in UPPER & flat.keys()}
    if name in ("integer", "number"):
        for keyword, exclusive, step in _BOUNDS:
            found = [(flat[keyword], 0)] if keyword in flat else []
            if exclusive in flat:
                found.append((flat[exclusive] + step, 0) if name == "integer" else (flat[exclusive], step))
            if found:
                limits[keyword] = max(found) if keyword in LOWER else min(found)
    return limits


def limit_words(keyword: str, limit: Limit | None) -> dict[str, Any] | None:
    """A limit as the keyword and number that a description would have."""
    if limit is None:
        return None
    number, strict = limit
    return {f"exclusive{keyword[:1].upper()}{keyword[1:]}" if strict else keyword: number}
