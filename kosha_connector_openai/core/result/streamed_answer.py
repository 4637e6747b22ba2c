"""How far the answer of a stream has come: which items began, what each holds, which came to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.core.result.error_body import tells
from kosha_connector_openai.core.result.lack import end_of, failed, holds, lack_of_items
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import Carrier, StreamItems, StreamRules
from kosha_connector_openai.text import at, find

_NOTHING: Final = "The stream ended without any part of an answer."
_FOREIGN: Final = "The stream is not the answer that the action promises."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call's answer must hold: the rule of its carrier, and how many results were asked for, 0 where nobody said."""

    carrier: Carrier | None = None
    wanted: int = 0


@dataclass(slots=True)
class ItemState:
    """What came of an item: whether it holds a part of its result, and whether it came to its end."""

    holds: bool = False
    ended: bool = False


class StreamedAnswer:
    """Takes the data of each event; then says what the answer lacks."""

    def __init__(self, rules: StreamRules, asked: Asked, carriers: Sequence[Carrier] = ()) -> None:
        self._rules = rules
        self._asked = asked
        items = rules.items
        fitting = (rule for rule in (asked.carrier, *carriers) if rule and items and rule.name == items.name and rule.each)
        self._items_rule = next(fitting, None)
        """What an item of the stream must hold; an action that promises no stream may get one of another's."""
        self._promised = self._items_rule is not None and self._items_rule is asked.carrier
        self._each = _in_pieces(self._items_rule.each, items) if self._items_rule and items else ()
        self._is_foreign = False
        """Whether items came that are another action's answer."""
        self._states: dict[Any, ItemState] = {}
        self.has_content = not rules.content
        """Whether any part of the answer came."""

    @property
    def began(self) -> bool:
        """Whether an item came, with a result or without."""
        return bool(self._states)

    @property
    def ended(self) -> bool:
        """Whether items came, and each of them came to its end."""
        return self.began and all(state.ended for state in self._states.values())

    def add(self, kind: str, data: Any) -> None:
        """Takes in one event."""
        items = self._rules.items
        if items is not None and isinstance(data, Mapping) and isinstance(found := data.get(items.name), list):
            self._is_foreign = self._is_foreign or not self._promised
            for item in found:
                if isinstance(item, Mapping):
                    self._add_item(item)
        elif kind in self._rules.results:
            self._add_result(kind, data)
        elif not self.has_content and not self._promised:
            self.has_content = self._brings(kind, data)

    def lack(self) -> Fault | None:
        """What an answer that came to its end lacks."""
        states, carrier = self._states.values(), self._asked.carrier
        if carrier is None or not states:
            return None if self.has_content else failed(_NOTHING)
        if self._is_foreign:
            return failed(_FOREIGN)
        ends = [state.ended for state in states]  # a server that tells of one end tells of each
        hold = all(state.holds for state in states)
        return lack_of_items(len(ends), carrier, self._asked.wanted, hold=hold, ended=all(ends) or not any(ends))

    def _add_item(self, item: Mapping[str, Any]) -> None:
        rules = self._rules.items
        assert rules is not None
        key = item.get(rules.key)
        state = self._states.setdefault(key if isinstance(key, (str, int)) else 0, ItemState())
        if not state.holds:
            state.holds = self._items_rule is None or holds(item, self._each, self._items_rule)
            self.has_content = self.has_content or state.holds
        state.ended = state.ended or bool(end_of(item, rules.end))

    def _add_result(self, kind: str, data: Any) -> None:
        """Takes in a final event that brings a result: it must be there, whatever came before it."""
        carrier = self._asked.carrier
        found = at(data, self._rules.results[kind])
        state = ItemState(found is not None and (tells(found) or (carrier is not None and carrier.text)), ended=True)
        self._states[len(self._states)] = state
        self.has_content = self.has_content or state.holds

    def _brings(self, kind: str, data: Any) -> bool:
        rules, carrier = self._rules, self._asked.carrier
        if kind.startswith(rules.beside):
            return False
        if carrier is not None and carrier.some:
            item, answer = at(data, rules.item) if rules.item else None, at(data, rules.answer) if rules.answer else None
            if item is not None or answer is not None:
                return holds([item] if item is not None else at(answer, f"/{carrier.name}"), carrier.some, carrier)
        return any(tells(found) for path in rules.content for found in find(data, path))


def _in_pieces(paths: Sequence[str], items: StreamItems) -> tuple[str, ...]:
    """The paths into an item as a stream has it; some streams bring whole items."""
    whole, piece = f"/{items.whole}/", f"/{items.piece}/"
    return (*(path.replace(whole, piece, 1) for path in paths if path.startswith(whole)), *paths)
