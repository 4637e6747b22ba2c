"""Host and Origin: under which names callers may reach us, and which web pages may call from a browser (Fetch standard, CORS protocol).

A page that points a name of its own at our address (DNS rebinding) is stopped by the Host list; a page elsewhere by the Origin list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.gateway.records import ErrorResponse, Headers
from kosha_connector_openai.gateway.settings import is_loopback

_HOST: Final = re.compile(rb"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_METHODS: Final = b"GET, POST, PUT, PATCH, DELETE, HEAD"
_CODE: Final = "host_or_origin"
_MAX_AGE: Final = b"600"
_ALWAYS_ALLOWED: Final = ("authorization", "content-type", "accept")
_SENT: Final = re.compile(
    r"x-stainless-[a-z-]+|[a-z]+-beta|idempotency-key|traceparent|tracestate|user-agent|x-client-request-id|last-event-id"
)
"""What clients' libraries send besides, and what does no harm: it is dropped or passed on by the gateway's own list."""
_EXPOSED: Final = (
    "content-disposition",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "x-kosha-request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The answer to a browser that asks before it calls."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]


class OriginPolicy:
    """The rules; made once, asked at every request before anything else."""

    def __init__(self, *, host: str, hosts: Collection[str] = (), cors_origins: Collection[str] = (), exposed: Iterable[str] = ()) -> None:
        """``host`` is the address listened at, ``hosts`` the names beside it, ``exposed`` the reply headers that pages may read too.

        A name may begin with ``*.``, for all below it, and have a port; without one every port is meant.
        """
        own = [*_LOOPBACK] if is_loopback(host) or host in ("0.0.0.0", "::") else [host]  # noqa: S104 - compared, not bound # nosec B104
        self._names = frozenset(name.lower() for name in (*own, *hosts) if not name.startswith("*"))
        self._suffixes = tuple(name[1:].lower() for name in hosts if name.startswith("*."))
        self._any_host = "*" in hosts
        self._origins = frozenset(origin.lower() for origin in cors_origins)
        self._exposed = ", ".join(dict.fromkeys((*_EXPOSED, *(name.lower() for name in exposed)))).encode("ascii")

    def refuse(self, headers: Headers) -> ErrorResponse | None:
        """Why the Host or the Origin of a request is not ours; None where they are."""
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._knows(hosts[0]):
            status = 421 if len(hosts) == 1 else 400
            return ErrorResponse(status, "This service is not known by the name in the Host header.", code=_CODE)
        origins = [value for name, value in headers if name == b"origin"]
        if origins and (len(origins) > 1 or not self._allows(origins[0], hosts[0])):
            return ErrorResponse(403, "Pages of this origin may not call this service.", code=_CODE)
        return None

    def preflight(self, method: str, headers: Headers) -> Preflight | None:
        """The answer to a CORS preflight, once ``refuse`` let it pass; None where the request is none."""
        if method != "OPTIONS":
            return None
        given: Mapping[bytes, bytes] = dict(headers)
        if b"origin" not in given or b"access-control-request-method" not in given:
            return None
        asked = [name.strip().lower() for name in given.get(b"access-control-request-headers", b"").decode("latin-1").split(",")]
        allowed = dict.fromkeys((*_ALWAYS_ALLOWED, *(name for name in asked if _SENT.fullmatch(name))))
        return Preflight(
            204,
            (
                (b"access-control-allow-origin", given[b"origin"]),
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", ", ".join(allowed).encode("ascii")),
                (b"access-control-max-age", _MAX_AGE),
                (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            ),
        )

    def response_headers(self, headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
        """What a reply gains so that a page of an allowed origin can read it; never a wildcard, never credentials (cookies)."""
        if not self._origins:
            return ()
        origin = next((value for name, value in headers if name == b"origin"), None)
        if origin is None or _text(origin) not in self._origins:
            return ((b"vary", b"Origin"),)
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", self._exposed),
            (b"vary", b"Origin"),
        )

    def _knows(self, host: bytes) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = _text(parts["name"])
        return self._any_host or name in self._names or _text(host) in self._names or name.endswith(self._suffixes or ("\0",))

    def _allows(self, origin: bytes, host: bytes) -> bool:
        """A listed origin, or the service's own pages: same host, by either scheme, since a proxy may speak TLS for us."""
        text = _text(origin)
        return text in self._origins or text in (f"http://{_text(host)}", f"https://{_text(host)}")


def _text(data: bytes) -> str:
    return data.decode("latin-1").lower()
