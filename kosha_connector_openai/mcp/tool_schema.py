"""A form's fields as the small JSON Schema of a tool: one level deep, since a client sends every tool's schema with each question.

What the schema leaves out is still checked, by the action's own schema, before anything is sent. Each value has one type, or is an anyOf of
such: clients that map schemas onto dialects of models refuse lists of types, values without any, and lists whose items have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from kosha_connector_openai.schema import UNIONS, SchemaReader
from kosha_connector_openai.text import encode

_PLAIN: Final = frozenset({"integer", "number", "boolean"})
_BOUNDS: Final = {"minimum": "minimum", "maximum": "maximum"}
_MOST_CHOICES: Final = 12
_HELP: Final = {"main": 72}
_SHORT_HELP: Final = 48
"""Characters of a field's help, but for the fields that stand first in the form."""
_NAMES: Final = 64
_EXAMPLE: Final = 120
_COMMON: Final = 6
"""Fields of a tool, unless more are needed: those of the form that come first."""
FILE: Final = "A data: URL, or {base64, filename}."
_LEFT_OUT: Final = frozenset({"title", "examples", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"})
"""What a task's own schema has besides; the task checks it."""
_FILE_TYPES: Final = ("string", "object")


def tool_input(fields: Iterable[Mapping[str, Any]], inputs: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """The schema over the form's main and common fields and those that every call needs; over all with ``whole``.

    ``inputs`` is the action's own schema, which tells the types.
    """
    reader, properties = SchemaReader(inputs), inputs.get("properties", {})
    shown = [field for field in fields if field["visibility"] != "internal"]
    if not whole:
        common = [field["name"] for field in shown if field["group"] in ("main", "options")][:_COMMON]
        shown = [field for field in shown if field["required"] or field["group"] == "main" or field["name"] in common]
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for field in shown:
        schema["properties"][field["name"]] = _described(field, reader, properties.get(field["name"], {}))
    required = [field["name"] for field in shown if field["required"]]
    return schema | ({"required": required} if required else {})


def task_input(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A task's first inputs, and those that it needs, without what only a drawn form needs."""
    common = list(schema["properties"])[:_COMMON]
    fields = {name: _without(field) for name, field in schema["properties"].items() if name in common or name in schema["required"]}
    return {"type": "object", "properties": fields, "required": list(schema["required"])}


def task_output(template: Any) -> dict[str, Any]:
    """The schema of a task's result, by the template of its value (docs/tasks.md)."""
    kinds = tuple(dict.fromkeys(part["type"] for part in _outcomes(template)))
    items: Mapping[str, Any] = next((part["items"] for part in _outcomes(template) if "items" in part), {})
    return {"type": "object", "properties": {"value": _typed(kinds or ("object",), {"type": items.get("type", "object")})}}


def _outcomes(template: Any) -> Iterator[Mapping[str, Any]]:
    """The schemas that a template may become, whatever the inputs; one that is an input is an object's."""
    if isinstance(template, Mapping):
        for branch in (*map(template.get, ("$then", "$else")), *template.get("$from", {}).values()):
            yield from _outcomes(branch)
        if isinstance(template.get("type"), str):
            yield template


def tool_output(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a short result; what its result holds is told by name."""
    names = ", ".join(schema["properties"]["result"].get("properties", ()))
    result = {"type": "object"} | ({"description": _cut(names, _NAMES)} if names else {})
    return {"type": "object", "properties": {"outcome": {"type": "string"}, "result": result}, "required": ["outcome", "result"]}


def _described(field: Mapping[str, Any], reader: SchemaReader, schema: Any) -> dict[str, Any]:
    if "file" in field:
        return _typed(_FILE_TYPES) | {"description": f"{_cut(field.get('help', field['label']), _SHORT_HELP)} {FILE}"}
    found = _typed(_kinds(reader, schema), _typed(_kinds(reader, _items(reader, schema))))
    choices = [choice["value"] for choice in field.get("enum", ())]
    if choices and len(choices) <= _MOST_CHOICES and not field.get("open"):
        found.get("items", found)["enum"] = choices
    found |= {name: field[key] for key, name in _BOUNDS.items() if key in field}
    found["description"] = _cut(field.get("help", field["label"]), _HELP.get(field["group"], _SHORT_HELP))
    kind = field.get("type")
    example = field.get("example", field.get("placeholder") if kind == "string" and field["group"] == "main" else None)
    if example is not None and kind not in _PLAIN and len(encode(example)) <= _EXAMPLE:
        found["examples"] = [example]
    return found


def _parts(reader: SchemaReader, schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and its branches."""
    return reader.parts(schema, ("allOf", *UNIONS))


def _kinds(reader: SchemaReader, schema: Any) -> tuple[str, ...]:
    """The types that a schema accepts in any branch, but null: a field is left out then."""
    given = (part["type"] for part in _parts(reader, schema) if "type" in part)
    flat = (kind for each in given for kind in ([each] if isinstance(each, str) else each))
    return tuple(dict.fromkeys(kind for kind in flat if kind != "null")) or ("object",)


def _items(reader: SchemaReader, schema: Any) -> Any:
    """The schema of a list's items, in the first branch that has some."""
    return next((part["items"] for part in _parts(reader, schema) if "items" in part), {})


def _typed(kinds: Sequence[str], items: Mapping[str, Any] = MappingProxyType({"type": "object"})) -> dict[str, Any]:
    """Values of these types; ``items`` are those of a list."""
    each: list[dict[str, Any]] = [{"type": kind} | ({"items": dict(items)} if kind == "array" else {}) for kind in kinds]
    return each[0] if len(each) == 1 else {"anyOf": each}


def _without(field: Mapping[str, Any]) -> dict[str, Any]:
    if field.get("format") == "binary" or any(each.get("format") == "binary" for each in field.get("anyOf", ())):
        return _typed(_FILE_TYPES) | {"description": f"{_cut(field['description'], _SHORT_HELP)} {FILE}"}
    kept = {key: value for key, value in field.items() if key not in _LEFT_OUT}
    if isinstance(field.get("items"), Mapping):
        kept["items"] = {key: value for key, value in field["items"].items() if key not in _LEFT_OUT}
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
