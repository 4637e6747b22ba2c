"""Which tenant owns an id. Where several tenants share one upstream account, none sees or reaches what another has made.

The upstream knows one account alone. So the ids in replies about a tenant's own things are kept as that tenant's, and an id that is not
the caller's answers as one that is missing: it is another's, or nobody's, such as one that was made before or elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, Final

import orjson

from kosha_connector_openai.core.actions import EVENT_STREAM, Action
from kosha_connector_openai.gateway.access.id_store import IdKind, Ids, MemoryIds, SqliteIds
from kosha_connector_openai.gateway.access.object_ids import Claim, ObjectNames, UploadScan, fits, made_ids
from kosha_connector_openai.gateway.records import Caller, Send
from kosha_connector_openai.gateway.routes import sound_actions
from kosha_connector_openai.gateway.settings import OwnershipEntry
from kosha_connector_openai.manifest.parts import ObjectRules
from kosha_connector_openai.text import essence, is_json_lines

_LONGEST_EVENT: Final = 16 * 1024 * 1024
"""Bytes of one event that is looked at; the ids in a longer one stay unknown, and so are refused later."""
_REFUSED: Final = 300
_READS: Final = frozenset({"GET", "HEAD"})
_CURSOR: Final = "kosha-page-"
"""What our own cursors begin with."""
_OWN: Final = frozenset(IdKind)
_ENOUGH: Final = {Claim.OBJECT: {IdKind.OBJECT, IdKind.PASSING}, Claim.ANY: _OWN - {IdKind.CURSOR}}
"""What of the caller's own fills a claim; the others take everything."""
NOBODY: Final = ""
"""The tenant of ids that callers named before anyone was seen to make them: they become nobody's own."""


