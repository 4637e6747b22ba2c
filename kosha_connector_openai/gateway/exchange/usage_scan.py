"""The upstream's count of tokens, found in the last bytes of a reply: replies are passed on without being parsed."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from kosha_connector_openai.text import first_of

_KEPT: Final = 16 * 1024
_LONGEST: Final = 4 * 1024
_DECODER: Final = json.JSONDecoder()


class Tail:
    """The last bytes of a reply."""

    __slots__ = ("_kept", "_pieces", "_size")

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Adds a chunk and drops those that are too far back."""
        pieces = self._pieces
        pieces.append(piece)
        self._size += len(piece)
        while self._size - len(pieces[0]) > self._kept:
            self._size -= len(pieces.popleft())

    def text(self) -> bytes:
        """Returns the bytes kept."""
        return b"".join(self._pieces)


class UsageFinder:
    """Finds the value of a key such as ``usage``."""

    def __init__(self, pointers: Iterable[str]) -> None:
        """``pointers`` say where replies hold it; only their last words count here."""
        self._pointers = tuple(pointers)
        names = {pointer.rpartition("/")[2] for pointer in self._pointers}
        self._keys = tuple(f'"{name}"'.encode() for name in names if name)

    def find(self, reply: bytes) -> Mapping[str, Any] | None:
        """The last such object in a reply, or None. Inside a string the key's quotes would be escaped."""
        return next(filter(None, (_last(reply, key) for key in self._keys)), None)

    def in_json(self, reply: bytes) -> Mapping[str, Any] | None:
        """The object at its own place in a whole JSON reply; one that the reply repeats from the request is none."""
        try:
            value = orjson.loads(reply)
        except orjson.JSONDecodeError:
            return None
        found = first_of(value, self._pointers) if isinstance(value, dict) else None
        return found if isinstance(found, dict) else None

    def in_events(self, reply: bytes) -> Mapping[str, Any] | None:
        """The same in the last event that has one, or in the last line of JSON."""
        for line in reversed(reply.splitlines()):
            if line.startswith((b"data:", b"{")) and any(key in line for key in self._keys):
                found = self.in_json(line.removeprefix(b"data:"))
                if found is not None:
                    return found
        return None

    def at_end(self, reply: bytes) -> Mapping[str, Any] | None:
        """The same in the end of a JSON reply, where it is the last thing in it."""
        text = reply.rstrip()
        for key in self._keys:
            at = text.rfind(key)
            match = _COLON.match(text, at + len(key)) if at >= 0 else None
            if match and text.endswith(b"}"):
                try:
                    value = orjson.loads(text[match.end() - 1 : -1])
                except orjson.JSONDecodeError:
                    continue
                if isinstance(value, dict):
                    return value
        return None


def _last(reply: bytes, key: bytes) -> Mapping[str, Any] | None:
    """The last object under a key; servers write `null` under it in events without a count."""
    end = len(reply)
    while (at := reply.rfind(key, 0, end)) >= 0:
        end = at
        if match := _COLON.match(reply, at + len(key)):
            text = reply[match.end() - 1 : match.end() + _LONGEST].decode("utf-8", "replace")
            try:
                value, _ = _DECODER.raw_decode(text)
            except (ValueError, RecursionError):
                return None
            return value if isinstance(value, dict) else None
    return None


_COLON: Final = re.compile(rb"\s*:\s*\{")
