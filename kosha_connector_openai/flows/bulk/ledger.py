"""The ledger of a run: SQLite in one file that only its owner can read; what is in it survives the process.

A row is claimed, durably, before it leaves, and done when its answer's bytes are here. Each row and each answer carries a digest of its
own, since SQLite does not notice a flipped bit in a value.

One module: the tables and every statement over them are read together.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal, Self

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.trusted_files import open_trusted

Sync = Literal["normal", "full"]
_APPLICATION: Final = 0x4B424C4B
_VERSION: Final = 1
_INLINE: Final = 256 * 1024
"""Bytes of the largest answer inside the file; a larger one is a file of its own."""
_PIECE: Final = 1_000
_SCHEMA: Final = """
CREATE TABLE run (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (n INTEGER PRIMARY KEY, base BLOB NOT NULL, occurrence INTEGER NOT NULL, state INTEGER NOT NULL,
  tries INTEGER NOT NULL, at REAL NOT NULL, category TEXT NOT NULL, done INTEGER NOT NULL, sum BLOB NOT NULL);
CREATE TABLE answers (n INTEGER PRIMARY KEY, body BLOB, facts BLOB NOT NULL, sum BLOB NOT NULL);
CREATE TABLE calls (n INTEGER NOT NULL, place INTEGER NOT NULL, facts BLOB NOT NULL, sum BLOB NOT NULL, PRIMARY KEY (n, place))
  WITHOUT ROWID;
"""


class RowState(IntEnum):
    """Where a row stands."""

    PENDING = 0
    SENT = 1
    DONE = 2
    FAILED = 3
    UNKNOWN = 4


@dataclass(slots=True)
class RowEntry:
    """One row of the ledger. ``base`` is the digest of its inputs and target, ``occurrence`` counts equal rows from 0."""

    n: int
    base: bytes
    occurrence: int = 0
    state: RowState = RowState.PENDING
    tries: int = 0
    at: float = 0.0
    category: str = ""
    done: int = 0

    @property
    def key(self) -> str:
        """The row's key, the same in each run over the same inputs."""
        return f"{self.base.hex()}-{self.occurrence}" if self.occurrence else self.base.hex()

    def values(self) -> tuple[Any, ...]:
        """As the table has them."""
        body = (self.n, self.base, self.occurrence, int(self.state), self.tries, self.at, self.category, self.done)
        return (*body, _sum(repr(body).encode()))


@dataclass(slots=True)
class RowAnswer:
    """What came back for a row: one JSON value as bytes, or a file's bytes with their media type."""

    body: bytes = b"null"
    facts: dict[str, Any] = field(default_factory=dict)
    """``model``, ``usage``, ``request_id``; of a failure ``code``, ``message``, ``status``."""
    media_type: str = ""
    """Where the answer is no JSON but a file."""


def _sum(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def _entry(values: Sequence[Any]) -> RowEntry:
    entry = RowEntry(values[0], values[1], values[2], RowState(values[3]) if values[3] in _STATES else RowState.PENDING, *values[4:8])
    if values[3] not in _STATES or _sum(repr(tuple(values[:8])).encode()) != values[8]:
        raise damaged(f"Row {values[0]} was changed")
    return entry


_STATES: Final = frozenset(RowState)


def damaged(what: str) -> SetupError:
    """The error for a ledger that cannot be trusted."""
    fix = "Take a copy of it from before. A new run over the same input sends every row again, those that were paid for too."
    return SetupError(f"The ledger is damaged: {what}.", [Fault("/ledger", "damaged", "cannot be trusted.", fix)])


def _unusable(error: Exception) -> SetupError:
    text = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return damaged(text)
    if "malformed" in text or "not a database" in text:
        return damaged(text)
    fix = "Make room and give write access to it and its folder; then resume. What was sent and is not in it is told as unknown."
    return SetupError(f"The ledger cannot be used: {text}.", [Fault("/ledger", "file", "cannot be read or written.", fix)])


class Ledger:
    """One run's ledger; a context manager that holds its lock. Not to be shared between threads."""

    def __init__(self, path: Path, *, sync: Sync = "normal", new: bool = False, read_only: bool = False) -> None:
        """Opens the ledger at ``path``, or makes a ``new`` one. Raises SetupError where it is no ledger, newer, damaged, read-only, or held
        by another process, whose number it tells."""
        self.path = path
        self._sync = sync
        self._lock = -1
        if not read_only:
            self._hold()
        try:
            self._open(new=new, read_only=read_only)
        except BaseException:
            self.close()
            raise

    def _open(self, *, new: bool, read_only: bool) -> None:
        self._base: sqlite3.Connection | None = None
        try:
            if not new and not self.path.is_file():
                raise SetupError("No ledger is there.", [Fault("/ledger", "file", "is not there.", "Name the output or ledger of a run.")])
            os.close(open_trusted(self.path, (os.O_RDWR | os.O_CREAT) if new else os.O_RDONLY))
            size = self.path.stat().st_size
            if not new:
                self._check_head(size)
            uri = f"{self.path.absolute().as_uri()}{'?mode=ro' if read_only else ''}"
            self._base = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
            for line in ("PRAGMA trusted_schema=OFF", f"PRAGMA synchronous={self._sync.upper()}", "PRAGMA cache_size=-8000"):
                self._base.execute(line)
            if not read_only:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute("PRAGMA wal_autocheckpoint=2000")
            made = self._value("PRAGMA application_id")
            if made == 0 and not self._value("SELECT count(*) FROM sqlite_master"):
                if not new:
                    raise damaged("nothing is in it")
                self._base.executescript(_SCHEMA)
                self._base.execute(f"PRAGMA application_id={_APPLICATION}")
                self._base.execute(f"PRAGMA user_version={_VERSION}")
            elif made != _APPLICATION:
                raise SetupError("The file is no ledger.", [Fault("/ledger", "kind", "is another database.", "Name a run's ledger.")])
            elif (version := self._value("PRAGMA user_version")) != _VERSION:
                fault = Fault("/ledger", "version", f"has version {version}; this program knows {_VERSION}.", "Use the newer program.")
                raise SetupError("The ledger is newer than this program.", [fault])
            elif not read_only:
                self._base.execute("BEGIN IMMEDIATE")
                self._base.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            raise _unusable(error) from None

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def _read(self, text: str, *values: Any) -> list[Any]:
        """All rows of a query; raises SetupError where they cannot be read."""
        try:
            return self._db.execute(text, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise _unusable(error) from None

    def _value(self, text: str) -> Any:
        return self._read(text)[0][0]

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
        except (sqlite3.Error, OSError) as error:
            raise _unusable(error) from None

    # --- the run ---

    def keep(self, name: str, value: Any) -> None:
        """Keeps a JSON value of the run."""
        with self.transaction() as base:
            self._put(base, name, value)

    def _put(self, base: sqlite3.Connection, name: str, value: Any) -> None:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        base.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", (name, data, _sum(name.encode() + data)))

    def kept(self, name: str) -> Any:
        """A value of the run; None where it is not there."""
        for value, total in self._read("SELECT value, sum FROM run WHERE name = ?", name):
            if not isinstance(value, bytes) or _sum(name.encode() + value) != total:
                raise damaged(f"the run's {name} were changed")
            return orjson.loads(value)
        return None

    # --- rows ---

    def add(self, bases: Iterable[tuple[int, bytes]], values: Mapping[str, Any]) -> int:
        """Makes the rows of a new run, and keeps the run's ``values`` with them: all or nothing. Gives how many rows there are."""
        count = 0
        with self.transaction() as base:
            base.execute("DELETE FROM rows")
            for piece in _pieces(bases):
                base.executemany("INSERT INTO rows VALUES (?,?,?,?,?,?,?,?,?)", [RowEntry(n, digest).values() for n, digest in piece])
                count += len(piece)
            self._number_equal(base)
            for name, value in values.items():
                self._put(base, name, value)
        return count

    def _number_equal(self, base: sqlite3.Connection) -> None:
        """Numbers equal rows. The index lives only meanwhile."""
        base.execute("CREATE INDEX equal ON rows (base)")
        groups = [found[0] for found in base.execute("SELECT base FROM rows GROUP BY base HAVING count(*) > 1")]
        for group in groups:
            numbers = base.execute("SELECT n FROM rows WHERE base = ? ORDER BY n", (group,)).fetchall()
            changed = [RowEntry(n, group, place).values() for place, (n,) in enumerate(numbers) if place]
            base.executemany("INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?)", changed)
        base.execute("DROP INDEX equal")

    def entries(self, *states: RowState, after: int = 0) -> Iterator[RowEntry]:
        """The rows in these states, or all, in the order of the input; read in pieces, so that rows may change meanwhile."""
        where = f"AND state IN ({','.join(str(int(state)) for state in states)})" if states else ""
        while True:
            found = self._read(f"SELECT * FROM rows WHERE n > ? {where} ORDER BY n LIMIT {_PIECE}", after)  # noqa: S608 - whole numbers # nosec B608
            yield from map(_entry, found)
            if len(found) < _PIECE:
                return
            after = found[-1][0]

    def places(self) -> Iterator[tuple[int, bytes, int]]:
        """The number, digest and state of all rows, checked; for a million rows in a few seconds."""
        after = 0
        while found := self._read(f"SELECT * FROM rows WHERE n > ? ORDER BY n LIMIT {_PIECE}", after):  # noqa: S608 - a number # nosec B608
            for values in found:
                if _sum(repr(values[:8]).encode()) != values[8]:
                    raise damaged(f"Row {values[0]} was changed")
                yield values[:2] + values[3:4]
            after = found[-1][0]

    def entry(self, n: int) -> RowEntry | None:
        """One row."""
        found = self._read("SELECT * FROM rows WHERE n = ?", n)
        return _entry(found[0]) if found else None

    def counts(self) -> Counter[RowState]:
        """How many rows are in each state."""
        found = self._read("SELECT state, count(*) FROM rows GROUP BY state")
        if not {state for state, _ in found} <= _STATES:
            raise damaged("a row has a state that there is not")
        return Counter({RowState(state): count for state, count in found})

    def categories(self) -> dict[str, int]:
        """How many rows failed, by category."""
        found = self._read("SELECT category, count(*) FROM rows WHERE state = 3 GROUP BY category ORDER BY 2 DESC")
        return {str(category): int(count) for category, count in found}

    def last_done(self) -> int:
        """The place of the row that was done last."""
        return int(self._value("SELECT coalesce(max(done), 0) FROM rows"))

    def in_order_done(self) -> list[tuple[int]]:
        """The numbers of the done rows in the order in which they were."""
        return self._read("SELECT n FROM rows WHERE state = 2 ORDER BY done")

    def commit(
        self,
        claims: Sequence[RowEntry] = (),
        moved: Sequence[tuple[RowEntry, RowAnswer | None]] = (),
        calls: Sequence[tuple[int, int, Mapping[str, Any]]] = (),
        spent: Any = None,
    ) -> list[bool]:
        """One commit: ``claims`` become sent, ``moved`` rows get their state and answer. Gives for each claim whether it is ours.

        A claim that another took is left as it is.
        """
        taken, now = [], time.time()
        bodies = [(entry, self._placed(entry, answer)) for entry, answer in moved if answer is not None]
        with self.transaction() as base:
            # A row that came back may be claimed again in the same turn: what moved goes first.
            if moved:
                base.executemany("INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?)", [entry.values() for entry, _ in moved])
                base.executemany("INSERT OR REPLACE INTO answers VALUES (?,?,?,?)", [values for _, values in bodies])
            for entry in claims:
                fresh = RowEntry(entry.n, entry.base, entry.occurrence, RowState.SENT, entry.tries + 1, now)
                values = fresh.values()
                cursor = base.execute(
                    "UPDATE rows SET state = 1, tries = ?, at = ?, category = '', sum = ? WHERE n = ? AND state = 0",
                    (fresh.tries, now, values[-1], entry.n),
                )
                taken.append(cursor.rowcount == 1)
                if taken[-1]:
                    entry.state, entry.tries, entry.at, entry.category = RowState.SENT, fresh.tries, now, ""
            for n, place, facts in calls:
                data = orjson.dumps(facts, default=str)
                base.execute("INSERT OR REPLACE INTO calls VALUES (?,?,?,?)", (n, place, data, _sum(data)))
            if spent is not None:
                self._put(base, "spent", spent)
        return taken

    def _placed(self, entry: RowEntry, answer: RowAnswer) -> tuple[Any, ...]:
        """An answer as the table has it; a large one, and a file, is written beside the ledger first."""
        body: bytes | None = answer.body
        facts = answer.facts
        if answer.media_type or len(answer.body) > _INLINE:
            name = f"{entry.n}{_ending(answer.media_type)}"
            facts = {
                **facts,
                "file": {"name": name, "size": len(answer.body), "digest": _sum(answer.body).hex(), "type": answer.media_type},
            }
            self._write(name, answer.body)
            body = None
        data = orjson.dumps(facts, default=str)
        return entry.n, body, data, _sum(b"%d|%s|" % (entry.n, data) + (body or b""))

    @property
    def folder(self) -> Path:
        """Where large answers and files are."""
        return self.path.with_name(f"{self.path.name}.answers")

    def _write(self, name: str, data: bytes) -> None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            path = self.folder / f".{name}"
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            path.replace(self.folder / name)
        except OSError as error:
            raise _unusable(error) from None

    def answer(self, n: int) -> RowAnswer | None:
        """The answer of a row, checked; None where there is none. Raises SetupError where it was changed."""
        found = self._read("SELECT body, facts, sum FROM answers WHERE n = ?", n)
        if not found:
            return None
        body, data, total = found[0]
        if not isinstance(data, bytes) or not isinstance(body, bytes | None) or _sum(b"%d|%s|" % (n, data) + (body or b"")) != total:
            raise damaged(f"The answer of row {n} was changed")
        facts = orjson.loads(data)
        if body is not None:
            return RowAnswer(body, facts)
        stored = facts["file"]
        try:
            body = (self.folder / stored["name"]).read_bytes()
        except OSError as error:
            raise _unusable(error) from None
        if _sum(body).hex() != stored["digest"]:
            raise damaged(f"The answer of row {n} was changed")
        return RowAnswer(body, facts, stored["type"])

    def answer_of(self, entry: RowEntry) -> RowAnswer:
        """The answer of a row that is done; raises SetupError where it was changed, or is not there any more."""
        found = self.answer(entry.n)
        if found is None:
            raise damaged(f"The answer of row {entry.n} is missing")
        return found

    def calls(self, n: int) -> list[dict[str, Any]]:
        """The calls of a row that were answered, where a row makes several."""
        found = self._read("SELECT facts, sum FROM calls WHERE n = ? ORDER BY place", n)
        if any(not isinstance(facts, bytes) or _sum(facts) != total for facts, total in found):
            raise damaged(f"The calls of row {n} were changed")
        return [orjson.loads(facts) for facts, _ in found]

    def move(self, before: RowState, after: RowState, category: str = "") -> int:
        """Puts all rows of one state into another; gives how many."""
        moved = 0
        for entry in list(self.entries(before)):
            entry.state, entry.category = after, category
            with self.transaction() as base:
                base.execute("INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?)", entry.values())
            moved += 1
        return moved

    def copy_equal(self) -> None:
        """Gives rows that wait the answer of the equal row that is done."""
        waiting = [entry for entry in self.entries(RowState.PENDING) if entry.occurrence]
        firsts = {entry.base: entry for entry in self.entries(RowState.DONE) if not entry.occurrence} if waiting else {}
        order = self.last_done()
        for place, entry in enumerate(entry for entry in waiting if entry.base in firsts):
            entry.state, entry.at, entry.done = RowState.DONE, time.time(), order + place + 1
            self.commit(moved=[(entry, self.answer(firsts[entry.base].n))])

    def adopt(self, bases: Iterable[tuple[int, bytes]], values: Mapping[str, Any], *, change: bool) -> dict[str, int]:
        """Compares the rows with those of a changed input; gives how many are unchanged, added, missing and changed.

        With ``change`` the unchanged keep their state and answer at their new places, and the others become rows to send.
        """
        with self.transaction() as base:
            base.execute("CREATE TABLE fresh (n INTEGER PRIMARY KEY, base BLOB NOT NULL, occurrence INTEGER NOT NULL DEFAULT 0)")
            for piece in _pieces(bases):
                base.executemany("INSERT INTO fresh (n, base) VALUES (?, ?)", piece)
            base.execute("CREATE INDEX fresh_base ON fresh (base, n)")
            base.execute("CREATE INDEX rows_base ON rows (base, occurrence)")
            base.execute(
                "UPDATE fresh SET occurrence = (SELECT count(*) FROM fresh f WHERE f.base = fresh.base AND f.n < fresh.n) WHERE base IN"
                " (SELECT base FROM fresh GROUP BY base HAVING count(*) > 1)"
            )
            join = "FROM fresh f JOIN rows r ON r.base = f.base AND r.occurrence = f.occurrence"
            same = base.execute(f"SELECT count(*) {join}").fetchone()[0]
            total, before = (base.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("fresh", "rows"))  # noqa: S608 - our own words # nosec B608
            unlike = base.execute(
                "SELECT count(*) FROM fresh f JOIN rows r ON r.n = f.n"
                " WHERE NOT EXISTS (SELECT 1 FROM rows x WHERE x.base = f.base AND x.occurrence = f.occurrence)"
                " AND NOT EXISTS (SELECT 1 FROM fresh y WHERE y.base = r.base AND y.occurrence = r.occurrence)"
            ).fetchone()[0]
            found = {"unchanged": same, "changed": unlike, "added": total - same - unlike, "missing": before - same - unlike}
            if change:
                self._move_all(base, values)
            else:
                base.execute("DROP INDEX rows_base")
                base.execute("DROP TABLE fresh")
        return found

    def _move_all(self, base: sqlite3.Connection, values: Mapping[str, Any]) -> None:
        old = {(row[1], row[2]): row for row in base.execute("SELECT * FROM rows WHERE state != 0")}
        fresh = base.execute("SELECT n, base, occurrence FROM fresh ORDER BY n").fetchall()
        entries, places = [], {}
        for n, digest, occurrence in fresh:
            known = old.get((digest, occurrence))
            entry = RowEntry(n, digest, occurrence)
            if known is not None:
                before = _entry(known)
                entry.state, entry.tries, entry.at, entry.category, entry.done = (
                    before.state,
                    before.tries,
                    before.at,
                    before.category,
                    before.done,
                )
                places[before.n] = n
            entries.append(entry)
        answers = {n: self.answer(n) for n in places}
        calls = {n: self.calls(n) for n in places}
        for name in ("rows", "answers", "calls", "fresh"):
            base.execute(f"DELETE FROM {name}")  # noqa: S608 - our own words # nosec B608
        base.executemany("INSERT INTO rows VALUES (?,?,?,?,?,?,?,?,?)", [entry.values() for entry in entries])
        by_number = {entry.n: entry for entry in entries}
        for place_before, n in places.items():
            if (answer := answers[place_before]) is not None:
                base.execute("INSERT INTO answers VALUES (?,?,?,?)", self._placed(by_number[n], answer))
        for place_before, n in places.items():
            for place, facts in enumerate(calls[place_before]):
                data = orjson.dumps(facts)
                base.execute("INSERT INTO calls VALUES (?,?,?,?)", (n, place, data, _sum(data)))
        base.execute("DROP INDEX rows_base")
        base.execute("DROP TABLE fresh")
        for name, value in values.items():
            self._put(base, name, value)


def _pieces(items: Iterable[Any]) -> Iterator[list[Any]]:
    piece: list[Any] = []
    for item in items:
        piece.append(item)
        if len(piece) == _PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _ending(media_type: str) -> str:
    import mimetypes

    return (mimetypes.guess_extension(media_type.partition(";")[0].strip()) or ".bin") if media_type else ".json"
