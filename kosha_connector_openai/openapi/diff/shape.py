"""The shape of a schema: its alternatives by JSON type, independent of the references, ``allOf`` and unions that express them.

``nullable``, type lists, ``anyOf`` with null, inline and referred schemas, one-part ``allOf`` wrappers: all have the same shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from kosha_connector_openai.openapi.diff.branch import Schema, TypeBranch, split
from kosha_connector_openai.openapi.diff.change import Direction
from kosha_connector_openai.openapi.diff.merging import EMPTY, Flat, json_text, merged
from kosha_connector_openai.schema import LOWER, UPPER

Shape = Mapping[str, tuple[TypeBranch, ...]]
"""The alternatives by kind: object, array, string, number, boolean, null, any."""

MAX_ALTERNATIVES: Final = 256
_COMPOSING: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_NO_FACTS: Final = _COMPOSING | {
    "$defs",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "readOnly",
    "title",
    "unevaluatedProperties",
    "writeOnly",
}
_NUMERIC: Final = LOWER | UPPER | {"exclusiveMaximum", "exclusiveMinimum"}
_SCALARS: Final = ("string", "number", "boolean", "null")
_ALL_VALUES: Final = {"boolean": 2, "null": 1}
"""How many values there are, where that is few."""


class Shapes:
    """One translated schema (``to_json_schema``), and the shapes of it and of all its parts, each made once."""

    def __init__(self, schema: Schema, direction: Direction) -> None:
        """``direction`` decides which fields are left out: read-only ones of a request, write-only ones of a response."""
        self.root = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
        self._hidden = "readOnly" if direction == "request" else "writeOnly"
        self._flats: dict[int, tuple[Flat, ...]] = {}
        self._referred: dict[str, tuple[Flat, ...]] = {}
        self._merged: dict[tuple[int, int], tuple[Flat, Flat, Flat]] = {}
        self._split: dict[int, tuple[TypeBranch, ...]] = {}
        self._shapes: dict[int, Shape] = {}
        self._tags: dict[int, dict[str, frozenset[str]]] = {}
        self._parted: dict[tuple[int, str], tuple[TypeBranch, ...]] = {}

    def shape(self, schema: Schema) -> Shape:
        """The alternatives of a schema inside this one."""
        key = id(schema)
        if key not in self._shapes:
            self._shapes[key] = _grouped([branch for flat in self._alternatives(schema) for branch in self._branches(flat)])
        return self._shapes[key]

    def note(self, schema: Schema, keyword: str) -> Any:
        """An annotation of a schema, its own or that of what it stands for; None where there is none."""
        if not isinstance(schema, Mapping):
            return None
        if keyword in schema:
            return schema[keyword]
        return next((found for part in self._stands_for(schema) if (found := self.note(part, keyword)) is not None), None)

    def words(self, schema: Schema) -> str:
        """The types of a schema in a few words."""
        words = (self.word(branch) for branches in self.shape(schema).values() for branch in branches)
        return " or ".join(dict.fromkeys(words)) or "nothing"

    def word(self, branch: TypeBranch) -> str:
        """The type of a branch, with that of its entries."""
        if branch.type != "array":
            return branch.type
        return "array of any" if branch.items is True else f"array of {'/'.join(self.shape(branch.items)) or 'nothing'}"

    def tags(self, branch: TypeBranch) -> dict[str, frozenset[str]]:
        """The fields of an object that only have listed values: what can tell it from other objects."""
        if id(branch) not in self._tags:
            found = {name: _listed(self.shape(part)) for name, part in branch.fields.items()}
            self._tags[id(branch)] = {name: values for name, values in found.items() if values}
        return self._tags[id(branch)]

    def parted(self, branch: TypeBranch, name: str) -> tuple[TypeBranch, ...]:
        """An object as one branch for each value of a field that only has listed values."""
        key = (id(branch), name)
        if key not in self._parted:
            values = [json.loads(text) for text in sorted(self.tags(branch)[name])]
            field = branch.fields[name]
            parts = ({"allOf": [field, {"const": value}]} for value in values)
            self._parted[key] = tuple(replace(branch, fields={**branch.fields, name: part}) for part in parts)
        return self._parted[key]

    def _stands_for(self, schema: Mapping[str, Any]) -> list[Any]:
        parts = [self._definitions[schema["$ref"].removeprefix("#/$defs/")]] if "$ref" in schema else []
        parts += schema.get("allOf", ())
        for union in ("anyOf", "oneOf"):
            branches = [part for part in schema.get(union, ()) if part != {"type": "null"}]
            parts += branches if len(branches) == 1 else []
        return parts

    def _branches(self, flat: Flat) -> tuple[TypeBranch, ...]:
        if id(flat) not in self._split:
            self._split[id(flat)] = tuple(split(flat))
        return self._split[id(flat)]

    def _alternatives(self, schema: Schema) -> tuple[Flat, ...]:
        if isinstance(schema, bool):
            return (EMPTY,) if schema else ()
        if id(schema) not in self._flats:
            self._flats[id(schema)] = self._expanded(schema)
        return self._flats[id(schema)]

    def _expanded(self, schema: Mapping[str, Any]) -> tuple[Flat, ...]:
        found: tuple[Flat, ...] = (self._own(schema),)
        if "$ref" in schema:
            found = self._product(found, self._definition(schema["$ref"].removeprefix("#/$defs/")), schema)
        for part in schema.get("allOf", ()):
            found = self._product(found, self._alternatives(part), part)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                branches = [flat for part in schema[union] for flat in self._alternatives(part)]
                found = self._product(found, branches, schema[union])
        return found

    def _definition(self, name: str) -> tuple[Flat, ...]:
        if name not in self._referred:
            flats = self._alternatives(self._definitions[name])
            self._referred[name] = ({**flats[0], "name": name},) if len(flats) == 1 else flats
        return self._referred[name]

    def _own(self, schema: Mapping[str, Any]) -> Flat:
        """The schema's own keywords, without composition."""
        own = {keyword: value for keyword, value in schema.items() if keyword not in _NO_FACTS and _is_sound(keyword, value)}
        if schema.get("unevaluatedProperties") is False:
            own["additionalProperties"] = False
        if "type" in own:
            own["type"] = frozenset([own["type"]] if isinstance(own["type"], str) else own["type"])
        if "required" in own:
            own["required"] = frozenset(own["required"])
        if "properties" in own:
            own["properties"] = {name: part for name, part in own["properties"].items() if not self.note(part, self._hidden)}
        values = [own.pop("const")] if "const" in own else own.get("enum")
        if values is not None:
            own["enum"] = {json_text(value): value for value in values}
        if own and "title" in schema and not _COMPOSING & schema.keys():
            own["name"] = schema["title"]
        return own or EMPTY

    def _product(self, some: Iterable[Flat], others: Iterable[Flat], written: Any) -> tuple[Flat, ...]:
        """The product of two lists of alternatives; above the limit the second stays one rule that is compared as a whole."""
        some, others = tuple(some), tuple(others)
        if len(some) * len(others) > MAX_ALTERNATIVES:
            others = ({"anyOf": written},)
        pairs = (self._merge(one, other) for one in some for other in others)
        return tuple(flat for flat in pairs if flat.get("type") != frozenset())

    def _merge(self, one: Flat, other: Flat) -> Flat:
        # Recursive definitions come back to the same two parts: they must come back to the same object, too.
        key = (id(one), id(other))
        if key not in self._merged:
            self._merged[key] = (one, other, merged(one, other))
        return self._merged[key][2]


