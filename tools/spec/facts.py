"""Facts: what remains of a description when every sentence, example and extension is left behind."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, UNIONS, Node, map_subschemas

SCHEMA_FACTS = frozenset(
    {
        *(
            "$ref",
            "type",
            "enum",
            "const",
            "format",
            "default",
            "nullable",
            "deprecated",
            "readOnly",
            "writeOnly",
        ),
        *("properties", "patternProperties", "additionalProperties", "propertyNames", "required"),
        *("minProperties", "maxProperties", "items", "prefixItems", "contains"),
        *("minItems", "maxItems", "uniqueItems"),
        *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "discriminator"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "pattern"),
        "x-kosha-source",
    }
)
PARAMETER_FACTS = ("name", "in", "required", "deprecated", "style", "explode")
OPERATION_MARKS = ("x-kosha-page", "x-kosha-source")
"""What a merged description says of an operation besides: the class of its pages, and which sources it is from."""
LABEL_WORDS = 5


def schema_facts(schema: Any, component: str) -> Any:
    """The interface facts of one schema; `component` is the component it belongs to."""
    if not isinstance(schema, dict):
        return schema
    kept = {keyword: value for keyword, value in schema.items() if keyword in SCHEMA_FACTS}
    if schema.get("$recursiveRef") == "#":
        # A draft 2019-09 keyword that 2020-12 dropped; it means the component around it.
        kept["$ref"] = SCHEMA_PREFIX + component
    kept = map_subschemas(kept, lambda sub: schema_facts(sub, component))
    for union in UNIONS:
        for given, branch in zip(schema.get(union, ()), kept.get(union, ()), strict=True):
            _keep_label(given, branch)
    return kept


def _keep_label(given: Any, branch: Any) -> None:
    """Keep the title of an inline union branch: it is the only name such a branch has."""
    title = given.get("title") if isinstance(given, dict) else None
    if isinstance(title, str) and "$ref" not in given and len(title.split()) <= LABEL_WORDS:
        branch["title"] = title


def operation_facts(operation: Node) -> Node:
    """The interface facts of one operation: id, parameters, body, replies by status; no error replies."""
    kept: Node = {"operationId": operation["operationId"]}
    if operation.get("deprecated"):
        kept["deprecated"] = True
    if "security" in operation:
        kept["security"] = operation["security"]
    if operation.get("parameters"):
        kept["parameters"] = [_parameter_facts(parameter) for parameter in operation["parameters"]]
    if "requestBody" in operation:
        body = operation["requestBody"]
        kept["requestBody"] = {
            "required": bool(body.get("required", False)),
            "content": _content_facts(body["content"]),
        }
    kept["responses"] = {
        status: {"content": _content_facts(reply.get("content", {}))}
        for status, reply in operation["responses"].items()
        if status.startswith("2")
    }
    return kept | {name: operation[name] for name in OPERATION_MARKS if name in operation}


def _parameter_facts(parameter: Node) -> Node:
    """One parameter without its sentences; `deprecated` may sit in its schema and stays there."""
    kept = {key: parameter[key] for key in PARAMETER_FACTS if parameter.get(key) not in (None, False)}
    if "explode" in parameter:
        kept["explode"] = parameter["explode"]
    kept["schema"] = schema_facts(parameter["schema"], "")
    return kept


def _content_facts(content: Node) -> Node:
    """Media types with their schema and, for forms, the encoding of each part."""
    kept: Node = {}
    for media_type, given in content.items():
        kept[media_type] = {"schema": schema_facts(given.get("schema", {}), "")}
        if "encoding" in given:
            kept[media_type]["encoding"] = given["encoding"]
    return kept
