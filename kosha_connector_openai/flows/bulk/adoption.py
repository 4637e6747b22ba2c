"""A changed input: which rows are those of before, and how they keep what came back for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from kosha_connector_openai.flows.bulk.entry import RowEntry, digest, entry_of
from kosha_connector_openai.flows.bulk.ledger import Cursors, Ledger, pieces

_FRESH: Final = (
    "CREATE INDEX fresh_base ON fresh (base, n)",
    "CREATE INDEX rows_base ON rows (base, occurrence)",
    """UPDATE fresh SET occurrence = (SELECT count(*) FROM fresh f WHERE f.base = fresh.base AND f.n < fresh.n)
    WHERE base IN (SELECT base FROM fresh GROUP BY base HAVING count(*) > 1)""",
)
"""Numbers equal rows of the new input, once all of them are there."""
_SAME: Final = "SELECT count(*) FROM fresh f JOIN rows r ON r.base = f.base AND r.occurrence = f.occurrence"
_CHANGED: Final = (
    "SELECT count(*) FROM fresh f JOIN rows r ON r.n = f.n"
    " WHERE NOT EXISTS (SELECT 1 FROM rows x WHERE x.base = f.base AND x.occurrence = f.occurrence)"
    " AND NOT EXISTS (SELECT 1 FROM fresh y WHERE y.base = r.base AND y.occurrence = r.occurrence)"
)
"""Rows whose place has another row now, and neither of the two is anywhere else."""
_DONE: Final = ("DROP INDEX rows_base", "DROP TABLE fresh")


def adopt_rows(ledger: Ledger, bases: Iterable[tuple[int, bytes]], values: Mapping[str, Any], *, change: bool) -> dict[str, int]:
    """Compares the rows of a ledger with those of a changed input; gives how many are unchanged, added, missing and changed.

    With ``change`` the unchanged keep their state and answer at their new places, the others become rows to send, and the run's ``values``
    are kept: all or nothing. Raises SetupError where the ledger cannot be used.
    """
    with ledger.transaction() as base:
        base.execute("CREATE TABLE fresh (n INTEGER PRIMARY KEY, base BLOB NOT NULL, occurrence INTEGER NOT NULL DEFAULT 0)")
        for piece in pieces(bases):
            base.executemany("INSERT INTO fresh (n, base) VALUES (?, ?)", piece)
        _execute(base, _FRESH)
        counts = _compare(base)
        if change:
            _move(ledger, base)
            for name, value in values.items():
                ledger.put(base, name, value)
        _execute(base, _DONE)
    return counts


def _execute(base: Cursors, statements: Iterable[str]) -> None:
    for statement in statements:
        base.execute(statement)


def _compare(base: Cursors) -> dict[str, int]:
    queries = (_SAME, _CHANGED, "SELECT count(*) FROM fresh", "SELECT count(*) FROM rows")
    same, changed, after, before = (base.execute(query).fetchone()[0] for query in queries)
    return {"unchanged": same, "changed": changed, "added": after - same - changed, "missing": before - same - changed}


def _move(ledger: Ledger, base: Cursors) -> None:
    """Puts the rows of the new input into the place of those that were there, each with what is known of it."""
    known = {(row[1], row[2]): entry_of(row) for row in base.execute("SELECT * FROM rows WHERE state != 0")}
    entries = [RowEntry(*values) for values in base.execute("SELECT n, base, occurrence FROM fresh ORDER BY n").fetchall()]
    moved = [(before, entry) for entry in entries if (before := known.get((entry.base, entry.occurrence))) is not None]
    answers = [(entry, ledger.answer(before.n)) for before, entry in moved]
    calls = [(entry.n, ledger.calls(before.n)) for before, entry in moved]
    for before, entry in moved:
        entry.take(before)
        entry.done = before.done
    _execute(base, (f"DELETE FROM {name}" for name in ledger.by_row))  # noqa: S608 - our own words # nosec B608
    base.executemany("INSERT INTO rows VALUES (?,?,?,?,?,?,?,?,?)", [entry.values() for entry in entries])
    for entry, answer in answers:
        if answer is not None:
            base.execute("INSERT INTO answers VALUES (?,?,?,?)", ledger.placed(entry, answer))
    for n, found in calls:
        for place, facts in enumerate(found):
            data = orjson.dumps(facts)
            base.execute("INSERT INTO calls VALUES (?,?,?,?)", (n, place, data, digest(data)))
