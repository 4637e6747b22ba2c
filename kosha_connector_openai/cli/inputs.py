"""What is typed on the command line -> the inputs of an action: text where the schema takes text, JSON where it does not."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from kosha_connector_openai.cli.fields import Field, read_fields
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.request import FileInput, local_file
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text import MIB, JsonLimits, escape, loads_strict, nearest

STDIN: Final = "-"
_LIMITS: Final = JsonLimits(bytes=512 * MIB, string=512 * MIB)
_ARGUMENT: Final = re.compile(r"([^=:][^=]*?)(:?=)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Given:
    """The inputs as they were given: ``NAME=VALUE`` arguments, a file of JSON (``-`` for standard input) and inline JSON."""

    arguments: Sequence[str] = ()
    file: str | None = None
    inline: str | None = None
    literal: bool = False
    """Whether an ``@`` at the start of a value is text, so that no argument opens a file."""
    files: Sequence[str] = ()
    """``NAME=@FILE`` arguments that name files even so."""
    option: str | None = None
    """The option by which the arguments were given, where they stand behind one."""


def read_inputs(action: Action, given: Given) -> dict[str, Any]:
    """The inputs by name; raises InputError with every fault, and BadParameter for what is no ``NAME=VALUE``."""
    return read_given(partial(read_fields, action), given)


def read_given(known: Callable[[], Mapping[str, Field]], given: Given) -> dict[str, Any]:
    """``read_inputs`` for any form; its fields are asked for where an argument needs them."""
    faults: list[Fault] = []
    found: dict[str, Any] = {}
    reader = _Reader()
    sources: list[tuple[str, Callable[[], Any]]] = []
    if given.file is not None:
        sources += _whole(reader.data(given.file, "--input"), "standard input" if given.file == STDIN else f"file {Path(given.file).name}")
    if given.inline is not None:
        sources += _whole(given.inline, "JSON of --json-input")
    fields = known() if given.arguments or given.files else {}
    sources += [_one(argument, fields, reader, literal=given.literal, option=given.option) for argument in given.arguments]
    sources += [_one(argument, fields, reader, literal=False) for argument in given.files]
    for name, make in sources:
        if name in found:
            faults.append(Fault(f"/{escape(name)}", "twice", "is given twice.", "Give it once."))
            continue
        found[name] = _collect(name, make, faults)
    if faults:
        raise InputError("The inputs cannot be read.", faults)
    return found


class _Reader:
    """Reads files, and standard input at most once."""

    def __init__(self) -> None:
        self._used = False

    def data(self, name: str, pointer: str) -> bytes:
        """At most 512 MiB; raises InputError. What may be sent of it, the connection says."""
        limit = _LIMITS.bytes
        try:
            data = self._stdin(pointer, limit + 1) if name == STDIN else _read(Path(name).expanduser(), limit + 1)
        except OSError as error:
            raise _refused(pointer, "file", f"cannot be read: {error.strerror}.", "Name a file that you may read.") from None
        if len(data) > limit:
            raise _refused(pointer, "size", f"is larger than {limit} bytes.")
        return data

    def text(self, name: str, pointer: str) -> str:
        """UTF-8; raises InputError."""
        try:
            return self.data(name, pointer).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            position = error.start
        raise _refused(pointer, "utf-8", f"is not UTF-8 at byte {position}.", "Save the file as UTF-8.")

    def _stdin(self, pointer: str, limit: int) -> bytes:
        if self._used:
            raise _refused(pointer, "twice", "asks for standard input, which was read already.", "Use a file.")
        self._used = True
        return sys.stdin.buffer.read(limit)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)


def _whole(text: str | bytes, what: str) -> list[tuple[str, Callable[[], Any]]]:
    value = loads_strict(text, _LIMITS, what=what)
    if not isinstance(value, Mapping):
        raise InputError(f"The {what} is not an object.", [Fault("", "type", "must be an object of inputs by name.")])
    return [(name, lambda item=item: item) for name, item in value.items()]  # type: ignore[misc]


def _one(
    argument: str, fields: Mapping[str, Field], reader: _Reader, *, literal: bool, option: str | None = None
) -> tuple[str, Callable[[], Any]]:
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        raise typer.BadParameter("An input is written NAME=VALUE, NAME:=JSON or NAME=@FILE.", param_hint=option)
    name, sign, text = match.groups()
    pointer = f"/{escape(name)}"
    field = fields.get(name) or Field(name, (), (), required=False, help="")
    named = text.startswith("@") and not literal
    if named and field.takes_file and sign == "=":
        return name, lambda: _file(text[1:], pointer, reader)
    given: Callable[[], str] = partial(_text_in, text[1:], name, fields, reader) if named else partial(str, text)
    if sign == ":=":
        return name, lambda: _json(given(), pointer, "Write JSON after `:=`.")
    return name, lambda: _typed(given(), field, pointer)


def _text_in(file: str, name: str, fields: Mapping[str, Field], reader: _Reader) -> str:
    """The text in a file; raises InputError, which of a name that is not known says so before it says what is wrong with the file."""
    pointer = f"/{escape(name)}"
    try:
        return reader.text(file, pointer)
    except InputError as error:
        rule = error.faults[0].rule
        if rule == "utf-8" and name not in fields:
            takers = ", ".join(each.name for each in fields.values() if each.takes_file) or "no field"
            fix = f"Did you mean `{near}`?" if (near := nearest(name, fields)) else f"What takes files here: {takers}."
            refusal = _refused(pointer, "unknown", "is not a known field, and its file is no text.", fix)
        elif rule == "file":
            fix = f"Name a file that you may read, or write a text that begins with @ as JSON: {name}:='\"@...\"'."
            refusal = _refused(pointer, rule, error.faults[0].message, fix)
        else:
            refusal = error
    raise refusal


def _typed(text: str, field: Field, pointer: str) -> Any:
    if set(field.kinds) == {"file"} and not text.startswith("data:"):
        raise _refused(pointer, "file", "takes a file.", f"Write `{field.name}=@PATH`.")
    if field.takes_text or field.takes_file:
        return text
    if {"array", "object"} & set(field.kinds):
        return _json(text, pointer, f"It takes {field.words}, written as JSON.")
    try:
        return loads_strict(text, _LIMITS)
    except InputError:
        return text  # the check of all inputs together says what is wrong with it


def _json(text: str, pointer: str, fix: str) -> Any:
    try:
        return loads_strict(text, _LIMITS)
    except InputError as error:
        faults = [Fault(f"{pointer}{fault.pointer}", fault.rule, fault.message, fault.fix or fix) for fault in error.faults]
    raise InputError("The value cannot be read.", faults)


def _file(name: str, pointer: str, reader: _Reader) -> bytes | FileInput:
    return reader.data(name, pointer) if name == STDIN else local_file(Path(name).expanduser(), pointer)


def _collect(name: str, make: Callable[[], Any], faults: list[Fault]) -> Any:
    try:
        return make()
    except InputError as error:
        faults += error.faults or [Fault(f"/{escape(name)}", "value", error.message)]
        return None


def _refused(pointer: str, rule: str, message: str, fix: str = "") -> InputError:
    return InputError("The input cannot be read.", [Fault(pointer, rule, message, fix)])


def names(given: Iterable[str]) -> set[str]:
    """The names in ``NAME=VALUE`` arguments, for shell completion."""
    return {match[1] for argument in given if (match := _ARGUMENT.fullmatch(argument))}
