"""Rows of a Parquet file, read with pyarrow."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.bulk.row import Format, Row, Start, refused
from kosha_connector_openai.text import escape, install

_BATCH: Final = 500
"""Rows that are held at a time."""
_BUFFER: Final = 65_536
"""Bytes of a column that are read at a time; by itself pyarrow reads all of a row group's, which can be the whole file."""
_BROKEN: Final = ("parquet", "has rows that cannot be read.", "Write the file anew.")
_TOLD: Final[dict[type[Exception], tuple[str, str, str]]] = {
    KeyError: ("twice", "has a map with a key that stands twice.", "Keep one."),
    UnicodeDecodeError: ("utf-8", "has a text that is not UTF-8.", "Write it in UTF-8, or as binary."),
    ValueError: ("time", "has times finer than a microsecond, or past the year 9999.", "Write them in microseconds, or as texts."),
    OverflowError: ("time", "has times before the year 1, or past the year 9999.", "Write them as texts."),
}
"""What a value that Python cannot hold is told as."""
_FAILURES: Final = tuple(_TOLD)


@dataclass
class ParquetTable:
    """A Parquet file; maps become objects, and values that JSON has not texts."""

    path: Path
    format: Format = "parquet"

    def _file(self) -> Any:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            problem = refused("/input", "extra", "is Parquet, and pyarrow is not installed.", install("parquet"))
        else:
            try:
                return parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=_BUFFER)
            except (OSError, pyarrow.ArrowException):
                problem = refused("/input", "parquet", "is no Parquet file that can be read.", "Write the file anew.")
        raise problem

    def columns(self) -> tuple[str, ...] | None:
        names = tuple(self._file().schema_arrow.names)
        double = [name for number, name in enumerate(names) if name in names[:number]]
        if double:
            raise refused(f"/column/{escape(double[0])}", "twice", "stands twice in the file.", "Name each column once.")
        return names

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        self.columns()
        file, number = self._file(), 0
        groups = list(range(file.num_row_groups))
        while groups and number + file.metadata.row_group(groups[0]).num_rows <= start.number:
            number += file.metadata.row_group(groups.pop(0)).num_rows
        for batch in _batches(file, groups):
            if number + batch.num_rows <= start.number:
                number += batch.num_rows
                continue
            for values in _rows_of(batch):
                number += 1
                if number > start.number:
                    yield Row(number, number, {name: _plain(value) for name, value in values.items()}, number - 1)


def _batches(file: Any, groups: list[int]) -> Iterator[Any]:
    import pyarrow

    try:
        yield from file.iter_batches(batch_size=_BATCH, row_groups=groups)
    except (OSError, pyarrow.ArrowException):
        problem = refused("/input", *_BROKEN)
    else:
        return
    raise problem


def _rows_of(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch; raises InputError with the column that holds what Python cannot."""
    rows: list[dict[str, Any]]
    try:
        rows = batch.to_pylist(maps_as_pydicts="strict")
    except _FAILURES:
        raise _refusal(batch) from None
    return rows


def _refusal(batch: Any) -> InputError:
    for name in batch.schema.names:
        try:
            batch.select([name]).to_pylist(maps_as_pydicts="strict")
        except _FAILURES as error:
            return refused(f"/column/{escape(name)}", *next(words for kind, words in _TOLD.items() if isinstance(error, kind)))
    return refused("/input", *_BROKEN)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return next((write(value) for kinds, write in _TEXTS if isinstance(value, kinds)), value)


_TEXTS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    ((date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: f"PT{value.total_seconds():.6f}S"),  # ISO 8601
    ((Decimal, UUID), str),
    (bytes, lambda value: b64encode(value).decode()),
)
"""How values that JSON has not are written."""
