"""The ledger in PostgreSQL: a schema for each run, and one table of paces for all, so that processes on several hosts work on one run.

A runner's commits wait on the runner's own loop; all else asks the database as one asks a file.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.database import Database, numbered
from kosha_connector_openai.flows.bulk.entry import Claim, Moved, RowEntry, damaged, digest, entry_of
from kosha_connector_openai.flows.bulk.ledger import COLUMNS, PIECE, PUT_CALL, TABLES, VERSION, Ledger
from kosha_connector_openai.flows.bulk.row import Row
from kosha_connector_openai.flows.bulk.shared_pace import SharedPace, Turn
from kosha_connector_openai.secrets import Secret

_RUN: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,51}")
"""The name of a run, which becomes a part of its schema's: a file that came from elsewhere, or a task, may say another."""
_TYPES: Final = {"n": "int", "occurrence": "int", "state": "int", "tries": "int", "at": "float8", "category": "text", "done": "int"}
_PACES: Final = """CREATE SCHEMA IF NOT EXISTS kosha_bulk;
CREATE TABLE IF NOT EXISTS kosha_bulk.pace (run TEXT PRIMARY KEY, state BYTEA NOT NULL)"""


_HOLDERS: Final = "FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = ?"
"""Who holds an advisory lock, by its number."""


def _columns(table: str, first: int = 1) -> str:
    """The columns of a table as arrays of one statement."""
    return ", ".join(f"${place}::{_TYPES.get(name, 'bytea')}[]" for place, name in enumerate(COLUMNS[table].split(), first))


def _updates(table: str) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[table].split()[1:])


_COMMIT: Final = f"""WITH moved AS (
INSERT INTO rows SELECT * FROM unnest({_columns("rows")}) ON CONFLICT (n) DO UPDATE SET {_updates("rows")}
WHERE rows.state <> 2 AND (excluded.state <> 0 OR (rows.state = 1 AND rows.at = excluded.at)) RETURNING rows.n),
answered AS (INSERT INTO answers SELECT a.* FROM unnest({_columns("answers", 10)}) AS a(n, body, facts, sum) JOIN moved USING (n)
ON CONFLICT (n) DO UPDATE SET {_updates("answers")}),
paced AS (UPDATE kosha_bulk.pace SET state = $18 WHERE run = $19 AND state = $20 RETURNING run),
claimed AS (UPDATE rows SET state = 1, tries = c.tries, at = c.at, category = '', sum = c.sum
FROM unnest($14::int[], $15::int[], $16::float8[], $17::bytea[]) AS c(n, tries, at, sum)
WHERE rows.n = c.n AND rows.state = 0 AND ($20::bytea IS NULL OR EXISTS (SELECT FROM paced)) RETURNING rows.n)
SELECT EXISTS (SELECT FROM paced), array(SELECT n FROM claimed)"""  # noqa: S608 - our own words # nosec B608
"""What moved, the pace as it is after the claims, and the claims; those only where the pace was still as it was known.

Several processes may have a row: one that is done stays so, and only who claimed a row gives it back.
"""


