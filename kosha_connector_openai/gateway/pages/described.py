"""The words in which the service's own operations are described: responses, bodies and common schemas of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CATALOG_PREFIX: Final = "/kosha/v1"
ERROR: Final = "GatewayError"
JSON: Final = "application/json"
TEXT: Final[dict[str, Any]] = {"type": "string"}
MAYBE_TEXT: Final[dict[str, Any]] = {"description": "A text, or null."}
"""Without a type: OpenAPI 3.0 and 3.1 write `or null` in two ways, and the document may be either."""
OBJECT: Final[dict[str, Any]] = {"type": "object"}
LABELS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": TEXT}


def ref(name: str) -> dict[str, str]:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(text: str, schema: Mapping[str, Any] | None = None, media_type: str = JSON) -> dict[str, Any]:
    """A response."""
    return {"description": text, **({"content": {media_type: {"schema": schema}}} if schema is not None else {})}


def operation(key: str, tag: str, summary: str, success: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """One operation of the service; every one may be refused like those of the provider."""
    public = more.pop("public", False)
    errors = {"4XX": answer("The request was refused.", ref(ERROR)), "5XX": answer("The service cannot answer now.", ref(ERROR))}
    extra: dict[str, Any] = {"security": []} if public else {}
    return {
        "operationId": key,
        "tags": [tag],
        "summary": summary,
        **extra,
        **more,
        "responses": {"200": success, **errors, **more.pop("also", {})},
    }


def json_body(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A request body of JSON that must be there."""
    return {"required": True, "content": {JSON: {"schema": schema}}}
