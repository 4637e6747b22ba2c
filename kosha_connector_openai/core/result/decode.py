"""A table: Content-Type -> how a reply's body is read. Bytes are the fallback, also without one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from kosha_connector_openai.errors import MalformedReplyError
from kosha_connector_openai.text import MIB, JsonLimits, JsonTextError, decode

EXCERPT: Final = 200
_WINDOW: Final = 16 * 1024
"""How much of a body is looked at to make an excerpt."""
REPLY_LIMITS: Final = JsonLimits(bytes=64 * MIB, depth=128, string=64 * MIB)
_NO_CONTENT: Final = frozenset({204, 205, 304})
_CHARSETS: Final = frozenset({"utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
"""The charsets that are believed; Python's other codecs are slow or odd. The rest is read as UTF-8."""
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?")
"""ANSI control sequences (ECMA-48 section 5.4) and strings."""

Scrub = Callable[[str], str]
Kind = Literal["json", "text", "bytes", "empty"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body as a value: JSON values, str, bytes, or None for ``empty``."""

    kind: Kind
    value: Any


def decode_body(
    content_type: str | None,
    body: bytes,
    *,
    status: int,
    request_id: str | None = None,
    scrub: Scrub | None = None,
    limits: JsonLimits = REPLY_LIMITS,
    optional: bool = False,
) -> Decoded:
    """``body`` read as its Content-Type says; text stays text, ``42`` too.

    ``empty`` for the statuses 204, 205 and 304, which have no content (RFC 9110 section 15), and for an empty
    body that was not promised to be JSON, or that is ``optional``. :class:`MalformedReplyError` where JSON was promised and is not
    there; its excerpt has at most 200 safe characters, after ``scrub`` took the secrets out.
    """
    (kind, read), charset = _decoder(content_type or "")
    if status in _NO_CONTENT or (not body and (optional or kind != "json")):
        return Decoded("empty", None)
    try:
        return Decoded(kind, read(body, charset, limits))
    except JsonTextError as error:
        problem = f"The reply is declared as JSON but {error if body else 'is empty'}."
        raise malformed(problem, body, status=status, request_id=request_id, scrub=scrub) from None


def malformed(problem: str, body: bytes, *, status: int, request_id: str | None, scrub: Scrub | None) -> MalformedReplyError:
    """The error for a body that cannot be the answer, with an excerpt that is safe to show."""
    hint = "Check the base URL and what stands between: a proxy or a sign-in page may have answered."
    return MalformedReplyError(problem, status=status, request_id=request_id, excerpt=_excerpt(body, scrub), hint=hint)


def safe_text(text: str, limit: int = EXCERPT) -> str:
    """``text`` in one line of at most ``limit`` characters, without ANSI, control and bidirectional ones."""
    clean = _clean(text)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}\u2026"


def _clean(text: str) -> str:
    words = " ".join(_ESCAPES.sub("", text).split())
    return "".join(char for char in words if char.isprintable())


def _excerpt(body: bytes, scrub: Scrub | None) -> str:
    # Cleaned before it is scrubbed: an invisible character inside a secret would hide it from the scrubber.
    clean = _clean(body[:_WINDOW].decode("utf-8", "replace"))
    return safe_text(scrub(clean) if scrub else clean)


@lru_cache(maxsize=64)
def _decoder(content_type: str) -> tuple[_Decoder, str]:
    """How a body of this type is read, and its charset."""
    name, charset = _parse(content_type)
    keys = (name, "application/*+json" if name.endswith("+json") else name, f"{name.partition('/')[0]}/*")
    return next((DECODERS[key] for key in keys if key in DECODERS), _FALLBACK), charset


def _parse(content_type: str) -> tuple[str, str]:
    """The media type in lower case, and its charset where that is believed."""
    name, *parameters = (part.strip() for part in content_type.lower().split(";"))
    found = (part.partition("=")[2].strip("\"' ") for part in parameters if part.startswith("charset="))
    charset = next(found, "utf-8")
    return name, charset if charset in _CHARSETS else "utf-8"


def _read_json(body: bytes, charset: str, limits: JsonLimits) -> Any:
    try:
        return decode(body, limits)
    except JsonTextError:
        # JSON is UTF-8 (RFC 8259, section 8.1); a server that names another charset may mean it.
        if charset == "utf-8":
            raise
        return decode(body.decode(charset, "replace").encode("utf-8", "replace"), limits)


def _read_text(body: bytes, charset: str, _: JsonLimits) -> str:
    return body.decode(charset, "replace").removeprefix("\ufeff")


def _read_bytes(body: bytes, _: str, __: JsonLimits) -> bytes:
    return body


_Decoder = tuple[Kind, Callable[[bytes, str, JsonLimits], Any]]
_FALLBACK: Final[_Decoder] = ("bytes", _read_bytes)
DECODERS: Final[Mapping[str, _Decoder]] = {
    "application/json": ("json", _read_json),
    "application/*+json": ("json", _read_json),
    "text/json": ("json", _read_json),
    "text/*": ("text", _read_text),
    "application/x-subrip": ("text", _read_text),
    "application/sdp": ("text", _read_text),
    "application/jsonl": ("bytes", _read_bytes),
    "application/x-ndjson": ("bytes", _read_bytes),
}
