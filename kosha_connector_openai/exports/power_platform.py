"""The two files of a custom connector of Power Platform: Swagger 2.0 with its ``x-ms`` fields, and the connection's properties.

Its limits decide the form: at most 1 MB and 512 schemas, no allOf, anyOf or oneOf. So each input is told one level deep, of a union its
first typed variant; what is nested is an object or a list of any content. The service checks all of it as ever. A field with a picker is
offered its list by the gateway; one whose list depends on another field is typed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import EVENT_STREAM, Action
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.exports.address import address_parts
from kosha_connector_openai.manifest.parts import Pickers
from kosha_connector_openai.text import encode

LARGEST: Final = 1024 * 1024
"""Bytes of the definition, as Power Platform takes it."""
_TYPES: Final = frozenset({"string", "integer", "number", "boolean"})
_VISIBLE: Final = {"main": "important", "advanced": "advanced"}
_LOCATIONS: Final = {"path": "path", "query": "query", "header": "header"}
_MOST_CHOICES: Final = 40
_SUMMARY: Final = 80
_OPTIONS: Final = "/kosha/v1/actions/{action}/options/{field}"
"""The gateway's page that lists what a field is offered."""
_LIST: Final = "listCatalogOptions"


@dataclass(frozen=True, slots=True)
class PowerPlatform:
    """``apiDefinition.swagger.json`` and ``apiProperties.json``, as values."""

    definition: dict[str, Any]
    properties: dict[str, Any]


def write_power_platform(connector: Connector, actions: Sequence[Action], *, server: str) -> PowerPlatform:
    """The pair for these actions, called through the gateway at ``server``, an https address. Raises InputError where a limit is passed."""
    parts = address_parts(server)
    lists = connector.part("pickers", Pickers).pickers
    free = frozenset(name for name, picker in lists.items() if not picker.take)
    paths: dict[str, Any] = {}
    for action in actions:
        paths.setdefault(action.operation.path, {})[action.operation.method.lower()] = _operation(connector, action, free)
    paths[_OPTIONS] = {"post": _options_page()}
    manifest = connector.manifest
    definition: dict[str, Any] = {
        "swagger": "2.0",
        "info": {"title": manifest.title, "description": manifest.tagline, "version": manifest.version},
        "host": parts.netloc,
        "basePath": parts.path.rstrip("/") or "/",
        "schemes": [parts.scheme],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": paths,
        "definitions": {},
        "parameters": {},
        "responses": {},
        "securityDefinitions": {"api_key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        "security": [{"api_key": []}],
        "tags": [],
    }
    size = len(encode(definition))
    if size > LARGEST:
        fix = "Choose fewer actions: --actions or --groups."
        raise InputError("The definition is too large.", [Fault("/actions", "size", f"makes {size} bytes of {LARGEST}.", fix)])
    return PowerPlatform(definition, _properties(connector))


def _operation(connector: Connector, action: Action, free: frozenset[str]) -> dict[str, Any]:
    """``free`` are the pickers whose lists depend on no other field."""
    form = connector.forms[action.id]
    media = _media_type(action)
    fields = [field for field in form.fields if field["visibility"] != "internal" and field["location"] != "extra"]
    fields = [field for field in fields if field["location"] != "header" or field["required"]]
    fields = [field | ({"list": _list(action, field)} if field.get("options") in free else {}) for field in fields]
    placed = [field for field in fields if field["location"] in _LOCATIONS]
    body = [field for field in fields if field["location"] == "body"]
    parameters = [_parameter(action, field) for field in placed]
    if media == "multipart/form-data":
        parameters += [_form_field(field) for field in body]
    elif body and media is not None:
        parameters.append(_body(action, body))
    out: dict[str, Any] = {
        "operationId": re.sub(r"[^A-Za-z0-9_-]", "_", action.id),
        "summary": action.title[:_SUMMARY],
        "description": action.summary,
        **({"x-ms-visibility": "important"} if action.overlay.featured else {}),
        "parameters": parameters,
        "responses": _responses(action),
    }
    if media not in (None, "application/json"):
        out["consumes"] = [media]
    produced = [kind for kind in action.output_types if kind != EVENT_STREAM]
    if produced and produced != ["application/json"]:
        out["produces"] = produced
    if action.operation.deprecated:
        out["deprecated"] = True
    return out


def _media_type(action: Action) -> str | None:
    """The one way in which the body is written: as a form where files go with it, else as JSON."""
    names = [form.media_type.name for form in action.inputs.bodies]
    if action.hints.file_in and "multipart/form-data" in names:
        return "multipart/form-data"
    return next((name for name in names if name.endswith("json")), names[0] if names else None)


def _parameter(action: Action, field: Mapping[str, Any]) -> dict[str, Any]:
    found = action.inputs.parameters.get(field["name"])
    name = found.name if found is not None else field["name"]
    place = _LOCATIONS[field["location"]]
    out = {"name": name, "in": place, "required": place == "path" or bool(field["required"]), **_plain(field, flat=True), **_words(field)}
    return out | ({"x-ms-url-encoding": "single"} if place == "path" else {})


def _form_field(field: Mapping[str, Any]) -> dict[str, Any]:
    kind = {"type": "file"} if "file" in field else _plain(field, flat=True)
    return {"name": field["name"], "in": "formData", "required": bool(field["required"]), **kind, **_words(field)}


def _body(action: Action, fields: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    fields = list(fields)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field["name"]: {**_plain(field), **_words(field, title=True)} for field in fields},
    }
    if needed := [field["name"] for field in fields if field["required"]]:
        schema["required"] = needed
    required = bool(action.operation.request_body and action.operation.request_body.required)
    return {"name": "body", "in": "body", "required": required, "schema": schema}


