"""Small descriptions, made from what a test is about."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.openapi.diff import Change, compare_documents
from kosha_connector_openai.openapi.document import Document

Node = dict[str, Any]


def json_content(schema: Any) -> Node:
    """Content with one media type."""
    return {"application/json": {"schema": schema}}


def document(paths: Node, *, version: str = "3.1.0", **schemas: Any) -> Document:
    """A description with these paths and component schemas."""
    return Document({"openapi": version, "paths": paths, "components": {"schemas": schemas}})


def echo(schema: Any, *, version: str = "3.1.0", **schemas: Any) -> Document:
    """One operation that takes what it gives, so that an edit shows on both sides."""
    operation = {
        "operationId": "echo",
        "requestBody": {"content": json_content(schema)},
        "responses": {"200": {"content": json_content(schema)}},
    }
    return document({"/echo": {"post": operation}}, version=version, **schemas)


def compare_schemas(before: Any, after: Any) -> tuple[Change, ...]:
    """What changed between two schemas, in a request and in a response."""
    return compare_documents(echo(before), echo(after)).changes


def seen(changes: tuple[Change, ...]) -> list[tuple[str, str, str, str]]:
    """Direction, place, kind and verdict of each change."""
    return [(change.direction, change.where, change.kind, str(change.verdict)) for change in changes]


def edited(root: Node, edits: Mapping[str, Any]) -> Node:
    """A copy with a new value at each JSON Pointer; None takes away what is there. What no edit leads through is shared."""
    out = copy.copy(root)
    for pointer, value in edits.items():
        *way, last = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
        holder: Any = out
        for token in way:
            key = int(token) if isinstance(holder, list) else token
            holder[key] = copy.copy(holder[key])
            holder = holder[key]
        if value is None:
            del holder[last]
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
    return out
