"""Media types, as Content-Type names them (RFC 9110, section 8.3.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_JSON_LINES: Final = frozenset({"jsonl", "ndjson", "json-lines", "jsonlines"})


@lru_cache(maxsize=64)
def essence(content_type: str) -> str:
    """Returns type and subtype in lower case, without parameters (WHATWG MIME Sniffing, "essence"); "" for an empty text."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether it names JSON: ``application/json``, ``text/json``, or a type with the suffix ``+json`` (RFC 6839, section 3.1)."""
    return essence(content_type).rpartition("/")[2].rpartition("+")[2] in ("json", "x-json")


def is_json_lines(content_type: str) -> bool:
    """Whether it names JSON values, one a line: ``application/x-ndjson``, ``application/jsonl``, and the other names in use."""
    return essence(content_type).rpartition("/")[2].removeprefix("x-") in _JSON_LINES