def _plain(field: Mapping[str, Any], *, flat: bool = False) -> dict[str, Any]:
    """The type of a field: one, whatever it may be beside that. ``flat``: outside a body there are no objects."""
    kind = field.get("type")
    if kind not in _TYPES and kind not in ("array", "object"):
        kind = next((each.get("type") for each in field.get("variants", ()) if each.get("type") in _TYPES), "string" if flat else "object")
    if kind == "object" and flat:
        kind = "string"
    out: dict[str, Any] = {"type": kind}
    if kind == "array":
        inner = field.get("items", {}).get("type")
        out["items"] = {"type": inner} if inner in _TYPES else {"type": "string"} if flat else {"type": "object"}
        if flat:
            out["collectionFormat"] = "multi" if field.get("location") != "path" else "csv"
            if field.get("location") not in ("query", "body"):
                out["collectionFormat"] = "csv"
    choices = [choice["value"] for choice in field.get("enum", ())]
    if (
        choices
        and len(choices) <= _MOST_CHOICES
        and not field.get("open")
        and kind in _TYPES
        and all(_is(value, kind) for value in choices)
    ):
        out["enum"] = choices
    for name in ("minimum", "maximum"):
        if name in field and kind in ("integer", "number"):
            out[name] = field[name]
    return out


def _is(value: Any, kind: str) -> bool:
    kinds: Mapping[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    return isinstance(value, kinds[kind]) and not (isinstance(value, bool) and kind != "boolean")


def _words(field: Mapping[str, Any], *, title: bool = False) -> dict[str, Any]:
    out = {"description": field.get("help", field["label"]), "x-ms-summary": field["label"][:_SUMMARY]}
    visible = "important" if field["required"] else _VISIBLE.get(field["group"])
    out |= {"x-ms-visibility": visible} if visible else {}
    out |= {"x-ms-dynamic-values": field["list"]} if "list" in field else {}
    return out | ({"title": field["label"]} if title else {})


def _list(action: Action, field: Mapping[str, Any]) -> dict[str, Any]:
    """Where the field's options come from."""
    place = {"action": action.id, "field": field["name"]}
    return {"operationId": _LIST, "parameters": place, "value-collection": "options", "value-path": "value", "value-title": "label"}


def _options_page() -> dict[str, Any]:
    """The operation that lists them, shown to nobody."""
    names = {"action": "The action's id.", "field": "The field's name."}
    option = {"type": "object", "properties": {"value": {"type": "string"}, "label": {"type": "string"}}}
    listed = {"type": "object", "properties": {"options": {"type": "array", "items": option}}}
    return {
        "operationId": _LIST,
        "summary": "List what a field is offered",
        "x-ms-visibility": "internal",
        "parameters": [
            {"name": name, "in": "path", "required": True, "type": "string", "description": text, "x-ms-url-encoding": "single"}
            for name, text in names.items()
        ],
        "responses": {"200": {"description": "The options.", "schema": listed}},
    }


def _responses(action: Action) -> dict[str, Any]:
    types = [kind for kind in action.output_types if kind != EVENT_STREAM]
    reply: dict[str, Any] = {"description": action.summary}
    if action.hints.file_out and not any(kind.endswith("json") for kind in types):
        reply["schema"] = {"type": "string", "format": "binary"}
    elif action.output_schema is not None:
        reply["schema"] = _answer(action.output_schema)
    wrong = {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": {"type": "string"}}}}}
    return {"200": reply, "default": {"description": "The call was refused or failed.", "schema": wrong}}


def _answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An answer one level deep."""
    out: dict[str, Any] = {"type": "object", "properties": {}}
    for name, each in schema.get("properties", {}).items():
        kind = each.get("type") if isinstance(each, Mapping) else None
        kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
        text = each.get("description") if isinstance(each, Mapping) else None
        made: dict[str, Any] = (
            {"type": kind} if kind in _TYPES else {"type": "array", "items": {"type": "object"}} if kind == "array" else {"type": "object"}
        )
        out["properties"][name] = made | ({"description": text} if isinstance(text, str) and text else {})
    return out


def _properties(connector: Connector) -> dict[str, Any]:
    """The connection: a token of the gateway, which a policy writes as a bearer token."""
    token = {
        "type": "securestring",
        "uiDefinition": {
            "displayName": "Gateway token",
            "description": "A token of the gateway, without the word Bearer.",
            "tooltip": "Whoever runs the gateway gives it to you.",
            "constraints": {"tabIndex": 2, "clearText": False, "required": "true"},
        },
    }
    policy = {
        "templateId": "setheader",
        "title": "Token as a bearer token",
        "parameters": {
            "x-ms-apimTemplateParameter.name": "Authorization",
            "x-ms-apimTemplateParameter.value": "Bearer @connectionParameters('api_key')",
            "x-ms-apimTemplateParameter.existsAction": "override",
            "x-ms-apimTemplate-policySection": "Request",
        },
    }
    manifest = connector.manifest
    return {
        "properties": {
            "connectionParameters": {"api_key": token},
            "iconBrandColor": "#3a5a7c",
            "capabilities": ["actions"],
            "publisher": manifest.publisher.name,
            "stackOwner": manifest.publisher.name,
            "policyTemplateInstances": [policy],
        }
    }
