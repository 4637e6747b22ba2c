"""A form's fields as the small JSON Schema of a tool: one level deep, since a client sends every tool's schema with each question.

What the schema leaves out is still checked, by the action's own schema, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kosha_connector_openai.text import encode

_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_PLAIN: Final = frozenset({"integer", "number", "boolean"})
_BOUNDS: Final = {"minimum": "minimum", "maximum": "maximum"}
_MOST_CHOICES: Final = 12
_HELP: Final = {"main": 80}
_SHORT_HELP: Final = 48
"""Characters of a field's help, but for the fields that stand first in the form."""
_NAMES: Final = 80
_EXAMPLE: Final = 120
_COMMON: Final = 6
"""Fields of a tool, unless more are needed: those of the form that come first."""
FILE: Final = "A data: URL, or {base64, filename}."


def tool_input(fields: Iterable[Mapping[str, Any]], *, whole: bool = False) -> dict[str, Any]:
    """The schema over the form's main and common fields and those that every call needs; over all with ``whole``."""
    shown = [field for field in fields if field["visibility"] != "internal"]
    if not whole:
        common = [field["name"] for field in shown if field["group"] in ("main", "options")][:_COMMON]
        shown = [field for field in shown if field["required"] or field["group"] == "main" or field["name"] in common]
    schema: dict[str, Any] = {"type": "object", "properties": {field["name"]: _described(field) for field in shown}}
    required = [field["name"] for field in shown if field["required"]]
    return schema | ({"required": required} if required else {})


def task_input(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A task's first inputs, and those that it needs, without what only a drawn form needs."""
    common = list(schema["properties"])[:_COMMON]
    fields = {name: _without(field) for name, field in schema["properties"].items() if name in common or name in schema["required"]}
    return {"type": "object", "properties": fields, "required": list(schema["required"])}


def tool_output(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a short result; what its result holds is told by name."""
    names = ", ".join(schema["properties"]["result"].get("properties", ()))
    result = {"type": "object"} | ({"description": _cut(names, _NAMES)} if names else {})
    return {"type": "object", "properties": {"outcome": {"type": "string"}, "result": result}, "required": ["outcome", "result"]}


def _described(field: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "file" in field:
        return {"type": ["string", "object"], "description": f"{_cut(field.get('help', field['label']), _SHORT_HELP)} {FILE}"}
    kind = field.get("type")
    if kind in _TYPES:
        found["type"] = kind
    choices = [choice["value"] for choice in field.get("enum", ())]
    if choices and len(choices) <= _MOST_CHOICES and not field.get("open"):
        found["enum"] = choices
        found.pop("type", None)
    found |= {name: field[key] for key, name in _BOUNDS.items() if key in field}
    found["description"] = _cut(field.get("help", field["label"]), _HELP.get(field["group"], _SHORT_HELP))
    example = field.get("example", field.get("placeholder") if kind == "string" and field["group"] == "main" else None)
    if example is not None and kind not in _PLAIN and len(encode(example)) <= _EXAMPLE:
        found["examples"] = [example]
    return found


def _without(field: Mapping[str, Any]) -> dict[str, Any]:
    binary = field.get("format") == "binary" or any(each.get("format") == "binary" for each in field.get("anyOf", ()))
    if binary:
        address = " Or an https address." if "anyOf" in field else ""
        return {"type": ["string", "object"], "description": f"{_cut(field['description'], _SHORT_HELP)} {FILE}{address}"}
    kept = {key: value for key, value in field.items() if key not in ("title", "examples", "minLength", "maxLength")}
    kept["description"] = _cut(field["description"], _SHORT_HELP)
    short = [example for example in field.get("examples", ()) if len(encode(example)) <= _EXAMPLE and field.get("type") != "string"]
    return kept | ({"examples": short} if short else {})


def _cut(text: str, most: int) -> str:
    """The first sentences that fit, or as many words of the first one as do."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head = text[:most]
    end = max(head.rfind(". "), head.rfind("; "))
    return head[: end + 1].rstrip(";") if end > most // 3 else f"{head.rsplit(' ', 1)[0].rstrip(',;')} ..."
