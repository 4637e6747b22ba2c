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
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self

import orjson

from kosha_connector_openai.flows.bulk.entry import (
    STATES,
    Claim,
    Moved,
    RowAnswer,
    RowEntry,
    RowState,
    damaged,
    digest,
    entry_of,
    unusable,
)
from kosha_connector_openai.flows.bulk.pace import Pace
from kosha_connector_openai.flows.bulk.row import Row
from kosha_connector_openai.trusted_files import check_folder, read_trusted, replace_trusted

Sync = Literal["normal", "full"]
VERSION: Final = 1
_NAME: Final = re.compile(r"[0-9]+\.\w+")
"""The name of a file with an answer."""
_INLINE: Final = 256 * 1024
"""Bytes of the largest answer inside the file; a larger one is a file of its own."""
PIECE: Final = 1_000
_TOGETHER: Final = 8
"""Answers that are read at once: few, since each may be a large file."""
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


class Cursors(Protocol):
    """A transaction's statements, as ``sqlite3`` has them."""

    def execute(self, text: str, values: Sequence[Any] = (), /) -> Any: ...

    def executemany(self, text: str, values: Iterable[Sequence[Any]], /) -> Any: ...


def answers_folder(ledger: Path) -> Path:
    """Where the answers of a run are that are files, beside its ledger."""
    return ledger.with_name(f"{ledger.name}.answers")


class Ledger(ABC):
    """One run's ledger; a context manager that holds its lock. One thread at a time may use it."""

    path: Path
    """Where it is; of a database, the file that says which."""
    in_place: bool = True
    """Whether large answers and files are beside it, not in it."""
    is_common: bool = False
    """Whether processes on other hosts may work on the run at the same time."""
    by_row: tuple[str, ...] = ("rows", "answers", "calls")
    """The tables that have something of each row, by its number."""
    elsewhere: Mapping[str, str] = {}
    """What other processes have spent since the last commit."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Frees the lock."""

    def again(self) -> bool:
        """Opens it anew where its connection was lost; whether it was. Raises SetupError where it is not there again yet."""
        return False

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

    @property
    def in_parts(self) -> bool:
        """Whether many claims go in several commits: those wait for a database, and no other process waits for it, too."""
        return False

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
            for piece in pieces(bases):
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
            found = self.read(f"SELECT * FROM rows WHERE n > ? {where} ORDER BY n LIMIT {PIECE}", after)  # noqa: S608 - whole numbers # nosec B608
            yield from map(entry_of, found)
            if len(found) < PIECE:
                return
            after = found[-1][0]

    def places(self) -> Iterator[tuple[int, bytes, int]]:
        """The number, digest and state of all rows, checked; for a million rows in a few seconds."""
        after = 0
        while found := self.read(f"SELECT * FROM rows WHERE n > ? ORDER BY n LIMIT {PIECE}", after):  # noqa: S608 - a number # nosec B608
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
        if not {state for state, _ in found} <= STATES.keys():
            raise damaged("a row has a state that there is not")
        return Counter({RowState(state): count for state, count in found})

    def inputs(self, *, after: int = 0, most: int = PIECE) -> Iterator[Row]:
        """The rows themselves, where they are kept for other hosts; they are read in pieces of ``most``."""
        del after, most
        return iter(())

    def waiting(self, *, dedupe: bool = False) -> int:
        """How many rows wait; with ``dedupe`` the first of equal ones alone."""
        return int(self.read(f"SELECT count(*) FROM rows WHERE state = 0{' AND occurrence = 0' if dedupe else ''}")[0][0])  # noqa: S608 - our own words # nosec B608

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
        bodies = [self.placed(entry, answer) for entry, answer in moved if answer is not None]
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

    def placed(self, entry: RowEntry, answer: RowAnswer) -> tuple[Any, ...]:
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
        return answers_folder(self.path)

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
        return next((answer for _, answer in self._answers(n)), None)

    def answers_of(self, entries: Iterable[RowEntry]) -> Iterator[tuple[RowEntry, RowAnswer]]:
        """The rows with their answers; raises SetupError where one was changed, or is not there any more."""
        for piece in pieces(entries, _TOGETHER):
            found = dict(self._answers(*(entry.n for entry in piece)))
            for entry in piece:
                if entry.n not in found:
                    raise damaged(f"The answer of row {entry.n} is missing")
                yield entry, found[entry.n]

    def _answers(self, *numbers: int) -> Iterator[tuple[int, RowAnswer]]:
        marks = ",".join("?" * len(numbers))
        for values in self.read(f"SELECT n, body, facts, sum FROM answers WHERE n IN ({marks})", *numbers):  # noqa: S608 - marks # nosec B608
            yield values[0], self._checked(*values)

    def _checked(self, n: int, body: bytes | None, data: bytes, total: bytes) -> RowAnswer:
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
        return next(answer for _, answer in self.answers_of([entry]))

    def calls(self, n: int) -> list[dict[str, Any]]:
        """The calls of a row that were answered, where a row makes several."""
        found = self.read("SELECT facts, sum FROM calls WHERE n = ? ORDER BY place", n)
        if any(not isinstance(facts, bytes) or digest(facts) != total for facts, total in found):
            raise damaged(f"The calls of row {n} were changed")
        return [orjson.loads(facts) for facts, _ in found]

    def move(self, before: RowState, after: RowState, category: str = "") -> int:
        """Puts all rows of one state into another, but for those that another process moves meanwhile; gives how many there were."""
        moved = 0
        for piece in pieces(list(self.entries(before))):
            changes = []
            for entry in piece:
                known = entry.values()[-1]
                entry.state, entry.category = after, category
                changes.append((int(after), category, entry.values()[-1], entry.n, known))
            with self.transaction() as base:
                base.executemany("UPDATE rows SET state = ?, category = ?, sum = ? WHERE n = ? AND sum = ?", changes)
            moved += len(piece)
        return moved

    def copy_equal(self) -> None:
        """Gives rows that wait what the equal row came to that was sent: its answer, or why it has none."""
        waiting = [entry for entry in self.entries(RowState.PENDING) if entry.occurrence]
        ended = self.entries(RowState.DONE, RowState.FAILED, RowState.UNKNOWN) if waiting else ()
        firsts = {entry.base: entry for entry in ended if not entry.occurrence}
        order = self.last_done()
        for place, entry in enumerate(entry for entry in waiting if entry.base in firsts):
            first = firsts[entry.base]
            entry.state, entry.category, entry.at = first.state, first.category, time.time()
            entry.done = order + place + 1 if first.state == RowState.DONE else 0
            self.commit(moved=[(entry, self.answer(first.n))])


def pieces(items: Iterable[Any], size: int = PIECE) -> Iterator[list[Any]]:
    """The items in lists of so many, so that a million of them need little memory."""
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def _ending(media_type: str) -> str:
    import mimetypes

    return (mimetypes.guess_extension(media_type.partition(";")[0].strip()) or ".bin") if media_type else ".json"
