"""Unions: `oneOf` refuses values that fit two branches; it becomes `anyOf` unless branches are disjoint."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, Node, rewrite

DEPTH = 8  # deeper nesting of references and unions counts as not known to be disjoint
SHAPE = ("type", "properties", "required")
ALL_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})


def relax_unions(schema: Any, schemas: dict[str, Node]) -> Any:
    """`schema` in which every `oneOf` not proven disjoint reads `anyOf`; discriminators stay."""

    def step(node: Node) -> Node:
        if "oneOf" not in node or _pairwise_disjoint(node["oneOf"], schemas):
            return node
        if "anyOf" in node:
            raise ValueError("a schema with both oneOf and anyOf needs a correction by hand")
        return {("anyOf" if keyword == "oneOf" else keyword): value for keyword, value in node.items()}

    return rewrite(schema, step)


def _pairwise_disjoint(branches: list[Node], schemas: dict[str, Node]) -> bool:
    shapes = [_shapes(branch, schemas) for branch in branches]
    return all(_disjoint(a, b) for one, other in combinations(shapes, 2) for a, b in product(one, other))


def _shapes(schema: Node, schemas: dict[str, Node], depth: int = 0) -> list[Node]:
    """The alternatives a branch stands for, references and nested unions opened, each as a plain schema."""
    if depth > DEPTH:
        return [{}]
    if "$ref" in schema:
        return _shapes(schemas[schema["$ref"].removeprefix(SCHEMA_PREFIX)], schemas, depth + 1)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            rest = {k: v for k, v in schema.items() if k in SHAPE}
            shapes = [shape for sub in schema[union] for shape in _shapes(sub, schemas, depth + 1)]
            return [_merged([rest, shape]) for shape in shapes] if rest else shapes
    if "allOf" in schema:
        parts = [_shapes(sub, schemas, depth + 1) for sub in schema["allOf"]]
        # A part with alternatives would have to be multiplied out; not knowing is the safe answer.
        return [_merged([part[0] for part in parts])] if all(len(part) == 1 for part in parts) else [{}]
    return [schema]


def _merged(parts: list[Node]) -> Node:
    """One shape for an `allOf`: the first type given, all properties, all required names."""
    out: Node = {"properties": {}, "required": []}
    for part in parts:
        if "type" in part:
            out.setdefault("type", part["type"])
        out["properties"].update(part.get("properties", {}))
        out["required"] += part.get("required", [])
    return out


def _disjoint(one: Node, other: Node) -> bool:
    """Whether no value can be both: other types, other fixed values, or a required field that tells."""
    common = _kinds(one) & _kinds(other)
    if not common:
        return True
    fixed = _fixed(one), _fixed(other)
    if fixed[0] and fixed[1]:
        return not fixed[0] & fixed[1]
    if common != {"object"}:
        return False
    tags = _tags(one), _tags(other)
    return any(not tags[0][name] & tags[1][name] for name in tags[0].keys() & tags[1].keys())


def _kinds(schema: Node) -> frozenset[str]:
    given = schema.get("type", list(ALL_TYPES))
    names = [given] if isinstance(given, str) else given
    return frozenset("number" if name == "integer" else name for name in names)


def _fixed(schema: Any) -> frozenset[str]:
    """The values an enum or const allows, as text; empty when any value may come."""
    if not isinstance(schema, dict):
        return frozenset()
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return frozenset(repr(value) for value in values)


def _tags(schema: Node) -> dict[str, frozenset[str]]:
    """Required properties with fixed values: what can tell one object from another."""
    properties = schema.get("properties", {})
    tags = {name: _fixed(properties.get(name)) for name in schema.get("required", [])}
    return {name: values for name, values in tags.items() if values}
