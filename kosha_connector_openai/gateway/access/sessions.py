"""Sessions of a browser: a cookie in place of the bearer token, which a page must not keep (RFC 6265bis).

The cookie is HttpOnly and SameSite=Strict, and counts only where the browser says that a page of this very origin asks, or nobody but the
person (the Sec-Fetch-Site header): other ports of this machine are the same site.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from kosha_connector_openai.gateway.records import Headers

SECONDS: Final = 12 * 3600
"""How long a session lasts."""
_MOST: Final = 1_000
_OWN: Final = (b"same-origin", b"none")


class Sessions:
    """Who is signed in, in memory alone: each session stands for the token with which it began, and ends with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._name = f"kosha_session_{secrets.token_hex(4)}"  # cookies know no ports: each service has a name of its own
        self._codes: dict[bytes, bytes] = {}
        self._open: dict[bytes, tuple[bytes, float]] = {}

    def new_code(self, token: str) -> str:
        """A code that starts one session for ``token``, once."""
        code = secrets.token_urlsafe(32)
        self._codes[_digest(code.encode())] = token.encode()
        return code

    def redeem(self, code: str) -> bytes | None:
        """The token of a code, which is used up; None for an unknown one."""
        return self._codes.pop(_digest(code.encode("utf-8", "replace")), None)

    def start(self, token: bytes, *, secure: bool) -> str:
        """Begins a session; gives the Set-Cookie header's value."""
        key = secrets.token_urlsafe(32)
        while len(self._open) >= _MOST:
            self._open.pop(next(iter(self._open)))
        self._open[_digest(key.encode())] = token, self._clock() + SECONDS
        return self._cookie(key, SECONDS, secure=secure)

    def end(self, headers: Headers) -> str:
        """Ends the session of a request; gives the Set-Cookie header's value that has the browser forget it."""
        for key in self._keys(headers):
            self._open.pop(_digest(key), None)
        return self._cookie("", 0, secure=False)

    def find(self, headers: Headers) -> bytes | None:
        """The token behind a request's cookie; None where there is none, it is over, or another page than ours asks."""
        if [value for name, value in headers if name == b"sec-fetch-site"] not in ([site] for site in _OWN):
            return None
        found = [self._open.get(_digest(key)) for key in self._keys(headers)]
        if len(found) != 1 or found[0] is None or found[0][1] < self._clock():
            return None
        return found[0][0]

    @staticmethod
    def foreign(headers: Headers) -> bool:
        """Whether a browser says that a page of another origin asks; a program says nothing."""
        return any(name == b"sec-fetch-site" and value not in _OWN for name, value in headers)

    def _keys(self, headers: Headers) -> list[bytes]:
        pairs = [part.strip().partition(b"=") for name, value in headers if name == b"cookie" for part in value.split(b";")]
        return [value for name, _, value in pairs if name == self._name.encode()]

    def _cookie(self, key: str, seconds: int, *, secure: bool) -> str:
        return f"{self._name}={key}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()
