"""The answer of a stream that ended before its final event: the items that were begun, each with what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from kosha_connector_openai.core.result import Event
from kosha_connector_openai.manifest.parts import FinalEvent, ItemEvents
from kosha_connector_openai.outputs.stream_pieces import MOST_ITEMS, Pieces
from kosha_connector_openai.text import find, tokens

_NUMBER: Final = re.compile(r"\{([^{}]+)\}")
Stray = Callable[[Any, str], None]
"""Takes the data of an event that has no place, and the reason."""


def partial(events: Sequence[Event], rules: ItemEvents, stray: Stray) -> dict[str, Any]:
    """The answer as far as it came; empty where no event told of it."""
    answer: dict[str, Any] = {}
    items = _Items(rules)
    for event in events:
        if not isinstance(event.data, dict):
            continue
        begun = _first(event, rules.base)
        if isinstance(begun, dict):
            answer |= begun
        elif isinstance(item := _first(event, (*rules.begun, *rules.done)), dict):
            items.put(event.data, item, done=any(event.type == rule.type for rule in rules.done))
        elif not items.add(event):
            stray(event.data, "A piece of the stream belongs to no item.")
    return {**answer, rules.list: items.whole()} if answer or items.items else {}


def _first(event: Event, rules: Sequence[FinalEvent]) -> Any:
    return next((found[0] for rule in rules if rule.type == event.type and (found := find(event.data, rule.at))), None)


class _Items:
    """Items found again by their id, or by their number where no item has the id: servers change ids under way, and number items alike."""

    def __init__(self, rules: ItemEvents) -> None:
        self._rules = rules
        self.items: list[dict[str, Any]] = []
        self._order: list[int] = []
        self._named: dict[str, int] = {}
        self._numbered: dict[int, int] = {}
        self._done: set[int] = set()

    def put(self, data: Mapping[str, Any], item: dict[str, Any], *, done: bool) -> None:
        """Begins an item, or replaces it by the whole one."""
        place = self._place(data, item.get("id"), begins=not done)
        if place is None:
            number = data.get(self._rules.key)
            place = len(self.items)
            self.items.append({})
            self._order.append(number if isinstance(number, int) else place)
            self._note(data, item.get("id"), place)
        self.items[place] = deepcopy(item)
        if done:
            self._done.add(place)

    def add(self, event: Event) -> bool:
        """Adds a piece to its item; False where it has none. True for what is no piece."""
        data, rules = event.data, self._rules
        path = rules.pieces.get(event.type) or rules.parts.get(event.type)
        if path is None:
            return rules.delta not in data
        place = self._place(data, data.get(rules.id))
        if place is None:
            return False
        if place in self._done:
            return True
        steps = [_number(step, data) for step in tokens(path)]
        if None in steps:
            return False
        value = data.get(rules.part if event.type in rules.parts else rules.delta)
        return _put(self.items[place], steps, value)

    def whole(self) -> list[dict[str, Any]]:
        """The items in their order."""
        return [_plain(item) for _, item in sorted(zip(self._order, self.items, strict=True), key=lambda pair: pair[0])]

    def _place(self, data: Mapping[str, Any], identity: Any, *, begins: bool = False) -> int | None:
        if identity in self._named:
            return self._named[identity]
        found = self._numbered.get(data.get(self._rules.key, len(self.items) - 1))
        known = begins or (found in self._done and identity)
        return None if known else found

    def _note(self, data: Mapping[str, Any], identity: Any, place: int) -> None:
        if isinstance(identity, str) and identity:
            self._named[identity] = place
        number = data.get(self._rules.key, place)
        if isinstance(number, int):
            self._numbered[number] = place


def _number(step: str, data: Mapping[str, Any]) -> str | int | None:
    """A step of a place; a number of the event where it stands for one, None where that is missing."""
    name = _NUMBER.fullmatch(step)
    if name is None:
        return step
    number = data.get(name[1], 0)
    return number if isinstance(number, int) and 0 <= number < MOST_ITEMS else None


def _put(item: Any, steps: Sequence[Any], value: Any) -> bool:
    """Appends a text at a place inside an item, or puts an object there; makes what is missing on the way."""
    *way, last = steps
    for step, following in zip(way, steps[1:], strict=True):
        empty: Any = [] if isinstance(following, int) else {}
        item = _at(item, step, empty)
        if type(item) is not type(empty):
            return False
    if isinstance(value, str):
        known = _at(item, last, Pieces())
        pieces = known if isinstance(known, Pieces) else Pieces([known]) if isinstance(known, str) else None
        if pieces is not None:
            pieces.append(value)
        return pieces is not None and _set(item, last, pieces)
    return isinstance(value, dict) and _set(item, last, deepcopy(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _at(value: Any, step: Any, empty: Any) -> Any:
    if isinstance(value, list):
        value.extend({} for _ in range(step + 1 - len(value)))
        return value[step]
    if value.get(step) is None:
        value[step] = empty
    return value[step]


def _set(value: Any, step: Any, new: Any) -> bool:
    if isinstance(value, list):
        value.extend({} for _ in range(step + 1 - len(value)))
    value[step] = new
    return True
