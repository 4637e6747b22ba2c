"""Faults on request: wrong replies of an upstream and failures of a network."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.sandbox.error_replies import RequestFailure, error_reply
from kosha_connector_openai.sandbox.message import CHUNK, SandboxReply
from kosha_connector_openai.text import load_yaml

_HTML = b"<!doctype html><html><head><title>Bad gateway</title></head><body><h1>502 Bad gateway</h1></body></html>\n"
_EXTRA = 10
_DIALECT = "dialect"


@dataclass(frozen=True)
class InjectedFault:
    """One fault: a name and, after ``=``, its value."""

    name: str
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> InjectedFault:
        """The fault in ``name`` or ``name=value``; raises ValueError where there is none such."""
        name, _, value = text.strip().partition("=")
        fault = cls(name, value)
        if not (name in INSTEAD or name in AFTER or name == _DIALECT or fault.status):
            raise ValueError("unknown fault")
        if not value.isprintable() or (value and name in _NUMBERS and float(value) < 0):
            raise ValueError("unusable value")
        return fault

    @property
    def status(self) -> int:
        """The status of an error that is only a number, else 0."""
        return int(self.name) if self.name.isdigit() and 400 <= int(self.name) <= 599 else 0  # noqa: PLR2004 - RFC 9110

    def instead(self, behaviour: Mapping[str, Any]) -> SandboxReply | None:
        """The reply that is sent while the operation is not carried out; None where it is."""
        if self.status:
            name = behaviour["fault_errors"].get(self.name, "other")
            return error_reply(behaviour, RequestFailure(name, status=self.status, key="****"))
        if self.name == _DIALECT:
            return _dialect(self.value)
        make = INSTEAD.get(self.name)
        return make(self.value) if make else None

    def after(self, reply: SandboxReply) -> SandboxReply:
        """Returns the reply to an operation that was carried out, changed by the fault."""
        spoil = AFTER.get(self.name)
        return spoil(reply, self.value) if spoil else reply


class FaultQueue:
    """Faults that wait for the next requests."""

    def __init__(self) -> None:
        self._waiting: list[tuple[InjectedFault, str | None]] = []
        self._lock = threading.Lock()

    def add(self, text: str, times: int, operation: str | None) -> None:
        """Plans a fault for the next ``times`` requests, of one operation or of any; none forgets all that wait."""
        fault = InjectedFault.parse(text)
        with self._lock:
            self._waiting = [*self._waiting, *[(fault, operation)] * times] if times else []

    def take(self, operation: str | None) -> InjectedFault | None:
        """The fault for this request, if one waits."""
        with self._lock:
            for index, (fault, wanted) in enumerate(self._waiting):
                if wanted in (None, operation):
                    del self._waiting[index]
                    return fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """The faults that wait, next first."""
        with self._lock:
            return [{"fault": f"{fault.name}={fault.value}".rstrip("="), "operation": name} for fault, name in self._waiting]


@cache
def dialects() -> Mapping[str, Any]:
    """What other servers send in cases of theirs, by name: the reply and what it is to a caller."""
    found: Mapping[str, Any] = load_yaml((Path(__file__).parent / "dialects.yaml").read_bytes(), what="dialects.yaml")
    return found


def _dialect(name: str) -> SandboxReply:
    """What other servers send in a case of theirs; raises RequestFailure where the table has no such."""
    if name not in dialects():
        raise RequestFailure("unreadable", reason=f"There is no such dialect. There are: {', '.join(sorted(dialects()))}.")
    row = dialects()[name]
    if "events" in row:
        lines = (event if isinstance(event, str) else json.dumps(event) for event in row["events"])
        return SandboxReply(200, "".join(f"data: {line}\n\n" for line in lines).encode(), row.get("type", EVENT_STREAM))
    text = row["text"] if "text" in row else json.dumps(row["json"])
    return SandboxReply(row.get("status", 200), text.encode(), row.get("type", "application/json") or None)


def _retype(reply: SandboxReply, value: str) -> SandboxReply:
    reply.content_type = value or None
    return reply


def _html(value: str) -> SandboxReply:
    return SandboxReply(int(value or 502), _HTML, "text/html; charset=utf-8")


def _redirect(value: str) -> SandboxReply:
    return SandboxReply(307, b"", None, {"Location": value or "/"})


def _huge(value: str) -> SandboxReply:
    return SandboxReply(200, _padding(int(value or 1024 * 1024)))


def _turned_away(status: int, header: str) -> Callable[[str], SandboxReply]:
    body = b'{"error":{"message":"Too many requests. Come back later.","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
    return lambda value: SandboxReply(status, body, headers={header: value or "1"})


def _padding(size: int) -> Iterator[bytes]:
    yield b'{"padding":"'
    for start in range(0, size, CHUNK):
        yield b"x" * min(CHUNK, size - start)
    yield b'"}'


def _wire(name: str) -> Callable[[SandboxReply, str], SandboxReply]:
    def spoil(reply: SandboxReply, value: str) -> SandboxReply:
        reply.wire[name] = float(value or _EXTRA)
        return reply

    return spoil


def _empty(reply: SandboxReply, _: str) -> SandboxReply:
    reply.body = b""
    return reply


def _bad_json(reply: SandboxReply, _: str) -> SandboxReply:
    whole = reply.whole()
    reply.body = whole[: max(len(whole) // 2, 1)]
    return reply


def _gzip(reply: SandboxReply, _: str) -> SandboxReply:
    reply.body = gzip.compress(reply.whole(), mtime=0)
    reply.headers["Content-Encoding"] = "gzip"
    return reply


def _longer(reply: SandboxReply, _: str) -> SandboxReply:
    reply.body = reply.whole()
    reply.wire["longer"] = _EXTRA
    return reply


_NUMBERS: Final = frozenset({"slow", "cut", "cut-stream", "drip", "html", "huge"})
INSTEAD: Final[Mapping[str, Callable[[str], SandboxReply]]] = {
    "html": _html,
    "redirect": _redirect,
    "huge": _huge,
    "retry-after": _turned_away(503, "Retry-After"),
    "retry-after-ms": _turned_away(429, "retry-after-ms"),
    "dont-retry": lambda _: _turned_away(429, "x-should-retry")("false"),
}
AFTER: Final[Mapping[str, Callable[[SandboxReply, str], SandboxReply]]] = {
    "slow": _wire("slow"),
    "cut": _wire("cut"),
    "cut-stream": _wire("cut-stream"),
    "drip": _wire("drip"),
    "reset": _wire("reset"),
    "type": _retype,
    "empty": _empty,
    "badjson": _bad_json,
    "gzip": _gzip,
    "wrong-length": _longer,
}
