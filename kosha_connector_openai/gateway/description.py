"""The description that is served: the provider's operations as they are called here, and the service's own, one document for generators.

Paths, ids, tags and schemas stay as they are, since generated clients take their names from them; servers and security are the service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kosha_connector_openai.core.connector import Connector
from kosha_connector_openai.core.spec.document import METHODS
from kosha_connector_openai.gateway.discriminators import mapped

SCHEME: Final = "KoshaToken"
CATALOG_PREFIX: Final = "/kosha/v1"
_ERROR: Final = "GatewayError"
_JSON: Final = "application/json"


def served_document(connector: Connector, *, protected: bool, catalog: bool) -> bytes:
    """The document as JSON. ``protected``: callers need a token; ``catalog``: it is offered to builders."""
    given = connector.catalog.document.root
    root = mapped(given, given.get("components", {}).get("schemas", {}))
    components = root.get("components", {})
    own = {**_kosha_paths(), **_service_paths(), **(_catalog_paths() if catalog else {})}
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


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(text: str, schema: Mapping[str, Any] | None = None, media_type: str = _JSON) -> dict[str, Any]:
    return {"description": text, **({"content": {media_type: {"schema": schema}}} if schema is not None else {})}


def _operation(key: str, tag: str, summary: str, success: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """One operation of the service; every one may be refused like those of the provider."""
    public = more.pop("public", False)
    errors = {"4XX": _answer("The request was refused.", _ref(_ERROR)), "5XX": _answer("The service cannot answer now.", _ref(_ERROR))}
    extra: dict[str, Any] = {"security": []} if public else {}
    return {
        "operationId": key,
        "tags": [tag],
        "summary": summary,
        **extra,
        **more,
        "responses": {"200": success, **errors, **more.pop("also", {})},
    }


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {_JSON: {"schema": schema}}}


_TEXT: Final[dict[str, Any]] = {"type": "string"}
_MAYBE_TEXT: Final[dict[str, Any]] = {"description": "A text, or null."}
"""Without a type: OpenAPI 3.0 and 3.1 write `or null` in two ways, and the document may be either."""
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_LABELS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": _TEXT}
_TAGS: Final = (
    {"name": "Kosha specification", "description": "What the platform asks a connector."},
    {"name": "Service", "description": "Is it alive, is it ready, what does it count."},
    {"name": "Kosha catalog", "description": "The actions of this connector for whoever builds workflows."},
)
_SPECIFICATION, _SERVICE, _CATALOG = (tag["name"] for tag in _TAGS)
_SCHEMAS: Final[dict[str, Any]] = {
    _ERROR: {
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
                            "message": _TEXT,
                            "type": _TEXT,
                            "param": _MAYBE_TEXT,
                            "code": _MAYBE_TEXT,
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
            **dict.fromkeys(("id", "title", "summary", "group", "method", "path"), _TEXT),
            "featured": {"type": "boolean"},
            "hints": _OBJECT,
            "output_types": {"type": "array", "items": _TEXT},
        },
    },
    "KoshaFault": {
        "type": "object",
        "required": ["pointer", "rule", "message"],
        "properties": {"pointer": _TEXT, "rule": _TEXT, "message": _TEXT, "fix": _TEXT, "allowed": {}},
    },
    "KoshaRun": {
        "type": "object",
        "properties": {
            "inputs": {"type": "object", "description": "The action's inputs; a file is {base64, filename}."},
            "timeout": {"type": "number", "minimum": 0.001, "maximum": 86_400, "description": "Seconds for the whole call."},
            "file": {"enum": ["base64", "link"], "default": "base64", "description": "How a reply that is a file comes back."},
        },
        "additionalProperties": False,
    },
    "KoshaResult": {
        "type": "object",
        "required": ["action", "status", "kind"],
        "properties": {
            "action": _TEXT,
            "status": {"type": "integer"},
            "kind": {"enum": ["json", "text", "bytes", "file", "events", "empty"]},
            "value": {},
            "content_type": _TEXT,
            "headers": _LABELS,
            "request_id": _MAYBE_TEXT,
            "model": _MAYBE_TEXT,
            "usage": {"description": "An object, or null."},
            "warnings": {"type": "array", "items": _ref("KoshaFault")},
            "incomplete": _MAYBE_TEXT,
        },
    },
}


def _kosha_paths() -> dict[str, Any]:
    listed = _answer("Variable -> label.", _LABELS)
    tested = _answer(
        "Whether the connection works.",
        {"type": "object", "required": ["ok", "message"], "properties": {"ok": {"type": "boolean"}, "message": _TEXT}},
    )
    paths: dict[str, Any] = {}
    for version in ("v1", "v2"):
        suffix = "" if version == "v1" else "V2"
        paths[f"/api/{version}/specification/list"] = {
            "get": _operation(f"listSpecification{suffix}", _SPECIFICATION, "List the connection's variables", listed)
        }
        paths[f"/api/{version}/specification/test"] = {
            "post": _operation(
                f"testSpecification{suffix}", _SPECIFICATION, "Try a connection before it is kept", tested, requestBody=_body(_LABELS)
            )
        }
    return paths


def _service_paths() -> dict[str, Any]:
    state = _answer("Yes.", {"type": "object", "required": ["status"], "properties": {"status": _TEXT}})
    paths: dict[str, Any] = {
        f"/{name}": {"get": _operation(key, _SERVICE, summary, state, public=True)}
        for name, key, summary in (
            ("livez", "isAlive", "Is the service alive?"),
            ("readyz", "isReady", "Can the service take calls?"),
            ("healthz", "isHealthy", "Is the service alive? (older name)"),
        )
    }
    numbers = _answer("Numbers in Prometheus's text format.", _TEXT, "text/plain")
    paths["/metrics"] = {"get": _operation("readMetrics", _SERVICE, "Read the service's numbers", numbers)}
    paths["/openapi.json"] = {"get": _operation("readDescription", _SERVICE, "Read this document", _answer("This document.", _OBJECT))}
    paths["/docs"] = {"get": _operation("readDocs", _SERVICE, "Read this document as a page", _answer("A page.", _TEXT, "text/html"))}
    return paths


def _catalog_paths() -> dict[str, Any]:
    key = {"name": "action", "in": "path", "required": True, "schema": _TEXT, "description": "The action's id."}
    search = {"name": "search", "in": "query", "schema": _TEXT, "description": "Only actions that have these words."}
    group = {"name": "group", "in": "query", "schema": _TEXT, "description": "Only actions of this group."}
    actions = {
        "type": "object",
        "required": ["connector", "version", "groups", "actions"],
        "properties": {
            "connector": _TEXT,
            "version": _TEXT,
            "groups": {"type": "array", "items": _OBJECT},
            "actions": {"type": "array", "items": _ref("KoshaAction")},
        },
    }
    described = {
        "allOf": [_ref("KoshaAction")],
        "type": "object",
        "required": ["input_schema"],
        "properties": {"input_schema": _OBJECT, "output_schema": {"description": "An object, or null."}},
    }
    verdict = {
        "type": "object",
        "required": ["valid", "faults", "warnings"],
        "properties": {name: {"type": "array", "items": _ref("KoshaFault")} for name in ("faults", "warnings")}
        | {"valid": {"type": "boolean"}},
    }
    inputs = {"type": "object", "required": ["inputs"], "properties": {"inputs": _OBJECT}, "additionalProperties": False}
    parts = {
        "type": "object",
        "properties": {"run": {**_TEXT, "description": "The JSON of KoshaRun."}},
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    run = {"required": True, "content": {_JSON: {"schema": _ref("KoshaRun")}, "multipart/form-data": {"schema": parts}}}
    file = {"name": "file", "in": "path", "required": True, "schema": _TEXT, "description": "What the result names."}
    base = f"{CATALOG_PREFIX}/actions"
    return {
        base: {
            "get": _operation("listCatalogActions", _CATALOG, "List actions", _answer("The actions.", actions), parameters=[search, group])
        },
        f"{base}/{{action}}": {
            "get": _operation(
                "readCatalogAction", _CATALOG, "Read an action and its schemas", _answer("The action.", described), parameters=[key]
            )
        },
        f"{base}/{{action}}/validate": {
            "post": _operation(
                "validateCatalogAction",
                _CATALOG,
                "Check inputs without sending them",
                _answer("The verdict.", verdict),
                parameters=[key],
                requestBody=_body(inputs),
            )
        },
        f"{base}/{{action}}/run": {
            "post": _operation(
                "runCatalogAction",
                _CATALOG,
                "Run an action",
                _answer("What came of it.", _ref("KoshaResult")),
                parameters=[key],
                requestBody=run,
            )
        },
        f"{CATALOG_PREFIX}/files/{{file}}": {
            "get": _operation(
                "readCatalogFile",
                _CATALOG,
                "Fetch a file that a run made",
                _answer("The file.", {**_TEXT, "format": "binary"}, "application/octet-stream"),
                parameters=[file],
            )
        },
        f"{CATALOG_PREFIX}/connection": {
            "get": _operation("readConnectionForm", _CATALOG, "Read the connection form", _answer("A JSON Schema.", _OBJECT))
        },
    }
