"""Pieces of a stream and what they are pieces of: a text, the bytes of a file, an item with a number, a call with an id."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kosha_connector_openai.manifest.parts import CallPieces
from kosha_connector_openai.text import JsonTextError, decode, first_of

MOST_ITEMS: Final = 10_000
"""Items that an event may name by number; an upstream's mistake must not make an endless list."""


def joined_base64(texts: Iterable[str]) -> bytes | None:
    """The bytes of a base64 text (RFC 4648) that came in pieces, cut anywhere or each padded on its own; None if it is none."""
    runs, waiting = [], ""
    for text in texts:
        waiting += text
        if waiting.endswith("="):
            runs.append(waiting)
            waiting = ""
    runs.append(waiting + "=" * (-len(waiting) % 4))
    try:
        return b"".join(base64.b64decode(run, validate=True) for run in runs)
    except binascii.Error:
        return None


class Pieces(list[str]):
    """A text that is still arriving; joined once, since a long answer comes in a great many pieces."""


class Base64(Pieces):
    """Bytes that are still arriving."""


class NumberedItems:
    """Items of a list, each found again by its number; where pieces have none, by their place among those that came together."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.items: list[Any] = []
        self.order: list[int] = []
        self._numbered: dict[int, int] = {}

    def place(self, piece: Mapping[str, Any], place: int) -> int | None:
        """Where the piece's item stands in ``items``; a new place where it is none of them, None for a number that cannot be one."""
        number = self.number(piece, place)
        if not 0 <= number < MOST_ITEMS:
            return None
        found = self.latest(number)
        return self.new(number) if found is None else found

    def own(self, place: int, piece: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a piece adds to its item."""
        return piece

    def number(self, piece: Mapping[str, Any], otherwise: int) -> int:
        number = piece.get(self.key)
        return number if isinstance(number, int) and not isinstance(number, bool) else otherwise

    def latest(self, number: int) -> int | None:
        return self._numbered.get(number)

    def new(self, number: int) -> int:
        self.items.append(None)
        self.order.append(number)
        self.see(number, len(self.items) - 1)
        return len(self.items) - 1

    def see(self, number: int, place: int) -> None:
        """Notes that the number was last given to the item at a place."""
        self._numbered[number] = place


class Calls(NumberedItems):
    """Calls of tools: an id says which call a piece is of; without one its number, or else that it goes on with the call before it."""

    def __init__(self, key: str, rules: CallPieces) -> None:
        super().__init__(key)
        self._rules = rules
        self._named: dict[str, int] = {}
        self._last: int | None = None

    def place(self, piece: Mapping[str, Any], place: int) -> int | None:
        number = self.number(piece, -1)
        if number >= MOST_ITEMS:
            return None
        identity = self._identity(piece)
        before = self._last if number < 0 else self.latest(number)
        found = self._named.get(identity) if identity else None
        if found is None and before is not None and self._goes_on(before, piece, identity, numbered=number >= 0):
            found = before
        if found is None:
            found = self.new(number if number >= 0 else len(self.items))
        if number >= 0:
            self.see(number, found)
        if identity:
            self._named[identity] = found
        self._last = found
        return found

    def own(self, place: int, piece: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call keeps its first id."""
        known = self.items[place] is not None and self._identity(self.items[place])
        return {name: value for name, value in piece.items() if name != self._rules.id} if known else piece

    def _identity(self, item: Mapping[str, Any]) -> str:
        found = item.get(self._rules.id)
        return found if isinstance(found, str) else ""

    def _goes_on(self, before: int, piece: Mapping[str, Any], identity: str, *, numbered: bool) -> bool:
        """Whether a piece is of the call before it, although no id says so."""
        item = self.items[before]
        name, known = _text(piece, self._rules.name), _text(item, self._rules.name)
        again = self._has_inputs(piece) and self._is_whole(item)
        if identity and self._identity(item):  # some servers make up an id for each piece
            return numbered and not name and not again
        return not name or not known or (name == known and not again)

    def _has_inputs(self, piece: Mapping[str, Any]) -> bool:
        return bool(_text(piece, self._rules.text).strip())

    def _is_whole(self, item: Mapping[str, Any]) -> bool:
        """Whether the inputs are a JSON object from the first to the last character: nothing can be added to it."""
        text = _text(item, self._rules.text)
        try:
            return text.rstrip().endswith("}") and isinstance(decode(text.encode()), dict)
        except (JsonTextError, UnicodeEncodeError):
            return False


def _text(item: Any, paths: Sequence[str]) -> str:
    found = first_of(item, paths)
    return "".join(found) if isinstance(found, Pieces) else found if isinstance(found, str) else ""
