"""Reads a self-contained JSON Schema: the schema at a path, the names that it declares, the tags of its branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kosha_connector_openai.text import at

UNIONS = ("anyOf", "oneOf", "allOf")
"""Keywords that give the alternatives of a value, and what all of them have in common."""
_SURE = ("allOf",)
_MAYBE = ("anyOf", "oneOf", "then", "else")
SchemaNode = Mapping[str, Any]
Tags = Mapping[str, tuple[str, ...]]


class SchemaReader:
    """Reads one schema whose references stay inside it; a reference to nothing is an empty schema."""

    def __init__(self, root: SchemaNode) -> None:
        self._root = root

    def at(self, path: Iterable[str | int]) -> Any:
        """The schema at a path, with or without its ``$ref`` steps; empty where nothing is there."""
        value: Any = self._root
        for step in path:
            value = self._step(value, step)
        return value

    def _step(self, value: Any, step: str | int) -> Any:
        if isinstance(value, list):
            return value[step] if isinstance(step, int) and step < len(value) else {}
        if not isinstance(value, Mapping):
            return {}
        if step == "$ref":
            return self._referred(value)
        if step in value or "$ref" not in value:
            return value.get(str(step), {})
        return self._step(self._referred(value), step)

    def parts(self, schema: Any, keywords: tuple[str, ...] = _SURE) -> Iterator[SchemaNode]:
        """The schema and those that apply to the same value by ``$ref`` and these keywords, each once, the nearest first."""
        waiting, seen = [schema], set()
        while waiting:
            part = waiting.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            inner = [self._referred(part)] if "$ref" in part else []
            for keyword in keywords:
                value = part.get(keyword, ())
                inner += value if isinstance(value, (list, tuple)) else [value]
            waiting += reversed(inner)

    def names(self, schema: Any) -> frozenset[str]:
        """Every property that an object may have by name, in any branch."""
        parts = self.parts(schema, _SURE + _MAYBE)
        return frozenset(name for part in parts for name in part.get("properties", ()))

    def required(self, schema: Any) -> frozenset[str]:
        """The properties that the schema requires in every branch."""
        return frozenset(name for part in self.parts(schema) for name in part.get("required", ()))

    def types(self, schema: Any) -> tuple[str, ...]:
        """The JSON types that the schema says it accepts; empty where it does not say."""
        for part in self.parts(schema):
            if "type" in part:
                given = part["type"]
                return (given,) if isinstance(given, str) else tuple(given)
        return ()

    def items(self, schema: Any) -> Any:
        """The schema of a list's items; an empty one where it does not say."""
        return next((part["items"] for part in self.parts(schema) if "items" in part), {})

    def tags(self, schema: Any) -> Tags:
        """The properties that accept only listed texts, such as ``role`` or ``type``, with these texts."""
        found: dict[str, tuple[str, ...]] = {}
        for part in self.parts(schema):
            for name, value in part.get("properties", {}).items():
                if texts := self._texts(value):
                    found[name] = texts
        return found

    def _texts(self, schema: Any) -> tuple[str, ...]:
        for part in self.parts(schema):
            values = [part["const"]] if "const" in part else part.get("enum", ())
            texts = tuple(value for value in values if isinstance(value, str))
            if texts and len(texts) >= len(values) - (None in values):
                return texts
        return ()

    def _referred(self, schema: SchemaNode) -> Any:
        reference = str(schema.get("$ref", ""))
        return at(self._root, reference[1:], {}) if reference.startswith("#") else {}
