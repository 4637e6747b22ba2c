"""The ledger of a run: what runners and commands need of it, as statements that SQLite and PostgreSQL both understand.

A row is claimed, durably, before it leaves, and done when its answer's bytes are here. Each row and each answer carries a digest of its
own, since databases do not notice a flipped bit in a value.

One module: the tables and every statement over them are read together.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.pace import Pace
from kosha_connector_openai.trusted_files import check_folder, read_trusted, replace_trusted

if TYPE_CHECKING:
    from kosha_connector_openai.core import Attempt

Sync = Literal["normal", "full"]
VERSION: Final = 1
_NAME: Final = re.compile(r"[0-9]+\.\w+")
"""The name of a file with an answer."""
_INLINE: Final = 256 * 1024
"""Bytes of the largest answer inside the file; a larger one is a file of its own."""
_PIECE: Final = 1_000
TABLES: Final = """
CREATE TABLE run (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum BLOB NOT NULL);
CREATE TABLE rows (n INTEGER PRIMARY KEY, base BLOB NOT NULL, occurrence INTEGER NOT NULL, state INTEGER NOT NULL,
  tries INTEGER NOT NULL, at DOUBLE PRECISION NOT NULL, category TEXT NOT NULL, done INTEGER NOT NULL, sum BLOB NOT NULL);
CREATE TABLE answers (n INTEGER PRIMARY KEY, body BLOB, facts BLOB NOT NULL, sum BLOB NOT NULL);
CREATE TABLE calls (n INTEGER NOT NULL, place INTEGER NOT NULL, facts BLOB NOT NULL, sum BLOB NOT NULL, PRIMARY KEY (n, place));
"""


COLUMNS: Final = {"run": "name value sum", "rows": "n base occurrence state tries at category done sum", "answers": "n body facts sum"}
_PUT: Final = {
    table: f"INSERT INTO {table} VALUES ({','.join('?' * len(names.split()))}) ON CONFLICT ({names.split()[0]}) DO UPDATE SET "  # noqa: S608 - our own words # nosec B608
    + ", ".join(f"{name} = excluded.{name}" for name in names.split()[1:])
    for table, names in COLUMNS.items()
}
PUT_CALL: Final = "INSERT INTO calls VALUES (?,?,?,?) ON CONFLICT (n, place) DO UPDATE SET facts = excluded.facts, sum = excluded.sum"


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

    def claimed(self) -> RowEntry:
        """The row as it is once it has been claimed, now."""
        return RowEntry(self.n, self.base, self.occurrence, RowState.SENT, self.tries + 1, time.time())

    def take(self, fresh: RowEntry) -> None:
        """Becomes what ``claimed`` gave."""
        self.state, self.tries, self.at, self.category = fresh.state, fresh.tries, fresh.at, fresh.category

    def values(self) -> tuple[Any, ...]:
        """As the table has them."""
        body = (self.n, self.base, self.occurrence, int(self.state), self.tries, self.at, self.category, self.done)
        return (*body, digest(repr(body).encode()))


@dataclass(slots=True)
class RowAnswer:
    """What came back for a row: one JSON value as bytes, or a file's bytes with their media type."""

    body: bytes = b"null"
    facts: dict[str, Any] = field(default_factory=dict)
    """``model``, ``usage``, ``request_id``; of a failure ``code``, ``message``, ``status``."""
    media_type: str = ""
    """Where the answer is no JSON but a file."""


Moved = tuple[RowEntry, RowAnswer | None]
"""A row with its new state, and its answer where it has one."""
Claim = tuple[RowEntry, "Attempt | None"]
"""A row to claim, and its first attempt where that needs a slot."""


def digest(data: bytes) -> bytes:
    """The digest that a row or an answer carries."""
    return blake2b(data, digest_size=8).digest()


def entry_of(values: Sequence[Any]) -> RowEntry:
    """A row of the table, checked."""
    entry = RowEntry(values[0], values[1], values[2], RowState(values[3]) if values[3] in _STATES else RowState.PENDING, *values[4:8])
    if values[3] not in _STATES or digest(repr(tuple(values[:8])).encode()) != values[8]:
        raise damaged(f"Row {values[0]} was changed")
    return entry


_STATES: Final = frozenset(RowState)


def damaged(what: str) -> SetupError:
    """The error for a ledger that cannot be trusted."""
    fix = "Take a copy of it from before. A new run over the same input sends every row again, those that were paid for too."
    return SetupError(f"The ledger is damaged: {what}.", [Fault("/ledger", "damaged", "cannot be trusted.", fix)])


def unusable(error: Exception) -> SetupError:
    """The error for a ledger that cannot be read or written now."""
    text = str(error).rstrip(".") or type(error).__name__
    fix = "Make room and give write access to it and its folder; then resume. What was sent and is not in it is told as unknown."
    return SetupError(f"The ledger cannot be used: {text}.", [Fault("/ledger", "file", "cannot be read or written.", fix)])


class Cursors(Protocol):
    """A transaction's statements, as ``sqlite3`` has them."""

    def execute(self, text: str, values: Sequence[Any] = (), /) -> Any: ...

    def executemany(self, text: str, values: Iterable[Sequence[Any]], /) -> Any: ...


