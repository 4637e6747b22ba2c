"""One row, an input of rows, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from kosha_connector_openai.errors import Fault, InputError

Format = Literal["jsonl", "csv", "tsv", "parquet", "folder"]
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
    return InputError("The rows cannot be used; nothing was sent.", [Fault(pointer, rule, message, fix)])


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
