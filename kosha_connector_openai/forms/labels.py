"""Names as people read them: ``max_output_tokens`` -> "Max output tokens", ``fileId`` -> "File ID"; and the units that a name tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+(?:\.\d+)*")
_ACRONYMS: Final = frozenset({
    "acl", "ai", "api", "ca", "cpu", "csv", "css", "dns", "dpi", "fps", "gpu", "html", "http", "https", "id", "io", "ip", "json", "jsonl",
    "jwt", "llm", "mcp", "mime", "os", "pdf", "pem", "qa", "ram", "rag", "rgb", "sdk", "sip", "sms", "sql", "ssh", "ssl", "sse", "tcp",
    "tls", "ttl", "udp", "ui", "uri", "url", "utc", "utf", "uuid", "vad", "xml", "yaml", "zip",
})  # fmt: skip
_SPELLED: Final[Mapping[str, str]] = {
    "ids": "IDs", "urls": "URLs", "uris": "URIs", "apis": "APIs", "oauth": "OAuth", "mtls": "mTLS", "num": "number of", "n": "number of",
    "param": "parameter", "params": "parameters", "config": "configuration", "auth": "authentication", "regex": "regular expression",
}  # fmt: skip
_COUNTS: Final = frozenset({"n"})
"""Stand for "number of" only at the start, before another word."""
_UNITS: Final[Mapping[str, str]] = {
    "ms": "ms", "millis": "ms", "milliseconds": "ms", "seconds": "s", "secs": "s", "minutes": "min", "hours": "h", "days": "days",
    "bytes": "bytes", "kb": "KB", "mb": "MB", "gb": "GB", "percent": "%", "pixels": "px", "tokens": "tokens",
}  # fmt: skip
"""Last word of a number's name -> its unit."""
_DROPPED: Final = frozenset({"ms", "millis", "secs", "kb", "mb", "gb"})
"""Units that are no words; the label leaves them to the unit beside the field."""
_LONG: Final = 40
_TYPE_WORDS: Final = frozenset({"string", "array", "object", "integer", "number", "boolean", "null", "auto"})


@lru_cache(maxsize=8_192)
def split(name: str) -> tuple[str, ...]:
    """The words of a name in any usual style, in lower case where they are not all capitals."""
    if not name.isascii():
        return tuple(word.lower() for word in re.split(r"[\W_]+", name) if word)
    return tuple(word if word.isupper() and len(word) > 1 else word.lower() for word in _WORD.findall(name))


def label(name: str, spelled: Mapping[str, str]) -> str:
    """A label for a name; ``spelled`` says how single words, or the whole name, are written, before the usual rules."""
    words = (name,) if name.lower() in spelled else split(name)
    if len(words) > 1 and words[-1].lower() in _DROPPED:
        words = words[:-1]
    text = " ".join(_spell(word, index, len(words), spelled) for index, word in enumerate(words)) or name
    return text[:1].upper() + text[1:] if not text[:2].isupper() and text[:4] != "mTLS" else text


def _spell(word: str, index: int, count: int, spelled: Mapping[str, str]) -> str:
    lower = word.lower()
    if lower in spelled:
        return spelled[lower]
    if lower in _COUNTS and (index or count == 1):
        return word
    if lower in _SPELLED:
        return _SPELLED[lower]
    return lower.upper() if lower in _ACRONYMS else lower


def units(name: str) -> str | None:
    """The unit of a number by the last word of its name."""
    words = split(name)
    return _UNITS.get(words[-1].lower()) if words else None


def singular(text: str) -> str:
    """The label of one entry of a list: "Messages" -> "Message", "Entries" -> "Entry", "Tools array" -> "Tool"."""
    text = text.removesuffix(" array").removesuffix(" list")
    if text.endswith("ies") and len(text) > 4:  # noqa: PLR2004 - "ties" stays
        return f"{text[:-3]}y"
    if text.endswith(("sses", "xes", "ches", "shes")):
        return text[:-2]
    return text[:-1] if text.endswith("s") and not text.endswith(("ss", "us", "is")) else text


def from_title(title: object) -> str | None:
    """A schema's ``title`` where it can serve as a label: short, no sentence, not the name of a type."""
    if not isinstance(title, str):
        return None
    text = title.strip()
    if not text or len(text) > _LONG or text.endswith(".") or text.lower() in _TYPE_WORDS:
        return None
    words = split(text) if " " not in text else [word.lower() if word.istitle() else word for word in text.split()]
    joined = " ".join(words)
    return joined[:1].upper() + joined[1:]
