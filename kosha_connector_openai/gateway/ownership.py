"""Whose is this id? Where several tenants share one upstream connection, what one makes, the others neither see nor reach.

The upstream knows one account alone; so ids that come back from calls of a tenant are kept, and an id of another's answers as one that is
missing. Ids that were not made through this service belong to nobody and pass.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from kosha_connector_openai.core.errors import SetupError
from kosha_connector_openai.core.json_text import walk

_MOST: Final = 200_000
"""Ids that are kept in memory."""
_LONGEST: Final = 200
_SHORTEST: Final = 6
"""Characters of an id; anything shorter could be a number or a word that many use."""
_DEPTH: Final = 2
"""Objects in objects in which ids are looked for."""
_MOST_VALUES: Final = 50_000
_LISTS: Final = ("data",)
_ENDS: Final = ("first_id", "last_id")


class Ids(Protocol):
    """Where ids are kept: connection and id -> tenant."""

    def owner(self, connection: str, key: str) -> str | None:
        """Whose the id is; None where it was not made through this service."""

    def keep(self, connection: str, key: str, tenant: str) -> None:
        """Notes whose the id is; whoever had it first keeps it."""

    def close(self) -> None:
        """Closes what is open."""


class MemoryIds:
    """Ids in memory, the newest 200,000; forgotten when the service ends."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._owners: OrderedDict[tuple[str, str], str] = OrderedDict()

    def owner(self, connection: str, key: str) -> str | None:
        """Whose the id is."""
        return self._owners.get((connection, key))

    def keep(self, connection: str, key: str, tenant: str) -> None:
        """Notes whose the id is."""
        self._owners.setdefault((connection, key), tenant)
        if len(self._owners) > self._most:
            self._owners.popitem(last=False)

    def close(self) -> None:
        """Nothing is open."""


class SqliteIds:
    """Ids in a SQLite file (mode 0600), which several processes of the service on one machine may share."""

    def __init__(self, path: Path) -> None:
        """Raises SetupError where the file cannot be used."""
        try:
            path.touch(mode=0o600, exist_ok=True)
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS ids (connection TEXT, id TEXT, tenant TEXT, PRIMARY KEY (connection, id)) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise SetupError(f"The file of ids cannot be used: {type(error).__name__}.", pointer="/ownership") from None

    def owner(self, connection: str, key: str) -> str | None:
        """Whose the id is."""
        row = self._base.execute("SELECT tenant FROM ids WHERE connection = ? AND id = ?", (connection, key)).fetchone()
        return row[0] if row else None

    def keep(self, connection: str, key: str, tenant: str) -> None:
        """Notes whose the id is."""
        self._base.execute("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", (connection, key, tenant))

    def close(self) -> None:
        """Closes the file."""
        self._base.close()


class Ownership:
    """The rule over the ids kept, for the connections that several tenants share."""

    def __init__(self, ids: Ids, shared: Iterable[str]) -> None:
        """``shared`` names the connections of several tenants; for the others everything passes."""
        self._ids = ids
        self._shared = frozenset(shared)

    def watches(self, connection: str) -> bool:
        """Whether calls over this connection are looked at."""
        return connection in self._shared

    def forbids(self, connection: str, tenant: str, values: Iterable[str]) -> bool:
        """Whether one of the values is an id of another tenant's."""
        return any(self._is_foreign(connection, tenant, value) for value in values)

    def forbids_body(self, connection: str, tenant: str, body: Any) -> bool:
        """The same for every text in a request's JSON values, since an id in a body reaches an object as well as one in a path."""
        for count, (_, value) in enumerate(walk(body)):
            if count > _MOST_VALUES:
                return False
            if isinstance(value, str) and self._is_foreign(connection, tenant, value):
                return True
        return False

    def note(self, connection: str, tenant: str, body: bytes) -> None:
        """Keeps the ids in the JSON reply to a call that makes something; anything else is passed over."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        for key in _made(value, _DEPTH):
            self._ids.keep(connection, key, tenant)

    def filtered(self, connection: str, tenant: str, body: bytes) -> bytes:
        """The JSON reply of a list without what is another's; the very same bytes where nothing has to go."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        if not isinstance(value, dict):
            return body
        changed = False
        for name in _LISTS:
            items = value.get(name)
            if isinstance(items, list):
                kept = [item for item in items if not self._is_item_foreign(connection, tenant, item)]
                changed = changed or len(kept) < len(items)
                value[name] = kept
        if not changed:
            return body
        kept_ids = [item.get("id") for item in value[_LISTS[0]] if isinstance(item, dict)]
        value.update({name: kept_ids[place] if kept_ids else None for name, place in zip(_ENDS, (0, -1), strict=True) if name in value})
        return orjson.dumps(value)

    def close(self) -> None:
        """Closes where the ids are kept."""
        self._ids.close()

    def _is_foreign(self, connection: str, tenant: str, value: str) -> bool:
        if not _SHORTEST <= len(value) <= _LONGEST:
            return False
        owner = self._ids.owner(connection, value)
        return owner is not None and owner != tenant

    def _is_item_foreign(self, connection: str, tenant: str, item: Any) -> bool:
        return isinstance(item, Mapping) and any(self._is_foreign(connection, tenant, key) for key in _made(item, 1))


def make_ownership(place: str | Path, tenants: Mapping[str, Iterable[str]]) -> Ownership | None:
    """The rule, where it is needed: ``tenants`` are those of each connection; None where each has one, or ``place`` is ``off``.

    ``place``: ``auto`` and ``memory`` keep ids in memory, a path keeps them in a file. Raises SetupError.
    """
    shared = [name for name, found in tenants.items() if len(set(found)) > 1]
    if not shared or place == "off":
        return None
    return Ownership(SqliteIds(place) if isinstance(place, Path) else MemoryIds(), shared)


def _made(value: Any, depth: int) -> Iterator[str]:
    """The ids of an object and of the objects in it."""
    if not isinstance(value, Mapping) or depth < 0:
        return
    key = value.get("id")
    if isinstance(key, str) and _SHORTEST <= len(key) <= _LONGEST:
        yield key
    for part in value.values():
        if isinstance(part, Mapping):
            yield from _made(part, depth - 1)
