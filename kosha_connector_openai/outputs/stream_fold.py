"""The events of a stream -> the answer that would have come without one, by the rules of its shape.

Pieces belong together by what they are (a call's id, an item's number), not by where they stand: compatible servers number
parallel calls alike or not at all. What has no place in the answer is handed back beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.core.result import Event, tells
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest.parts import FinalEvent, MergeEvents, StreamFold
from kosha_connector_openai.outputs.stream_items import partial
from kosha_connector_openai.outputs.stream_pieces import Base64, Calls, NumberedItems, Pieces, joined_base64
from kosha_connector_openai.text import find


@dataclass(frozen=True, slots=True)
class Folded:
    """The answer, of a cut stream what there is of it, and what it has no place for. Bytes where the events hold pieces of a file."""

    value: Any
    raw: tuple[Any, ...] = ()
    warnings: tuple[Fault, ...] = ()


def fold(events: Sequence[Event], rules: StreamFold) -> Folded:
    """The answer of a stream; nothing of the events is lost."""
    strays = _Strays()
    read = [event for event in events if not strays.is_text(event)]
    return strays.beside(_folded(read, rules, strays))


def _folded(events: Sequence[Event], rules: StreamFold, strays: _Strays) -> Any:
    final = _final(events, rules.final)
    if rules.items is not None and (not final or not final[0].get(rules.items.list)):
        items = partial(events, rules.items, lambda data, why: strays.add(data, "", "item", why))
        final = [{**items, **final[0], rules.items.list: items[rules.items.list]}] if final and items else final or [items]
    if final:
        return final[0]
    if rules.bytes is not None and (pieces := _pieces(events, rules.bytes, strays)) is not None:
        return pieces
    if collected := _collected(events, rules.collect):
        return collected
    return _Merge(rules.merge, strays).whole(events) if rules.merge else {}


def _final(events: Sequence[Event], rules: Sequence[FinalEvent]) -> list[Any]:
    """The whole answer in the last event that holds one; empty where none does."""
    for event in reversed(events):
        for rule in rules:
            if event.type == rule.type and isinstance(found := next(iter(find(event.data, rule.at)), None), dict):
                return [found]
    return []


@dataclass(slots=True)
class _Strays:
    """What has no place in the answer, and why; each thing once."""

    raw: list[Any] = field(default_factory=list)
    faults: dict[Fault, None] = field(default_factory=dict)

    def add(self, data: Any, pointer: str, rule: str, message: str) -> None:
        if not any(data is kept for kept in self.raw[-1:]):
            self.raw.append(data)
        self.faults[Fault(pointer, rule, message, "It is kept in `raw`.")] = None

    def is_text(self, event: Event) -> bool:
        """Whether an event is no JSON; then it is a stray."""
        if not isinstance(event.data, str):
            return False
        self.add(event.data, "", "json", "An event of the stream is not JSON.")
        return True

    def beside(self, value: Any) -> Folded:
        return Folded(value, tuple(self.raw), tuple(self.faults))


def _pieces(events: Sequence[Event], rule: FinalEvent, strays: _Strays) -> bytes | None:
    texts = [text for event in events if event.type == rule.type for text in find(event.data, rule.at) if isinstance(text, str)]
    if not texts:
        return None
    joined = joined_base64(texts)
    if joined is None:
        strays.add("".join(texts), rule.at, "base64", "The pieces of a file are not base64.")
    return joined


def _collected(events: Sequence[Event], names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        name = names.get(event.type)
        if name is not None and isinstance(event.data, dict):
            beside = {key: value for key, value in event.data.items() if key not in ("type", name)}
            found = {**found, **beside, name: [*found.get(name, ()), event.data]}
    return found


class _Merge:
    """Pieces of items put together."""

    def __init__(self, rules: MergeEvents, strays: _Strays) -> None:
        self._rules = rules
        self._strays = strays
        self._event: Any = None

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        rules = self._rules
        whole: dict[str, Any] = {}
        items = NumberedItems(rules.key)
        for event in events:
            self._event = event.data
            if not isinstance(event.data, dict):
                self._stray("type", "An event of the stream is no object.")
                continue
            whole |= {key: _kept(whole.get(key), value) for key, value in event.data.items() if key != rules.items}
            pieces = event.data.get(rules.items)
            if isinstance(pieces, list):
                for place, item in enumerate(pieces):
                    self._begin_again(items, item, place)
                self._add(items, [self._renamed(item) for item in pieces])
                whole[rules.items] = items
            elif pieces is not None:
                self._stray("type", f"`{rules.items}` of an event is no list.")
        whole |= {key: value for key, value in rules.set.items() if key in whole}
        return self._plain(whole)  # type: ignore[no-any-return]

    def _begin_again(self, items: NumberedItems, item: Any, place: int) -> None:
        """Drops the pieces of what an item now brings whole, as some servers do at the end."""
        for name in self._rules.rename.values():
            whole = item.get(name) if isinstance(item, dict) else None
            at = items.place(item, place) if isinstance(whole, dict) else None
            if isinstance(whole, dict) and at is not None and isinstance(known := (items.items[at] or {}).get(name), dict):
                items.items[at][name] = {key: value for key, value in known.items() if not tells(whole.get(key))}

    def _renamed(self, item: Any) -> Any:
        return {self._rules.rename.get(key, key): value for key, value in item.items()} if isinstance(item, dict) else item

    def _add(self, items: NumberedItems, pieces: Sequence[Any]) -> None:
        for place, piece in enumerate(pieces):
            at = items.place(piece, place) if isinstance(piece, dict) else None
            if at is None:
                self._stray("index", "A piece of the stream belongs to no item.")
            else:
                items.items[at] = self._joined(items.items[at], items.own(at, piece), "")

    def _joined(self, old: Any, new: Any, name: str) -> Any:
        if new is None:
            return old
        if isinstance(new, list):
            return self._list(old, new, name)
        if isinstance(new, dict):
            if old is not None and not isinstance(old, dict):
                return self._misfit(old)
            known = old or {}
            return {**known, **{key: self._joined(known.get(key), value, key) for key, value in new.items()}}
        if isinstance(new, str) and name in (*self._rules.append, *self._rules.base64):
            return self._appended(old, new, name)
        return self._misfit(old) if isinstance(old, (dict, list, NumberedItems)) else _kept(old, new)

    def _appended(self, old: Any, new: str, name: str) -> Any:
        if isinstance(old, list) and not isinstance(old, Pieces):
            old.extend([self._part(new)] if new else [])
            return old
        if isinstance(old, (dict, NumberedItems)):
            return self._misfit(old) if new else old
        pieces = old if isinstance(old, Pieces) else Base64() if name in self._rules.base64 else Pieces()
        pieces.append(new)
        return pieces

    def _list(self, old: Any, new: list[Any], name: str) -> Any:
        items = old if isinstance(old, NumberedItems) else self._items(name)
        if items is not None:
            self._add(items, new)
            return items
        if isinstance(old, Pieces):
            return [*([self._part("".join(old))] if any(old) else []), *new]
        if old is None:
            return [*new]
        if not isinstance(old, list):
            return self._misfit(old)
        old.extend(new)
        return old

    def _items(self, name: str) -> NumberedItems | None:
        """A list of this name whose items are told apart; None for one that only goes on."""
        rules = self._rules
        if rules.calls and name == rules.calls.list:
            return Calls(rules.key, rules.calls)
        return NumberedItems(rules.key) if name in rules.numbered else None

    def _part(self, text: str) -> dict[str, str]:
        """A text as one part among others."""
        return {"type": self._rules.part, self._rules.part: text}

    def _misfit(self, old: Any) -> Any:
        self._stray("type", "A piece of the stream has another form than those before it.")
        return old

    def _stray(self, rule: str, message: str) -> None:
        self._strays.add(self._event, "", rule, message)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Base64):
            data = joined_base64(value)
            if data is None:
                self._strays.add("".join(value), "", "base64", "The pieces of a file are not base64.")
            return "".join(value) if data is None else base64.b64encode(data).decode()
        if isinstance(value, Pieces):
            return "".join(value)
        if isinstance(value, NumberedItems):
            pairs = sorted(zip(value.order, value.items, strict=True), key=lambda pair: pair[0])
            return [self._plain(item) for _, item in pairs]
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in value.items()}
        return [self._plain(item) for item in value] if isinstance(value, list) else value


def _kept(old: Any, new: Any) -> Any:
    """The newer of two values; nothing and an empty text are none, so that an id or a model stays."""
    return old if new is None or (new == "" and isinstance(old, str)) else new
