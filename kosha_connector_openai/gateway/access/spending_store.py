"""What each token has spent in the current minute and day: in memory, or in a SQLite file that outlives the service."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.trusted_files import open_database

WINDOWS: Final[Mapping[str, int]] = {"minute": 60, "day": 86_400}
"""Windows by name, in seconds; they begin at whole minutes and days of UTC."""
Spent = tuple[int, int, int]
"""Calls, tokens, and cost in billionths of the currency."""
_TABLES: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    """CREATE TABLE IF NOT EXISTS spent (token TEXT, window TEXT, start INTEGER, calls INTEGER, tokens INTEGER, cost INTEGER,
    PRIMARY KEY (token, window)) WITHOUT ROWID""",
)
_WAIT: Final = 0.25
"""Seconds that another process may hold the file."""


class SpendingStore:
    """Counts by token and window. Several processes on one machine may share a file. Methods raise sqlite3.Error."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises SetupError where the file cannot be used: a link, one that others may write, or no database."""
        self._lock = threading.Lock()
        try:
            self._base = open_database(path, *_TABLES, timeout=_WAIT)
        except OSError as error:
            raise SetupError(f"The file of budgets cannot be used: {error.strerror}.", pointer="/budgets/file") from None

    def spent(self, token: str, window: str, now: float) -> tuple[int, Spent]:
        """When the window began, and what was spent in it. A clock that was set back does not begin one anew."""
        start = int(now) // WINDOWS[window] * WINDOWS[window]
        row = self._base.execute("SELECT start, calls, tokens, cost FROM spent WHERE token = ? AND window = ?", (token, window)).fetchone()
        return (row[0], (row[1], row[2], row[3])) if row and row[0] >= start else (start, (0, 0, 0))

    def add(self, token: str, window: str, start: int, spent: Spent) -> None:
        """Adds to what was spent in the window that began at ``start``; never below nothing."""
        self._base.execute(
            "INSERT INTO spent VALUES (?1, ?2, ?3, max(0, ?4), max(0, ?5), max(0, ?6)) ON CONFLICT (token, window) DO UPDATE SET "
            "calls = CASE WHEN start = ?3 THEN max(0, calls + ?4) ELSE max(0, ?4) END, "
            "tokens = CASE WHEN start = ?3 THEN max(0, tokens + ?5) ELSE max(0, ?5) END, "
            "cost = CASE WHEN start = ?3 THEN max(0, cost + ?6) ELSE max(0, ?6) END, start = ?3",
            (token, window, start, *spent),
        )

    def __enter__(self) -> Self:
        """Begins a change that no other process comes between."""
        self._lock.acquire()
        try:
            self._base.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Keeps the change, or none of it where an error came."""
        try:
            self._base.execute("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._lock.release()

    def sweep(self, now: float) -> None:
        """Forgets those who have spent nothing since the day before."""
        self._base.execute("DELETE FROM spent WHERE start < ?", (int(now) - 2 * WINDOWS["day"],))

    def close(self) -> None:
        """Closes the file."""
        self._base.close()
