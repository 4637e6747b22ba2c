"""An engine's fault in plain words: what is wrong, what is permitted, what to do. Never the value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.schema import words
from kosha_connector_openai.schema.engine import RawFault
from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.text import nearest


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
    (
        re.compile(r"\s*\[.*", re.DOTALL),
        frozenset({"array"}),
        "Give the list itself, not a text that holds it.",
    ),
    (
        re.compile(r"\s*\{.*", re.DOTALL),
        frozenset({"object"}),
        "Give the object itself, not a text that holds it.",
    ),
)
"""Texts that hold another type, the types they can stand for, and what to do."""

_Worded = tuple[str, str, Any]
"""Message, fix, and what is permitted."""


def to_fault(raw: RawFault, value: Any, reader: SchemaReader) -> Fault:
    """The fault of one place; ``value`` is what stands there."""
    rule = "required" if raw.keyword == "dependentRequired" else raw.keyword
    message, fix, allowed = _WORDS.get(rule, _other)(_Case(raw, value, reader))
    path = (*raw.instance_path, raw.params["name"]) if rule == "required" else raw.instance_path
    return Fault(words.pointer(path), rule, message, fix, allowed)


def _required(case: _Case) -> _Worded:
    name = words.safe(case.raw.params["name"])
    texts = case.bound
    if not texts:
        return "is missing.", f"Add `{name}`.", None
    return f"is missing; it must be {_one_of(texts)}.", f"Add `{name}`.", tuple(texts)


def _type(case: _Case) -> _Worded:
    accepted = words.in_order(case.bound)
    allowed = accepted[0] if len(accepted) == 1 else accepted
    return (
        f"must be {words.types(accepted)}, not {_given(case.value, accepted)}.",
        _type_fix(case, set(accepted)),
        allowed,
    )


def _given(value: Any, accepted: Sequence[str]) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity or NaN"
    kind = words.json_type(value)
    return "a fraction" if kind == "number" and "integer" in accepted else words.a_type(kind)


def _type_fix(case: _Case, accepted: set[str]) -> str:
    kind = words.json_type(case.value)
    if kind == "null":
        return "Give a value." if _is_required(case) else "Leave the field out instead of null."
    if kind == "string":
        return _text_fix(case.value, accepted)
    if kind == "number" and "integer" in accepted:
        return "Give a whole number."
    if kind in ("number", "boolean") and "string" in accepted:
        return "Put it in quotes."
    return "Put it in a list." if "array" in accepted else ""


def _text_fix(text: str, accepted: set[str]) -> str:
    """What a text in a wrong place was most likely meant to be."""
    start = text[:_LOOKED_AT]
    held = (fix for shape, types, fix in _HELD if types & accepted and shape.fullmatch(start))
    return next(held, "Put it in a list." if "array" in accepted else "")


def _is_required(case: _Case) -> bool:
    name, path = case.raw.instance_path[-1:], case.raw.schema_path
    owners = [at for at, step in enumerate(path[:-1]) if step == "properties" and path[at + 1 : at + 2] == name]
    return bool(owners) and name[0] in case.reader.required(case.reader.at(path[: owners[-1]]))


def _one_of(options: Sequence[Any]) -> str:
    return f"`{words.safe(options[0])}`" if len(options) == 1 else f"one of: {words.values(options)}"


def _listed(case: _Case) -> _Worded:
    options = list(case.bound) if case.raw.keyword == "enum" else [case.bound]
    message = f"must be {_one_of(options)}."
    return (
        message,
        _listed_fix(case, [option for option in options if isinstance(option, str)]),
        tuple(options),
    )


def _listed_fix(case: _Case, texts: Sequence[str]) -> str:
    if case.value is None:
        return _type_fix(case, {"string"})
    if not isinstance(case.value, str):
        return ""
    near = nearest(case.value, texts, shortest=3)
    return f"Did you mean `{words.safe(near)}`?" if near else ""


def _pattern(case: _Case) -> _Worded:
    if case.raw.params.get("slow"):
        return "cannot be checked: the pattern is too slow on this text.", "Shorten it.", None
    return f"must match the pattern `{words.safe(case.bound)}`.", "", case.bound


def _forms(case: _Case) -> _Worded:
    schemas = case.raw.params.get("schemas")
    if schemas is None:
        return "fits more than one of the accepted forms.", "", None
    told = words.forms(case.reader, schemas)
    return (
        (f"must be {words.either(told)}." if len(told) > 1 else "has none of the accepted forms."),
        "",
        None,
    )


def _not(case: _Case) -> _Worded:
    together = case.reader.required(case.reader.at(case.raw.schema_path))
    if not together:
        return "has a form that is not allowed.", "", None
    return f"must not have {words.names(together)} together.", "Leave one of them out.", None


def _limit(text: str, fix: str = "") -> Callable[[_Case], _Worded]:
    def worded(case: _Case) -> _Worded:
        ending = "" if case.bound == 1 else "s"
        return text.format(words.safe(case.bound), ending), fix, case.bound

    return worded


def _fixed(message: str, fix: str = "") -> Callable[[_Case], _Worded]:
    return lambda _: (message, fix, None)


_other = _fixed("does not have an accepted form.")
_WORDS: Mapping[str, Callable[[_Case], _Worded]] = {
    "anyOf": _forms,
    "const": _listed,
    "contains": _fixed("must have an item of the accepted form."),
    "enum": _listed,
    "exclusiveMaximum": _limit("must be less than {}."),
    "exclusiveMinimum": _limit("must be more than {}."),
    "falseSchema": _fixed("is not allowed here.", "Leave it out."),
    "maxItems": _limit("must have at most {} item{}."),
    "maxLength": _limit("must have at most {} character{}.", "Shorten it."),
    "maxProperties": _limit("must have at most {} field{}."),
    "maximum": _limit("must be at most {}."),
    "minItems": _limit("must have at least {} item{}."),
    "minLength": _limit("must have at least {} character{}."),
    "minProperties": _limit("must have at least {} field{}."),
    "minimum": _limit("must be at least {}."),
    "multipleOf": _limit("must be a multiple of {}."),
    "not": _not,
    "oneOf": _forms,
    "pattern": _pattern,
    "propertyNames": _fixed("is not an accepted name.", "Rename it."),
    "required": _required,
    "type": _type,
    "uniqueItems": _fixed("must not have the same item twice.", "Remove the repeats."),
}
