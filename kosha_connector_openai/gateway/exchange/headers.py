"""Which headers pass, both ways: those on a list. A header by which a caller would choose the upstream is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Final, TypeVar

from kosha_connector_openai.gateway.records import Headers
from kosha_connector_openai.http import CREDENTIALS, HOP_BY_HOP
from kosha_connector_openai.manifest.parts import RelayRules

T = TypeVar("T")
_REMEMBERED: Final = 2_048
_NEVER: Final = HOP_BY_HOP | CREDENTIALS
"""No list lets them through."""
_LONGEST: Final = 8 * 1024
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
"""Fields as RFC 9110, section 5, has them: of others the server makes no reply."""
SAFE: Final = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox; default-src 'none'"))
"""With every relayed reply: a page of the upstream's is none of the gateway's own origin, and runs no script."""
_SAFE_NAMES: Final = tuple(name.decode() for name, _ in SAFE)


class HeaderRules:
    """The lists; each name is matched once."""

    def __init__(self, rules: RelayRules, kept: Iterable[str]) -> None:
        """``kept`` are the headers of every result, which clients read."""
        self._sent = _Names(rules.request_headers, str)
        self._refused = _Names(rules.refused_headers, str)
        # The body's length is told anew where the whole body is at hand.
        self._shown = _Names(
            (*kept, *rules.reply_headers, "content-length"), str.encode, without=(*rules.hidden_headers, *_NEVER, *_SAFE_NAMES)
        )

    def sent(self, headers: Headers) -> tuple[tuple[str, str], ...]:
        """The request's headers that go to the upstream, in order; repeated ones stay repeated."""
        sent = self._sent
        return tuple((name, value.decode("latin-1")) for key, value in headers if (name := sent[key]) is not None)

    def refused(self, headers: Headers) -> str | None:
        """The first header by which the caller would choose the upstream."""
        refused = self._refused
        return next((name for key, _ in headers if (name := refused[key]) is not None), None)

    def shown(self, headers: Iterable[tuple[str, str]]) -> Headers:
        """The reply's headers that go to the caller, in order."""
        found = []
        for key, value in headers:
            name = self._shown[key]
            fits = name is not None and len(value) <= _LONGEST and _VALUE.fullmatch(value) is not None
            if name is not None and fits and (key != "location" or _is_relative(value)):
                found.append((name, value.encode("latin-1")))
        return found


class _Names(dict[bytes | str, T | None]):
    """Whether a name fits a list of patterns: its form for the other side, or None."""

    def __init__(self, patterns: Iterable[str], write: Callable[[str], T], without: Iterable[str] = ()) -> None:
        super().__init__()
        self._fits = _pattern(patterns)
        self._without = _pattern(without)
        self._write = write

    def __missing__(self, key: bytes | str) -> T | None:
        if len(self) >= _REMEMBERED:  # names come from outside
            self.clear()
        name = key if isinstance(key, str) else key.decode("latin-1")
        fits = self._fits.fullmatch(name) is not None and self._without.fullmatch(name) is None and _NAME.fullmatch(name) is not None
        found = self[key] = self._write(name) if fits else None
        return found


def _pattern(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or "(?!)", re.ASCII | re.IGNORECASE)


def _is_relative(location: str) -> bool:
    """Whether a Location names a path alone: a whole address would be the upstream's own."""
    return location.startswith("/") and not location.startswith("//")