class Ownership:
    """The rule over the ids kept, for the accounts that several tenants share."""

    def __init__(
        self,
        ids: Ids,
        accounts: Mapping[str, str],
        actions: Mapping[str, Action],
        rules: ObjectRules,
        entry: OwnershipEntry,
        apart: Collection[str] = (),
    ) -> None:
        """``accounts``: connections that several tenants share -> the account behind each; elsewhere everything passes.
        ``apart``: as ObjectNames."""
        self._ids = ids
        self._accounts = accounts
        self._actions = actions
        self._entry = entry
        sound = list(sound_actions(actions))
        self.names = ObjectNames(sound, rules, apart)
        self._cursors = frozenset(rules.cursors)
        self._items = {a.operation.path.rpartition("/{")[0]: a for a in sound if a.operation.path.endswith("}")}
        self._open_items = {path for path, a in self._items.items() if a.operation.path.rpartition("{")[2][:-1] in rules.open}
        self._kept_schemas = set(_reply_schemas(a for a in sound if a.operation.method == "GET" and a.operation.path.count("{") == 1))
        self._made_at = {a.operation.path for a in sound if a.operation.method == "POST"}
        self._lasting = {a.id: self._lasts(a) for a in sound if a.operation.method not in _READS}

    def _lasts(self, action: Action) -> bool:
        """Whether what the action makes can be had by its id later on: so it must not be forgotten."""
        path = action.operation.path
        known = path in self._items and "{" not in path
        return known or any(schema in self._kept_schemas for schema in _reply_schemas([action]))

    def applies_to(self, caller: Caller) -> bool:
        """Whether the caller shares its account, so that all it sends must be read."""
        return caller.connection in self._accounts

    # Requests

    def allows(self, caller: Caller, action: str, values: Mapping[str, str]) -> bool:
        """Whether the caller may name the path's values."""
        return self.permits(caller, self.names.in_path(self._actions[action].operation.method, values))

    def allows_query(self, caller: Caller, action: str, query: Iterable[tuple[str, str]]) -> bool:
        """The same for a query; a list goes on after one of the caller's own items, or from a cursor that came with it."""
        given = list(query)
        places = ((value, Claim.CURSOR) for name, value in given if name in self._cursors and value)
        return self.permits(caller, chain(self.names.in_fields(given), places))

    def allows_body(self, caller: Caller, body: Any) -> bool:
        """The same for every text in a request's JSON values: an id in a body reaches an object as well as one in a path."""
        return self.permits(caller, self.names.in_value(body))

    def allows_fields(self, caller: Caller, fields: Iterable[tuple[str, Any]]) -> bool:
        """The same for the fields of a form."""
        return self.permits(caller, self.names.in_fields(fields))

    def scan(self, caller: Caller) -> UploadScan:
        """The same for a file's bytes, piece by piece."""
        return UploadScan(self.names, lambda claims: self.permits(caller, claims))

    def is_full(self, caller: Caller, action: str) -> bool:
        """Whether no more objects of the tenant's can be remembered, and the action may make one."""
        if not self.applies_to(caller) or not self._lasting.get(action):
            return False
        return self._ids.count(self._accounts[caller.connection], caller.tenant) >= self._entry.most

    def is_own(self, caller: Caller, text: str) -> bool:
        """Whether an id is the caller's tenant's."""
        kept = self._ids.find(self._accounts[caller.connection], text)
        return kept is not None and kept[0] == caller.tenant

    def is_foreign(self, caller: Caller, text: str) -> bool:
        """Whether an id is another tenant's."""
        kept = self._ids.find(self._accounts[caller.connection], text) if fits(text) and not self._is_open(text) else None
        return kept is not None and kept[0] not in (NOBODY, caller.tenant)

    def permits(self, caller: Caller, claims: Iterable[tuple[str, Claim]]) -> bool:
        """Whether the caller may make all of these claims."""
        account = self._accounts.get(caller.connection)
        return account is None or all(self._permits_one(account, caller.tenant, text, claim) for text, claim in claims)

    def _permits_one(self, account: str, tenant: str, text: str, claim: Claim) -> bool:
        if self._is_open(text):
            return True
        kept = self._ids.find(account, text)
        if kept is not None and kept[0] == tenant:
            # A page's cursor of ours names nothing that the upstream knows; clients may take it for an item's id.
            return kept[1] in _ENOUGH.get(claim, _OWN) or text.startswith(_CURSOR)
        if kept is not None and kept[0] != NOBODY:
            return False
        if claim is Claim.TEXT:
            return True
        if claim is not Claim.LABEL and self._entry.unknown == "refuse":
            return False
        if kept is None and fits(text):
            self._ids.keep(account, text, NOBODY, IdKind.PART)  # so that no reply that repeats it makes it anyone's
        return True

    def _is_open(self, text: str) -> bool:
        return any(fnmatchcase(text, pattern) for pattern in self._entry.open)

    # Lists

    def narrows(self, caller: Caller, action: str) -> bool:
        """Whether the reply is a list over the whole account, which ``narrow`` cuts."""
        operation = self._actions[action].operation
        return self.applies_to(caller) and operation.method == "GET" and "{" not in operation.path

    def narrow(self, caller: Caller, action: str, value: Any) -> Any:
        """Returns the page with the items that the caller may see, and cursors of our own in place of ids that are not the caller's."""
        if isinstance(value, list):
            return [item for item in value if self._shows_item(caller, action, item)]
        if not isinstance(value, Mapping):
            return value
        page = {name: self.narrow(caller, action, part) if isinstance(part, list) else part for name, part in value.items()}
        for part in page.values():
            for item in part if isinstance(part, list) else ():
                if isinstance(item, Mapping) and isinstance(item.get("id"), str) and self.is_own(caller, item["id"]):
                    self._learn_parts(caller, item)
        if not any(isinstance(part, list) for part in page.values()):
            return page
        return {name: self._cursor(caller, action, name, part) for name, part in page.items()}

    def shows(self, caller: Caller, action: str, key: str) -> bool:
        """Whether an item of that list is the caller's to see."""
        path = self._actions[action].operation.path
        if path in self._items and path not in self._open_items:
            passes = self._entry.unknown == "pass" and path not in self._made_at and not self.is_foreign(caller, key)
            return self.is_own(caller, key) or self._is_open(key) or passes
        return self.permits(caller, [(key, Claim.OBJECT if self.names.is_reserved(key) else Claim.TEXT)])

    def _shows_item(self, caller: Caller, action: str, item: Any) -> bool:
        key = item.get("id") if isinstance(item, Mapping) else None
        if isinstance(key, str) and not self.shows(caller, action, key):
            return False
        return not any(self.is_foreign(caller, text) for text, _ in self.names.in_value(item))

    def _cursor(self, caller: Caller, action: str, name: str, part: Any) -> Any:
        if not isinstance(part, str) or name in self.names.rules.envelope or not part or self.is_own(caller, part):
            return part
        token = _CURSOR + secrets.token_urlsafe(18)
        self._ids.keep(self._accounts[caller.connection], token, caller.tenant, IdKind.CURSOR, f"{action} {part}")
        return token

    def resolve(self, caller: Caller, action: str, value: str) -> str:
        """The upstream's own cursor for one of ours; any other text as it is."""
        if not value.startswith(_CURSOR) or not self.narrows(caller, action):
            return value
        note = self._ids.note(self._accounts[caller.connection], value) if self.is_own(caller, value) else None
        known, _, cursor = (note or "").partition(" ")
        return cursor if known == action else value

    # Replies

    def listens(self, caller: Caller, action: str) -> bool:
        """Whether the reply may tell of something that is the caller's: all but lists of the account, which ``narrow`` reads."""
        operation = self._actions[action].operation
        if not self.applies_to(caller):
            return False
        if operation.method in _READS:
            return any(name not in self.names.rules.open for name in _variables(operation.path))
        return True

    def learn(self, caller: Caller, action: str, body: bytes, named: Collection[str] = (), request: Any = None) -> None:
        """Keeps the ids in a JSON reply but for those that the request ``named``; anything else is passed over."""
        try:
            self.learn_value(caller, action, orjson.loads(body), named, request)
        except orjson.JSONDecodeError:
            return

    def learn_value(self, caller: Caller, action: str, value: Any, named: Collection[str] = (), request: Any = None) -> None:
        """``learn`` for a reply that was read."""
        operation = self._actions[action].operation
        if operation.method == "DELETE":
            return
        account = self._accounts[caller.connection]
        if operation.method not in _READS:
            kind = IdKind.OBJECT if self._lasting[action] and self._is_stored(action, request) else IdKind.PASSING
            for key in made_ids(value, self.names.rules.free):
                if key not in named:
                    self._ids.keep(account, key, caller.tenant, kind)
        self._learn_parts(caller, value, named)
        if operation.method in _READS and isinstance(value, Mapping) and any(isinstance(part, list) for part in value.values()):
            for name, part in value.items():
                if isinstance(part, str) and name not in self.names.rules.envelope:
                    self._ids.keep(account, part, caller.tenant, IdKind.CURSOR)

    def forget(self, caller: Caller, action: str, values: Mapping[str, str]) -> None:
        """Forgets an object that the caller has deleted."""
        operation = self._actions[action].operation
        if operation.method == "DELETE" and len(values) == 1 and operation.path.endswith("}") and self.applies_to(caller):
            for value in values.values():
                if self.is_own(caller, value):
                    self._ids.forget(self._accounts[caller.connection], value)

    def _learn_parts(self, caller: Caller, value: Any, named: Collection[str] = ()) -> None:
        account = self._accounts[caller.connection]
        for key, claim in self.names.in_reply(value):
            if key not in named:
                self._ids.keep(account, key, caller.tenant, IdKind.OBJECT if claim is Claim.OBJECT else IdKind.PART)

    def _is_stored(self, action: str, request: Any) -> bool:
        rule = self.names.rules.stored.get(action)
        if rule is None:
            return True
        asked = request.get(rule.field) if isinstance(request, Mapping) else None
        return asked if isinstance(asked, bool) else rule.default

    def hearing(self, caller: Caller, action: str, send: Send, named: Collection[str] = ()) -> Send:
        """Wraps ``send`` so that it learns the ids in an event stream, before each piece is sent."""
        pending = bytearray()
        listening = False

        async def heard(message: MutableMapping[str, Any]) -> None:
            nonlocal listening
            if message["type"] == "http.response.start":
                listening = message["status"] < _REFUSED and any(
                    name.lower() == b"content-type" and _has_events(value.decode("latin-1")) for name, value in message["headers"]
                )
            elif listening:
                pending.extend(message.get("body", b"") if message.get("more_body") else message.get("body", b"") + b"\n")
                for line in _whole_lines(pending):
                    if line.startswith((b"data:", b"{")) and b'"' in line:
                        self.learn(caller, action, line.removeprefix(b"data:"), named)
                if len(pending) > _LONGEST_EVENT:
                    pending.clear()
            await send(message)

        return heard

    def close(self) -> None:
        """Closes where the ids are kept."""
        self._ids.close()


