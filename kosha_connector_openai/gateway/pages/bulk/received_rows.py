"""Rows that have come in: counted, their columns named, and refused where reading one would take much memory or time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.gateway.pages.bulk.run_folders import rows_path

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk import Format

_SHOWN: Final = 5
"""Rows that are told as they are."""
_LOOK: Final = 100
"""Rows that tell the columns where no header does."""
_CELL: Final = 200
"""Characters of a cell that are shown."""
_COLUMNS: Final = 1_000
_NAME: Final = 200
"""Characters of a column's name."""
_HEAD: Final = 64 * 1024
"""Bytes of a header."""
_LINE: Final = 4 * 1024 * 1024
"""Bytes of a line, and characters of a row."""
_VALUES: Final = 100_000
"""Signs of a row that may begin a value: what they make takes many times their room."""


def received(path: Path, form: Format, name: str, most: int) -> dict[str, Any]:
    """The facts of the rows in a run's folder. Raises InputError where they cannot be read, are none, or more than ``most``."""
    from kosha_connector_openai.flows.bulk import open_source

    place = rows_path(path, form)
    _check_lines(place, form)
    source = open_source(place, form)
    header, names, first, count = source.columns(), dict[str, None](), [], 0
    for row in source.rows():
        count += 1
        if count > most:
            raise _refused("/input", "rows", f"has more than {most} rows.", "Send it in parts.")
        if count <= _SHOWN:
            first.append({column: _cut(value) for column, value in row.values.items()})
        if count <= _LOOK:
            names |= dict.fromkeys(row.values)
        if form != "jsonl" and _is_large(row.values.values()):
            raise _large(row.line)
    if not count:
        raise _refused("/input", "rows", "has no rows.", "Send at least one row.")
    columns = list(header or names)
    if len(columns) > _COLUMNS or max(map(len, columns), default=0) > _NAME:
        raise _refused("/column", "size", f"has more than {_COLUMNS} columns, or names of more than {_NAME} characters.", "Leave some out.")
    facts = {"name": name, "format": form, "bytes": place.stat().st_size, "rows": count, "columns": columns, "first": first}
    return {**facts, "created": time(), "end": None}


def _check_lines(place: Path, form: Format) -> None:
    """Raises InputError for a line or a header that is too large; before anything reads its values."""
    head = form != "jsonl"
    with place.open("rb") as file:
        for number, line in enumerate(_lines(file.readline), 1):
            if len(line) > _LINE or sum(line.count(sign) for sign in (b",", b"[", b"{")) > _VALUES:
                raise _large(number)
            if head and line.strip():
                head = False
                if len(line) > _HEAD or line.count(b",") + line.count(b"\t") >= _COLUMNS or line.count(b'"') % 2:
                    text = f"is no header of one line, at most {_HEAD} bytes and {_COLUMNS} columns."
                    raise _refused(f"/line/{number}", "header", text, "Write the names of the columns in the first line.")


def _lines(readline: Any) -> Iterator[bytes]:
    while line := readline(_LINE + 1):
        yield line


def _is_large(cells: Iterable[str]) -> bool:
    """Whether a row of texts is too large, also one of several lines."""
    size = signs = 0
    for cell in cells:
        size += len(cell)
        signs += sum(cell.count(sign) for sign in ",[{")
    return size > _LINE or signs > _VALUES


def _large(line: int) -> InputError:
    return _refused(f"/line/{line}", "size", f"has more than {_LINE} bytes or {_VALUES} values.", "Send smaller rows.")


def _cut(value: Any) -> Any:
    """A value as far as it is shown."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode() if isinstance(value, (list, Mapping)) else None
    return value if text is None or len(text) <= _CELL else f"{text[: _CELL - 1]}\u2026"


def _refused(pointer: str, rule: str, message: str, fix: str) -> InputError:
    return InputError("The rows cannot be used.", [Fault(pointer, rule, message, fix)])
