"""A row's columns -> the inputs of its call, by ``field=column`` and fixed values; what a row holds is a value, never a template."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.core.request import local_file
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.bulk.row import Row, RowSource, json_value, refused
from kosha_connector_openai.schema import UNIONS, SchemaReader
from kosha_connector_openai.text import escape, loads_strict, nearest

_RULE: Final = re.compile(r"([^=:]+)(:?=)(@?)(.+)", re.DOTALL)
_MISSING: Final = object()
Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """The inputs that a target takes: for each name whether it takes a text as it is, and whether it takes a file."""

    texts: frozenset[str]
    files: frozenset[str]
    names: frozenset[str]
    required: frozenset[str] = frozenset()
    is_open: bool = False
    """Whether the target takes other names, too."""

    @classmethod
    def of(cls, schema: Mapping[str, Any], *, checked: bool = True) -> Fields:
        """Reads them from the JSON Schema of an object; without ``checked`` nothing is required."""
        reader = SchemaReader(schema)
        properties = {name: part for one in reader.parts(schema) for name, part in one.get("properties", {}).items()}
        texts, files = set(), set()
        for name, part in properties.items():
            kinds: set[str] = set()
            for entry in reader.parts(part, UNIONS):
                given = entry.get("type")
                kinds |= {given} if isinstance(given, str) else set(given or ())
                kinds |= {"file"} if entry.get("format") == "binary" else set()
                values = [*entry.get("enum", ()), *([entry["const"]] if "const" in entry else [])]
                kinds |= {"string"} if any(isinstance(value, str) for value in values) else set()
            texts |= {name} if not kinds or "string" in kinds else set()
            files |= {name} if "file" in kinds else set()
        required = reader.required(schema) if checked else frozenset[str]()
        return cls(frozenset(texts), frozenset(files), frozenset(properties), required, is_open=not properties)

    def path(self, name: str) -> Steps:
        """Where a value goes: a dotted name leads into a field, unless a field has it."""
        return (name,) if name in self.names else tuple(name.split("."))


@dataclass(frozen=True, slots=True)
class MapRule:
    """One ``field=column``: where the value goes and where it is found, both as dotted paths; ``sign`` is ``=``, ``:=`` (JSON) or ``@``
    (the file that the column names)."""

    field: tuple[str, ...]
    column: str
    sign: str = "="

    @classmethod
    def parse(cls, text: str) -> MapRule:
        """The rule that ``FIELD=COLUMN``, ``FIELD:=COLUMN`` or ``FIELD=@COLUMN`` writes. Raises InputError."""
        match = _RULE.fullmatch(text)
        if match is None:
            fix = "Write FIELD=COLUMN, FIELD:=COLUMN for JSON, or FIELD=@COLUMN."
            raise refused("/map", "form", f"has {text!a}, which is not written FIELD=COLUMN.", fix)
        field, sign, at, column = match.groups()
        return cls(tuple(field.split(".")), column, at or sign)


class RowMap:
    """The whole mapping of a run."""

    def __init__(self, rules: Sequence[str], fixed: Mapping[str, Any], fields: Fields, source: RowSource, first: Row) -> None:
        """``fixed`` may have dotted names, too.

        Raises InputError for columns that the input lacks and fields that the target lacks, each with the nearest name; for fields that
        it requires and nothing fills; for values that another one would replace; and for fixed values that are no JSON.
        """
        self._fields, self._source = fields, source
        places = {fields.path(name): value for name, value in fixed.items()}
        columns = source.columns() or tuple(first.values)
        given = [MapRule.parse(text) for text in rules]
        self._strict = not given
        self._rules = given or [MapRule((name,), name) for name in columns if name not in fixed]
        self._check(columns, places, closed=source.columns() is not None)
        self._fixed: dict[str, Any] = {}
        for path in sorted(places, key=len):
            _put(self._fixed, path, deepcopy(places[path]), f"/{escape('.'.join(path))}")
        self._plain = not given and source.format not in ("csv", "tsv")
        self._encoded_fixed = orjson.dumps(self._fixed, option=orjson.OPT_SORT_KEYS)

    def _check(self, columns: Sequence[str], fixed: Mapping[Steps, Any], *, closed: bool) -> None:
        faults = self._replaced(fixed) + [_no_json(path) for path, value in fixed.items() if not _is_json(value)]
        names, is_closed = self._fields.names, not self._fields.is_open
        for rule in self._rules:
            name = rule.field[0]
            if is_closed and name not in names:
                faults.append(_unknown_field(name, rule.column, names, mapped=not self._strict))
            if closed and not _head(rule.column, columns):
                faults.append(unknown_column(rule.column, columns))
        if is_closed:
            faults += [_unknown_field(path[0], None, names, mapped=True) for path in fixed if path[0] not in names]
        if not faults and (closed or not self._strict):  # else each row may have fields of its own
            filled = {rule.field[0] for rule in self._rules} | {path[0] for path in fixed}
            faults += [_unfilled(name) for name in sorted(self._fields.required - filled)]
        if faults:
            raise InputError("The rows cannot be used; nothing was sent.", faults)

    def _replaced(self, fixed: Collection[Steps]) -> list[Fault]:
        """Fields that two rules fill, or a rule and a fixed value: one of them would be dropped silently."""
        if self._strict:
            return []
        faults, paths = [], [rule.field for rule in self._rules]
        for number, path in enumerate(paths):
            pointer = f"/map/{escape('.'.join(path))}"
            if any(before[: len(path)] == path for before in paths[:number]):
                faults.append(Fault(pointer, "twice", "is mapped twice.", "Map each field once, and a whole before what is inside it."))
            if any(other[: len(path)] == path for other in fixed):
                faults.append(Fault(pointer, "twice", "is set for all rows, too.", "Leave out --map or --set for it."))
        return faults

    @property
    def names_files(self) -> bool:
        """Whether columns name files, whose bytes are part of the rows."""
        return any(rule.sign == "@" for rule in self._rules)

    def digest_bytes(self, row: Row) -> bytes:
        """The mapped values of a row as bytes, equal for equal rows; a file counts by its size and time of change."""
        return orjson.dumps(self._values(row, files=False), option=orjson.OPT_SORT_KEYS, default=str)

    def inputs(self, row: Row) -> dict[str, Any]:
        """The inputs of the row's call; raises InputError with the row's line."""
        return {**self._fixed_values(), **self._values(row, files=True)} if self._plain else self._filled(row)

    def _fixed_values(self) -> dict[str, Any]:
        return self._fixed

    def _filled(self, row: Row) -> dict[str, Any]:
        filled: dict[str, Any] = orjson.loads(self._encoded_fixed) if self._nested else dict(self._fixed)
        for path, value in self._pairs(row, files=True):
            if len(path) == 1:
                filled[path[0]] = value
            else:
                _put(filled, path, value, f"/line/{row.line}")
        return filled

    @property
    def _nested(self) -> bool:
        return any(len(rule.field) > 1 for rule in self._rules)

    def _values(self, row: Row, *, files: bool) -> dict[str, Any]:
        if self._plain:
            unknown = () if self._fields.is_open else row.values.keys() - self._fields.names
            if unknown:
                name = min(unknown)
                fault = _unknown_field(name, name, self._fields.names, mapped=False)
                raise InputError(
                    "The rows cannot be used; nothing was sent.", [Fault(f"/line/{row.line}", fault.rule, fault.message, fault.fix)]
                )
            return row.values
        return {".".join(path): value for path, value in self._pairs(row, files=files)}

    def _pairs(self, row: Row, *, files: bool) -> Iterable[tuple[tuple[str, ...], Any]]:
        for rule in self._rules:
            value = _find(row.values, rule.column)
            if value is _MISSING:
                if self._strict:
                    continue
                near = nearest(rule.column, row.values, shortest=3)
                fix = f"Did you mean `{near}`?" if near else "Give each row this column."
                raise refused(f"/line/{row.line}", "required", f"has no column {rule.column!a}.", fix)
            if value == "" and self._is_json(rule):
                continue  # an empty cell is no value
            yield rule.field, self._typed(rule, value, row, files=files)

    def _is_json(self, rule: MapRule) -> bool:
        """Whether a text is read as JSON: where that was asked for, and for fields that take no text."""
        takes_text = len(rule.field) > 1 or self._fields.is_open or rule.field[0] in self._fields.texts
        return rule.sign == ":=" or (rule.sign == "=" and not takes_text)

    def _typed(self, rule: MapRule, value: Any, row: Row, *, files: bool) -> Any:
        name = rule.field[0]
        if rule.sign == "@":
            return self._file(name, value, row, read=files)
        if not self._is_json(rule) or not isinstance(value, str):
            return value
        try:
            return json_value(value, f"/line/{row.line}/{escape(rule.column)}", "Write the value as JSON.")
        except InputError:
            if rule.sign == "=" and value and value[0] not in "[{":
                return value  # the check of all inputs together says what is wrong with it
            raise

    def _file(self, name: str, value: Any, row: Row, *, read: bool) -> Any:
        pointer = f"/line/{row.line}"
        if not isinstance(value, str) or not value:
            raise refused(pointer, "file", "names no file in the column that is mapped as one.", "Give a path, relative to the input.")
        folder = self._source.path if self._source.format == "folder" else self._source.path.parent
        path = (folder / value).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise refused(pointer, "folder", "names a file outside the input's folder.", "Put the files beside the input, or below it.")
        if not read:
            try:
                found = path.stat()
            except OSError:
                raise refused(pointer, "file", "names a file that is not there.", "Paths are relative to the input.") from None
            return ["file", value, found.st_size, found.st_mtime_ns]
        if name in self._fields.files:
            return local_file(path, f"/{escape(name)}")
        return _text_of(path, pointer)


def _text_of(path: Path, pointer: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        message = f"names a file that cannot be read: {error.strerror}."
    except UnicodeDecodeError:
        message = "names a file that is not UTF-8, for a field that takes a text."
    raise refused(pointer, "file", message, "Name a text in UTF-8, or map the column to a field that takes files.")


def _unknown_field(name: str, column: str | None, names: Iterable[str], *, mapped: bool) -> Fault:
    near = nearest(name, names, shortest=3)
    fix = f"Did you mean `{near}`?" if near else f"It takes {', '.join(sorted(names)[:12])}."
    if not mapped:
        fix += " Map the columns to send (--map FIELD=COLUMN); then the others stay here."
    pointer = f"/column/{escape(column)}" if column is not None and not mapped else f"/{escape(name)}"
    return Fault(pointer, "unknown", "is no field of the target." if mapped else f"{name!a} is no field of the target.", fix)


def _is_json(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _no_json(path: Steps) -> Fault:
    name = ".".join(path)
    fix = f"Name a file in a column, and map it: --map {name}=@COLUMN; write a large integer as a text."
    return Fault(f"/{escape(name)}", "json", "is a file, an integer beyond 64 bits, or no JSON; a run keeps what its rows share.", fix)


def unknown_column(name: str, columns: Sequence[str]) -> Fault:
    """The fault for a column that the input lacks, with the nearest name."""
    near = nearest(name, columns, shortest=3)
    fix = f"Did you mean `{near}`?" if near else f"Its columns are {', '.join(columns[:20])}."
    return Fault(f"/column/{escape(name)}", "unknown", "is no column of the input.", fix)


def _unfilled(name: str) -> Fault:
    fix = f"Give it with --map {name}=COLUMN, or with --set {name}=VALUE."
    return Fault(f"/{escape(name)}", "required", "is required, and neither a column nor a fixed value fills it.", fix)


def _head(column: str, columns: Sequence[str]) -> bool:
    return column in columns or column.split(".", maxsplit=1)[0] in columns


def _find(values: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or at a dotted path; a text that is passed through is read as JSON."""
    if column in values:
        return values[column]
    value: Any = values
    for step in column.split("."):
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                value = loads_strict(value)
            except InputError:
                return _MISSING
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _put(target: dict[str, Any], path: Steps, value: Any, pointer: str) -> None:
    """Puts a value at a path of object keys and list places; what is missing on the way is made. Raises InputError with the pointer."""
    at: Any = target
    for step, below in pairwise(path):
        made: Any = [] if below.isdigit() else {}
        at = _enter(at, step, made, pointer, path)
    _enter(at, path[-1], value, pointer, path, replace=True)


def _enter(at: Any, step: str, made: Any, pointer: str, path: Steps, *, replace: bool = False) -> Any:
    if isinstance(at, dict):
        if replace:
            at[step] = made
        return at.setdefault(step, made)
    if isinstance(at, list) and step.isdigit() and int(step) <= len(at):
        place = int(step)
        if place == len(at):
            at.append(made)
        elif replace:
            at[place] = made
        return at[place]
    raise refused(pointer, "map", f"has no place for {'.'.join(path)!a}.", "Begin lists at 0, and give their objects with --set.")
