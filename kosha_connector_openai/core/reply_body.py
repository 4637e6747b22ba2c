"""What a reply's body is, where its Content-Type is wrong or says nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from kosha_connector_openai.core.actions import Promise
from kosha_connector_openai.core.result import REPLY_LIMITS, Decoded, Result, failed, lack_of
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.text import JsonTextError, decode, is_json, is_json_lines

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


def are_events(read: bytes, kind: str, promise: Promise) -> bool:
    """Whether a body of JSON lines is a stream of events: several values, where events are promised."""
    if not (is_json_lines(kind) and promise.has_events):
        return False
    first, *others = read.strip().split(b"\n", 1)
    with suppress(JsonTextError):
        return bool(others) and isinstance(decode(first, REPLY_LIMITS), dict)
    return False


def read_lines(read: bytes, kind: str, promise: Promise) -> Decoded | None:
    """The list that a body of JSON lines is, where an action promises lines or a list; else None."""
    if not is_json_lines(kind) or not (kind in promise.types or (promise.only_json and not promise.is_object)):
        return None
    with suppress(JsonTextError):
        return Decoded("json", [decode(line, REPLY_LIMITS) for line in read.splitlines() if line.strip()])
    return None


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
