"""The catalog's operations as the served description tells of them."""

from __future__ import annotations

from typing import Any, Final

from kosha_connector_openai.gateway.pages.described import CATALOG_PREFIX, JSON, OBJECT, TEXT, answer, json_body, operation, ref

CATALOG: Final = "Kosha catalog"


def catalog_paths() -> dict[str, Any]:
    """The path items of the catalog, for builders of workflow editors."""
    key = {"name": "action", "in": "path", "required": True, "schema": TEXT, "description": "The action's id."}
    search = {"name": "search", "in": "query", "schema": TEXT, "description": "Only actions that have these words."}
    group = {"name": "group", "in": "query", "schema": TEXT, "description": "Only actions of this group."}
    actions = {
        "type": "object",
        "required": ["connector", "version", "groups", "actions"],
        "properties": {
            "connector": TEXT,
            "version": TEXT,
            "groups": {"type": "array", "items": OBJECT},
            "actions": {"type": "array", "items": ref("KoshaAction")},
        },
    }
    described = {
        "allOf": [ref("KoshaAction")],
        "type": "object",
        "required": ["input_schema"],
        "properties": {"input_schema": OBJECT, "output_schema": {"description": "An object, or null."}},
    }
    verdict = {
        "type": "object",
        "required": ["valid", "faults", "warnings"],
        "properties": {name: {"type": "array", "items": ref("KoshaFault")} for name in ("faults", "warnings")}
        | {"valid": {"type": "boolean"}},
    }
    inputs = {"type": "object", "required": ["inputs"], "properties": {"inputs": OBJECT}, "additionalProperties": False}
    parts = {
        "type": "object",
        "properties": {"run": {**TEXT, "description": "The JSON of KoshaRun."}},
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    run = {"required": True, "content": {JSON: {"schema": ref("KoshaRun")}, "multipart/form-data": {"schema": parts}}}
    file = {"name": "file", "in": "path", "required": True, "schema": TEXT, "description": "What the result names."}
    field = {"name": "field", "in": "path", "required": True, "schema": TEXT, "description": "The field's name."}
    drawn = {
        "name": "as",
        "in": "query",
        "schema": {"enum": ["rjsf"]},
        "description": "As JSON Schema with react-jsonschema-form's uiSchema.",
    }
    samples = {
        "type": "object",
        "required": ["inputs", "answer", "result", "result_schema"],
        "properties": {"inputs": OBJECT, "answer": {}, "result": OBJECT, "result_schema": OBJECT},
    }
    wanted = {"type": "object", "properties": {"inputs": OBJECT, "search": TEXT}, "additionalProperties": False}
    option = {"type": "object", "required": ["value", "label"], "properties": {"value": TEXT, "label": TEXT, "about": TEXT}}
    options = {
        "type": "object",
        "required": ["picker", "options", "source", "more", "free_text"],
        "properties": {
            "picker": TEXT,
            "options": {"type": "array", "items": option},
            "source": {"enum": ["live", "kept", "described", "none"]},
            "problem": {"description": "Why the list could not be had whole: an object, or null."},
            "more": {"type": "boolean"},
            "free_text": {"type": "boolean"},
        },
    }
    base = f"{CATALOG_PREFIX}/actions"
    return {
        base: {
            "get": operation("listCatalogActions", CATALOG, "List actions", answer("The actions.", actions), parameters=[search, group])
        },
        f"{base}/{{action}}": {
            "get": operation(
                "readCatalogAction", CATALOG, "Read an action and its schemas", answer("The action.", described), parameters=[key]
            )
        },
        f"{base}/{{action}}/form": {
            "get": operation("readCatalogForm", CATALOG, "Read an action's form", answer("The form.", OBJECT), parameters=[key, drawn])
        },
        f"{base}/{{action}}/sample": {
            "get": operation(
                "readCatalogSample",
                CATALOG,
                "Read samples of what goes in and comes out",
                answer("The samples.", samples),
                parameters=[key],
            )
        },
        f"{base}/{{action}}/options/{{field}}": {
            "post": operation(
                "listCatalogOptions",
                CATALOG,
                "List what a field is offered",
                answer("The options.", options),
                parameters=[key, field],
                requestBody={"required": False, "content": {JSON: {"schema": wanted}}},
            )
        },
        f"{base}/{{action}}/validate": {
            "post": operation(
                "validateCatalogAction",
                CATALOG,
                "Check inputs without sending them",
                answer("The verdict.", verdict),
                parameters=[key],
                requestBody=json_body(inputs),
            )
        },
        f"{base}/{{action}}/run": {
            "post": operation(
                "runCatalogAction",
                CATALOG,
                "Run an action",
                answer("What came of it.", ref("KoshaResult")),
                parameters=[key],
                requestBody=run,
            )
        },
        f"{CATALOG_PREFIX}/files/{{file}}": {
            "get": operation(
                "readCatalogFile",
                CATALOG,
                "Fetch a file that a run made",
                answer("The file.", {**TEXT, "format": "binary"}, "application/octet-stream"),
                parameters=[file],
            )
        },
        f"{CATALOG_PREFIX}/connection": {
            "get": operation("readConnectionForm", CATALOG, "Read the connection form", answer("A JSON Schema.", OBJECT))
        },
    }