def _has_events(content_type: str) -> bool:
    return essence(content_type) == EVENT_STREAM or is_json_lines(content_type)


def shared_accounts(tenants: Mapping[str, Iterable[str]], accounts: Mapping[str, str]) -> dict[str, str]:
    """The connections whose account several tenants use, and that account; ``tenants`` are those of each connection."""
    users: dict[str, set[str]] = {}
    for name, found in tenants.items():
        users.setdefault(accounts.get(name, name), set()).update(found)
    return {name: accounts.get(name, name) for name in tenants if len(users[accounts.get(name, name)]) > 1}


def make_ownership(
    entry: OwnershipEntry, accounts: Mapping[str, str], catalog: Mapping[str, Action], rules: ObjectRules, apart: Collection[str] = ()
) -> Ownership | None:
    """The rule, where it is needed: None where no account is shared, or ``entry.ids`` is ``off``. Raises SetupError."""
    if not accounts or entry.ids == "off":
        return None
    ids = SqliteIds(entry.file) if entry.file is not None else MemoryIds()
    return Ownership(ids, accounts, catalog, rules, entry, apart)


def _variables(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def _reply_schemas(actions: Iterable[Action]) -> Iterator[str]:
    """The named schemas of the actions' JSON replies."""
    for action in actions:
        success = action.operation.success
        for name, media in success.content.items() if success else ():
            reference = media.schema.get("$ref") if name.endswith("json") and isinstance(media.schema, Mapping) else None
            if reference:
                yield reference


def _whole_lines(data: bytearray) -> list[bytes]:
    """Takes the lines of an event stream that are whole, by all its line breaks, out of ``data``."""
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    lines = bytes(data[:end]).replace(b"\r", b"\n").split(b"\n") if end else []
    del data[:end]
    return lines
