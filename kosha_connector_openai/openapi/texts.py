"""Texts of one description laid over another: by operation id, by parameter, by component and property."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kosha_connector_openai.openapi.document import METHODS

_WORDS: Final = ("summary", "description")
_DEPTH: Final = 32


def with_texts(document: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``document`` in which what ``texts`` describes too has its words, tags and extensions; all else stays.

    Schemas are walked side by side through properties and items; components meet by name. Unions are left alone.
    """
    out = copy.deepcopy(dict(document))
    known = dict(_operations(texts))
    for key, operation in _operations(out):
        if key in known:
            _lay_operation(operation, known[key])
    theirs, ours = (each.get("components", {}).get("schemas", {}) for each in (out, texts))
    for name in theirs.keys() & ours.keys():
        _lay_schema(theirs[name], ours[name], 0)
    return out


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document.get("paths", {}).values():
        if isinstance(item, Mapping):
            found = [item[method] for method in METHODS if isinstance(item.get(method), dict)]
            yield from ((operation["operationId"], operation) for operation in found if "operationId" in operation)


def _lay_operation(operation: dict[str, Any], ours: Mapping[str, Any]) -> None:
    operation |= {name: value for name, value in ours.items() if name in (*_WORDS, "tags") or name.startswith("x-")}
    named = {(each.get("in"), each.get("name")): each for each in ours.get("parameters", [])}
    for parameter in operation.get("parameters", []):
        if same := named.get((parameter.get("in"), parameter.get("name"))):
            _lay_words(parameter, same)
            _lay_schema(parameter.get("schema"), same.get("schema"), 0)
    content, own = (each.get("requestBody", {}).get("content", {}) for each in (operation, ours))
    for media_type in content.keys() & own.keys():
        _lay_schema(content[media_type].get("schema"), own[media_type].get("schema"), 0)


def _lay_schema(schema: Any, ours: Any, depth: int) -> None:
    if not isinstance(schema, dict) or not isinstance(ours, Mapping) or depth > _DEPTH:
        return
    _lay_words(schema, ours)
    properties, own = schema.get("properties", {}), ours.get("properties", {})
    for name in properties.keys() & own.keys():
        _lay_schema(properties[name], own[name], depth + 1)
    _lay_schema(schema.get("items"), ours.get("items"), depth + 1)


def _lay_words(target: dict[str, Any], ours: Mapping[str, Any]) -> None:
    target |= {name: ours[name] for name in _WORDS if isinstance(ours.get(name), str)}
