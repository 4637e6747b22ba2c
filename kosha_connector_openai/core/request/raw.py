"""A request that another client wrote: path values, query, headers and body stay as they are, once each is known to be in its place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.request.media_types import BytesBody
from kosha_connector_openai.core.request.parameters import check_segment
from kosha_connector_openai.core.request.request import MAX_TARGET, Request
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.http import is_protected
from kosha_connector_openai.text import JsonTextError, decode, escape, essence

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_QUERY: Final = re.compile(r"[!\"$-~]*")
"""Visible ASCII but the number sign, which would end the query."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class StreamBody:
    """A body that arrives while it is sent: once, in pieces; ``length`` is its number of bytes where that is known."""

    pieces: AsyncIterator[bytes]
    content_type: str | None
    length: int | None = None

    @property
    def replayable(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True)
class RawInputs:
    """What the other client wrote: path values and query percent-encoded, headers by name, the body as bytes or as a stream."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: BytesBody | StreamBody | None = None

    def fields(self) -> Mapping[str, Any]:
        """The fields of a whole JSON body; none of another body, which is not read."""
        if not isinstance(self.body, BytesBody) or not essence(self.body.content_type or "").endswith("json"):
            return {}
        try:
            value = decode(self.body.content)
        except JsonTextError:
            return {}
        return value if isinstance(value, Mapping) else {}


def raw_request(action: Action, raw: RawInputs) -> Request:
    """The request; raises InputError where a value would leave its place. Nothing is encoded or decoded on the way."""
    operation = action.operation
    if not _QUERY.fullmatch(raw.query):
        raise _refused("query", "control", "has a character that has to be percent-encoded.")
    pieces = [piece if index % 2 == 0 else _segment(piece, raw.path) for index, piece in enumerate(_split(operation.path))]
    target = "".join(pieces) + (f"?{raw.query}" if raw.query else "")
    if len(target) > MAX_TARGET:
        raise _refused("query", "maxLength", f"makes the path and query longer than {MAX_TARGET} characters.")
    headers = [_header(name, value) for name, value in raw.headers]
    if raw.body is not None and raw.body.content_type is not None:
        headers.append(("Content-Type", _plain("content-type", raw.body.content_type)))
    return Request(operation.method, operation.path, target, tuple(headers), raw.body)


@lru_cache(maxsize=4_096)
def _split(template: str) -> tuple[str, ...]:
    """The fixed pieces of a path, and between them the names of its variables."""
    return tuple(_VARIABLE.split(template))


def _segment(name: str, values: Mapping[str, str]) -> str:
    text = values.get(name, "")
    check_segment(name, text)
    return text


def _header(name: str, value: str) -> tuple[str, str]:
    if not _may_pass(name):
        raise _refused(name, "protected", "is a header that only the connection sets.")
    return name, _plain(name, value)


@lru_cache(maxsize=1_024)
def _may_pass(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and (name.lower() == "accept" or not is_protected(name))


def _plain(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise _refused(name, "control", "has a character that a header cannot carry safely.")
    return value


def _refused(name: str, rule: str, message: str) -> InputError:
    return InputError("The request cannot be passed on.", [Fault(f"/{escape(name)}", rule, message)])
