"""Discriminators: each gets the mapping that its schemas show, or goes, since generators of clients and validators take it at its word.

Without a `mapping` a discriminator's value is the schema's *name* (OpenAPI 3.1, section 4.8.25), which is hardly ever meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, UNIONS, Node, rewrite

DEPTH = 8  # deeper nesting of references counts as not known


def map_discriminators(schema: Any, schemas: dict[str, Node]) -> Any:
    """`schema`, each discriminator in it with value -> reference; without those whose branches do not tell their values apart."""

    def step(node: Node) -> Node:
        rule = node.get("discriminator")
        if not isinstance(rule, dict) or "mapping" in rule:
            return node
        pairs = _pairs(node, rule["propertyName"], schemas)
        if pairs is None:
            return {keyword: value for keyword, value in node.items() if keyword != "discriminator"}
        return {**node, "discriminator": {**rule, "mapping": pairs}}

    return rewrite(schema, step)


def _pairs(node: Node, name: str, schemas: dict[str, Node]) -> dict[str, str] | None:
    """Value -> reference over all branches; None where one is no reference or names no value, or two name the same one."""
    pairs: dict[str, str] = {}
    for branch in [branch for union in UNIONS for branch in node.get(union, ())]:
        values = list(_values(branch, name, schemas)) if "$ref" in branch else []
        if not values or not pairs.keys().isdisjoint(values):
            return None
        pairs.update(dict.fromkeys(values, branch["$ref"]))
    return pairs or None


def _values(schema: Node, name: str, schemas: dict[str, Node], depth: int = 0) -> Iterator[str]:
    """The texts that a property can be; references and the parts of an `allOf` are opened."""
    if depth > DEPTH:
        return
    if "$ref" in schema:
        yield from _values(_target(schema, schemas), name, schemas, depth + 1)
    for part in schema.get("allOf", ()):
        yield from _values(part, name, schemas, depth + 1)
    field = schema.get("properties", {}).get(name, {})
    while "$ref" in field:
        field = _target(field, schemas)
    values = [field["const"]] if "const" in field else field.get("enum", ())
    yield from (value for value in values if isinstance(value, str))


def _target(schema: Node, schemas: dict[str, Node]) -> Node:
    return schemas[schema["$ref"].removeprefix(SCHEMA_PREFIX)]
