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
        identity, name = self._identity(piece), _text(piece, self._rules.name)
        found = self._named.get(identity) if identity else None
        if found is None:
            found = self._goes_on(piece, number, identity, name)
        elif self._whole_before(found, piece) and not self._repeats(found, piece):
            found = None  # one id for several calls
        if found is None and not (identity or name) and self.items:
            return None
        if found is None:
            found = self.new(number if number >= 0 else len(self.items))
        if number >= 0:
            self.see(number, found)
        if identity:
            self._named[identity] = found
        self._last = found
        return found

    def own(self, place: int, piece: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call keeps its first id. One that comes whole again adds nothing; an empty object before the inputs is none of them."""
        item = self.items[place]
        if item is None:
            return piece
        whole = self._whole_before(place, piece)
        if whole is not None and self._repeats(place, piece):
            return {}
        if whole is not None and not whole:
            for text in (first_of(item, [path]) for path in self._rules.text):
                if isinstance(text, Pieces):
                    text.clear()
        return {name: value for name, value in piece.items() if name != self._rules.id} if self._identity(item) else piece

    def _identity(self, item: Mapping[str, Any]) -> str:
        found = item.get(self._rules.id)
        return found if isinstance(found, str) else ""

    def _goes_on(self, piece: Mapping[str, Any], number: int, identity: str, name: str) -> int | None:
        """The call that a piece is of, although no id says so; None where it begins another."""
        before = self._last if number < 0 else self.latest(number)
        if before is None and not (identity or name):  # some servers number only what follows a call's beginning
            before = self._last
        if before is None:
            return None
        whole, known = self._whole_before(before, piece), _text(self.items[before], self._rules.name)
        if identity and self._identity(self.items[before]):  # some servers make up an id for each piece
            same = number >= 0 and not name and not whole
        else:
            same = not whole if not name else not known or (name == known and whole is None)
        return before if same else None

    def _whole_before(self, place: int, piece: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The inputs of a call where a piece has more of them and they are whole: nothing can be added to an object's text."""
        if not _text(piece, self._rules.text).strip():
            return None
        pieces = first_of(self.items[place], self._rules.text)
        last = next((part for part in reversed(pieces) if part.strip()), "") if isinstance(pieces, Pieces) else pieces
        if not isinstance(last, str) or not last.rstrip().endswith("}"):
            return None
        try:
            found = decode(_text(self.items[place], self._rules.text).encode())
        except (JsonTextError, UnicodeEncodeError):
            return None
        return found if isinstance(found, dict) else None

    def _repeats(self, place: int, piece: Mapping[str, Any]) -> bool:
        return _text(piece, self._rules.text).strip() == _text(self.items[place], self._rules.text).strip()


def _text(item: Any, paths: Sequence[str]) -> str:
    found = first_of(item, paths)
    return "".join(found) if isinstance(found, Pieces) else found if isinstance(found, str) else ""