class PostgresLedger(Ledger):
    """One run's ledger in a database. ``shared``: other processes work on the run at the same time."""

    in_place = False
    is_common = True
    by_row = (*Ledger.by_row, "inputs")

    def __init__(self, path: Path, dsn: Secret, run: str, *, new: bool = False, read_only: bool = False, shared: bool = False) -> None:
        """Opens the ledger of ``run``, or makes a ``new`` one; ``path`` is the file that names it, beside the run's output.

        Raises SetupError where the package or the server is not there, or the ledger is not, is newer, or is held by another process.
        """
        if not _RUN.fullmatch(run):
            fault = Fault("/ledger", "run", "is no name of a run.", "Name the output of a run, or its ledger.")
            raise SetupError("The ledger cannot be used; nothing was sent.", [fault])
        self.path, self.run = path, run
        self._schema = f"kosha_bulk_{run}"
        self._pace: SharedPace | None = None
        self._known: dict[str, str] = {}
        self._lock: bool | None = None
        """Whether it is held together with others; None where it is not."""
        self._dsn, self._database = dsn, Database(dsn)
        try:
            self._open(new=new)
            if not read_only:
                self._hold(shared=shared)
        except BaseException:
            self.close()
            raise

    def _open(self, *, new: bool) -> None:
        there = bool(self.read("SELECT 1 FROM pg_namespace WHERE nspname = ?", self._schema))
        if not new and not there:
            fix = "Name the database and the run that it was made with."
            raise SetupError("No ledger is there.", [Fault("/ledger", "run", "is not in this database.", fix)])
        if not there:
            with self.transaction() as base:
                base.execute("SELECT pg_advisory_xact_lock(?)", (_number("kosha_bulk"),))
                for text in (*_PACES.split(";"), f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"'):
                    base.execute(text)
        self._database.command(f'SET search_path TO "{self._schema}"')
        if not self.read("SELECT 1 FROM pg_tables WHERE schemaname = ?", self._schema):
            with self.transaction() as base:
                for text in filter(None, map(str.strip, TABLES.split(";"))):
                    base.execute(text)
                base.execute("CREATE TABLE inputs (n INTEGER PRIMARY KEY, line INTEGER NOT NULL, data BYTEA NOT NULL)")
                self.put(base, "version", VERSION)
        elif (version := self.kept("version")) != VERSION:
            fault = Fault("/ledger", "version", f"has version {version}; this program knows {VERSION}.", "Use the newer program.")
            raise SetupError("The ledger is newer than this program.", [fault])

    def _hold(self, *, shared: bool) -> None:
        """Takes the run for itself, or together with others that share it; PostgreSQL frees it when this process ends."""
        ours = self.read(f"SELECT pg_try_advisory_lock{'_shared' if shared else ''}(?)", _number(self._schema))
        if not ours[0][0]:
            fault = Fault(
                "/ledger", "held", f"is held by process {self.kept('owner') or 'unknown'}.", "Let it end, or end it; then resume."
            )
            raise SetupError("Another process works on this run.", [fault])
        self._lock = shared
        if not shared:
            self.keep("owner", f"{socket.gethostname()}:{os.getpid()}")

    def share(self) -> None:
        """Lets others work on the run at the same time."""
        self.read("SELECT pg_advisory_lock_shared(?), pg_advisory_unlock(?)", _number(self._schema), _number(self._schema))
        self._lock = True

    def alone(self) -> bool:
        """Takes the run for itself again, where nobody else works on it."""
        number = _number(self._schema)
        return bool(self.read("SELECT pg_try_advisory_lock(?)", number)[0][0])

    def ask_to_stop(self) -> bool:
        """Asks all who share the run to end, wherever they are; whether anybody does. Who begins later is not told."""
        return bool(self.read(f"SELECT pg_notify(?, '') {_HOLDERS} AND mode = 'ShareLock' LIMIT 1", self._schema, _number(self._schema)))

    def when_asked_to_stop(self, stop: Callable[[], object]) -> None:
        """``stop`` is called, on another thread, when somebody asks."""
        self._database.listen(self._schema, stop)

    # --- rows for other hosts ---

    def keep_inputs(self, rows: Iterable[Row]) -> None:
        """Keeps the rows themselves, where it has none, so that other hosts need no file of the run."""
        if self.read("SELECT 1 FROM inputs LIMIT 1"):
            return
        with self.transaction() as base:
            values = ((row.number, row.line, orjson.dumps(row.values)) for row in rows)
            base.executemany("INSERT INTO inputs VALUES (?, ?, ?)", values)

    def span(self, first: int, last: int) -> list[tuple[RowEntry, Row]]:
        """The rows from ``first`` to ``last`` that wait, each with its inputs."""
        text = "SELECT r.*, i.line, i.data FROM rows r JOIN inputs i USING (n) WHERE r.n BETWEEN ? AND ? AND r.state = 0 ORDER BY r.n"
        return [(entry_of(found[:9]), Row(found[0], found[9], orjson.loads(found[10]))) for found in self.read(text, first, last)]

    def inputs(self, *, after: int = 0, most: int = PIECE) -> Iterator[Row]:
        while found := self.read("SELECT * FROM inputs WHERE n > ? ORDER BY n LIMIT ?", after, most):
            yield from (Row(n, line, orjson.loads(data)) for n, line, data in found)
            after = found[-1][0]

    def owner(self) -> str | None:
        name = self.kept("owner")
        return str(name) if name and self.read(f"SELECT 1 {_HOLDERS}", _number(self._schema)) else None

    def again(self) -> bool:
        if not self._database.is_lost:
            return False
        fresh = Database(self._dsn)  # where it fails, the old one still says that it cannot be used
        self._database.close()
        self._database = fresh
        self._open(new=False)
        if self._lock is not None:
            self._hold(shared=self._lock)
        return True

    def close(self) -> None:
        self._database.close()

    def discard(self) -> None:
        with suppress(SetupError):
            self._database.command(f'DROP SCHEMA "{self._schema}" CASCADE')
        self.close()
        self.path.unlink(missing_ok=True)

    def read(self, text: str, *values: Any) -> list[Any]:
        return self._database.read(text, *values)

    def transaction(self) -> AbstractContextManager[Database]:
        return self._database.transaction()

    # --- commits ---

    @property
    def in_parts(self) -> bool:
        return self._pace is None or self._pace.is_alone

    async def acommit(
        self,
        claims: Sequence[Claim] = (),
        moved: Sequence[Moved] = (),
        calls: Sequence[tuple[int, int, Mapping[str, Any]]] = (),
        spent: Mapping[str, str] | None = None,
    ) -> list[bool | float]:
        rows = [entry.values() for entry, _ in moved]  # as they are now: they change while the database works
        answers = [self.placed(entry, answer) for entry, answer in moved if answer is not None]
        facts = [(n, place, data, digest(data)) for n, place, value in calls for data in (orjson.dumps(value, default=str),)]
        return await self._database.arun(self._committed(claims, rows, answers, facts, spent))

    async def _committed(
        self, claims: Sequence[Claim], rows: Sequence[Any], answers: Sequence[Any], calls: Sequence[Any], spent: Mapping[str, str] | None
    ) -> list[bool | float]:
        """In one statement where no other process is at the pace: each one more takes the time of a row on its way."""
        async with self._database.turn:
            pace = self._pace if self._pace is not None and (self._pace.news or any(attempt for _, attempt in claims)) else None
            again = {values[0] for values in rows} & {entry.n for entry, _ in claims}  # came back, and is claimed in the same turn
            if (pace is None or pace.is_alone) and spent is None and not calls and not again:
                taken = await self._kept(pace, claims, rows, answers)
                if taken is not None:
                    return taken
                rows = answers = ()  # they are kept
            async with self._base.transaction():
                if calls:
                    await self._base.executemany(numbered(PUT_CALL), calls)
                if spent is not None:
                    await self._spend(spent)
                if rows:
                    await self._kept(None, (), rows, answers)
                state = await self._held_state() if pace is not None else None
                return await self._kept(pace, claims, state=state) or []

    async def _kept(
        self,
        pace: SharedPace | None,
        claims: Sequence[Claim],
        rows: Sequence[Any] = (),
        answers: Sequence[Any] = (),
        state: bytes | None = None,
    ) -> list[bool | float] | None:
        """Keeps rows and answers, takes each claim's slot of the pace, and claims those rows that have one soon.

        None where another process was at the common pace first: then nothing is claimed. ``state`` is the pace's, where it is held.
        """
        turn = pace.take([attempt for _, attempt in claims], state) if pace is not None else None
        waits = turn.waits if turn is not None else [0.0] * len(claims)
        going = sorted(((entry, entry.claimed()) for (entry, _), wait in zip(claims, waits, strict=True) if not wait), key=_number_of)
        values = [(fresh.n, fresh.tries, fresh.at, fresh.values()[-1]) for _, fresh in going]
        paces = (turn.after, self._pace_name, turn.before) if turn is not None else (None, None, None)
        is_ours, found = await self._base.fetchrow(_COMMIT, *_arrays(rows, 9), *_arrays(answers, 4), *_arrays(values, 4), *paces)
        if pace is not None and turn is not None:
            if not is_ours:
                pace.lost(turn)
                return None
            pace.kept(turn)
        taken = set(found)
        for entry, fresh in going:
            if entry.n in taken:
                entry.take(fresh)
        return [wait or entry.n in taken for (entry, _), wait in zip(claims, waits, strict=True)]

    async def _held_state(self) -> bytes:
        """The common pace, which no other process changes until the transaction ends."""
        state: bytes = await self._base.fetchval("SELECT state FROM kosha_bulk.pace WHERE run = $1 FOR UPDATE", self._pace_name)
        return state

    async def _spend(self, spent: Mapping[str, str]) -> None:
        """Adds what this process has spent since its last commit; ``elsewhere`` is what others have."""
        found = await self._base.fetchrow("SELECT value, sum FROM run WHERE name = 'spent' FOR UPDATE")
        if found is None or digest(b"spent" + found[0]) != found[1]:
            raise damaged("the run's spent were changed")
        before = orjson.loads(found[0])
        total = {
            name: Decimal(before.get(name, "0")) + Decimal(value) - Decimal(self._known.get(name, "0")) for name, value in spent.items()
        }
        self.elsewhere = {name: str(value - Decimal(spent[name])) for name, value in total.items()}
        self._known = {name: str(value) for name, value in total.items()}
        data = orjson.dumps(self._known, option=orjson.OPT_SORT_KEYS)
        await self._base.execute("UPDATE run SET value = $1, sum = $2 WHERE name = 'spent'", data, digest(b"spent" + data))

    @property
    def _base(self) -> Any:
        """The connection, for what runs on its own loop."""
        return self._database.connection

    # --- the pace ---

    def pace(self, share: float = 1.0, **given: Any) -> SharedPace:
        """One pace for all processes of the run, those of its other shares too."""
        del share  # what is common is not divided
        with self.transaction() as base:
            base.execute("INSERT INTO kosha_bulk.pace VALUES (?, 'null') ON CONFLICT (run) DO NOTHING", (self._pace_name,))
            state = base.execute("SELECT state FROM kosha_bulk.pace WHERE run = ?", (self._pace_name,))[0][0]
        skew = float(self.read("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]) - time.time()
        self._known = self.kept("spent") or {}
        self._pace = SharedPace(state, self._held, clock=lambda: time.time() + skew, **given)
        return self._pace

    @property
    def _pace_name(self) -> str:
        return self.run.partition(".")[0]

    def _held(self, take: Callable[[bytes], Turn]) -> Turn:
        """Keeps the turn that ``take`` makes of the common state, which is held meanwhile."""
        with self.transaction() as base:
            found = base.execute("SELECT state FROM kosha_bulk.pace WHERE run = ? FOR UPDATE", (self._pace_name,))
            turn = take(found[0][0])
            base.execute("UPDATE kosha_bulk.pace SET state = ? WHERE run = ?", (turn.after, self._pace_name))
        return turn


def _number(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "big")


def _number_of(claimed: tuple[RowEntry, RowEntry]) -> int:
    return claimed[0].n


def _arrays(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
