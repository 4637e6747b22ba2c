"""The description that is served: the provider's operations as they are called here, and the service's own, one document for generators.

Paths, ids, tags and schemas stay as they are, since generated clients take their names from them; servers and security are the service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.gateway.pages.catalog_paths import CATALOG, catalog_paths
from kosha_connector_openai.gateway.pages.described import ERROR, LABELS, MAYBE_TEXT, OBJECT, TEXT, answer, json_body, operation, ref
from kosha_connector_openai.openapi import METHODS

SCHEME: Final = "KoshaToken"


def served_document(connector: Connector, *, protected: bool, catalog: bool) -> bytes:
    """The document as JSON. ``protected``: callers need a token; ``catalog``: it is offered to builders."""
    root = connector.catalog.document.root
    components = root.get("components", {})
    own = {**_kosha_paths(), **_service_paths(), **(catalog_paths() if catalog else {})}
    document = {
        **{name: value for name, value in root.items() if name not in ("servers", "security", "paths", "components", "tags")},
        "servers": [{"url": "/"}],
        "security": [{SCHEME: []}] if protected else [],
        "tags": [*root.get("tags", ()), *_TAGS[: 3 if catalog else 2]],
        "paths": {**{path: _plain(item) for path, item in root.get("paths", {}).items()}, **own},
        "components": {
            **components,
            "securitySchemes": {
                SCHEME: {"type": "http", "scheme": "bearer", "description": "A token of this service. It is not the provider's key."}
            },
            "schemas": {**components.get("schemas", {}), **_SCHEMAS},
        },
    }
    return orjson.dumps(document)


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """A path item without security and servers of the provider's."""
    kept = {name: value for name, value in item.items() if name != "servers"}
    for method in METHODS:
        if isinstance(kept.get(method), Mapping):
            kept[method] = {name: value for name, value in kept[method].items() if name not in ("security", "servers")}
    return kept


_TAGS: Final = (
    {"name": "Kosha specification", "description": "What the platform asks a connector."},
    {"name": "Service", "description": "Is it alive, is it ready, what does it count."},
    {"name": CATALOG, "description": "The actions of this connector for whoever builds workflows."},
)
_SPECIFICATION, _SERVICE = (tag["name"] for tag in _TAGS[:2])
_SCHEMAS: Final[dict[str, Any]] = {
    ERROR: {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["message", "type"],
                        "properties": {
                            "message": TEXT,
                            "type": TEXT,
                            "param": MAYBE_TEXT,
                            "code": MAYBE_TEXT,
                        },
                    },
                ]
            }
        },
    },
    "KoshaAction": {
        "type": "object",
        "required": ["id", "title", "summary", "group", "method", "path", "hints"],
        "properties": {
            **dict.fromkeys(("id", "title", "summary", "group", "method", "path"), TEXT),
            "featured": {"type": "boolean"},
            "hints": OBJECT,
            "output_types": {"type": "array", "items": TEXT},
        },
    },
    "KoshaFault": {
        "type": "object",
        "required": ["pointer", "rule", "message"],
        "properties": {"pointer": TEXT, "rule": TEXT, "message": TEXT, "fix": TEXT, "allowed": {}},
    },
    "KoshaRun": {
        "type": "object",
        "properties": {
            "inputs": {"type": "object", "description": "The action's inputs; a file is {base64, filename}."},
            "timeout": {"type": "number", "minimum": 0.001, "maximum": 86_400, "description": "Seconds for the whole call."},
            "file": {"enum": ["base64", "link"], "default": "base64", "description": "How a reply that is a file comes back."},
            "result": {"type": "boolean", "default": False, "description": "Whether the short result comes too."},
        },
        "additionalProperties": False,
    },
    "KoshaResult": {
        "type": "object",
        "required": ["action", "status", "kind"],
        "properties": {
            "action": TEXT,
            "status": {"type": "integer"},
            "kind": {"enum": ["json", "text", "bytes", "file", "events", "empty"]},
            "value": {},
            "content_type": TEXT,
            "headers": LABELS,
            "request_id": MAYBE_TEXT,
            "model": MAYBE_TEXT,
            "usage": {"description": "An object, or null."},
            "warnings": {"type": "array", "items": ref("KoshaFault")},
            "incomplete": MAYBE_TEXT,
            "result": {"description": "The short result, where it was asked for."},
        },
    },
}


def _kosha_paths() -> dict[str, Any]:
    listed = answer("Variable -> label.", LABELS)
    tested = answer(
        "Whether the connection works.",
        {"type": "object", "required": ["ok", "message"], "properties": {"ok": {"type": "boolean"}, "message": TEXT}},
    )
    paths: dict[str, Any] = {}
    for version in ("v1", "v2"):
        suffix = "" if version == "v1" else "V2"
        paths[f"/api/{version}/specification/list"] = {
            "get": operation(f"listSpecification{suffix}", _SPECIFICATION, "List the connection's variables", listed)
        }
        paths[f"/api/{version}/specification/test"] = {
            "post": operation(
                f"testSpecification{suffix}", _SPECIFICATION, "Try a connection before it is kept", tested, requestBody=json_body(LABELS)
            )
        }
    return paths


def _service_paths() -> dict[str, Any]:
    state = answer("Yes.", {"type": "object", "required": ["status"], "properties": {"status": TEXT}})
    paths: dict[str, Any] = {
        f"/{name}": {"get": operation(key, _SERVICE, summary, state, public=True)}
        for name, key, summary in (
            ("livez", "isAlive", "Is the service alive?"),
            ("readyz", "isReady", "Can the service take calls?"),
            ("healthz", "isHealthy", "Is the service alive? (older name)"),
        )
    }
    numbers = answer("Numbers in Prometheus's text format.", TEXT, "text/plain")
    paths["/metrics"] = {"get": operation("readMetrics", _SERVICE, "Read the service's numbers", numbers)}
    paths["/openapi.json"] = {"get": operation("readDescription", _SERVICE, "Read this document", answer("This document.", OBJECT))}
    paths["/docs"] = {"get": operation("readDocs", _SERVICE, "Read this document as a page", answer("A page.", TEXT, "text/html"))}
    return paths
