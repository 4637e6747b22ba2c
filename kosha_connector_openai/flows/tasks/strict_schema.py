"""A user's JSON Schema -> the schema that binds the upstream's answer: every object closed, every property required.

What was optional may be null in the answer, and is left out again before the answer is checked against the user's own schema. What cannot
be said strictly is refused with its place; which keywords these are is data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.manifest.parts import StrictRules
from kosha_connector_openai.schema import children, default_backend, json_type, with_children
from kosha_connector_openai.text import at, escape, tokens

_FIXES: Final[Mapping[str, str]] = {
    "additionalProperties": "Name each property; where names are not known, ask for a list of objects with a name and a value.",
    "patternProperties": "Name each property; where names are not known, ask for a list of objects with a name and a value.",
    "allOf": "Write the properties of all parts into one object.",
    "oneOf": "Write `anyOf`.",
    "not": "Say what is allowed instead.",
    "if": "Write the cases under `anyOf`.",
    "then": "Write the cases under `anyOf`.",
    "else": "Write the cases under `anyOf`.",
    "prefixItems": "Make each item a property of an object.",
    "$ref": "Refer to `#` or to a name under `#/$defs/`.",
}
_NULL: Final = "null"


_STEPS: Final = 4
"""Schemas that may stand between two levels of objects: a list, an alternative."""


class StrictSchema:
    """The schema of one task: what is sent, what is only checked here, and how an answer is read back."""

    def __init__(self, schema: Mapping[str, Any], rules: StrictRules, pointer: str) -> None:
        """Raises InputError with every part that cannot be said; ``pointer`` is where the schema stands in the inputs."""
        self._rules = rules
        self.given = schema
        faults = [*_root(schema, pointer), *self._faults(schema, pointer, 1)]
        faults = faults or list(self._sizes(schema, pointer))  # only what is shallow is measured
        if faults:
            raise InputError("The schema says more than a strict answer can be bound to.", faults)
        _compile(schema, pointer)
        self.sent = self._strict(schema)
        self.warnings = tuple(dict.fromkeys(self._unsent(schema, pointer)))

    def _faults(self, schema: Any, pointer: str, depth: int) -> Iterator[Fault]:
        if not isinstance(schema, Mapping):
            yield Fault(pointer, "schema", "says nothing about its value.", "Give it a type.")
            return
        if depth > self._rules.depth * _STEPS:
            yield Fault(pointer, "depth", f"is nested deeper than {self._rules.depth} levels.", "Flatten the schema.", self._rules.depth)
            return
        known = {*self._rules.sent, *self._rules.checked, *self._rules.dropped}
        for keyword, value in schema.items():
            place = f"{pointer}/{escape(keyword)}"
            if keyword == "additionalProperties" and value is False:
                continue
            if keyword not in known or (keyword == "$ref" and not _is_local(value)):
                fix = _FIXES.get(keyword, "Leave it out.")
                yield Fault(place, "strict", "cannot be kept in a strict answer.", fix)
        yield from _lacking(schema, pointer)
        if not schema.keys() & {"type", "anyOf", "enum", "const", "$ref"}:
            yield Fault(pointer, "type", "says nothing about its value.", "Give it a type.")
        for path, part in children(schema):
            if path[0] in known and path[0] not in self._rules.checked:
                yield from self._faults(part, f"{pointer}{''.join(f'/{escape(str(key))}' for key in path)}", depth + 1)

    def _sizes(self, schema: Any, pointer: str) -> Iterator[Fault]:
        counts = {"properties": 0, "enum": 0, "characters": 0}
        levels = _measure(schema, counts)
        for rule, count, most in (
            ("depth", levels, self._rules.depth),
            ("characters", counts["characters"], self._rules.characters),
            ("properties", counts["properties"], self._rules.properties),
            ("enum", counts["enum"], self._rules.values),
        ):
            if count > most:
                yield Fault(pointer, rule, f"has {count} {_COUNTED[rule]}, and {most} is the most.", "Ask for less at once.", most)

    def _strict(self, schema: Any) -> Any:
        """The schema as it is sent."""
        kept = {keyword: value for keyword, value in schema.items() if self._is_sent(keyword, value)}
        made = with_children(kept, self._strict)
        if "type" not in made and ("enum" in made or "const" in made):
            made["type"] = _types(made.get("enum", [made.get("const")]))
        if _is_object(schema):
            required = schema.get("required", ())
            for name, part in made.get("properties", {}).items():
                if name not in required:
                    made["properties"][name] = _or_null(part)
            made |= {"required": list(made.get("properties", {})), "additionalProperties": False}
        return made

    def _is_sent(self, keyword: str, value: Any) -> bool:
        if keyword == "format":
            return value in self._rules.formats
        return keyword in self._rules.sent and keyword != "required"

    def _unsent(self, schema: Any, pointer: str) -> Iterator[Fault]:
        for keyword, value in schema.items():
            if keyword in self._rules.checked or (keyword == "format" and value not in self._rules.formats):
                where = f"{pointer}/{escape(keyword)}"
                yield Fault(where, "strict", "does not bind the answer; it is checked when the answer is there.")
        for path, part in children(schema):
            if isinstance(part, Mapping):
                yield from self._unsent(part, f"{pointer}{''.join(f'/{escape(str(key))}' for key in path)}")

    def read_back(self, value: Any) -> Any:
        """The answer without the nulls of properties that the user's schema does not require."""
        return _without_nulls(value, self.given, self.given, 0)


