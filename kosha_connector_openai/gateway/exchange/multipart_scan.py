"""Looks at a multipart body while it passes (RFC 7578): how many parts, how large their heads, what they are named. It keeps no part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

import orjson

from kosha_connector_openai.gateway.records import ErrorResponse
from kosha_connector_openai.gateway.replies import HIDDEN, refused_field

Permits = Callable[[Iterable[tuple[str, Any]]], bool]
"""Whether named values may go on."""

MOST_PARTS: Final = 1_000
MOST_HEAD: Final = 8 * 1024
"""Bytes of one part's head."""
_BOUNDARY: Final = re.compile(
    r";\s*boundary=(?:\"([0-9A-Za-z'()+_,./:=? -]{1,70})\"|([0-9A-Za-z'+_,./:=?-]{1,70}))(?:\s*;|\s*\Z)", re.IGNORECASE
)
_PAIR: Final = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(\"(?:[^\"\\\r\n]|\\.)*\"|[^\"\\;\s]+)"
_FIELD: Final = re.compile(rb"content-disposition[ \t]*:", re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"[ \t]*form-data[ \t]*((?:;[ \t]*" + _PAIR + rb"[ \t]*)+);?[ \t]*", re.IGNORECASE)
_EACH: Final = re.compile(_PAIR)
_CODING: Final = re.compile(
    rb"content-(?:transfer-)?encoding[ \t]*:(?![ \t]*(?:7bit|8bit|binary|identity)[ \t]*\Z).*", re.IGNORECASE | re.DOTALL
)
_LONGEST_VALUE: Final = 64 * 1024
_FOLDED: Final = re.compile(rb"\r\n[ \t]+")
_END: Final = b"\r\n\r\n"
_NO_NAME: Final = ErrorResponse(400, "A part has no name that can be read, or several.", code="part_name")

BAD_BOUNDARY: Final = ErrorResponse(400, "The multipart body has no boundary that can be used.", code="boundary")
CUT: Final = ErrorResponse(400, "The multipart body does not end as it should.", code="multipart")
_CODED: Final = ErrorResponse(
    404, "A part has an encoding of its own, so nobody knows whose ids it names. Send its bytes as they are.", code="part_encoding"
)
"""RFC 7578, section 4.7: clients do not send one, and servers differ in whether they decode it."""
_TOO_MANY: Final = ErrorResponse(413, f"The body has more than {MOST_PARTS} parts.", code="parts")
_LONG_HEAD: Final = ErrorResponse(413, f"The head of a part is larger than {MOST_HEAD} bytes.", code="part_head")


def boundary(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names."""
    match = _BOUNDARY.search(content_type)
    return (match[1] or match[2]).rstrip().encode("ascii") if match else None


class Parts:
    """Fed with a body piece by piece; remembers no more than the last few bytes and the head of one part."""

    def __init__(self, mark: bytes, refused: frozenset[str] = frozenset(), permits: Permits | None = None) -> None:
        """``mark`` is the boundary; ``refused`` are names that no part may have; ``permits`` is asked about each field that is no file."""
        # The body may begin with the boundary; elsewhere a line break comes before it.
        self._mark = b"\r\n--" + mark
        self._held = b"\r\n"
        self._in_head = False
        self._refused = refused
        self._permits = permits
        self._field = ""
        self._value: bytearray | None = None
        self._from = 0
        self.names: set[str] = set()
        self.count = 0
        self.closed = False
        """Whether the last boundary has passed."""

    def feed(self, piece: bytes) -> ErrorResponse | None:
        """Why the body must not go on, if it must not."""
        data = self._held + piece
        at = 0
        while not self.closed:
            if self._in_head:
                end = data.find(_END, at)
                if end < 0:
                    break
                if end - at > MOST_HEAD:
                    return _LONG_HEAD
                refusal = self._begin(data[at:end])
                if refusal is not None:
                    return refusal
                self._in_head, at, self._from = False, end + 2, end + 4
            found = data.find(self._mark, at)
            if found < 0:
                at = max(at, len(data) - len(self._mark) - 1)
                self._take(data, at)
                break
            self._take(data, found)
            after = found + len(self._mark)
            if len(data) < after + 2:
                at = found
                break
            if not self._ends():
                return HIDDEN
            at = after + 2
            if data[after : after + 2] == b"--":
                self.closed = True
            elif data[after : after + 2] == b"\r\n":
                self.count += 1
                self._in_head = True
                at -= 2  # a head without a line ends at once
                if self.count > MOST_PARTS:
                    return _TOO_MANY
        self._held = b"" if self.closed else data[at:]
        self._from = max(0, self._from - at)
        return _LONG_HEAD if self._in_head and len(self._held) > MOST_HEAD else None

    def lacking(self, required: Iterable[str]) -> list[str]:
        """Those names that no part had; a list's parts may be named ``a[]``."""
        return [name for name in required if not {name, f"{name}[]"} & self.names]

    def _begin(self, head: bytes) -> ErrorResponse | None:
        """Notes a part by its head; returns why it must not go on, if it must not."""
        name = _name(head)
        if name is None:
            return _NO_NAME
        self.names.add(name)
        if name in self._refused:
            return refused_field(name)
        if self._permits is not None and any(_CODING.fullmatch(line) for line in _FOLDED.sub(b" ", head).split(b"\r\n")):
            return _CODED
        self._field = name
        self._value = None if self._permits is None or b"filename" in head.lower() else bytearray()
        return None

    def _take(self, data: bytes, until: int) -> None:
        """Keeps the field's value so far; a longer one than any id or JSON of ids is let go."""
        if self._value is not None and until > self._from:
            self._value += data[self._from : until]
            self._from = until
            if len(self._value) > _LONGEST_VALUE:
                self._value = None

    def _ends(self) -> bool:
        """Whether the field that ends here may go on."""
        value, self._value = self._value, None
        return value is None or self._permits is None or self._permits(list(field_values(self._field, bytes(value))))


def field_values(name: str, value: bytes) -> Iterator[tuple[str, Any]]:
    """A form's field under each word of its name (``image[file_id]``) and under each two, as text, and as JSON where it is some."""
    text = value.decode("utf-8", "replace")
    found: list[Any] = [text]
    if text.lstrip()[:1] in ("{", "["):
        with suppress(orjson.JSONDecodeError):
            found.append(orjson.loads(value))
    words = [word for word in re.split(r"[\[\].]+", name) if word]
    for word in words:
        yield from ((word, each) for each in found)
    for outer, inner in pairwise(words):
        yield from ((outer, {inner: each}) for each in found)


def _name(head: bytes) -> str | None:
    """A part's name, "" where it has none; None where two readers could take it for different ones."""
    fields = [line for line in _FOLDED.sub(b" ", head).split(b"\r\n") if _FIELD.match(line)]
    if not fields:
        return ""
    found = _DISPOSITION.fullmatch(fields[0].partition(b":")[2]) if len(fields) == 1 else None
    pairs = [(match[1].lower(), match[2]) for match in _EACH.finditer(found[1])] if found else []
    names = [value for key, value in pairs if key.rstrip(b"*") == b"name"]
    if len(names) != 1 or (b"name", names[0]) not in pairs:
        return None
    text = names[0]
    return (re.sub(rb"\\(.)", rb"\1", text[1:-1]) if text[:1] == b'"' else text).decode("utf-8", "replace")
