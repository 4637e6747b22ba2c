"""Nodes: walking the JSON tree of an OpenAPI description, keyword by keyword."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Node = dict[str, Any]

SCHEMA_PREFIX = "#/components/schemas/"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
UNIONS = ("anyOf", "oneOf")

MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "dependentSchemas")
LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE_SCHEMAS = (
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
)


def schema_ref(name: str) -> Node:
    """The reference object that points at one schema of the components."""
    return {"$ref": SCHEMA_PREFIX + name}


def map_subschemas(schema: Node, change: Callable[[Any], Any]) -> Node:
    """A copy of `schema` whose direct subschemas went through `change`; all else stays as it is."""
    out: Node = {}
    for keyword, value in schema.items():
        if keyword in MAPS_OF_SCHEMAS:
            out[keyword] = {name: change(sub) for name, sub in value.items()}
        elif keyword in LISTS_OF_SCHEMAS:
            out[keyword] = [change(sub) for sub in value]
        elif keyword in SINGLE_SCHEMAS:
            out[keyword] = change(value)
        else:
            out[keyword] = value
    return out


def rewrite(schema: Any, change: Callable[[Node], Any]) -> Any:
    """`schema` with `change` applied to every schema object in it, the innermost first."""
    if not isinstance(schema, dict):
        return schema
    return change(map_subschemas(schema, lambda sub: rewrite(sub, change)))


def references(node: Any) -> Iterator[str]:
    """Every `$ref` text below `node`, in document order, with repeats."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            yield target
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def schema_holders(operation: Node) -> Iterator[Node]:
    """Each object of an operation that carries a `schema`: parameters and media types."""
    yield from operation.get("parameters", [])
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for reply in operation.get("responses", {}).values():
        yield from reply.get("content", {}).values()


def reachable(roots: Iterable[Any], schemas: dict[str, Node]) -> list[str]:
    """Names of all schemas that `roots` refer to, directly or through others, sorted."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        for target in references(waiting.pop()):
            name = target.removeprefix(SCHEMA_PREFIX)
            if target.startswith(SCHEMA_PREFIX) and name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return sorted(found)
