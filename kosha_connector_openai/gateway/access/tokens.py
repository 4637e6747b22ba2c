"""Static tokens: random, kept as keyed digests, compared in constant time."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

T = TypeVar("T")
PREFIX: Final = "kosha_"
SHORTEST: Final = 20
"""Characters; a token that people thought up could be guessed from its digest."""
_SALT: Final = 16
_REMEMBERED: Final = 4_096


def new_token() -> str:
    """A token of 256 random bits; short enough (49 characters) for every form that takes one."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str, salt: bytes | None = None) -> str:
    """``kosha1:salt:digest``: BLAKE2b (RFC 7693) keyed with a salt of its own. Enough for random tokens; not for passwords."""
    salt = os.urandom(_SALT) if salt is None else salt
    return f"kosha1:{_text(salt)}:{_text(_digest(token.encode(), salt))}"


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    salt: bytes
    digest: bytes
    holder: T


class TokenTable(Generic[T]):
    """Digests and who holds the token of each."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        """``entries`` are pairs of a digest as ``hash_token`` writes it, and its holder."""
        self._known = tuple(_read(text, holder) for text, holder in entries)
        # Drawn once, so that what is remembered of good tokens is worth nothing elsewhere.
        self._key = os.urandom(32)
        self._seen: dict[bytes, T] = {}

    def find(self, token: bytes) -> T | None:
        """The holder of the token, or None. All digests are compared, whichever fits; a token that fitted once is found at once."""
        mark = blake2b(token, digest_size=32, key=self._key).digest()
        if mark in self._seen:
            return self._seen[mark]
        found = [each.holder for each in self._known if hmac.compare_digest(_digest(token, each.salt), each.digest)]
        if not found:
            return None
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[mark] = found[0]
        return found[0]


def _digest(token: bytes, salt: bytes) -> bytes:
    return blake2b(token, digest_size=32, key=salt).digest()


def _read(text: str, holder: T) -> _Known[T]:
    _, salt, digest = text.split(":")
    return _Known(_bytes(salt), _bytes(digest), holder)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
