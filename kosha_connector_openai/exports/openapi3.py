"""The description in OpenAPI 3.0.3, for generators and importers that read nothing newer, with the gateway's server and token.

JSON Schema 2020-12 says more than 3.0's dialect does. What has a spelling there is written so; what has none is left out, which makes a
client take more than the service does, and never less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kosha_connector_openai.core.actions import Action

_KEPT: Final = frozenset(
    """title description default enum format pattern minimum maximum multipleOf minLength maxLength minItems maxItems uniqueItems
    minProperties maxProperties required readOnly writeOnly deprecated example externalDocs discriminator xml""".split()  # noqa: SIM905
)
_BASES: Final = ("allOf", "anyOf", "oneOf")
_OPERATION: Final = frozenset("tags summary description externalDocs operationId deprecated callbacks".split())  # noqa: SIM905
_COMPONENTS: Final = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links")


def write_openapi3(root: Mapping[str, Any], actions: Sequence[Action], *, server: str) -> dict[str, Any]:
    """The document with the operations of these actions and what they refer to; ``server`` is the gateway's address."""
    paths: dict[str, Any] = {}
    for action in actions:
        path, method = action.operation.path, action.operation.method.lower()
        item = root["paths"][path]
        shared = item.get("parameters", ())
        paths.setdefault(path, {})[method] = _operation(item[method], shared, action)
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {
            name: value for name, value in root["info"].items() if name in ("title", "version", "description", "termsOfService", "contact")
        },
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [
            {"name": tag["name"], **({"description": tag["description"]} if tag.get("description") else {})} for tag in root.get("tags", ())
        ],
        "paths": paths,
        "components": {},
    }
    components = root.get("components", {})
    document["components"] = {**_reached(document, components), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    used = {tag for item in paths.values() for operation in item.values() for tag in operation.get("tags", ())}
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in used]
    return document


def schema3(schema: Any) -> dict[str, Any]:
    """One schema of JSON Schema 2020-12 in the dialect of OpenAPI 3.0."""
    if schema is True or schema is None:
        return {}
    if schema is False:
        return {"not": {}}
    if "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        reference = {"$ref": schema["$ref"]}
        more = schema3(rest)
        return reference if not more else {"allOf": [reference], **more}
    out: dict[str, Any] = {name: value for name, value in schema.items() if name in _KEPT or name.startswith("x-")}
    nullable = _type(schema, out)
    for base in _BASES:
        if base in schema:
            nullable |= _branches(base, schema[base], out)
    if nullable:
        out["nullable"] = True
        if isinstance(out.get("enum"), list) and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
    if "const" in schema:
        out["enum"] = [schema["const"]]
    _bounds(schema, out)
    _members(schema, out)
    if "example" not in out and isinstance(schema.get("examples"), list) and schema["examples"]:
        out["example"] = schema["examples"][0]
    if out.get("type") == "string" and "format" not in out:
        if "contentMediaType" in schema and "contentEncoding" not in schema:
            out["format"] = "binary"
        elif schema.get("contentEncoding") == "base64":
            out["format"] = "byte"
    return out


def _type(schema: Mapping[str, Any], out: dict[str, Any]) -> bool:
    """Writes the type; whether null is among its types."""
    given = schema.get("type")
    types = [given] if isinstance(given, str) else list(given or ())
    others = [kind for kind in types if kind != "null"]
    if len(others) == 1:
        out["type"] = others[0]
    elif others:
        out["anyOf"] = [
            schema3({"type": kind, **({"items": schema["items"]} if kind == "array" and "items" in schema else {})}) for kind in others
        ]
    if isinstance(out.get("enum"), list) and types == ["null"]:
        out["enum"] = [None]
    return "null" in types


def _branches(base: str, branches: Sequence[Any], out: dict[str, Any]) -> bool:
    """Writes the branches of a union or an intersection; whether null was one of a union's."""
    others = [branch for branch in branches if not _is_null(branch)]
    found = [schema3(branch) for branch in others]
    null = base != "allOf" and len(others) < len(branches)
    if not found:
        return null
    if base == "anyOf" and "anyOf" in out:
        out["allOf"] = [*out.get("allOf", ()), {"anyOf": out.pop("anyOf")}, {"anyOf": found}]
    else:
        out[base] = [*out.get(base, ()), *found] if base == "allOf" else found
    return null


def _is_null(branch: Any) -> bool:
    return isinstance(branch, Mapping) and branch.get("type") == "null" and "$ref" not in branch


def _bounds(schema: Mapping[str, Any], out: dict[str, Any]) -> None:
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = schema.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            out[bound], out[name] = value, True


def _members(schema: Mapping[str, Any], out: dict[str, Any]) -> None:
    if "properties" in schema:
        out["properties"] = {name: schema3(value) for name, value in schema["properties"].items()}
    if "additionalProperties" in schema:
        more = schema["additionalProperties"]
        out["additionalProperties"] = more if isinstance(more, bool) else schema3(more)
    if "not" in schema:
        out["not"] = schema3(schema["not"])
    if out.get("type") == "array":
        items = schema.get("items")
        ahead = schema.get("prefixItems")
        out["items"] = {"anyOf": [schema3(each) for each in ahead]} if ahead and not isinstance(items, Mapping) else schema3(items)
    if "required" in out and not out["required"]:
        del out["required"]


