"""What was run from the studio: a row for each run in an SQLite file of the user's own (mode 0600). What went in and came out is kept only
where that was switched on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final

from kosha_connector_openai.trusted_files import open_database

_MOST: Final = 2_000
"""Rows; the oldest go first."""
_TABLES: Final = (
    "PRAGMA secure_delete=ON",
    "PRAGMA journal_mode=MEMORY",  # no second file beside it
    """CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at REAL NOT NULL, what TEXT NOT NULL, outcome TEXT NOT NULL, seconds REAL,
    request_id TEXT, usage TEXT, contents TEXT)""",
)
_FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "what": (str,), "outcome": (str,), "seconds": (int, float), "request_id": (str,), "usage": (dict,), "contents": (dict,),
}  # fmt: skip
_LONGEST: Final = 200
_LARGEST_USAGE: Final = 4_000


class RunHistory:
    """The rows, newest first. Safe to share between threads."""

    def __init__(self, path: Path, *, contents: bool = False) -> None:
        """Raises OSError where the file cannot be had for this user alone, or is no database."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.contents = contents
        self._lock = Lock()
        self._rows = open_database(path, *_TABLES)

    def add(self, entry: Any) -> str | None:
        """Keeps one row; the reason where ``entry`` is none."""
        if not isinstance(entry, dict) or not {"what", "outcome"} <= entry.keys() <= _FIELDS.keys():
            return f"A run is an object with `what` and `outcome`, and maybe {', '.join(sorted(_FIELDS.keys() - {'what', 'outcome'}))}."
        for name, value in entry.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, _FIELDS[name])):
                return f"`{name}` has a wrong type."
            if isinstance(value, str) and len(value) > _LONGEST:
                return f"`{name}` is longer than {_LONGEST} characters."
        usage = _text(entry.get("usage"))
        if usage is not None and len(usage) > _LARGEST_USAGE:
            return "`usage` is too large."
        contents = _text(entry.get("contents")) if self.contents else None
        row = (time.time(), entry["what"], entry["outcome"], entry.get("seconds"), entry.get("request_id"), usage, contents)
        with self._lock:
            self._rows.execute(
                "INSERT INTO runs (at, what, outcome, seconds, request_id, usage, contents) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )
            self._rows.execute("DELETE FROM runs WHERE id <= (SELECT max(id) FROM runs) - ?", (_MOST,))
        return None

    def newest(self, count: int = 100) -> list[dict[str, Any]]:
        """The last runs."""
        with self._lock:
            found = self._rows.execute(
                "SELECT at, what, outcome, seconds, request_id, usage, contents FROM runs ORDER BY id DESC LIMIT ?", (count,)
            ).fetchall()
        names = ("at", "what", "outcome", "seconds", "request_id", "usage", "contents")
        return [dict(zip(names, (*row[:5], *map(_value, row[5:])), strict=True)) for row in found]

    def clear(self) -> None:
        """Forgets all runs."""
        with self._lock:
            self._rows.execute("DELETE FROM runs")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._rows.close()


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
