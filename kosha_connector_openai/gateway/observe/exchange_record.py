"""One request and how it ended: its id, its caller, its status, its times and its sizes. Nothing here quotes a body."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from kosha_connector_openai.gateway.records import Caller, ErrorResponse

_START = os.urandom(6).hex()
_NUMBERS = count(1)
_LEFT: Final = 499
"""The status in records, by custom, where nobody was there to get one."""


@dataclass(slots=True)
class ExchangeRecord:
    """Filled in while a request is served; observers get it once, at the end. Times are in seconds, sizes in bytes of bodies.

    ``operation`` is an action's id, ``page:<path>`` for one of our own, "" where the path is unknown. ``outcome`` is "ok", "incomplete"
    (the upstream's reply was cut), "left" (the caller went away), "refused" (by us), or the code of an error.
    """

    method: str
    request_id: str = field(default_factory=lambda: f"kosha-{_START}-{next(_NUMBERS):x}")
    started: float = field(default_factory=time.monotonic)
    operation: str = ""
    caller: str = ""
    tenant: str = ""
    status: int = 0
    outcome: str = "ok"
    upstream_status: int | None = None
    upstream_request_id: str | None = None
    attempts: int = 0
    duration: float = 0.0
    first_byte: float | None = None
    received: int = 0
    sent: int = 0
    streamed: bool = False
    faults: int = 0
    """What validation found, where the request went on all the same."""
    refusal: str = ""
    """The code of our own refusal."""
    usage: Mapping[str, Any] | None = None
    """What the upstream says that it counted."""

    def identify(self, caller: Caller) -> None:
        """Notes who calls."""
        self.caller, self.tenant = caller.name, caller.tenant

    def refuse(self, refusal: ErrorResponse) -> None:
        """Notes our own reply; where a call failed, its outcome is known already."""
        self.status, self.refusal = refusal.status, refusal.code or ""
        if self.outcome == "ok":
            self.outcome = "refused"

    def begin(self, status: int) -> None:
        """Notes that the reply begins."""
        self.status = status
        self.first_byte = time.monotonic() - self.started

    def end(self) -> None:
        """Notes how long it took."""
        self.status = self.status or _LEFT
        self.duration = time.monotonic() - self.started


Observe = Callable[[ExchangeRecord], None]
