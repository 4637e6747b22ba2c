"""Plain words for JSON Schema: types, values, forms. Only a schema's own texts pass, cut and made safe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.schema.references import to_pointer

_TYPES: Mapping[str, tuple[str, str]] = {
    "string": ("a text", "texts"),
    "number": ("a number", "numbers"),
    "integer": ("a whole number", "whole numbers"),
    "boolean": ("true or false", "true or false values"),
    "object": ("an object", "objects"),
    "array": ("a list", "lists"),
    "null": ("null", "nulls"),
}
_KINDS: Sequence[tuple[type | tuple[type, ...], str]] = (
    (bool, "boolean"),
    (type(None), "null"),
    (str, "string"),
    (Mapping, "object"),
    ((list, tuple), "array"),
    ((int, float), "number"),
)
_CUT = 64
_MANY = 20
_FEW = 3


def json_type(value: object) -> str:
    """The JSON type of a Python value, whole numbers being ``number`` too; empty where JSON has no such value."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "")


def safe(text: object) -> str:
    """A text that may be shown: without control, direction and surrogate characters, cut to 64."""
    shown = "".join(character if character.isprintable() else "?" for character in str(text)[: _CUT + 1])
    return shown if len(shown) <= _CUT else f"{shown[:_CUT]}…"


def pointer(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901) whose keys, which are input, are safe to show."""
    return to_pointer(tuple(safe(step) for step in path))


def a_type(name: str) -> str:
    """``integer`` -> "a whole number"."""
    return _TYPES.get(name, ("another type", ""))[0]


def either(words: Sequence[str]) -> str:
    """``["a", "b", "c"]`` -> "a, b or c"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """JSON types in the order in which they are told."""
    given = set(names)
    return tuple(name for name in _TYPES if name in given)


def types(names: Iterable[str]) -> str:
    """The accepted types in words; null only where nothing else is accepted: leaving out is the usual way."""
    known = set(names)
    known -= {"integer"} if "number" in known else set()
    return either([a_type(name) for name in in_order(known - {"null"}) or ("null",)])


def values(options: Sequence[Any]) -> str:
    """The permitted values in words, the first twenty of them."""
    shown = [_value(option) for option in options if option is not None][:_MANY]
    rest = len(options) - len(shown) - (None in options)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def names(known: Iterable[str]) -> str:
    """A few names in backquotes."""
    return ", ".join(f"`{safe(name)}`" for name in sorted(known)[:_FEW])


def forms(reader: SchemaReader, schemas: Iterable[Any]) -> list[str]:
    """What the schemas accept, in words: "a text", "a list of objects with `type`"."""
    return list(dict.fromkeys(_form(reader, schema, 0) for schema in schemas))


def _form(reader: SchemaReader, schema: Any, many: int) -> str:
    accepted = [name for name in reader.types(schema) if name != "null"]
    if not accepted and reader.required(schema):
        accepted = ["object"]
    if len(accepted) != 1:
        return "values" if many else either([a_type(name) for name in accepted]) or "a value"
    words = _TYPES.get(accepted[0], ("a value", "values"))[many]
    if accepted == ["array"]:
        return f"{words} of {_form(reader, reader.items(schema), 1)}"
    if accepted == ["object"] and (required := reader.required(schema)):
        return f"{words} with {names(required)}"
    return words


def _value(option: Any) -> str:
    return safe(option if isinstance(option, str) else json.dumps(option, default=str))
