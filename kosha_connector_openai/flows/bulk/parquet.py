"""Rows of a Parquet file, read with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.flows.bulk.row import Format, Row, Start, refused
from kosha_connector_openai.text import escape

_BATCH: Final = 500
"""Rows that are held at a time."""


@dataclass
class ParquetTable:
    """A Parquet file; values that JSON has not become texts."""

    path: Path
    format: Format = "parquet"

    def _file(self) -> Any:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            problem = refused(
                "/input", "extra", "is Parquet, and pyarrow is not installed.", "Install pyarrow, this package's extra `parquet`."
            )
        else:
            try:
                return parquet.ParquetFile(self.path, pre_buffer=False)
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
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups):
            if number + batch.num_rows <= start.number:
                number += batch.num_rows
                continue
            for values in batch.to_pylist():
                number += 1
                if number > start.number:
                    yield Row(number, number, {name: _plain(value) for name, value in values.items()}, number - 1)


def _plain(value: Any) -> Any:
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value
