"""One row, an input of rows, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import orjson

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text import loads_strict

Format = Literal["jsonl", "csv", "tsv", "parquet", "folder"]
_REFUSED: Final = "The rows cannot be used; nothing was sent."
_FIXES: Final = {"utf-8": "Save the file as UTF-8."}
_SHOWN: Final = 20
"""Faults that are told one by one."""


@dataclass(slots=True)
class Row:
    """One row. ``number`` counts rows from 1, ``line`` is the line that it begins in; ``place`` is where a reader can begin with it."""

    number: int
    line: int
    values: dict[str, Any]
    place: int = 0
    raw: bytes | None = None
    """The line itself, where the input has a row in each line."""
    fault: InputError | None = None
    """What is wrong with this row alone."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: with the row after ``number``, at ``place`` and ``line``."""

    number: int = 0
    line: int = 0
    place: int = 0


class RowSource(Protocol):
    """An input that can be read again and again."""

    path: Path
    format: Format

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        """The rows in order; raises InputError at a row that cannot be read."""

    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns, where the input says them before its rows."""


def refused(pointer: str, rule: str, message: str, fix: str = "") -> InputError:
    """The error for one fault of the input."""
    return InputError(_REFUSED, [Fault(pointer, rule, message, fix)])


def json_value(text: bytes | str, pointer: str, fix: str = "Write one JSON object in each line.") -> Any:
    """The value of JSON (RFC 8259) in a row; raises InputError with each fault below ``pointer``, and ``fix`` for what is no JSON."""
    try:
        value = loads_strict(text)
        orjson.dumps(value)
    except InputError as error:
        faults = [
            replace(fault, pointer=pointer + fault.pointer, message=_in_line(fault.message), fix=fault.fix or _FIXES.get(fault.rule, fix))
            for fault in error.faults
        ]
        raise InputError(_REFUSED, faults) from None
    except TypeError:
        problem = refused(pointer, "integer", "has an integer beyond 64 bits.", "Write it as a text.")
    else:
        return value
    raise problem


def _in_line(message: str) -> str:
    """Where it stands in a text of one line is told by the character."""
    return message.replace(" at line 1, column ", " at its character ")


def row_of(rows: Iterator[Row], number: int) -> Row:
    """The row with this number, out of rows that are read in order. Raises InputError where there is none."""
    row = next((row for row in rows if row.number == number), None)
    if row is None:
        raise changed("is shorter than before")
    return row


def changed(what: str) -> InputError:
    """The error for an input whose rows are not those that the run began with."""
    fix = "Give back the input of before, and resume; `bulk resume --adopt` takes the changed one."
    return InputError("The input was changed during the run.", [Fault("/input", "changed", f"{what}.", fix)])


class FaultList:
    """Collects faults of rows; the first twenty are told, and how many more there are."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.count = 0

    def add(self, error: InputError) -> None:
        self.count += max(1, len(error.faults))
        self.faults += error.faults[: max(0, _SHOWN - len(self.faults))]

    def check(self) -> None:
        """Raises InputError where there is any fault."""
        if self.count:
            more = f" These are the first {_SHOWN} of {self.count} faults." if self.count > _SHOWN else ""
            raise InputError(f"The rows cannot be used; nothing was sent.{more}", self.faults)
