"""The schema of an :class:`ShortResult` as JSON Schema 2020-12, drawn from the fields of its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args

from kosha_connector_openai.core.result import RANKS
from kosha_connector_openai.manifest import parts as spec
from kosha_connector_openai.outputs.shapes import fields_of

_DIALECT: Final = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
_STRING: Final = {"type": "string"}
_NULLABLE: Final = {"type": ["string", "null"]}
_NUMBERS: Final = {"type": ["array", "null"], "items": {"type": "number"}}
_FILE: Final = {
    "type": ["object", "null"],
    "properties": {
        "name": _STRING,
        "content_type": _STRING,
        "size": {"type": ["integer", "null"], "description": "Bytes."},
        "sha256": _NULLABLE,
        "url": {**_NULLABLE, "format": "uri"},
        "path": _NULLABLE,
    },
    "required": ["name", "content_type", "size", "sha256", "url", "path"],
}
_WARNING: Final = {
    "type": "object",
    "properties": dict.fromkeys(("pointer", "rule", "message", "fix"), _STRING),
    "required": ["pointer", "rule", "message", "fix"],
}
_COST: Final = {
    "type": ["object", "null"],
    "description": "An estimate by the operator's prices.",
    "properties": {"amount": {"type": "number"}, "currency": _STRING, "prices_of": {"type": "string", "format": "date"}},
}


def output_schema(shape: spec.Shape, part: spec.OutputsPart, *, raw: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an output in JSON; with ``raw`` that schema is the result's own."""
    result = (
        _object(fields_of(shape, part), part)
        if raw is None
        else {key: value for key, value in raw.items() if key not in ("$defs", "$schema")}
    )
    properties = {
        "action": _STRING,
        "outcome": {"enum": list(RANKS), "description": "Whether the answer is whole."},
        "reasons": {"type": "array", "items": _STRING},
        "result": result | {"description": shape.help},
        "usage": {
            "type": ["object", "null"],
            "properties": {name: {"type": "number"} for name in get_args(spec.UsageName)},
            "description": "What the call used: tokens, and seconds of sound.",
        },
        "cost": _COST,
        "model": _NULLABLE,
        "request_id": _NULLABLE,
        "warnings": {"type": "array", "items": _WARNING, "description": "What to know of the call and of its answer."},
        "raw": {"type": "array", "description": "Data of events that the result has no place for."},
    }
    definitions = {"$defs": raw["$defs"]} if raw and "$defs" in raw else {}
    return {**_DIALECT, "type": "object", "properties": properties, "required": list(properties), **definitions}


def body_schema(types: Sequence[str]) -> dict[str, Any]:
    """The schema of an answer that is no JSON: a text, bytes, or nothing."""
    if not types:
        return {**_DIALECT, "type": "null"}
    if types[0].startswith("text/"):
        return {**_DIALECT, "type": "string", "contentMediaType": types[0]}
    return {**_DIALECT, "type": "string", "contentEncoding": "base64", "contentMediaType": types[0]}


def _object(fields: Mapping[str, spec.OutputField], part: spec.OutputsPart) -> dict[str, Any]:
    properties = {name: _DRAW[type(entry)](entry, part) | {"description": entry.help} for name, entry in fields.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _value(entry: spec.ValueField, _: spec.OutputsPart) -> dict[str, Any]:
    if entry.type is None:
        return {}
    return {"type": entry.type if entry.default is not None else [entry.type, "null"]}


def _list(entry: spec.ListField, part: spec.OutputsPart) -> dict[str, Any]:
    return {"type": "array", "items": _object(fields_of(entry, part), part)}


def _fixed(schema: Mapping[str, Any]) -> Callable[[Any, spec.OutputsPart], dict[str, Any]]:
    return lambda _, __: dict(schema)


_DRAW: Final[Mapping[type, Callable[[Any, spec.OutputsPart], dict[str, Any]]]] = {
    spec.ValueField: _value,
    spec.TextField: _fixed(_STRING),
    spec.ParsedField: _fixed({"type": ["object", "array", "null"]}),
    spec.TimeField: _fixed({**_NULLABLE, "format": "date-time"}),
    spec.CountField: _fixed({"type": "integer"}),
    spec.NamesField: _fixed({"type": "array", "items": _STRING}),
    spec.AnyField: _fixed({"type": ["boolean", "null"]}),
    spec.VectorsField: _fixed({"type": "array", "items": _NUMBERS}),
    spec.FileField: _fixed(_FILE),
    spec.BodyField: _fixed({**_FILE, "type": "object"}),
    spec.ListField: _list,
}
