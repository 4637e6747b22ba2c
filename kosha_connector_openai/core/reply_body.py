"""What a reply's body is, where its Content-Type is wrong or says nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from kosha_connector_openai.core.actions import Promise
from kosha_connector_openai.core.result import REPLY_LIMITS, Decoded, Result, failed, lack_of
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.text import JsonTextError, decode, is_json

_SAYS_NOTHING: Final = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream", "application/unknown"})
"""What servers write that do not know what they send."""
EVENT_STARTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_PAGE: Final = re.compile(rb"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
NAMES: Final = {"json": "JSON", "text": "a web page", "bytes": "no text"}
LARGEST_ERROR: Final = 64 * 1024


def is_misnamed(kind: str, promise: Promise) -> bool:
    """Whether a body may be JSON under another name: one that says nothing, or any other where nothing but JSON is promised."""
    return promise.has_json and kind not in promise.types and not is_json(kind) and (promise.only_json or kind in _SAYS_NOTHING)


def looks_like_events(read: bytes, kind: str, promise: Promise) -> bool:
    """Whether a body is an event stream under another name, where one is promised."""
    named_otherwise = kind.endswith("json") or is_misnamed(kind, promise) or (kind in _SAYS_NOTHING and kind not in promise.types)
    return promise.has_events and named_otherwise and read.lstrip()[:8].startswith(EVENT_STARTS)


def mislabelled(what: str, kind: str) -> Fault:
    """The warning that a body is not what its Content-Type says."""
    name = f"as {kind}" if kind else "without a Content-Type"
    return Fault("", "content-type", f"The reply is {what}, sent {name}.", "It was read as what it is; the server should say so.")


def read_media(read: bytes, kind: str) -> Decoded | None:
    """What a body is that is promised to be sound or a picture, where its name is wrong: JSON, a web page or no text; else None."""
    if read.lstrip()[:1] == b"{" and len(read) <= LARGEST_ERROR:
        with suppress(JsonTextError):
            return Decoded("json", decode(read, REPLY_LIMITS))
    if _PAGE.match(read):
        return Decoded("text", read.decode("utf-8", "replace"))
    try:
        return Decoded("bytes", read) if kind.startswith("text/") and (b"\0" in read or not read.decode()) else None
    except UnicodeDecodeError:
        return Decoded("bytes", read)


def lack_of_reply(promise: Promise, result: Result, wanted: int = 0) -> Fault | None:
    """What a whole reply lacks of what the action promises; None where it is kept. ``wanted`` is the number of results asked for."""
    if told := promise.lack(result.kind, result.value, result.status):
        return failed(told)
    if result.kind != "json" or promise.carrier is None or not promise.is_object:
        return None
    return lack_of(result.value, promise.carrier, wanted)
