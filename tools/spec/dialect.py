"""Dialect: OpenAPI 3.0 habits that occur inside the source, turned into clean JSON Schema 2020-12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from kosha_connector_openai.sdk.node import Node, references, rewrite

NULL: Node = {"type": "null"}
WRAPPED_BY_NULL = ("$ref", "allOf", "anyOf", "oneOf", "not", "if")


def clean(schema: Any) -> Any:
    """`schema` with null types for `nullable`, numeric exclusive bounds and no repeated `required` names."""
    for step in STEPS:
        schema = rewrite(schema, step)
    return schema


def _null_beside(schema: Node) -> Node:
    """`allOf: [X, {nullable: true}]`, which allows null in no dialect, as a nullable X."""
    parts = [part for part in schema.get("allOf", []) if part != {"nullable": True}]
    if len(parts) == len(schema.get("allOf", [])):
        return schema
    rest = {keyword: value for keyword, value in schema.items() if keyword != "allOf"}
    whole = parts[0] if len(parts) == 1 else {"allOf": parts}
    return {**whole, **rest, "nullable": True}


def _null_type(schema: Node) -> Node:
    """`nullable: true` as a null type, a null branch, or a union with null."""
    if "nullable" not in schema:
        return schema
    kept = {keyword: value for keyword, value in schema.items() if keyword != "nullable"}
    if not schema["nullable"] or _takes_null(kept):
        return kept
    if "type" in kept and not any(keyword in kept for keyword in WRAPPED_BY_NULL):
        kept["type"] = [*_types(kept), "null"]
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"] = [*kept["enum"], None]
        return kept
    for union in ("anyOf", "oneOf"):
        if union in kept and "type" not in kept:
            return {**kept, union: [*kept[union], dict(NULL)]}
    outer: Node = {keyword: kept.pop(keyword) for keyword in ("default", "deprecated") if keyword in kept}
    return {"anyOf": [kept, dict(NULL)], **outer}


def _takes_null(schema: Node) -> bool:
    return "null" in _types(schema) or any(
        NULL["type"] in _types(branch) for union in ("anyOf", "oneOf") for branch in schema.get(union, ())
    )


def _types(schema: Node) -> list[str]:
    """The `type` keyword as a list; empty when there is none."""
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _numeric_bounds(schema: Node) -> Node:
    """`exclusiveMinimum: true` beside `minimum` as the number itself; likewise for the maximum."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            strict = schema.pop(exclusive)
            if strict and bound in schema:
                schema[exclusive] = schema.pop(bound)
    return schema


def _required_once(schema: Node) -> Node:
    """`required` as a list without repeats; absent when it is empty or no list at all."""
    if "required" in schema:
        names = schema.pop("required")
        if isinstance(names, list) and names:
            schema["required"] = list(dict.fromkeys(names))
    return schema


STEPS: tuple[Callable[[Node], Node], ...] = (_null_beside, _null_type, _numeric_bounds, _required_once)


def drop_bad_defaults(schema: Any, components: Node) -> Any:
    """`schema` without the defaults that it refuses itself; `components` resolves its references."""

    def step(node: Node) -> Node:
        if "default" not in node or _accepts(node, node["default"], components):
            return node
        return {keyword: value for keyword, value in node.items() if keyword != "default"}

    return rewrite(schema, step)


def _accepts(schema: Node, value: Any, components: Node) -> bool:
    """Whether `value` is valid under `schema`."""
    tested = {keyword: part for keyword, part in schema.items() if keyword != "default"}
    if any(references(tested)):
        # Only then: reading all components takes milliseconds, and there are hundreds of defaults.
        tested["components"] = components
    return jsonschema_rs.Draft202012Validator(tested).is_valid(value)
