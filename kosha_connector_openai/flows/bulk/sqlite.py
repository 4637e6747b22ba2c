"""The ledger in SQLite: one file that only its owner can read; what is in it survives the process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.entry import damaged, no_run, unusable
from kosha_connector_openai.flows.bulk.ledger import TABLES, VERSION, Ledger, Sync
from kosha_connector_openai.trusted_files import open_trusted

_FAILURES: Final = (sqlite3.Error, OSError, UnicodeDecodeError)
"""The last where SQLite's own message repeats a damaged name."""
_APPLICATION: Final = 0x4B424C4B
_MAKE: Final = f"BEGIN; {TABLES} PRAGMA application_id={_APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
"""All or nothing."""
_SCHEMA: Final = {text.strip() for text in TABLES.split(";") if text.strip()}
_INDEXED: Final = ("run", "calls")
"""Tables that are asked by an index. A digest tells that a value was changed; a row that a broken index hides has none to ask."""


class SqliteLedger(Ledger):
    """One run's ledger; a context manager that holds its lock. One thread at a time may use it."""

    def __init__(self, path: Path, *, sync: Sync = "normal", new: bool = False, read_only: bool = False) -> None:
        """Opens the ledger at ``path``, or makes a ``new`` one. Raises SetupError where it is no ledger, newer, damaged, read-only, or held
        by another process, whose number it tells."""
        self.path = path
        self._sync = sync
        self._lock = -1
        self._base: sqlite3.Connection | None = None
        try:
            self._open(new=new, read_only=read_only)
        except BaseException:
            self.close()
            raise

    def _open(self, *, new: bool, read_only: bool) -> None:
        try:
            if not read_only and (new or self.path.is_file()):
                self._hold()
            self._check_file(new=new)
            self._connect(read_only=read_only)
            if self._value("PRAGMA application_id") == 0 and not self._value("SELECT count(*) FROM sqlite_master"):
                self._make(new=new)
            else:
                self._check_kind()
                self._check_tables()
                if not read_only:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._db.execute("ROLLBACK")
        except _FAILURES as error:
            raise _unusable(error) from None

    def _check_file(self, *, new: bool) -> None:
        """Raises SetupError where there is no file, or it is no ledger by its first bytes and its size."""
        if not new and not self.path.is_file():
            fault = Fault("/ledger", "file", f"{self.path.name} is not there.", "Name the output or ledger of a run.")
            raise SetupError("No ledger is there.", [fault])
        os.close(open_trusted(self.path, (os.O_RDWR | os.O_CREAT) if new else os.O_RDONLY))
        size = self.path.stat().st_size
        if not new:
            self._check_head(size)
        elif size == 0:
            self._drop_beside("-wal", "-shm", "-journal")  # they are of no ledger, and could be links

    def _connect(self, *, read_only: bool) -> None:
        uri = f"{self.path.absolute().as_uri()}{'?mode=ro' if read_only else ''}"
        sqlite3.register_adapter(bytes, bytes)  # as they are; without one, each value is asked for one, and its error written
        self._base = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5, check_same_thread=False)
        lines = ["trusted_schema=OFF", f"synchronous={self._sync.upper()}", "cache_size=-8000"]
        if not read_only:
            lines += ["journal_mode=WAL", "wal_autocheckpoint=2000"]
        for line in lines:
            self._base.execute(f"PRAGMA {line}")

    def _make(self, *, new: bool) -> None:
        if not new:
            raise no_run()
        self._db.executescript(_MAKE)

    def _check_kind(self) -> None:
        """Raises SetupError where it is another program's database, or one of a newer program."""
        if self._value("PRAGMA application_id") != _APPLICATION:
            raise SetupError("The file is no ledger.", [Fault("/ledger", "kind", "is another database.", "Name a run's ledger.")])
        if (version := self._value("PRAGMA user_version")) != VERSION:
            fault = Fault("/ledger", "version", f"has version {version}; this program knows {VERSION}.", "Use the newer program.")
            raise SetupError("The ledger is newer than this program.", [fault])

    def _check_head(self, size: int) -> None:
        with self.path.open("rb") as file:
            head = file.read(100)
        if not head.startswith(b"SQLite format 3\0"):
            if size == 0:
                raise damaged("it is empty")
            raise SetupError("The file is no ledger.", [Fault("/ledger", "kind", "is no ledger.", "Name a run's ledger or output.")])
        page = int.from_bytes(head[16:18], "big")
        page = 65_536 if page == 1 else page
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        if not has_log and page and int.from_bytes(head[28:32], "big") * page > size:
            raise damaged("its end is missing")

    def _check_tables(self) -> None:
        """Raises SetupError where the tables are not those of TABLES, or an index hides a row."""
        if {sql for (sql,) in self.read("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")} != _SCHEMA:
            raise damaged("its tables were changed")
        for table in _INDEXED:
            if self._value(f"PRAGMA integrity_check({table})") != "ok":
                raise damaged(f"its table `{table}` is broken")

    def _hold(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        path = self.path.with_name(f"{self.path.name}.lock")
        try:
            self._lock = open_trusted(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _unusable(error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._lock, 20).decode("ascii", "replace")
            os.close(self._lock)
            self._lock = -1
            fault = Fault("/ledger", "held", f"is held by process {owner}.", "Let it end, or end it; then resume.")
            raise SetupError("Another process works on this run.", [fault]) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Closes the file and frees the lock."""
        if getattr(self, "_base", None) is not None:
            assert self._base is not None
            with suppress(sqlite3.Error):
                self._base.close()
            self._base = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._base is not None
        return self._base

    def read(self, text: str, *values: Any) -> list[Any]:
        """All rows of a query; raises SetupError where they cannot be read."""
        try:
            return self._db.execute(text, values).fetchall()
        except _FAILURES as error:
            raise _unusable(error) from None

    def _value(self, text: str) -> Any:
        return self.read(text)[0][0]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction; raises SetupError where it cannot be kept, and then nothing of it is."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        except _FAILURES as error:
            raise _unusable(error) from None

    def discard(self) -> None:
        self.close()
        self._drop_beside("", "-wal", "-shm", ".lock")

    def _drop_beside(self, *ends: str) -> None:
        for end in ends:
            self.path.with_name(f"{self.path.name}{end}").unlink(missing_ok=True)

    def owner(self) -> str | None:
        import fcntl

        try:
            with os.fdopen(open_trusted(self.path.with_name(f"{self.path.name}.lock")), "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return file.read(20).decode("ascii", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(error) from None
        return None


def _unusable(error: Exception) -> SetupError:
    if isinstance(error, UnicodeDecodeError):
        return damaged("a name in it is no text")
    text = str(error).rstrip(".") or type(error).__name__
    not_ours = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return damaged(text) if not_ours or "malformed" in text or "not a database" in text else unusable(error)