def _operation(operation: Mapping[str, Any], shared: Sequence[Any], action: Action) -> dict[str, Any]:
    out = {name: value for name, value in operation.items() if name in _OPERATION and name != "callbacks"}
    out["operationId"] = action.id
    out["summary"] = action.title
    own = operation.get("parameters", ())
    names = {(each.get("name"), each.get("in")) for each in own if isinstance(each, Mapping)}
    parameters = [each for each in shared if (each.get("name"), each.get("in")) not in names] + list(own)
    if parameters:
        out["parameters"] = [_part(each) for each in parameters]
    if "requestBody" in operation:
        out["requestBody"] = body = _part(operation["requestBody"])
        forms = {name: each for name, each in body.get("content", {}).items() if name.startswith("multipart/")}
        if forms and action.hints.file_in:  # generators write one of several ways, and not always the one with the files
            body["content"] = forms
    out["responses"] = {code: _part(reply) for code, reply in operation["responses"].items()}
    return out


def _part(value: Any) -> Any:
    """A parameter, header, body, response, media type or example: schemas in the older dialect, the rest as it is."""
    if isinstance(value, list):
        return [_part(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "$ref" in value:
        return {"$ref": value["$ref"]}
    out: dict[str, Any] = {}
    for name, each in value.items():
        if name == "schema":
            out[name] = schema3(each)
        elif name in ("content", "headers"):
            out[name] = {key: _part(inner) for key, inner in each.items()}
        elif name in ("encoding", "examples", "example", "links"):
            out[name] = each
        else:
            out[name] = each
    if "content" in out and not any(key in out for key in ("in", "description", "required")) and out["content"] == {}:
        del out["content"]
    if isinstance(out.get("schema"), Mapping) and "examples" in out and not isinstance(out["examples"], Mapping):
        del out["examples"]
    return out


def _reached(document: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """The components that the document refers to, directly or not."""
    found: dict[str, dict[str, Any]] = {}
    forms = set(_forms(document))
    waiting = list(_references(document))
    while waiting:
        _, _, kind, name = waiting.pop().split("/", 3)
        key = name.replace("~1", "/").replace("~0", "~")
        if kind not in _COMPONENTS or key in found.get(kind, {}):
            continue
        source = components[kind][key]
        made = schema3(source) if kind == "schemas" else _part(source)
        if f"#/components/{kind}/{name}" in forms:
            made = _form(made, components.get("schemas", {}))
        found.setdefault(kind, {})[key] = made
        waiting.extend(_references(made))
    return {kind: dict(sorted(each.items())) for kind, each in sorted(found.items())}


def _forms(document: Mapping[str, Any]) -> Iterator[str]:
    """The references of bodies that are forms."""
    for item in document["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            for name, media_type in content.items():
                if name.startswith("multipart/") and "$ref" in media_type.get("schema", {}):
                    yield media_type["schema"]["$ref"]


def _form(schema: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """A form whose fields generators can write: of a union with a file the file, of texts a text."""
    fields = {name: _form_field(field, schemas) for name, field in schema.get("properties", {}).items()}
    return {**schema, "properties": fields} if fields else schema


def _form_field(field: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: field[name] for name in ("description", "example") if name in field}
    branches = [schema3(branch) for base in ("anyOf", "oneOf") for branch in _flat(field.get(base, ()), schemas)]
    if any(branch.get("format") == "binary" for branch in branches):
        return {"type": "string", "format": "binary", **told}
    if branches and all(_is_text(branch) for branch in branches):
        return {"type": "string", **told}
    return field


def _flat(branches: Sequence[Any], schemas: Mapping[str, Any]) -> Iterator[Any]:
    """The branches of a union, those of unions that they refer to among them."""
    for branch in branches:
        found = schemas.get(branch["$ref"].rpartition("/")[2], {}) if isinstance(branch, Mapping) and "$ref" in branch else branch
        inner = found.get("anyOf") or found.get("oneOf") if isinstance(found, Mapping) else None
        yield from _flat(inner, schemas) if inner else [found]


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" or (
        bool(schema.get("enum")) and all(isinstance(each, (str, type(None))) for each in schema["enum"])
    )


def _references(value: Any) -> list[str]:
    """Every ``$ref`` below a value, and those of discriminators."""
    out: list[str] = []
    queue = [value]
    while queue:
        each = queue.pop()
        if isinstance(each, Mapping):
            reference = each.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/components/"):
                out.append(reference)
            mapping = each.get("mapping")
            if isinstance(mapping, Mapping):
                out += [target for target in mapping.values() if isinstance(target, str) and target.startswith("#/components/")]
            queue.extend(each.values())
        elif isinstance(each, list):
            queue.extend(each)
    return out
