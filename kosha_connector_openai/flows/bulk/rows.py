"""Rows in: JSONL, CSV, Parquet, a folder of files, or values of a program; read one by one, every fault with its line or column."""

from __future__ import annotations

import codecs
import csv
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, BinaryIO, Final, cast, get_args

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.bulk.row import Format, Row, RowSource, Start, json_value, refused
from kosha_connector_openai.text import MIB, escape

FORMATS: Final = get_args(Format)
_LONGEST: Final = 64 * MIB
"""Bytes of one line, or of one cell."""
_ENDINGS: Final[dict[str, Format]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}

_UNPACK: Final = "Unpack it, such as with gunzip."
_AS_TABLE: Final = "Save the table as CSV in UTF-8 (in a spreadsheet: CSV UTF-8)."
_AS_LINES: Final = "Write each object on a line of its own, such as with: jq -c '.[]?, objects' FILE."
_OTHER_ENDINGS: Final = {".gz": _UNPACK, ".xlsx": _AS_TABLE, ".xls": _AS_TABLE, ".ods": _AS_TABLE, ".json": _AS_LINES}
_BEGINNINGS: Final = (
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-8", "is UTF-16.", _AS_TABLE),
    ((b"\x1f\x8b",), "compressed", "is compressed with gzip.", _UNPACK),
    ((b"PK\x03\x04",), "format", "begins a spreadsheet, or another ZIP archive.", _AS_TABLE),
    ((b"PAR1",), "format", "begins a Parquet file.", "Say so: --format parquet."),
)
"""How files begin that have no lines of text."""
_QUOTED: Final = re.compile('"[^"]*"')


def open_source(path: Path, format: Format | None = None) -> RowSource:  # noqa: A002 - the field's word
    """The input at ``path``; its form by ``format``, else by its name. Raises InputError for what is no input."""
    try:
        is_folder = path.is_dir()
        if path.is_fifo() or path.is_char_device():
            raise refused("/input", "file", "is a pipe or a device, which is read only once.", "Give - and its rows on standard input.")
        if not is_folder and not path.is_file():
            raise refused("/input", "file", f"{path.name} is not there.", "Name a file, a folder, or - for standard input.")
    except OSError as error:
        raise refused("/input", "file", f"cannot be read: {error.strerror}.", "Name a file that you may read.") from None
    kind = format or ("folder" if is_folder else _ENDINGS.get(path.suffix.lower()))
    if kind is None:
        fix = _OTHER_ENDINGS.get(path.suffix.lower()) or f"Say which it is: --format {', '.join(FORMATS[:-1])}."
        raise refused("/input", "format", "has an unknown ending.", fix)
    if is_folder != (kind == "folder"):
        raise refused("/format", "format", f"is {kind}, and the input is {'a folder' if is_folder else 'a file'}.")
    from kosha_connector_openai.flows.bulk.parquet import ParquetTable

    kinds: dict[Format, Callable[[Path, Format], RowSource]] = {
        "jsonl": JsonLines,
        "csv": CsvTable,
        "tsv": CsvTable,
        "parquet": ParquetTable,
        "folder": FileFolder,
    }
    return kinds[kind](path, kind)


def digest_of(source: RowSource) -> str | None:
    """The digest of a file's bytes; None where it is a folder, or cannot be read: the reader says what is wrong with it."""
    if hasattr(source, "digest"):  # its rows are elsewhere
        return cast("str | None", source.digest)
    try:
        with source.path.open("rb") as file:
            return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
    except OSError:
        return None


@dataclass
class _Lines:
    """The lines of a file from a place on, decoded where asked for."""

    path: Path
    start: Start = Start()
    place: int = field(default=0, init=False)
    next_place: int = field(default=0, init=False)
    line: int = field(default=0, init=False)

    def raw(self) -> Iterator[bytes]:
        """Each line's bytes, without a byte order mark; ``place`` and ``line`` are those of the line that was just given."""
        try:
            with self.path.open("rb") as file:
                yield from self._raw(file)
        except OSError as error:
            raise refused("/input", "file", f"cannot be read: {error.strerror}.", "Name a file that you may read.") from None

    def _raw(self, file: BinaryIO) -> Iterator[bytes]:
        file.seek(self.start.place)
        self.next_place, self.line = self.start.place, self.start.line
        while data := file.readline(_LONGEST + 1):
            self.place, self.line = self.next_place, self.line + 1
            self.next_place += len(data)
            pointer = f"/line/{self.line}"
            if len(data) > _LONGEST:
                raise refused(pointer, "size", "is longer than 64 MiB.", "Give large values as files, with --map FIELD=@COLUMN.")
            if self.place == 0:
                for beginnings, rule, message, fix in _BEGINNINGS:
                    if data.startswith(beginnings):
                        raise refused(pointer, rule, message, fix)
                data = data.removeprefix(codecs.BOM_UTF8)
            if 0 in data:
                raise refused(pointer, "control", "has a NUL character.", "Take it out; a text file has none.")
            yield data

    def text(self) -> Iterator[str]:
        for data in self.raw():
            try:
                yield data.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = error.start + 1
            else:
                continue
            raise refused(f"/line/{self.line}", "utf-8", f"is not UTF-8 at its byte {byte}.", "Save the file as UTF-8.")


