"""The message of a violated keyword: what is wrong, what is permitted, what to do. It never repeats the value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.schema.backend import RawFault
from kosha_connector_openai.schema.bounds import range_fix
from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.text import nearest, to_pointer

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
_SHOWN_LENGTH = 64
_SHOWN_VALUES = 20
_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class _Case:
    """One fault with what its wording depends on."""

    raw: RawFault
    value: Any
    reader: SchemaReader

    @property
    def bound(self) -> Any:
        return self.raw.params.get("value")


_LOOKED_AT = 1_000
_NUMBERS = frozenset({"integer", "number"})
_HELD: Sequence[tuple[re.Pattern[str], frozenset[str], str]] = (
    (re.compile(r"\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*"), _NUMBERS, "Remove the quotes."),
    (re.compile(r"\s*(true|false)\s*", re.IGNORECASE), frozenset({"boolean"}), "Remove the quotes."),
    (re.compile(r"\s*\[.*", re.DOTALL), frozenset({"array"}), "Give the list itself, not a text that holds it."),
    (re.compile(r"\s*\{.*", re.DOTALL), frozenset({"object"}), "Give the object itself, not a text that holds it."),
)
"""Texts that hold another type, the types they can stand for, and what to do."""

_Worded = tuple[str, str, Any]
"""Message, fix, and what is permitted."""


def to_fault(raw: RawFault, value: Any, reader: SchemaReader) -> Fault:
    """Returns the fault at one place; ``value`` is the value there."""
    rule = "required" if raw.keyword == "dependentRequired" else raw.keyword
    message, fix, allowed = _WORDS.get(rule, _other)(_Case(raw, value, reader))
    path = (*raw.instance_path, raw.params["name"]) if rule == "required" else raw.instance_path
    return Fault(safe_pointer(path), rule, message, fix, allowed)


def _required(case: _Case) -> _Worded:
    name = safe(case.raw.params["name"])
    texts = case.bound
    if not texts:
        return "is missing.", f"Add `{name}`.", None
    return f"is missing; it must be {_one_of(texts)}.", f"Add `{name}`.", tuple(texts)


def _type(case: _Case) -> _Worded:
    accepted = _ordered_types(case.bound)
    allowed = accepted[0] if len(accepted) == 1 else accepted
    return f"must be {_type_words(accepted)}, not {_given(case.value, accepted)}.", _type_fix(case, set(accepted)), allowed


def _given(value: Any, accepted: Sequence[str]) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity or NaN"
    kind = json_type(value)
    return "a fraction" if kind == "number" and "integer" in accepted else a_type(kind)


def _type_fix(case: _Case, accepted: set[str]) -> str:
    kind = json_type(case.value)
    if kind == "null":
        return "Give a value." if _is_required(case) else "Leave the field out instead of null."
    if kind == "string":
        return _text_fix(case.value, accepted)
    if kind == "number" and "integer" in accepted:
        return "Give a whole number."
    if kind in ("number", "boolean") and "string" in accepted:
        return "Put it in quotes."
    return "Put it in a list." if "array" in accepted else f"Give {_type_words(accepted)}."


def _text_fix(text: str, accepted: set[str]) -> str:
    """The fix for a text where another type is expected."""
    start = text[:_LOOKED_AT]
    held = (fix for shape, types, fix in _HELD if types & accepted and shape.fullmatch(start))
    return next(held, "Put it in a list." if "array" in accepted else f"Give {_type_words(accepted)}.")


def _is_required(case: _Case) -> bool:
    name, path = case.raw.instance_path[-1:], case.raw.schema_path
    owners = [at for at, step in enumerate(path[:-1]) if step == "properties" and path[at + 1 : at + 2] == name]
    return bool(owners) and name[0] in case.reader.required(case.reader.at(path[: owners[-1]]))


def _one_of(options: Sequence[Any]) -> str:
    return f"`{safe(options[0])}`" if len(options) == 1 else f"one of: {_value_words(options)}"


def _listed(case: _Case) -> _Worded:
    options = list(case.bound) if case.raw.keyword == "enum" else [case.bound]
    texts = [option for option in options if isinstance(option, str)]
    return f"must be {_one_of(options)}.", _listed_fix(case, texts), tuple(options)


def _listed_fix(case: _Case, texts: Sequence[str]) -> str:
    if case.value is None:
        return _type_fix(case, {"string"})
    if not isinstance(case.value, str):
        return ""
    near = nearest(case.value, texts, shortest=3)
    return f"Did you mean `{safe(near)}`?" if near else ""


def _pattern(case: _Case) -> _Worded:
    if case.raw.params.get("slow"):
        return "cannot be checked: the pattern is too slow on this text.", "Shorten it.", None
    return f"must match the pattern `{safe(case.bound)}`.", "Change the text so that it matches.", case.bound


def _forms(case: _Case) -> _Worded:
    schemas = case.raw.params.get("schemas")
    if schemas is None:
        return "fits more than one of the accepted forms.", "Leave out the fields of all forms but one.", None
    told = _form_words(case.reader, schemas)
    return f"must be {_either(told)}." if len(told) > 1 else "has none of the accepted forms.", "", None


def _not(case: _Case) -> _Worded:
    together = case.reader.required(case.reader.at(case.raw.schema_path))
    if not together:
        return "has a form that is not allowed.", "", None
    return f"must not have {_name_words(together)} together.", "Leave one of them out.", None


def _limit(text: str) -> Callable[[_Case], _Worded]:
    def worded(case: _Case) -> _Worded:
        ending = "" if case.bound == 1 else "s"
        fix = range_fix(case.reader, case.reader.at(case.raw.schema_path[:-1]), case.raw.keyword)
        return text.format(safe(case.bound), ending), fix, case.bound

    return worded


def _multiple(case: _Case) -> _Worded:
    return f"must be a multiple of {safe(case.bound)}.", f"Send 0, {safe(case.bound)} or another multiple.", case.bound


def _fixed(message: str, fix: str = "") -> Callable[[_Case], _Worded]:
    return lambda _: (message, fix, None)


_other = _fixed("does not have an accepted form.")
_WORDS: Mapping[str, Callable[[_Case], _Worded]] = {
    "anyOf": _forms,
    "const": _listed,
    "contains": _fixed("must have an item of the accepted form.", "Add one."),
    "enum": _listed,
    "exclusiveMaximum": _limit("must be less than {}."),
    "exclusiveMinimum": _limit("must be more than {}."),
    "falseSchema": _fixed("is not allowed here.", "Leave it out."),
    "maxItems": _limit("must have at most {} item{}."),
    "maxLength": _limit("must have at most {} character{}."),
    "maxProperties": _limit("must have at most {} field{}."),
    "maximum": _limit("must be at most {}."),
    "minItems": _limit("must have at least {} item{}."),
    "minLength": _limit("must have at least {} character{}."),
    "minProperties": _limit("must have at least {} field{}."),
    "minimum": _limit("must be at least {}."),
    "multipleOf": _multiple,
    "not": _not,
    "oneOf": _forms,
    "pattern": _pattern,
    "propertyNames": _fixed("is not an accepted name.", "Rename it."),
    "required": _required,
    "type": _type,
    "uniqueItems": _fixed("must not have the same item twice.", "Remove the repeats."),
}


def json_type(value: object) -> str:
    """The JSON type of a Python value, whole numbers being ``number`` too; empty where JSON has no such value."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "")