class Ledger(ABC):
    """One run's ledger; a context manager that holds its lock. One thread at a time may use it."""

    path: Path
    """Where it is; of a database, the file that says which."""
    in_place: bool = True
    """Whether large answers and files are beside it, not in it."""
    is_common: bool = False
    """Whether processes on other hosts may work on the run at the same time."""
    elsewhere: Mapping[str, str] = {}
    """What other processes have spent since the last commit."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Frees the lock."""

    @abstractmethod
    def discard(self) -> None:
        """Closes it and deletes all of it."""

    @abstractmethod
    def read(self, text: str, *values: Any) -> list[Any]:
        """All rows of a query; raises SetupError where they cannot be read."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Cursors]:
        """One transaction; raises SetupError where it cannot be kept, and then nothing of it is."""

    @abstractmethod
    def owner(self) -> str | None:
        """Who works on the run, as ``host:process``; None where nobody does."""

    def pace(self, share: float = 1.0, **given: Any) -> Pace:
        """The pace of the processes that share this ledger; the arguments are those of Pace."""
        return Pace(share=share, **given)

    # --- the run ---

    def keep(self, name: str, value: Any) -> None:
        """Keeps a JSON value of the run."""
        with self.transaction() as base:
            self.put(base, name, value)

    def put(self, base: Cursors, name: str, value: Any) -> None:
        """Keeps a JSON value of the run, in a transaction."""
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        base.execute(_PUT["run"], (name, data, digest(name.encode() + data)))

    def kept(self, name: str) -> Any:
        """A value of the run; None where it is not there."""
        for value, total in self.read("SELECT value, sum FROM run WHERE name = ?", name):
            if not isinstance(value, bytes) or digest(name.encode() + value) != total:
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
                self.put(base, name, value)
        return count

    def _number_equal(self, base: Cursors) -> None:
        """Numbers equal rows. The index lives only meanwhile."""
        base.execute("CREATE INDEX equal ON rows (base)")
        groups = [found[0] for found in base.execute("SELECT base FROM rows GROUP BY base HAVING count(*) > 1")]
        for group in groups:
            numbers = base.execute("SELECT n FROM rows WHERE base = ? ORDER BY n", (group,)).fetchall()
            changed = [RowEntry(n, group, place).values() for place, (n,) in enumerate(numbers) if place]
            base.executemany(_PUT["rows"], changed)
        base.execute("DROP INDEX equal")

    def entries(self, *states: RowState, after: int = 0) -> Iterator[RowEntry]:
        """The rows in these states, or all, in the order of the input; read in pieces, so that rows may change meanwhile."""
        where = f"AND state IN ({','.join(str(int(state)) for state in states)})" if states else ""
        while True:
            found = self.read(f"SELECT * FROM rows WHERE n > ? {where} ORDER BY n LIMIT {_PIECE}", after)  # noqa: S608 - whole numbers # nosec B608
            yield from map(entry_of, found)
            if len(found) < _PIECE:
                return
            after = found[-1][0]

    def places(self) -> Iterator[tuple[int, bytes, int]]:
        """The number, digest and state of all rows, checked; for a million rows in a few seconds."""
        after = 0
        while found := self.read(f"SELECT * FROM rows WHERE n > ? ORDER BY n LIMIT {_PIECE}", after):  # noqa: S608 - a number # nosec B608
            for values in found:
                if digest(repr(values[:8]).encode()) != values[8]:
                    raise damaged(f"Row {values[0]} was changed")
                yield values[:2] + values[3:4]
            after = found[-1][0]

    def entry(self, n: int) -> RowEntry | None:
        """One row."""
        found = self.read("SELECT * FROM rows WHERE n = ?", n)
        return entry_of(found[0]) if found else None

    def counts(self) -> Counter[RowState]:
        """How many rows are in each state."""
        found = self.read("SELECT state, count(*) FROM rows GROUP BY state")
        if not {state for state, _ in found} <= _STATES:
            raise damaged("a row has a state that there is not")
        return Counter({RowState(state): count for state, count in found})

    def categories(self) -> dict[str, int]:
        """How many rows failed, by category."""
        found = self.read("SELECT category, count(*) FROM rows WHERE state = 3 GROUP BY category ORDER BY 2 DESC")
        return {str(category): int(count) for category, count in found}

    def last_done(self) -> int:
        """The place of the row that was done last."""
        return int(self.read("SELECT coalesce(max(done), 0) FROM rows")[0][0])

    def in_order_done(self) -> list[tuple[int]]:
        """The numbers of the done rows in the order in which they were."""
        return self.read("SELECT n FROM rows WHERE state = 2 ORDER BY done, at")

    async def acommit(
        self,
        claims: Sequence[Claim] = (),
        moved: Sequence[Moved] = (),
        calls: Sequence[tuple[int, int, Mapping[str, Any]]] = (),
        spent: Mapping[str, str] | None = None,
    ) -> list[bool | float]:
        """``commit`` on an event loop, which goes on meanwhile where the database is another process.

        Where the processes of a run share a pace, a claim takes its slot too; seconds in place of True and False: there is none before.
        """
        return list(self.commit([entry for entry, _ in claims], moved, calls, spent))

    def commit(
        self,
        claims: Sequence[RowEntry] = (),
        moved: Sequence[Moved] = (),
        calls: Sequence[tuple[int, int, Mapping[str, Any]]] = (),
        spent: Mapping[str, str] | None = None,
    ) -> list[bool]:
        """One commit: ``claims`` become sent, ``moved`` rows get their state and answer. Gives for each claim whether it is ours.

        A claim that another took is left as it is.
        """
        taken = []
        bodies = [self._placed(entry, answer) for entry, answer in moved if answer is not None]
        with self.transaction() as base:
            # A row that came back may be claimed again in the same turn: what moved goes first.
            if moved:
                base.executemany(_PUT["rows"], [entry.values() for entry, _ in moved])
                base.executemany(_PUT["answers"], bodies)
            for entry, fresh in [(entry, entry.claimed()) for entry in claims]:
                values = (fresh.tries, fresh.at, fresh.values()[-1], entry.n)
                cursor = base.execute(
                    "UPDATE rows SET state = 1, tries = ?, at = ?, category = '', sum = ? WHERE n = ? AND state = 0", values
                )
                taken.append(cursor.rowcount == 1)
                if taken[-1]:
                    entry.take(fresh)
            for n, place, facts in calls:
                data = orjson.dumps(facts, default=str)
                base.execute(PUT_CALL, (n, place, data, digest(data)))
            if spent is not None:
                self.put(base, "spent", spent)
        return taken

    def _placed(self, entry: RowEntry, answer: RowAnswer) -> tuple[Any, ...]:
        """An answer as the table has it; a large one, and a file, is written beside the ledger first."""
        body: bytes | None = answer.body
        facts = answer.facts
        if answer.media_type or (self.in_place and len(answer.body) > _INLINE):
            name = f"{entry.n}{_ending(answer.media_type)}"
            facts = {
                **facts,
                "file": {"name": name, "size": len(answer.body), "digest": digest(answer.body).hex(), "type": answer.media_type},
            }
            if self.in_place:
                self.write_answer(name, answer.body)
                body = None
        data = orjson.dumps(facts, default=str)
        return entry.n, body, data, digest(b"%d|%s|" % (entry.n, data) + (body or b""))

    @property
    def folder(self) -> Path:
        """Where large answers and files are."""
        return self.path.with_name(f"{self.path.name}.answers")

    def write_answer(self, name: str, data: bytes) -> None:
        """Writes an answer beside the ledger, whole or not at all; only its owner can read it."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            check_folder(self.folder)
            replace_trusted(self.folder / name, data)
        except OSError as error:
            raise unusable(error) from None

    def answer(self, n: int) -> RowAnswer | None:
        """The answer of a row, checked; None where there is none. Raises SetupError where it was changed."""
        found = self.read("SELECT body, facts, sum FROM answers WHERE n = ?", n)
        if not found:
            return None
        body, data, total = found[0]
        if not isinstance(data, bytes) or not isinstance(body, bytes | None) or digest(b"%d|%s|" % (n, data) + (body or b"")) != total:
            raise damaged(f"The answer of row {n} was changed")
        facts = orjson.loads(data)
        if body is not None:
            return RowAnswer(body, facts, facts["file"]["type"] if "file" in facts else "")
        stored = facts["file"]
        if not _NAME.fullmatch(stored["name"]):  # it could be a path, and the ledger somebody else's
            raise damaged(f"The answer of row {n} was changed")
        try:
            check_folder(self.folder)
            body = read_trusted(self.folder / stored["name"], stored["size"])
        except OSError as error:
            raise unusable(error) from None
        if digest(body).hex() != stored["digest"]:
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
        found = self.read("SELECT facts, sum FROM calls WHERE n = ? ORDER BY place", n)
        if any(not isinstance(facts, bytes) or digest(facts) != total for facts, total in found):
            raise damaged(f"The calls of row {n} were changed")
        return [orjson.loads(facts) for facts, _ in found]

    def move(self, before: RowState, after: RowState, category: str = "") -> int:
        """Puts all rows of one state into another; gives how many."""
        moved = 0
        for entry in list(self.entries(before)):
            entry.state, entry.category = after, category
            with self.transaction() as base:
                base.execute(_PUT["rows"], entry.values())
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

    def _move_all(self, base: Cursors, values: Mapping[str, Any]) -> None:
        old = {(row[1], row[2]): row for row in base.execute("SELECT * FROM rows WHERE state != 0")}
        fresh = base.execute("SELECT n, base, occurrence FROM fresh ORDER BY n").fetchall()
        entries, places = [], {}
        for n, digest, occurrence in fresh:
            known = old.get((digest, occurrence))
            entry = RowEntry(n, digest, occurrence)
            if known is not None:
                before = entry_of(known)
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
                base.execute("INSERT INTO calls VALUES (?,?,?,?)", (n, place, data, digest(data)))
        base.execute("DROP INDEX rows_base")
        base.execute("DROP TABLE fresh")
        for name, value in values.items():
            self.put(base, name, value)


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
