"""Alternatives: a schema as the list of plain things that a value may be, however it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, UNIONS, Node

DEPTH = 12  # deeper nesting of references and unions is not opened


@dataclass(frozen=True)
class Alternative:
    """One thing that a value may be: its JSON type (`any` where nothing is said), and the schema objects that describe it together."""

    kind: str
    nodes: tuple[Node, ...]
    component: str = ""

    @cached_property
    def properties(self) -> dict[str, Node]:
        return {name: schema for node in self.nodes for name, schema in node.get("properties", {}).items()}

    @cached_property
    def required(self) -> set[str]:
        return {name for node in self.nodes for name in node.get("required", [])}

    @property
    def values(self) -> list[Any] | None:
        """The values that it is limited to; None where it is not."""
        for node in self.nodes:
            if "const" in node:
                return [node["const"]]
            if "enum" in node:
                return [value for value in node["enum"] if value is not None]
        return None

    def items(self) -> Node | None:
        return next((node["items"] for node in self.nodes if "items" in node), None)

    def map_of(self) -> Node | None:
        """The schema of the values of a map; None where it is none or its values may be anything."""
        found = [node["additionalProperties"] for node in self.nodes if isinstance(node.get("additionalProperties"), dict)]
        return found[0] if found and not self.properties else None


def alternatives(schema: Node, schemas: Mapping[str, Node]) -> list[Alternative]:
    """What a value of `schema` may be; unions opened, parts of an `allOf` together, null as a kind of its own."""
    return list(_alternatives(schema, schemas, (), "", 0))


def union_of(schema: Node, schemas: Mapping[str, Node]) -> Node:
    """The schema object that holds the branches of a union, behind references that lead to one; else `schema`."""
    seen = 0
    while "$ref" in schema and seen < DEPTH:
        target = schemas[schema["$ref"].removeprefix(SCHEMA_PREFIX)]
        if not any(union in target for union in UNIONS) and "$ref" not in target:
            return schema
        schema, seen = target, seen + 1
    return schema


def _alternatives(schema: Node, schemas: Mapping[str, Node], outer: tuple[Node, ...], component: str, depth: int) -> Iterator[Alternative]:
    if depth > DEPTH:
        return
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMA_PREFIX)
        yield from _alternatives(schemas[name], schemas, outer, name, depth + 1)
        return
    union = next((union for union in UNIONS if union in schema), None)
    if "allOf" in schema:
        yield from _joined(schema, schemas, outer, component, depth)
    elif union:
        own = (schema,) if "properties" in schema else ()
        for branch in schema[union]:
            # A branch that only says what is required is no alternative of its own: it narrows the object around it.
            yield from _alternatives(branch, schemas, (*outer, *own), component if own else "", depth + 1)
    else:
        for kind in _kinds(schema, outer):
            yield Alternative(kind, (*outer, schema), component)


def _joined(schema: Node, schemas: Mapping[str, Node], outer: tuple[Node, ...], component: str, depth: int) -> Iterator[Alternative]:
    """Parts that must all hold: objects add up; of a part with several alternatives each is taken with the rest."""
    parts = [list(_alternatives(part, schemas, (), "", depth + 1)) for part in schema["allOf"]]
    single = [part[0] for part in parts if len(part) == 1]
    many = next((part for part in parts if len(part) > 1), None)
    nodes = (*outer, *((schema,) if "properties" in schema else ()), *(node for one in single for node in one.nodes))
    kinds = [one.kind for one in single if one.kind != "any"] or (["object"] if "properties" in schema else [])
    only = single[0].component if len(single) == 1 and not many else component
    if many is None:
        yield Alternative(kinds[0] if kinds else "any", nodes, only)
    else:
        for one in many:
            yield one if one.kind == "null" else Alternative(one.kind, (*nodes, *one.nodes), one.component)


def _kinds(schema: Node, outer: tuple[Node, ...]) -> list[str]:
    given = schema.get("type")
    if isinstance(given, list):
        return given
    if isinstance(given, str):
        return [given]
    if outer or "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    if "items" in schema:
        return ["array"]
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return list(dict.fromkeys(names[type(value)] for value in values)) or ["any"]
