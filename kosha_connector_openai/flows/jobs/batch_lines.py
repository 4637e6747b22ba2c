"""Files of JSON lines, matched with the lines that were sent by their key: in the order of the input, the missing ones named.

The files stay on disk; in memory is one place in a file for each line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from kosha_connector_openai.manifest.parts import Lines
from kosha_connector_openai.text import JsonTextError, at, decode, first_of

_LONGEST = 64 * 1024 * 1024
"""Bytes of one line."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line's answer. ``index`` counts the input's lines from 0, None where the input has no such key.

    ``body`` is the answer itself, ``error`` what the upstream says instead; ``missing`` where neither file has the key.
    """

    key: str | None
    index: int | None
    status: int | None = None
    body: Any = None
    error: Any = None
    missing: bool = False
    request_id: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an answer, and no error."""
        answered = not self.missing and self.error is None and self.body is not None
        return answered and (self.status is None or 200 <= self.status < 300)  # noqa: PLR2004 - RFC 9110

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-ready values."""
        names = ("key", "index", "status", "body", "error", "missing", "request_id")
        return {"ok": self.ok, **{name: getattr(self, name) for name in names}}


@dataclass(slots=True)
class LineTable:
    """The rows of a finished job. Iterate it as often as needed; ``close`` it, or use ``with``, to remove its files."""

    rules: Lines
    folder: tempfile.TemporaryDirectory[str]
    files: list[Path] = field(default_factory=list)
    order: Path | None = None
    warnings: list[str] = field(default_factory=list)
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)
    _strays: list[tuple[int, int]] = field(default_factory=list)
    """Lines without a key, or with one that came before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the files."""
        self.folder.cleanup()

    @property
    def is_empty(self) -> bool:
        """Whether no file has a line."""
        return not (self._places or self._strays)

    def index(self) -> None:
        """Notes where each key's answer stands; called once, when all files are there."""
        for number, path in enumerate(self.files):
            with path.open("rb") as file:
                for start, line in _lines(file):
                    key = self._key(line)
                    if key is None or key in self._places:
                        self._strays.append((number, start))
                    else:
                        self._places[key] = (number, start)
        if self._strays:
            self.warnings.append(f"{len(self._strays)} lines have no key of their own; they stand at the end.")

    def row(self, key: str) -> LineRow | None:
        """The row with this key; None where no line has it."""
        place = self._places.get(key)
        if place is None:
            return None
        with self.files[place[0]].open("rb") as reader:
            reader.seek(place[1])
            return self._made(reader.readline(_LONGEST), key, None)

    def __iter__(self) -> Iterator[LineRow]:
        """The rows in the order of the input; then what the input does not explain."""
        with ExitStack() as stack:
            yield from self._rows([stack.enter_context(path.open("rb")) for path in self.files])

    def _rows(self, readers: Sequence[BinaryIO]) -> Iterator[LineRow]:
        used: set[str] = set()
        for index, key in enumerate(self._wanted()):
            place = None if key is None or key in used else self._places.get(key)
            if key is not None:
                used.add(key)
            yield LineRow(key, index, missing=True) if place is None else self._row(readers, place, key, index)
        for key, place in self._places.items():
            if key not in used:
                yield self._row(readers, place, key, None)
        for place in self._strays:
            yield self._row(readers, place, None, None)

    def _wanted(self) -> Iterator[str | None]:
        """The keys of the input in its order."""
        if self.order is None:
            return
        with self.order.open("rb") as file:
            for _, line in _lines(file):
                yield self._key(line)

    def _row(self, readers: Sequence[BinaryIO], place: tuple[int, int], key: str | None, index: int | None) -> LineRow:
        number, start = place
        readers[number].seek(start)
        return self._made(readers[number].readline(_LONGEST), key, index)

    def _made(self, line: bytes, key: str | None, index: int | None) -> LineRow:
        value = _value(line)
        if not isinstance(value, dict):
            return LineRow(key, index, error={"message": "The line is no JSON object."})
        rules = self.rules
        status = at(value, rules.status) if rules.status else None
        key = key if key is not None else self._text(value)
        name = at(value, rules.request) if rules.request else None
        return LineRow(
            key,
            index,
            status if isinstance(status, int) else None,
            at(value, rules.body),
            first_of(value, rules.error),
            request_id=name if isinstance(name, str) else None,
        )

    def _key(self, line: bytes) -> str | None:
        return self._text(_value(line))

    def _text(self, value: Any) -> str | None:
        key = at(value, self.rules.key) if isinstance(value, dict) else None
        return key if isinstance(key, str) else None


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with where it starts."""
    start = 0
    while line := file.readline(_LONGEST):
        if line.strip():
            yield start, line
        start += len(line)


def _value(line: bytes) -> Any:
    try:
        return decode(line.removeprefix(b"\xef\xbb\xbf"))
    except JsonTextError:
        return None
