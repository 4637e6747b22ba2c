"""Merges a schema with every schema that it applies to the same value (``$ref``, ``allOf``, ``anyOf``, ``oneOf``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_COMBINING: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_STRUCTURE: Final = frozenset({"properties", "items", "enum", "const", "additionalProperties", "allOf", "anyOf", "oneOf"})
_ASKING: Final = frozenset({"required", "not", "type", "title"})
_INSIDE: Final = frozenset({"properties", "items", "additionalProperties", "prefixItems"})
_WORDS: Final = frozenset({"title", "description", "default", "deprecated", "readOnly", "writeOnly"})
_PREFIX: Final = "#/$defs/"
_DEEPEST: Final = 24
"""References and combinations along one value; deeper ones are ignored."""
_MOST: Final = 120
"""Variants of one value."""

Node = dict[str, Any]


class DefinitionLookup(Protocol):
    """Maps the name of a definition to its schema; raises KeyError."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(slots=True)
class Flat:
    """One value: its keywords, the schemas of which one must fit as well, and whether null does."""

    node: Node
    branches: list[Any] = field(default_factory=list)
    nullable: bool = False
    names: frozenset[str] = frozenset()
    """The definitions that were merged into it."""
    empty: bool = False
    """Whether no value fits: its parts name types that exclude each other."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One alternative: its schema, the definition that it is, if it is one, and its keywords."""

    schema: Any
    target: str | None
    node: Node
    names: frozenset[str] = frozenset()


class Flattener:
    """Flattens schemas of one document; definitions are flattened once."""

    def __init__(self, definitions: DefinitionLookup) -> None:
        self.definitions = definitions
        self._done: dict[str, Flat] = {}
        self._busy: set[str] = set()

    def flat(self, schema: Any, depth: int = 0) -> Flat:
        """The merged schema; it may share parts with others and must not be changed."""
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return Flat({})
        found = Flat({key: value for key, value in schema.items() if key not in _COMBINING})
        given = found.node.get("type")
        if isinstance(given, list):
            self._types(found, given)
        for part in self._parts(schema, found, depth):
            _merge(found, part)
        return found

    def _types(self, found: Flat, given: list[str]) -> None:
        kinds = [kind for kind in given if kind != "null"]
        found.nullable = len(kinds) < len(given)
        if len(kinds) == 1:
            found.node["type"] = kinds[0]
            return
        del found.node["type"]
        found.branches = [{"type": kind} for kind in kinds if not (kind == "integer" and "number" in kinds)]

    def _parts(self, schema: Mapping[str, Any], found: Flat, depth: int) -> Iterator[Flat]:
        if "$ref" in schema:
            yield self.definition(reference(schema), depth)
        for part in schema.get("allOf", ()):
            yield self.flat(part, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            given = schema.get(keyword)
            if not given:
                continue
            branches = [branch for branch in given if not _is_null(branch)]
            found.nullable = found.nullable or len(branches) < len(given)
            if len(branches) == 1:
                yield self.flat(branches[0], depth + 1)
            elif branches and not _only_asks(branches):
                found.branches = found.branches or branches

    def definition(self, name: str, depth: int = 0) -> Flat:
        """The merged schema of a definition."""
        if name not in self._done:
            if name in self._busy or depth > _DEEPEST:  # only itself, which says nothing
                return Flat({})
            self._busy.add(name)
            found = self.flat(self.definitions[name], depth + 1)
            self._busy.remove(name)
            found.names |= {name}
            self._done[name] = found
        return self._done[name]

    def branches(self, flat: Flat, seen: frozenset[str] = frozenset()) -> list[Branch]:
        """The alternatives of a value, those of its alternatives among them."""
        found: list[Branch] = []
        common = {key: value for key, value in flat.node.items() if key in ("properties", "required")}
        for schema in flat.branches:
            inner = self.flat(schema)
            if inner.names & (seen | flat.names) and inner.branches:
                continue  # itself among its own alternatives
            if inner.empty and len(flat.branches) > 1:
                continue
            names = flat.names | inner.names
            inside = self.branches(inner, seen | names) if inner.branches and "properties" not in inner.node else []
            if inside and (target(schema) is None or all(map(_is_plain, inside))):
                found += inside
            elif common:
                merged = Flat(dict(common))
                _merge(merged, inner)
                found.append(Branch(merged.node, None, merged.node, names))
            else:
                found.append(Branch(schema, target(schema), inner.node, names))
        return found[:_MOST]


def _is_plain(branch: Branch) -> bool:
    """Whether a branch can stand in another union: it is a definition, or has nothing inside that could lead back."""
    return branch.target is not None or not (_INSIDE & branch.node.keys())


def reference(schema: Mapping[str, Any]) -> str:
    """The name of the definition that ``$ref`` leads to."""
    return str(schema["$ref"]).removeprefix(_PREFIX)


def target(schema: Any) -> str | None:
    """The one definition that a schema is, apart from annotations and null; None where it is more than one."""
    while isinstance(schema, dict):
        keys = _STRUCTURE & schema.keys()
        if "$ref" in schema:
            return None if keys else reference(schema)
        if len(keys) != 1 or not keys <= {"allOf", "anyOf", "oneOf"}:
            return None
        keyword = next(iter(keys))
        parts = [part for part in schema[keyword] if not _is_null(part) and (keyword != "allOf" or _says_something(part))]
        if len(parts) != 1:
            return None
        schema = parts[0]
    return None


def _says_something(schema: Any) -> bool:
    """Whether a part of an ``allOf`` holds more than annotations."""
    return not isinstance(schema, dict) or bool(schema.keys() - _WORDS)


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _only_asks(branches: list[Any]) -> bool:
    """Whether the branches only require properties that are described elsewhere."""
    return all(isinstance(branch, dict) and "required" in branch and branch.keys() <= _ASKING for branch in branches)


def _merge(found: Flat, part: Flat) -> None:
    """Adds the keywords of a part; a keyword nearer to the value wins."""
    node = found.node
    types = {kind.replace("integer", "number") for kind in (node.get("type"), part.node.get("type")) if isinstance(kind, str)}
    found.empty |= part.empty or len(types) > 1
    for key, value in part.node.items():
        if key not in node:
            node[key] = value
        elif key == "properties":
            node[key] = {**value, **node[key]}
        elif key == "required":
            node[key] = [*dict.fromkeys([*value, *node[key]])]
    found.branches = found.branches or part.branches
    found.nullable = found.nullable or part.nullable
    found.names |= part.names