def _compile(schema: Mapping[str, Any], pointer: str) -> None:
    """Raises InputError where no answer could be checked against the schema: before anything is sent and paid for."""
    try:
        default_backend().compile(schema)
    except DocumentError as error:
        faults = [Fault(f"{pointer}{_place(schema, fault.pointer)}", "schema", fault.message, fault.fix) for fault in error.faults]
    else:
        return
    raise InputError("This is no schema that an answer can be checked against.", faults or [Fault(pointer, "schema", "is no JSON Schema.")])


def _place(schema: Any, pointer: str) -> str:
    """A place in the user's own schema: an engine may have rewritten what it points into, but for the keyword at its end."""
    place, found = "", schema
    for token in tokens(pointer):
        if (inner := at(found, (token,))) is not None:
            place, found = f"{place}/{escape(token)}", inner
    return place


_COUNTED: Final = {
    "depth": "levels",
    "characters": "characters in names and listed values",
    "properties": "properties",
    "enum": "listed values",
}


def _root(schema: Any, pointer: str) -> Iterator[Fault]:
    if isinstance(schema, Mapping) and (schema.get("type") != "object" or "anyOf" in schema):
        yield Fault(pointer, "type", "must describe an object.", "Make it the property of an object.", "object")


def _lacking(schema: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    """What an object or a list must say."""
    properties = schema.get("properties")
    if _is_object(schema) and not properties:
        yield Fault(f"{pointer}/properties", "strict", "is missing: an object without named properties cannot be kept.", "Name them.")
    required = schema.get("required", ())
    if isinstance(properties, Mapping) and isinstance(required, (list, tuple)):
        for index, name in enumerate(required):
            if name not in properties:
                yield Fault(
                    f"{pointer}/required/{index}", "strict", "names no property.", "Describe it under `properties`, or leave it out."
                )
    if "array" in _kinds(schema) and "items" not in schema:
        yield Fault(f"{pointer}/items", "strict", "is missing: a list of anything cannot be kept.", "Say what the list holds.")


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "object" in _kinds(schema) or "properties" in schema


def _kinds(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds) if isinstance(kinds, (list, tuple)) else ()


def _types(values: Any) -> str | list[str]:
    """The JSON types of listed values."""
    kinds = list(dict.fromkeys(json_type(value) for value in values))
    return kinds[0] if len(kinds) == 1 else kinds


def _is_local(reference: Any) -> bool:
    return isinstance(reference, str) and (reference == "#" or reference.startswith("#/$defs/"))


def _or_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, or null."""
    if "enum" in schema or "const" in schema or "$ref" in schema or "type" not in schema:
        if isinstance(schema.get("anyOf"), list):
            return {**schema, "anyOf": [*schema["anyOf"], {"type": _NULL}]}
        return {"anyOf": [schema, {"type": _NULL}]}
    kinds = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    return {**schema, "type": list(dict.fromkeys([*kinds, _NULL]))}


def _measure(schema: Any, counts: dict[str, int]) -> int:
    """Counts properties and listed values on the way; gives the nesting of objects."""
    if not isinstance(schema, Mapping):
        return 0
    properties, listed = schema.get("properties"), schema.get("enum")
    names = list(properties) if isinstance(properties, Mapping) else []
    listed = listed if isinstance(listed, list) else []
    counts["properties"] += len(names)
    counts["enum"] += len(listed)
    counts["characters"] += sum(len(str(text)) for text in (*names, *listed))
    deepest = max((_measure(part, counts) for _, part in children(schema)), default=0)
    return deepest + (1 if properties else 0)


def _without_nulls(value: Any, schema: Any, root: Mapping[str, Any], hops: int) -> Any:
    schema = _followed(schema, root)
    if isinstance(value, list):
        return [_without_nulls(item, schema.get("items", {}), root, hops) for item in value]
    if not isinstance(value, Mapping):
        return value
    branch = next((part for part in _branches(schema, root, hops) if value.keys() <= part.get("properties", {}).keys()), schema)
    properties, required = branch.get("properties", {}), branch.get("required", ())
    return {
        name: _without_nulls(item, properties.get(name, {}), root, hops)
        for name, item in value.items()
        if not (item is None and name in properties and name not in required and not _takes_null(properties[name], root))
    }


def _branches(schema: Mapping[str, Any], root: Mapping[str, Any], hops: int) -> Iterator[Mapping[str, Any]]:
    """The schema and the alternatives that it has."""
    if "properties" in schema:
        yield schema
    if hops < _HOPS:
        for part in schema.get("anyOf", ()):
            yield from _branches(_followed(part, root), root, hops + 1)


_HOPS: Final = 16
"""References and alternatives that are followed in a row."""


def _followed(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_HOPS):
        if not isinstance(schema, Mapping) or not _is_local(schema.get("$ref")):
            break
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = root if name == "#" else root.get("$defs", {}).get(name, {})
    return schema if isinstance(schema, Mapping) else {}


def _takes_null(schema: Any, root: Mapping[str, Any]) -> bool:
    schema = _followed(schema, root)
    kinds = schema.get("type", ())
    listed = schema.get("enum", [schema["const"]] if "const" in schema else ())
    return _NULL in kinds or None in listed or any(_takes_null(part, root) for part in schema.get("anyOf", ()))
