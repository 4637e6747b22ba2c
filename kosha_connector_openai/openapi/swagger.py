"""Swagger 2.0 -> the shape of OpenAPI 3.0: paths, parameters, bodies and answers; ``definitions`` stay where references point.

Nothing is refused here: what is not understood is left as it is, so that the fault is told of the one operation that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.schema import follow

JSON: Final = "application/json"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_IN_BODY: Final = frozenset({"body", "formData"})
_OUTSIDE: Final = frozenset({"name", "in", "required", "description", "collectionFormat", "allowEmptyValue"})
"""Keys of a parameter that are not of its schema."""
_STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "csv": {"explode": False},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "tsv": {"style": "tabDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "multi": {"style": "form", "explode": True},
}
"""``collectionFormat`` (Swagger 2.0, parameter object); OpenAPI has no tabs, and the one who writes a value says so."""
Node = Mapping[str, Any]


def from_swagger(root: Node) -> Node:
    """The description as OpenAPI 3.0.3 where it is Swagger 2.0, with ``basePath`` in front of its paths; any other as it is."""
    paths = root.get("paths", {})
    if str(root.get("swagger")) != "2.0" or not isinstance(paths, Mapping):
        return root
    base = root.get("basePath")
    prefix = base.rstrip("/") if isinstance(base, str) and base.startswith("/") else ""
    return {
        **{key: value for key, value in root.items() if key not in ("swagger", "host", "schemes", "basePath")},
        "openapi": "3.0.3",
        "paths": {prefix + path: _path_item(root, item) for path, item in paths.items()},
    }


def _path_item(root: Node, item: Any) -> Any:
    item = _resolved(root, item)  # where it stands in ``paths`` the base path will be in front
    if not isinstance(item, Mapping):
        return item
    shared = _parameters(root, item)
    kept = {key: value for key, value in item.items() if key != "parameters"}
    return {key: _operation(root, value, shared) if key in _METHODS else value for key, value in kept.items()}


def _operation(root: Node, raw: Any, shared: list[Any]) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    parameters = _merged([*shared, *_parameters(root, raw)])
    produced = _media_types(raw, root, "produces") or [JSON]
    out = {key: value for key, value in raw.items() if key not in ("consumes", "produces", "schemes")}
    out["parameters"] = [_parameter(parameter) for parameter in parameters if _place(parameter) not in _IN_BODY]
    body = [parameter for parameter in parameters if _place(parameter) in _IN_BODY]
    if body:
        out["requestBody"] = _request_body(body, _media_types(raw, root, "consumes"))
    responses = raw.get("responses")
    if isinstance(responses, Mapping):
        out["responses"] = {status: _response(root, value, produced) for status, value in responses.items()}
    return out


def _parameters(root: Node, owner: Node) -> list[Any]:
    given = owner.get("parameters")
    return [_resolved(root, value) for value in given] if isinstance(given, list) else []


def _resolved(root: Node, value: Any) -> Any:
    """What a reference leads to; where it leads nowhere the reference, for the document to refuse."""
    try:
        return follow(root, value, "")
    except DocumentError:
        return value


def _merged(parameters: Iterable[Any]) -> list[Any]:
    """An operation's own parameter replaces the path's of the same name and place."""
    found: dict[Any, Any] = {}
    for number, parameter in enumerate(parameters):
        place = _place(parameter)
        name = parameter.get("name") if isinstance(parameter, Mapping) and place != "body" else None
        found[(str(name), place) if place else number] = parameter
    return list(found.values())


def _place(parameter: Any) -> Any:
    place = parameter.get("in") if isinstance(parameter, Mapping) else None
    return place if isinstance(place, str) else None


def _parameter(raw: Any) -> Any:
    if not isinstance(raw, Mapping) or "in" not in raw:
        return raw
    kept = {key: raw[key] for key in ("name", "in", "required", "description") if key in raw}
    return {**kept, **_style(raw), "schema": _schema(raw)}


def _style(raw: Node) -> Node:
    """How a list is written: in Swagger with commas, unless it says otherwise."""
    if raw.get("type") != "array":
        return {}
    style = _STYLES.get(str(raw.get("collectionFormat", "csv")), {})
    return style if _place(raw) in ("query", "formData") else {}


def _schema(raw: Node) -> Node:
    schema = {key: value for key, value in raw.items() if key not in _OUTSIDE}
    return {"type": "string", "format": "binary"} if schema.get("type") == "file" else schema


def _request_body(parameters: list[Node], consumed: list[str]) -> Node:
    if (parameter := parameters[0]).get("in") == "body":
        content = {name: {"schema": parameter.get("schema", {})} for name in consumed or [JSON]}
        return {"content": content, "required": parameter.get("required") is True, "description": parameter.get("description", "")}
    required = [parameter.get("name") for parameter in parameters if parameter.get("required") is True]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {str(parameter.get("name")): _described(parameter) for parameter in parameters},
        "required": required,
    }
    encoding = {str(parameter.get("name")): dict(style) for parameter in parameters if (style := _style(parameter))}
    media: dict[str, Any] = {"schema": schema, **({"encoding": _with_style(encoding)} if encoding else {})}
    return {"content": dict.fromkeys(_form_types(parameters, consumed), media), "required": bool(required)}


def _described(parameter: Node) -> Node:
    words = {"description": parameter["description"]} if "description" in parameter else {}
    return {**_schema(parameter), **words}


def _with_style(encoding: Mapping[str, dict[str, Any]]) -> Node:
    return {name: {"style": "form", **style} for name, style in encoding.items()}


def _form_types(parameters: list[Node], consumed: list[str]) -> list[str]:
    """The forms that the operation takes; files need the one with parts."""
    if any(parameter.get("type") == "file" for parameter in parameters):
        return [_MULTIPART]
    return [name for name in consumed if name in (_URLENCODED, _MULTIPART)] or [_URLENCODED]


def _response(root: Node, raw: Any, produced: list[str]) -> Any:
    response = _resolved(root, raw)
    if not isinstance(response, Mapping) or "$ref" in response or "schema" not in response:
        return response
    kept = {key: value for key, value in response.items() if key not in ("schema", "examples")}
    return {**kept, "content": {name: {"schema": response["schema"]} for name in produced}}


def _media_types(raw: Node, root: Node, key: str) -> list[str]:
    """The operation's own list; an empty one of its own takes away the description's."""
    given = raw.get(key, root.get(key))
    return [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
