"""Stars out what must not be seen in bytes that arrive piece by piece, wherever the pieces' borders fall."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Self

from kosha_connector_openai.secrets import Secret


class StreamRedactor:
    """Fed with the pieces of one reply; gives as many bytes back as it got, some of them a little later."""

    __slots__ = ("_held", "_needles")

    def __init__(self, needles: tuple[tuple[int, bytes], ...]) -> None:
        """``needles`` are what is starred out, each after its rarest byte; the longest first, since one may begin as another does."""
        self._needles = needles
        self._held = b""

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Self:
        """One that stars out every form in which an upstream could send the secrets back."""
        used = [*{id(secret): secret.needles() for secret in secrets}.values()]
        return cls(used[0] if len(used) == 1 else _longest_first(chain.from_iterable(used)))

    def feed(self, piece: bytes) -> bytes:
        """What can be shown by now: all but an end that may be the beginning of a word."""
        data = self.whole(self._held + piece if self._held else piece)
        kept = max((_begun(data, word) for _, word in self._needles), default=0)
        self._held = data[len(data) - kept :] if kept else b""
        return data[:-kept] if kept else data

    def whole(self, data: bytes) -> bytes:
        """``data``, of which all is there, with every word starred out."""
        for rarest, word in self._needles:
            if rarest in data and word in data:  # one byte is found many times as fast as several
                data = data.replace(word, b"*" * len(word))  # as long as before, since the length is told
        return data

    def rest(self) -> bytes:
        """What was held back, once no more comes."""
        held, self._held = self._held, b""
        return held


def _longest_first(needles: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    return tuple(sorted(set(needles), key=lambda needle: len(needle[1]), reverse=True))


def _begun(data: bytes, word: bytes) -> int:
    """How many bytes at the end of ``data`` are the beginning of ``word``."""
    tail = data[-(len(word) - 1) :] if len(word) > 1 else b""
    at = tail.find(word[:1])
    while at >= 0:
        if word.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(word[:1], at + 1)
    return 0
