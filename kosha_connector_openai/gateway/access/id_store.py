"""Where it is kept whose an id is: in memory, or in a SQLite file that several processes of the service on one machine may share."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.trusted_files import open_database

PASSING: Final = 20_000
"""Ids of a tenant that may be forgotten, kept at a time: a list, or the next reply, names them again, or nothing can be done with them."""
_TABLES: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    """CREATE TABLE IF NOT EXISTS objects (place INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT, id TEXT, tenant TEXT, kind TEXT,
    note TEXT, UNIQUE (account, id))""",
    "CREATE INDEX IF NOT EXISTS owned ON objects (account, tenant, kind, place)",
)
_SWEEP: Final = 1_000
Kept = tuple[str, "IdKind"]


class IdKind(Enum):
    """What an id is of; only objects that can be had by it later are never forgotten."""

    OBJECT = "object"
    PASSING = "passing"
    PART = "part"
    CURSOR = "cursor"


class Ids(Protocol):
    """A store of ids: account and id -> tenant and kind."""

    def find(self, account: str, key: str) -> Kept | None:
        """Whose the id is, and of what; None where nobody was seen to make it."""

    def note(self, account: str, key: str) -> str | None:
        """What was noted with the id."""

    def keep(self, account: str, key: str, tenant: str, kind: IdKind, note: str | None = None) -> None:
        """Notes whose the id is; whoever had it first keeps it, as what it turns out to be."""

    def forget(self, account: str, key: str) -> None:
        """Forgets an id."""

    def count(self, account: str, tenant: str) -> int:
        """How many objects of a tenant are known."""

    def close(self) -> None:
        """Closes what is open."""


class MemoryIds:
    """Ids in memory, each tenant's own; forgotten when the service ends."""

    def __init__(self, passing: int = PASSING) -> None:
        """``passing`` ids of each tenant that may be forgotten are kept, the newest."""
        self._passing = passing
        self._owners: dict[tuple[str, str], tuple[str, IdKind, str | None]] = {}
        self._turns: dict[tuple[str, str], OrderedDict[str, None]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def find(self, account: str, key: str) -> Kept | None:
        """Whose the id is, and of what."""
        found = self._owners.get((account, key))
        return found and found[:2]

    def note(self, account: str, key: str) -> str | None:
        """What was noted with the id."""
        found = self._owners.get((account, key))
        return found and found[2]

    def keep(self, account: str, key: str, tenant: str, kind: IdKind, note: str | None = None) -> None:
        """Notes whose the id is."""
        known = self._owners.get((account, key))
        if known is not None and (known[0] != tenant or known[1] is kind or kind is not IdKind.OBJECT):
            return
        turns = self._turns.setdefault((account, tenant), OrderedDict())
        self._owners[account, key] = tenant, kind, note
        if kind is IdKind.OBJECT:
            turns.pop(key, None)
            self._counts[account, tenant] = self.count(account, tenant) + 1
            return
        turns[key] = None
        if len(turns) > self._passing:
            del self._owners[account, turns.popitem(last=False)[0]]

    def forget(self, account: str, key: str) -> None:
        """Forgets an id."""
        known = self._owners.pop((account, key), None)
        if known is None:
            return
        if (turns := self._turns.get((account, known[0]))) is not None:
            turns.pop(key, None)
        if known[1] is IdKind.OBJECT:
            self._counts[account, known[0]] -= 1

    def count(self, account: str, tenant: str) -> int:
        """How many objects of a tenant are known."""
        return self._counts.get((account, tenant), 0)

    def close(self) -> None:
        """Nothing is open."""


class SqliteIds:
    """Ids in a SQLite file (mode 0600). What may be forgotten is swept when a thousand more have come."""

    def __init__(self, path: Path, passing: int = PASSING) -> None:
        """Raises SetupError where the file cannot be used: a link, one that others may write, or no database."""
        self._passing = passing
        self._new: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], int] = {}
        try:
            self._base = open_database(path, *_TABLES)
        except OSError as error:
            raise SetupError(f"The file of ids cannot be used: {error.strerror}.", pointer="/ownership") from None

    def find(self, account: str, key: str) -> Kept | None:
        """Whose the id is, and of what."""
        row = self._base.execute("SELECT tenant, kind FROM objects WHERE account = ? AND id = ?", (account, key)).fetchone()
        return (row[0], IdKind(row[1])) if row else None

    def note(self, account: str, key: str) -> str | None:
        """What was noted with the id."""
        row = self._base.execute("SELECT note FROM objects WHERE account = ? AND id = ?", (account, key)).fetchone()
        return row[0] if row else None

    def keep(self, account: str, key: str, tenant: str, kind: IdKind, note: str | None = None) -> None:
        """Notes whose the id is."""
        known = self.find(account, key)
        if known is not None and (known[0] != tenant or known[1] is kind or kind is not IdKind.OBJECT):
            return
        self._base.execute(
            "INSERT INTO objects (account, id, tenant, kind, note) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (account, id) DO UPDATE SET kind = excluded.kind WHERE tenant = excluded.tenant",
            (account, key, tenant, kind.value, note),
        )
        owner = account, tenant
        if kind is IdKind.OBJECT:
            if owner in self._counts:
                self._counts[owner] += 1
            return
        self._new[owner] = self._new.get(owner, 0) + 1
        if self._new[owner] >= min(_SWEEP, self._passing):
            self._new[owner] = 0
            self._sweep(account, tenant)

    def forget(self, account: str, key: str) -> None:
        """Forgets an id."""
        known = self.find(account, key)
        if known is not None:
            self._base.execute("DELETE FROM objects WHERE account = ? AND id = ?", (account, key))
            self._counts.pop((account, known[0]), None)

    def count(self, account: str, tenant: str) -> int:
        """How many objects of a tenant are known."""
        if (account, tenant) not in self._counts:  # what other processes add meanwhile is not in it
            question = "SELECT COUNT(*) FROM objects WHERE account = ? AND tenant = ? AND kind = 'object'"
            self._counts[account, tenant] = int(self._base.execute(question, (account, tenant)).fetchone()[0])
        return self._counts[account, tenant]

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def _sweep(self, account: str, tenant: str) -> None:
        self._base.execute(
            "DELETE FROM objects WHERE place IN (SELECT place FROM objects WHERE account = ? AND tenant = ? AND kind <> 'object' "
            "ORDER BY place DESC LIMIT -1 OFFSET ?)",
            (account, tenant, self._passing),
        )