@dataclass
class JsonLines:
    """A JSON object in each line (RFC 8259); blank lines are passed over."""

    path: Path
    format: Format = "jsonl"

    def columns(self) -> tuple[str, ...] | None:
        return None

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        lines, number = _Lines(self.path, start), start.number
        for data in lines.raw():
            if data.isspace():
                continue
            number += 1
            if number == 1 and (data.lstrip().startswith(b"[") or data.strip() == b"{"):
                raise refused(f"/line/{lines.line}", "lines", "begins JSON that is no object on one line.", _AS_LINES)
            fault, values = None, {}
            try:
                values = _object(data, lines.line)
            except InputError as error:
                fault = error
            yield Row(number, lines.line, values, lines.place, data.strip(), fault)


def _object(data: bytes, line: int) -> dict[str, Any]:
    value = json_value(data.rstrip(), f"/line/{line}")
    if isinstance(value, dict):
        return value
    raise refused(f"/line/{line}", "type", "is no JSON object.", 'Write a row as {"column": value}.')


@dataclass
class CsvTable:
    """CSV (RFC 4180) with a header; the header tells whether cells are parted by commas, semicolons or tabs."""

    path: Path
    format: Format = "csv"
    _mark: str = field(default="", init=False)

    def columns(self) -> tuple[str, ...] | None:
        """The header; raises InputError where a name is missing or stands twice."""
        lines = _Lines(self.path)
        for header in self._cells(lines):
            if header and header[0].startswith("sep="):
                raise refused("/line/1", "header", "tells spreadsheets how cells are parted.", "Take the line out; the header comes first.")
            if header:
                return self._named(header, lines.line)
        raise refused("/input", "empty", "has no header and no rows.", "Write the names of the columns in the first line.")

    def _named(self, header: Sequence[str], line: int) -> tuple[str, ...]:
        faults = [
            Fault(f"/column/{number}", "required", f"has no name in the header (line {line}).", "Give each column a name.")
            for number, name in enumerate(header, 1)
            if not name.strip()
        ]
        double = [name for number, name in enumerate(header) if name.strip() and name in header[:number]]
        faults += [Fault(f"/column/{escape(name)}", "twice", "stands twice in the header.", "Name each column once.") for name in double]
        if faults:
            raise InputError("The rows cannot be used; nothing was sent.", faults)
        return tuple(header)

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        header = self.columns()
        assert header is not None
        lines, number = _Lines(self.path, start), start.number
        skip_header = start.place == 0
        place, line = start.place, start.line + 1
        for cells in self._cells(lines):
            here, place, line = (place, line), lines.next_place, lines.line + 1
            if not cells:
                continue
            if skip_header:
                skip_header = False
                continue
            number += 1
            if len(cells) != len(header):
                message = f"has {len(cells)} cells, and the header has {len(header)}."
                fault = refused(f"/line/{here[1]}", "ragged", message, "Quote cells that hold a comma, a quote or a line's end.")
                yield Row(number, here[1], {}, here[0], fault=fault)
                continue
            yield Row(number, here[1], dict(zip(header, cells, strict=True)), here[0])

    def _cells(self, lines: _Lines) -> Iterator[list[str]]:
        csv.field_size_limit(min(_LONGEST, sys.maxsize))
        self._mark = self._mark or self._parted()
        reader = csv.reader(lines.text(), delimiter=self._mark, strict=True)
        try:
            yield from reader
        except csv.Error as error:
            reason = "it has a carriage return inside a line" if "new-line" in str(error) else str(error)
        else:
            return
        raise refused(f"/line/{lines.line}", "csv", f"is no CSV: {reason}.", "Quote cells that hold a comma, a quote or a line's end.")

    def _parted(self) -> str:
        """What stands between cells: of a comma, a semicolon and a tab the one that the header has most of."""
        if self.format == "tsv":
            return "\t"
        header = ""
        for line in _Lines(self.path).text():
            header += line
            if header.strip() and header.count('"') % 2 == 0:
                break
        return max(",;\t", key=_QUOTED.sub("", header).count)


@dataclass
class FileFolder:
    """A row for each file below a folder, by path: ``path``, ``name`` and ``size``. Hidden files and links are passed over."""

    path: Path
    format: Format = "folder"

    def columns(self) -> tuple[str, ...] | None:
        return ("path", "name", "size")

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        try:
            found = sorted(self._files())
        except OSError as error:
            what = f"has {Path(error.filename).name!a}, which cannot be read: {error.strerror}."
            raise refused("/input", "folder", what, "Give read access, or take it out.") from None
        for number, (path, size) in enumerate(found, 1):
            if number > start.number:
                below = path.relative_to(self.path).as_posix()
                fault = _nameless(below, number)
                yield Row(number, number, {"path": below, "name": path.name, "size": size}, number - 1, fault=fault)

    def _files(self) -> Iterator[tuple[Path, int]]:
        for folder, names, files in os.walk(self.path, onerror=_fail):
            names[:] = [name for name in names if not name.startswith(".")]
            for path in (Path(folder, name) for name in files if not name.startswith(".")):
                with suppress(FileNotFoundError):  # it has just been deleted
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode):
                        yield path, found.st_size


def _fail(error: OSError) -> None:
    raise error


def _nameless(path: str, number: int) -> InputError | None:
    """The fault of a file whose name is no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return refused(f"/line/{number}", "utf-8", f"is a file whose name is not UTF-8: {path!a}.", "Rename it.")
    return None
