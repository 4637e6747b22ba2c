"""Components: which schemas of an operation are inputs, and what they take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jsonschema_rs

from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, UNIONS, Node


def inputs_of(operation: Node) -> list[Any]:
    """What a caller fills in: parameters and request body."""
    return [operation.get("parameters", []), operation.get("requestBody", {})]


def body_schemas(operation: Node) -> list[Node]:
    """The schemas of an operation's request body, one a media type."""
    return [given["schema"] for given in operation.get("requestBody", {}).get("content", {}).values()]


def require_bodies(operations: Iterable[Node], schemas: dict[str, Node]) -> None:
    """Mark each request body as required whose schema refuses an empty object, in place.

    The source often leaves the mark out; a call without a body cannot work where a field of it is required.
    """
    for operation in operations:
        given = body_schemas(operation)
        if given and not operation["requestBody"]["required"]:
            operation["requestBody"]["required"] = not any(_takes_nothing(schema, schemas) for schema in given)


def _takes_nothing(schema: Node, schemas: dict[str, Node]) -> bool:
    return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas}}).is_valid({})


def open_bodies(operations: Iterable[Node], schemas: dict[str, Node]) -> None:
    """Drop `additionalProperties: false` at the top of every request body, in place.

    Unknown fields of a body are the validator's matter: it can say which field and suggest a name.
    """
    for operation in operations:
        for body in body_schemas(operation):
            _open(body, schemas)


def _open(schema: Node, schemas: dict[str, Node]) -> None:
    if "$ref" in schema:
        _open(schemas[schema["$ref"].removeprefix(SCHEMA_PREFIX)], schemas)
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    for keyword in ("allOf", *UNIONS):
        for part in schema.get(keyword, []):
            _open(part, schemas)
