"""The audit record: a file that is only added to, of who called what with which right, each line bound to the one before it.

A line is written before a call goes out and one when it has ended. Where the first cannot be written, the call does not go out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord
from kosha_connector_openai.gateway.observe.logs import LOGGER, line, stamp
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.trusted_files import UntrustedFileError, open_trusted

_START: Final = "0" * 64
_LONGEST: Final = 64 * 1024
"""Bytes of a line; far more than one has."""
_END: Final = b',"hash":"%b"}'


class AuditError(Exception):
    """The record cannot be written."""


class AuditLog:
    """One file (mode 0600), which one process writes. A line is with the system when the method that writes it returns."""

    def __init__(self, path: Path, *, required: bool = True) -> None:
        """Raises SetupError where the file cannot be used or others may write it; ``required``: a call without its line is refused."""
        self._required = required
        self._descriptor = _open(path)
        try:
            self._last, self._number, self._torn = _tail(path, self._descriptor)
        except BaseException:
            self.close()
            raise

    def call(self, request_id: str, method: str, route: Route, caller: Caller, connection: Connection) -> None:
        """Notes that a call is about to go out. Raises AuditError where that cannot be written and must be."""
        credential = connection.credential(route.action.operation.security)
        references = [reference for one in credential.all for reference in one.references.values()] if credential else ()
        values = {
            "origin": str(connection.server.origin),
            "credential": ", ".join(map(str, references)),
            "description": route.action.digest,
        }
        self._begin(request_id, method, route.id, caller, values)

    def step(self, request_id: str, action: Action, caller: Caller, connection: Connection) -> None:
        """Notes that a flow of the request is about to call an action. Raises AuditError."""
        values = {"origin": str(connection.server.origin), "description": action.digest}
        self._begin(request_id, action.operation.method, f"step:{action.id}", caller, values)

    def page(self, request_id: str, method: str, name: str, path: str, caller: Caller) -> None:
        """Notes that one of the service's own pages is about to act. Raises AuditError."""
        self._begin(request_id, method, f"page:{name}", caller, {"path": path})

    def end(self, exchange: ExchangeRecord) -> None:
        """Notes how a request ended whose caller is known; a failure is logged, and the next call is refused if it fails again."""
        if not exchange.caller or (exchange.method == "GET" and exchange.operation.startswith("page:")):
            return
        values = {
            "request_id": exchange.request_id,
            "method": exchange.method,
            "operation": exchange.operation,
            "tenant": exchange.tenant,
            "caller": exchange.caller,
            "status": exchange.status,
            "outcome": exchange.outcome,
            "refusal": exchange.refusal or None,
            "upstream_status": exchange.upstream_status,
            "upstream_request_id": exchange.upstream_request_id,
            "attempts": exchange.attempts,
            "received": exchange.received,
            "sent": exchange.sent,
            "seconds": round(exchange.duration, 6),
        }
        with suppress(AuditError):
            self._write("end", values)

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self, request_id: str, method: str, operation: str, caller: Caller, more: Mapping[str, Any]) -> None:
        who = {"tenant": caller.tenant, "caller": caller.name, "connection": caller.connection}
        try:
            self._write("begin", {"request_id": request_id, "method": method, "operation": operation, **who, **more})
        except AuditError:
            if self._required:
                raise

    def _write(self, event: str, values: Mapping[str, Any]) -> None:
        text = line({"number": self._number + 1, "previous": self._last, "time": stamp(time.time()), "event": event, **values})
        body = text.encode("ascii")[:-1]
        digest = sha256(body).hexdigest()
        data = (b"\n" if self._torn else b"") + body + _END % digest.encode() + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            LOGGER.error("The audit record cannot be written: %s.", error.strerror)
            raise AuditError from None
        if written != len(data):
            self._torn = True
            LOGGER.error("The audit record cannot be written: the disk is full.")
            raise AuditError
        self._last, self._number, self._torn = digest, self._number + 1, False


@dataclass(frozen=True, slots=True)
class Audited:
    """What a check of a record found: how many lines are bound to each other, the last one's digest, and the first fault."""

    lines: int
    last: str
    torn: int = 0
    """Lines that were not written to their end, when the disk was full or the machine stopped."""
    fault: str | None = None


def check_audit(path: Path) -> Audited:
    """Reads a record from its beginning. That its end was cut off shows only to who has kept the last digest. Raises OSError."""
    number, last, torn = 0, _START, 0
    with path.open("rb") as file:
        for at, raw in enumerate(_lines(file), 1):
            values = _read(raw)
            if values is None and _is_torn(raw, number + 1, last):
                torn += 1
            elif values is None:
                return Audited(number, last, torn, f"Line {at} is no line of a record, or was changed.")
            elif values.get("number") != number + 1 or values.get("previous") != last:
                return Audited(number, last, torn, f"Line {at} does not follow the one before it.")
            else:
                number, last = number + 1, values["hash"]
    return Audited(number, last, torn)


def _lines(file: Any) -> Iterator[bytes]:
    while raw := file.readline(_LONGEST):
        yield raw


def _read(raw: bytes) -> Mapping[str, Any] | None:
    """The values of a line whose digest is right."""
    try:
        values = json.loads(raw)
        digest = values["hash"]
        body = raw.rstrip(b"\n")[: -len(_END % digest.encode())]
        return values if raw.endswith(_END % digest.encode() + b"\n") and sha256(body).hexdigest() == digest else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_torn(raw: bytes, number: int, previous: str) -> bool:
    """Whether a line is the beginning of the one that had to come, without its end: it was not written whole, and was then written anew."""
    text, head = raw.rstrip(b"\n"), b'{"number":%d,"previous":"%b","time":"' % (number, previous.encode("ascii"))
    begins = text.startswith(head) if len(text) > len(head) else head.startswith(text)
    return begins and not text.endswith(b'"}')


def _open(path: Path) -> int:
    try:
        descriptor = open_trusted(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, private=True)
    except UntrustedFileError as error:
        raise _unfit(f"cannot be trusted: {error.strerror}.", "Make it the service's own, with mode 0600.") from None
    except OSError as error:
        raise _unfit(f"cannot be opened: {error.strerror}.", "Name a file, no link, in a folder that the service may write.") from None
    if not _locked(descriptor):
        os.close(descriptor)
        raise _unfit("is written by another process.", "Give each process a file of its own.")
    return descriptor


def _locked(descriptor: int) -> bool:
    """Whether nobody else holds the file; the system lets go of it when the process ends."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return True
    except OSError:
        return False
    return True


def _tail(path: Path, descriptor: int) -> tuple[str, int, bool]:
    """The digest and the number of the last whole line, and whether another one was begun after it."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, 4 * _LONGEST, max(0, size - 4 * _LONGEST))
    for raw in reversed(data.splitlines(keepends=True)):
        if (values := _read(raw)) is not None:
            return values["hash"], int(values["number"]), not data.endswith(b"\n")
    if size:
        raise _unfit("is no audit record.", f"Move {path.name} away, or name another file.")
    return _START, 0, False


def _unfit(message: str, fix: str) -> SetupError:
    return SetupError("The gateway cannot start: the audit record cannot be written.", [Fault("/audit", "audit", message, fix)])
