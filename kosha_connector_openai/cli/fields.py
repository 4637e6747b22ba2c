"""The inputs of an action as people type and read them: which JSON types a field takes, in words, and whether it takes a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kosha_connector_openai.cli.terminal import one_line
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.schema import UNIONS, SchemaReader

FILE: Final = "file"
_SHOWN: Final = 8
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
_WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "file": "a file",
    "null": "",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One input. ``kinds`` are JSON Schema types, and ``file``; none where anything goes. ``choices`` are all texts that it takes."""

    name: str
    kinds: tuple[str, ...]
    choices: tuple[str, ...]
    required: bool
    help: str

    @property
    def takes_text(self) -> bool:
        """Whether a value that was typed is the value itself, and not JSON."""
        return not self.kinds or "string" in self.kinds

    @property
    def takes_file(self) -> bool:
        """Whether the field takes a file."""
        return FILE in self.kinds

    @property
    def words(self) -> str:
        """The choices where nothing else is taken, else the types."""
        if self.choices:
            more = " ..." if len(self.choices) > _SHOWN else ""
            return " | ".join(str(choice) for choice in self.choices[:_SHOWN]) + more
        words = [_WORDS[kind] for kind in self.kinds]
        return " or ".join(word for word in words if word) or "anything"


def read_fields(action: Action) -> dict[str, Field]:
    """The action's inputs by name: those that every call needs first, else in the description's order."""
    helps = {name: overlay.help for name, overlay in action.overlay.fields.items() if overlay.help}
    return fields_of(action.input_schema, helps)


def fields_of(schema: Mapping[str, Any], helps: Mapping[str, str] = MappingProxyType({})) -> dict[str, Field]:
    """The properties of an object's schema by name, the required ones first; ``helps`` go before the schema's own words."""
    required = set(schema.get("required", ()))
    reader = SchemaReader(schema)
    found = {name: _field(name, part, reader, helps.get(name, ""), required) for name, part in schema.get("properties", {}).items()}
    return dict(sorted(found.items(), key=lambda pair: not pair[1].required))


def _field(name: str, part: Any, reader: SchemaReader, text: str, required: set[str]) -> Field:
    parts = list(reader.parts(part, UNIONS))
    kinds = dict.fromkeys(kind for entry in parts for kind in _kinds(entry, reader))
    choices = dict.fromkeys(value for entry in parts for value in _choices(entry) if isinstance(value, str))
    closed = set(kinds) <= {"string", "null"} and not any(_is_open(entry) for entry in parts)
    text = text or next((entry["description"] for entry in parts if entry.get("description")), "")
    return Field(name, tuple(kinds), tuple(choices) if closed else (), name in required, one_line(text.partition("\n")[0]))


def _kinds(schema: Mapping[str, Any], reader: SchemaReader) -> list[str]:
    if schema.get("format") == "binary":
        return [FILE]
    given = schema.get("type")
    if given is None:
        return [_TYPES[type(value)] for value in _choices(schema)]
    items = reader.parts(schema.get("items"), UNIONS)
    files = [FILE] if any(item.get("format") == "binary" for item in items) else []
    return [*([given] if isinstance(given, str) else given), *files]


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else ()))


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether any text will do, so that an ``enum`` beside it lists examples."""
    return "string" in schema.get("type", ()) and not _choices(schema)


def example_arguments(fields: Iterable[Field], values: Mapping[str, Any]) -> list[str]:
    """An argument for each input that is needed, with its sample value, as a shell's words."""
    return [_argument(field, values.get(field.name, "...")) for field in fields if field.required]


def _argument(field: Field, value: Any) -> str:
    if field.takes_file:
        return f"{field.name}=@PATH"
    plain = isinstance(value, str) and field.takes_text and not value.startswith("@")
    return f"{field.name}={value}" if plain else f"{field.name}:={json.dumps(value, ensure_ascii=False)}"