def safe(text: object) -> str:
    """A text that may be shown: without control, direction and surrogate characters, cut to 64."""
    shown = "".join(character if character.isprintable() else "?" for character in str(text)[: _SHOWN_LENGTH + 1])
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"


def safe_pointer(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901) whose keys, which are input, are safe to show."""
    return to_pointer(map(safe, path))


def a_type(name: str) -> str:
    """``integer`` -> "a whole number"."""
    return _TYPES.get(name, ("another type", ""))[0]


def _either(words: Sequence[str]) -> str:
    """``["a", "b", "c"]`` -> "a, b or c"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _ordered_types(names: Iterable[str]) -> tuple[str, ...]:
    """JSON types in the order in which they are told."""
    given = set(names)
    return tuple(name for name in _TYPES if name in given)


def _type_words(names: Iterable[str]) -> str:
    """The accepted types in words; null only where nothing else is accepted: leaving out is the usual way."""
    known = set(names)
    known -= {"integer"} if "number" in known else set()
    return _either([a_type(name) for name in _ordered_types(known - {"null"}) or ("null",)])


def _value_words(options: Sequence[Any]) -> str:
    """The permitted values in words, the first twenty of them."""
    shown = [_value(option) for option in options if option is not None][:_SHOWN_VALUES]
    rest = len(options) - len(shown) - (None in options)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _name_words(known: Iterable[str]) -> str:
    """A few names in backquotes."""
    return ", ".join(f"`{safe(name)}`" for name in sorted(known)[:_SHOWN_NAMES])


def _form_words(reader: SchemaReader, schemas: Iterable[Any]) -> list[str]:
    """What the schemas accept, in words: "a text", "a list of objects with `type`"."""
    return list(dict.fromkeys(_form(reader, schema, 0) for schema in schemas))


def _form(reader: SchemaReader, schema: Any, many: int) -> str:
    accepted = [name for name in reader.types(schema) if name != "null"]
    if not accepted and reader.required(schema):
        accepted = ["object"]
    if len(accepted) != 1:
        return "values" if many else _either([a_type(name) for name in accepted]) or "a value"
    words = _TYPES.get(accepted[0], ("a value", "values"))[many]
    if accepted == ["array"]:
        return f"{words} of {_form(reader, reader.items(schema), 1)}"
    if accepted == ["object"] and (required := reader.required(schema)):
        return f"{words} with {_name_words(required)}"
    return words


def _value(option: Any) -> str:
    return safe(option if isinstance(option, str) else json.dumps(option, default=str))
