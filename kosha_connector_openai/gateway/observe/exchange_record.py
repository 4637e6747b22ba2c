"""One request on its way through the gateway: its id, its times, its sizes; at its end they are its record."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from kosha_connector_openai.gateway.records import REQUEST_ID, Caller, Exchange, Refusal, Scope

_START = os.urandom(6).hex()
_NUMBERS = count(1)
_LEFT: Final = 499
"""The status in records, by custom, where nobody was there to get one."""


class Visit:
    """What is known of a request so far."""

    __slots__ = (
        "attempts", "caller", "faults", "first_byte", "method", "operation", "outcome", "received", "refusal", "request_id", "sent",
        "started", "status", "streamed", "upstream_request_id", "upstream_status", "usage",
    )  # fmt: skip

    def __init__(self, scope: Scope) -> None:
        self.started = time.monotonic()
        self.request_id = scope[REQUEST_ID] = f"kosha-{_START}-{next(_NUMBERS):x}"
        self.method: str = scope["method"]
        self.operation = ""
        self.caller: Caller | None = None
        self.status = 0
        self.outcome = "ok"
        self.refusal = ""
        self.upstream_status: int | None = None
        self.upstream_request_id: str | None = None
        self.attempts = 0
        self.first_byte: float | None = None
        self.received = 0
        self.sent = 0
        self.streamed = False
        self.faults = 0
        self.usage: Mapping[str, Any] | None = None

    def refused(self, refusal: Refusal) -> None:
        """Notes our own answer; where a call failed, its outcome is known already."""
        self.status, self.refusal = refusal.status, refusal.code or ""
        if self.outcome == "ok":
            self.outcome = "refused"

    def begins(self, status: int) -> None:
        """Notes that the reply begins."""
        self.status = status
        self.first_byte = time.monotonic() - self.started

    def record(self) -> Exchange:
        """The record."""
        caller = self.caller
        return Exchange(
            request_id=self.request_id,
            method=self.method,
            operation=self.operation,
            caller=caller.name if caller else "",
            tenant=caller.tenant if caller else "",
            status=self.status or _LEFT,
            outcome=self.outcome,
            upstream_status=self.upstream_status,
            upstream_request_id=self.upstream_request_id,
            attempts=self.attempts,
            duration=time.monotonic() - self.started,
            first_byte=self.first_byte,
            received=self.received,
            sent=self.sent,
            streamed=self.streamed,
            faults=self.faults,
            refusal=self.refusal,
            usage=self.usage,
        )
