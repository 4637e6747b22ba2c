"""A task's form: its inputs as one JSON Schema 2020-12, and the check of what a user entered, with the same faults as an action's."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, Final

from kosha_connector_openai.core.actions import is_file
from kosha_connector_openai.core.request import FileInput, FilePolicy, read_file_input
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest.parts import FileRule, Input, TaskRules
from kosha_connector_openai.schema import SchemaValidator
from kosha_connector_openai.text import escape, essence

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BINARY: Final = {"type": "string", "format": "binary"}
_ADDRESS: Final = {"type": "string", "format": "uri", "pattern": "^https?://"}
_UNKNOWN: Final = 20
"""Unknown names that are told."""
_SCHEMES: Final = ("https://", "http://")


class TaskForm:
    """The inputs of one task."""

    def __init__(self, rules: TaskRules) -> None:
        self.inputs = rules.inputs

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12: a title, a description and a default for each field; files are binary strings."""
        return {
            "$schema": _DIALECT,
            "type": "object",
            "properties": {name: _described(entry) for name, entry in self.inputs.items()},
            "required": [name for name, entry in self.inputs.items() if entry.required],
            "additionalProperties": False,
        }

    @cached_property
    def _validator(self) -> SchemaValidator:
        plain = {**self.schema, "properties": {name: _plain(entry) for name, entry in self.inputs.items()}}
        return SchemaValidator(plain, known=frozenset(self.inputs))

    def check(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with their defaults, fields that are null left out; raises InputError with every fault. No file is read."""
        strange = islice((name for name, value in inputs.items() if value is not None and name not in self.inputs), _UNKNOWN)
        given = {name: inputs[name] for name in (*self.inputs, *strange) if inputs.get(name) is not None}
        files = {name: value for name, value in given.items() if name in self.inputs and self.inputs[name].file}
        report = self._validator.check({**given, **dict.fromkeys(files, "file")})
        faults = [*report.faults, *map(self._unknown, report.warnings)]
        for name, value in files.items():
            faults += _file_faults(value, self.inputs[name].file, f"/{escape(name)}")
        if faults:
            count = "1 fault:" if len(faults) == 1 else f"{len(faults)} faults:"
            raise InputError(f"The inputs have {count}", faults)
        defaults = {name: entry.default for name, entry in self.inputs.items() if entry.default is not None}
        return {**defaults, **given}

    def _unknown(self, fault: Fault) -> Fault:
        """A name that is let through in an action has no place to go in a task."""
        return replace(fault, fix=f"Known here: {', '.join(self.inputs)}.", allowed=sorted(self.inputs))


def _described(entry: Input) -> dict[str, Any]:
    found: dict[str, Any] = {"title": entry.label, "description": entry.help}
    if entry.file:
        found |= {"anyOf": [_BINARY, _ADDRESS]} if entry.file.url else _BINARY
    else:
        found |= entry.takes
    if entry.default is not None:
        found["default"] = entry.default
    return found | ({"examples": [entry.example]} if entry.example is not None else {})


def _plain(entry: Input) -> Mapping[str, Any]:
    return {"type": "string"} if entry.file else entry.takes


def _file_faults(value: Any, rule: FileRule | None, pointer: str) -> Iterator[Fault]:
    if rule and rule.url and isinstance(value, str) and not value.startswith("data:"):
        if not value.startswith(_SCHEMES) or any(char.isspace() for char in value):
            yield Fault(pointer, "file", "is neither a file nor an address.", "Give a file, a data: URL or an https address.")
    elif not (is_file(value) or isinstance(value, (os.PathLike, FileInput))):
        yield Fault(pointer, "file", "is not a file.", "Give bytes, a file object, a data: URL or an object with `path` or `base64`.")


def open_file(value: Any, rule: FileRule, pointer: str, policy: FilePolicy) -> FileInput:
    """A file input, its size and type within the rule; raises InputError."""
    file = read_file_input(value, pointer, policy)
    if rule.types and essence(file.content_type) not in rule.types:
        raise InputError(
            "The file cannot be used.", [Fault(pointer, "type", "is of another type.", f"Use {', '.join(rule.types)}.", list(rule.types))]
        )
    if file.size is not None and file.size > rule.bytes:
        fault = Fault(pointer, "size", f"is larger than {rule.bytes} bytes.", "Make it smaller.", rule.bytes)
        raise InputError("The file cannot be used.", [fault])
    return file


def data_url(value: Any, rule: FileRule, pointer: str, policy: FilePolicy) -> str:
    """A file as a ``data:`` URL (RFC 2397); an address stays as it is."""
    if isinstance(value, str) and value.startswith(_SCHEMES):
        return value
    file = open_file(value, rule, pointer, replace(policy, max_bytes=min(policy.max_bytes, rule.bytes)))
    content = b"".join(file.chunks())
    return f"data:{file.content_type};base64,{base64.b64encode(content).decode()}"