def _is_sound(keyword: str, value: Any) -> bool:
    """Whether a keyword has a value of the type that it needs; elsewhere it says nothing."""
    if keyword == "type":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    if keyword in _NUMERIC:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return keyword != "enum" or isinstance(value, list)


def _grouped(branches: Iterable[TypeBranch]) -> Shape:
    by_kind: dict[str, list[TypeBranch]] = {}
    for branch in dict.fromkeys(branches):
        by_kind.setdefault(branch.kind, []).append(branch)
    anything = [branch for branch in by_kind.get("any", ()) if branch.is_plain]
    if anything:
        return {"any": (anything[0],)}
    return {kind: tuple(_joined(kind, found)) if kind in _SCALARS else tuple(found) for kind, found in by_kind.items()}


def _joined(kind: str, branches: list[TypeBranch]) -> list[TypeBranch]:
    """The alternatives of a plain type as few as can be: one list of values, or no list where any value goes."""
    values = {text: value for branch in branches for text, value in (branch.values or {}).items()}
    plain = [branch for branch in branches if branch.is_plain]
    whole = next((branch for branch in plain if branch.type == kind), None)
    if whole is None and plain and all(branch.type == "integer" for branch in branches):
        whole = plain[0]
    if len(values) == _ALL_VALUES.get(kind):
        return [TypeBranch(kind)]
    if whole:
        return [whole.open_with(values)]
    listed = [branch for branch in branches if branch.values is not None]
    others = [branch for branch in branches if branch.values is None]
    return [TypeBranch(listed[0].type, listed[0].name, values), *others] if listed else others


def _listed(shape: Shape) -> frozenset[str]:
    """The values of a shape that has nothing but listed ones."""
    branches = [branch for found in shape.values() for branch in found]
    if not branches or any(branch.values is None for branch in branches):
        return frozenset()
    return frozenset(text for branch in branches for text in branch.values or ())
