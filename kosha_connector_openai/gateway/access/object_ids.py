"""Ids in requests and replies: those that a reply says were made, those in an upload, those of a list's items."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from kosha_connector_openai.text import walk

SHORTEST: Final = 6
LONGEST: Final = 200
"""Characters of an id; anything shorter could be a number or a word that many use."""
_FREE: Final = "metadata"
"""An object whose names and values are the caller's own words, wherever it stands."""
_ESCAPE: Final = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_TOKEN: Final = re.compile(rb"(?<=[\"\n])[A-Za-z0-9_.:-]{%d,%d}(?=[\"\r])" % (SHORTEST, LONGEST))
_KEPT: Final = LONGEST * len(b"\\u0000") + 1
_REMEMBERED: Final = 4_096


def fits(text: str) -> bool:
    """Whether a text is as long as an id."""
    return SHORTEST <= len(text) <= LONGEST


def texts(value: Any) -> Iterator[str]:
    """Every text in JSON values that may be an id."""
    return (text for _, text in walk(value) if isinstance(text, str) and fits(text))


def made_ids(value: Any, named: Collection[str]) -> Iterator[str]:
    """The id of an object, and those of the objects right in it.

    None that the request ``named``, and none in what callers write freely: a reply that repeats a caller's words makes nothing its own.
    """
    if not isinstance(value, Mapping):
        return
    for part in (value, *(part for name, part in value.items() if name != _FREE and isinstance(part, Mapping))):
        key = part.get("id")
        if isinstance(key, str) and fits(key) and key not in named:
            yield key


def narrowed(value: Any, shown: Callable[[str], bool]) -> Any:
    """Returns a list's page with the items whose id is ``shown`` and those without an id; its other fields stay."""
    if isinstance(value, list):
        return [item for item in value if _is_shown(item, shown)]
    if isinstance(value, Mapping):
        return {name: narrowed(part, shown) if isinstance(part, list) else part for name, part in value.items()}
    return value


def _is_shown(item: Any, shown: Callable[[str], bool]) -> bool:
    key = item.get("id") if isinstance(item, Mapping) else None
    return shown(key) if isinstance(key, str) else True


class UploadScan:
    """Finds the quoted ids in an upload's files and the plain ones in its fields, chunk by chunk."""

    def __init__(self, foreign: Callable[[str], bool]) -> None:
        """``foreign`` tells whether an id is another tenant's."""
        self._foreign = foreign
        self._held = b""
        self._seen: set[bytes] = set()

    def feed(self, piece: bytes) -> bool:
        """Whether the piece, with what came before it, names an id of another tenant's."""
        data = self._held + piece
        self._held = data[-_KEPT:]
        if b"\\u00" in data:
            data = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), data)
        new = set(_TOKEN.findall(data)) - self._seen
        if len(self._seen) < _REMEMBERED:
            self._seen |= new
        return any(self._foreign(token.decode("ascii")) for token in new)
