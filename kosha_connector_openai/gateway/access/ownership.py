"""Which tenant owns an id. Where several tenants share one upstream connection, none sees or reaches what another has made.

The upstream knows one account alone; so ids that come back from calls of a tenant are kept, and an id of another's answers as one that is
missing. Ids that were not made through this service belong to nobody: whoever knows one may use it, but lists do not show it.
"""

from __future__ import annotations

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.object_ids import fits, made_ids, narrowed, texts
from kosha_connector_openai.gateway.records import Caller, Send
from kosha_connector_openai.gateway.routes import sound_actions
from kosha_connector_openai.trusted_files import UntrustedFileError, open_trusted

_MOST: Final = 200_000
"""Ids that are kept in memory."""
_BEGINNING: Final = 16 * 1024 * 1024
"""Bytes of an event stream in which its first event is looked for; it may repeat all of a long request."""
_REFUSED: Final = 300
_READS: Final = frozenset({"GET", "HEAD", "DELETE"})


class Ids(Protocol):
    """A store of ids: connection and id -> tenant."""

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
            os.close(open_trusted(path, os.O_RDWR | os.O_CREAT, private=True))
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS ids (connection TEXT, id TEXT, tenant TEXT, PRIMARY KEY (connection, id)) WITHOUT ROWID"
            )
        except UntrustedFileError as error:
            raise SetupError(f"The file of ids cannot be used: {error.strerror}.", pointer="/ownership") from None
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

    def __init__(self, ids: Ids, shared: Iterable[str], actions: Mapping[str, Action]) -> None:
        """``shared`` names the connections of several tenants; elsewhere everything passes."""
        self._ids = ids
        self._shared = frozenset(shared)
        self._actions = actions
        self._made_at = {a.operation.path for a in sound_actions(actions) if a.operation.method not in _READS}

    def applies_to(self, caller: Caller) -> bool:
        """Whether the caller shares its connection, so that all it sends must be read."""
        return caller.connection in self._shared

    def allows(self, caller: Caller, action: str, values: Mapping[str, str]) -> bool:
        """Whether none of the path's values is an id of another tenant's."""
        return not self.applies_to(caller) or not any(self.is_foreign(caller, value) for value in values.values())

    def allows_body(self, caller: Caller, body: Any) -> bool:
        """The same for every text in a request's JSON values: an id in a body reaches an object as well as one in a path."""
        return not self.applies_to(caller) or not any(self.is_foreign(caller, text) for text in texts(body))

    def narrows(self, caller: Caller, action: str) -> bool:
        """Whether the reply is a list over the whole account, which ``narrow`` cuts."""
        operation = self._actions[action].operation
        return self.applies_to(caller) and operation.method == "GET" and "{" not in operation.path

    def narrow(self, caller: Caller, action: str, value: Any) -> Any:
        """Returns the items of the list that the caller may see: none of others; where callers make such items, none without owner."""
        return narrowed(value, lambda key: self.shows(caller, action, key))

    def shows(self, caller: Caller, action: str, key: str) -> bool:
        """Whether an item of that list is the caller's to see."""
        if self._actions[action].operation.path in self._made_at:
            return self._ids.owner(caller.connection, key) == caller.tenant
        return not self.is_foreign(caller, key)

    def listens(self, caller: Caller, action: str) -> bool:
        """Whether the reply may tell of something that was made."""
        return self.applies_to(caller) and self._actions[action].operation.method not in _READS

    def learn(self, caller: Caller, action: str, body: bytes, named: Collection[str] = ()) -> None:
        """Keeps the ids in a JSON reply but for those that the request ``named``; anything else is passed over."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        for key in made_ids(value, named):
            self._ids.keep(caller.connection, key, caller.tenant)

    def hearing(self, caller: Caller, action: str, send: Send, named: Collection[str] = ()) -> Send:
        """Wraps ``send`` so that it learns the ids in an event stream's first event, which names what is being made."""
        beginning = bytearray()
        listening = False

        async def heard(message: MutableMapping[str, Any]) -> None:
            nonlocal listening
            if message["type"] == "http.response.start":
                listening = message["status"] < _REFUSED and any(
                    name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"]
                )
            elif listening:
                beginning.extend(message.get("body", b""))
                for line in _whole_lines(beginning):
                    if line.startswith(b"data:"):
                        self.learn(caller, action, line.removeprefix(b"data:"), named)
                        listening = False
                listening = listening and len(beginning) < _BEGINNING
            await send(message)

        return heard

    def is_foreign(self, caller: Caller, value: str) -> bool:
        """Whether the text is an id of another tenant's."""
        if not fits(value):
            return False
        owner = self._ids.owner(caller.connection, value)
        return owner is not None and owner != caller.tenant

    def close(self) -> None:
        """Closes where the ids are kept."""
        self._ids.close()


def shared_connections(tenants: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The connections that several tenants use; ``tenants`` are those of each."""
    return tuple(name for name, found in tenants.items() if len(set(found)) > 1)


def make_ownership(place: str | Path, shared: Collection[str], catalog: Mapping[str, Action]) -> Ownership | None:
    """The rule, where it is needed: None where no connection is shared, or ``place`` is ``off``.

    ``place``: ``auto`` and ``memory`` keep ids in memory, a path keeps them in a file. Raises SetupError.
    """
    if not shared or place == "off":
        return None
    ids = SqliteIds(place) if isinstance(place, Path) else MemoryIds()
    return Ownership(ids, shared, catalog)


def _whole_lines(data: bytearray) -> list[bytes]:
    """Takes the lines of an event stream that are whole, by all its line breaks, out of ``data``."""
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    lines = bytes(data[:end]).replace(b"\r", b"\n").split(b"\n") if end else []
    del data[:end]
    return lines
