"""The events of a stream -> the answer that would have come without one, by the rules of its shape."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from kosha_connector_openai.core.result import Event
from kosha_connector_openai.manifest.parts import FinalEvent, MergeEvents, StreamFold
from kosha_connector_openai.text import find

MOST_ITEMS = 10_000
"""Items that an event may name by number; an upstream's mistake must not make an endless list."""


def fold(events: Sequence[Event], rules: StreamFold) -> Any:
    """The whole answer; where the stream was cut, what there is of it. Bytes where the events hold pieces of a file."""
    for event in reversed(events):
        for rule in rules.final:
            if event.type == rule.type and (found := find(event.data, rule.at)):
                return found[0]
    if rules.bytes is not None and (pieces := _pieces(events, rules.bytes)) is not None:
        return pieces
    if collected := _collected(events, rules.collect):
        return collected
    return _plain(_merged(events, rules.merge)) if rules.merge else {}


class _Pieces(list[str]):
    """A text that is still arriving; joined once, since a long answer comes in a great many pieces."""


def _plain(value: Any) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _pieces(events: Sequence[Event], rule: FinalEvent) -> bytes | None:
    texts = [text for event in events if event.type == rule.type for text in find(event.data, rule.at) if isinstance(text, str)]
    try:
        return b"".join(base64.b64decode(text) for text in texts) if texts else None
    except binascii.Error:
        return None


def _collected(events: Sequence[Event], names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        name = names.get(event.type)
        if name is not None and isinstance(event.data, dict):
            beside = {key: value for key, value in event.data.items() if key not in ("type", name)}
            found = {**found, **beside, name: [*found.get(name, ()), event.data]}
    return found


def _merged(events: Sequence[Event], rules: MergeEvents) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for event in events:
        if not isinstance(event.data, dict):
            continue
        items = event.data.get(rules.items)
        whole |= {key: value for key, value in event.data.items() if key != rules.items and value is not None}
        if isinstance(items, list):
            renamed = [{rules.rename.get(key, key): value for key, value in item.items()} for item in items if isinstance(item, dict)]
            whole[rules.items] = _lists(whole.get(rules.items, []), renamed, rules)
    return whole


def _joined(old: Any, new: Any, name: str, rules: MergeEvents) -> Any:
    if new is None:
        return old
    if isinstance(new, str) and name in rules.append:
        pieces = old if isinstance(old, _Pieces) else _Pieces()
        pieces.append(new)
        return pieces
    if isinstance(new, dict):
        known = old if isinstance(old, dict) else {}
        return {**known, **{key: _joined(known.get(key), value, key, rules) for key, value in new.items()}}
    if isinstance(new, list) and all(isinstance(item, dict) and rules.key in item for item in new):
        return _lists(old if isinstance(old, list) else [], new, rules)
    return new


def _lists(old: list[Any], new: Sequence[Mapping[str, Any]], rules: MergeEvents) -> list[Any]:
    """Items in the order of their key, each merged with its next piece."""
    known = {item.get(rules.key, place): item for place, item in enumerate(old)}
    for place, item in enumerate(new):
        key = item.get(rules.key, place)
        if isinstance(key, int) and 0 <= key < MOST_ITEMS:
            known[key] = _joined(known.get(key), dict(item), "", rules)
    return [known[key] for key in sorted(known)]
