"""Replies: the media types, headers and errors an operation answers with, from replies.yaml."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.sdk.node import Node, schema_ref

JSON_ERROR: Node = {"application/json": {"schema": schema_ref("ErrorResponse")}}


def responses(operation_id: str, facts: Node, replies: Node) -> Node:
    """The responses object of one operation: its success replies, then the errors all operations share."""
    out: Node = {}
    for status, reply in facts.items():
        content = reply["content"]
        if operation_id in replies["operations"]:
            content = _content(replies["operations"][operation_id])
        out[status] = {"description": replies["descriptions"][status]}
        if content:
            out[status]["content"] = content
    for status, name in replies["errors"].items():
        out[status] = {"$ref": f"#/components/responses/{name}"}
    return out


def _content(media_types: Node) -> Node:
    return {media_type: {"schema": _schema(given)} for media_type, given in media_types.items()}


def _schema(given: Any) -> Node:
    """A component's name as a reference; a schema as it is."""
    return schema_ref(given) if isinstance(given, str) else dict(given)


def shared_responses(replies: Node) -> Node:
    """The error responses for `components.responses`."""
    return {
        name: {
            "description": given["description"],
            "headers": {header: {"$ref": f"#/components/headers/{header}"} for header in given["headers"]},
            "content": JSON_ERROR,
        }
        for name, given in replies["responses"].items()
    }
