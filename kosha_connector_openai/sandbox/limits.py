"""Limits that the sandbox enforces when it is told to: requests and tokens a minute, and what may wait in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.message import SandboxReply
from kosha_connector_openai.text import at

_BYTES: Final = 4
"""Bytes of a file that a waiting token stands for."""
_LIMITED: Final = ("requests", "tokens")


@dataclass(frozen=True)
class LimitRules:
    """``requests`` and ``tokens`` a minute, of which ``depth`` seconds' worth may come at once; ``enqueued_tokens`` of all batches that
    wait; ``batch_lines`` of a batch after which it expires. None is no limit."""

    requests: float | None = None
    tokens: float | None = None
    depth: float = 1.0
    enqueued_tokens: int | None = None
    batch_lines: int | None = None

    @classmethod
    def read(cls, wanted: Mapping[str, Any]) -> LimitRules:
        """The rules in a JSON object. Raises TypeError or ValueError."""
        given = {name: None if value is None else float(value) for name, value in {**wanted}.items()}
        rules = cls(**given)  # type: ignore[arg-type]
        if any(value is not None and value < 0 for value in given.values()):
            raise ValueError("less than nothing")
        whole = {name: int(value) for name in ("enqueued_tokens", "batch_lines") if (value := given.get(name)) is not None}
        return replace(rules, **whole)


@dataclass
class EnforcedLimits:
    """The rules, and how much of them is used; safe to use from many threads."""

    rules: LimitRules = LimitRules()
    clock: Callable[[], float] = time.monotonic
    refused: int = 0
    _left: dict[str, float] = field(default_factory=dict)
    _at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, rules: LimitRules) -> dict[str, Any]:
        """Takes new rules, with all of them free; gives them with the number of requests that were refused under the old ones."""
        with self._lock:
            self.rules, self._at = rules, self.clock()
            self._left = {name: self._most(name) for name in _LIMITED if getattr(rules, name) is not None}
            refused, self.refused = self.refused, 0
            return {**{each.name: getattr(rules, each.name) for each in fields(rules)}, "refused": refused}

    def _most(self, name: str) -> float:
        return float(getattr(self.rules, name)) / 60 * self.rules.depth

    def _refill(self) -> None:
        now = self.clock()
        passed, self._at = now - self._at, now
        for name, left in self._left.items():
            self._left[name] = min(self._most(name), left + passed * getattr(self.rules, name) / 60)

    def admit(self) -> None:
        """Counts a request; raises RequestFailure where one is too many, or where answers have used more tokens than there are."""
        with self._lock:
            self._refill()
            short = {name: need - left for name, left in self._left.items() if left < (need := 1.0 if name == "requests" else 0.0)}
            if not short:
                for name in self._left.keys() & {"requests"}:
                    self._left[name] -= 1
                return
            self.refused += 1
            wait = max(lack * 60 / getattr(self.rules, name) if getattr(self.rules, name) else 60.0 for name, lack in short.items())
            raise RequestFailure("limited", wait=f"{wait:.3f}", headers={"retry-after-ms": str(int(wait * 1000) + 1), **self._headers()})

    def count(self, reply: SandboxReply) -> SandboxReply:
        """The reply with what is left in its headers, its tokens counted."""
        if not self._left:
            return reply
        reply.headers.update(self.used(_usage(reply)))
        return reply

    def used(self, tokens: int) -> dict[str, str]:
        """Counts the tokens of an answer; the headers with what is left."""
        with self._lock:
            if "tokens" in self._left:
                self._left["tokens"] -= tokens
            return self._headers()

    def _headers(self) -> dict[str, str]:
        found = {}
        for name, left in self._left.items():
            limit = float(getattr(self.rules, name))
            found[f"x-ratelimit-limit-{name}"] = str(int(limit))
            found[f"x-ratelimit-remaining-{name}"] = str(max(0, int(left)))
            found[f"x-ratelimit-reset-{name}"] = f"{int((self._most(name) - left) * 60_000 / limit) if limit else 60_000}ms"
        return found

    def queues(self, size: int, waiting: int) -> bool:
        """Whether a file of this many bytes may wait beside those of ``waiting`` bytes."""
        most = self.rules.enqueued_tokens
        return most is None or (size + waiting) // _BYTES <= most

    def runs(self, lines: int) -> int:
        """How many of a batch's lines are run before it expires."""
        most = self.rules.batch_lines
        return lines if most is None else min(lines, most)


def _usage(reply: SandboxReply) -> int:
    """The tokens that an answer says it used."""
    import json

    if reply.content_type != "application/json" or not isinstance(reply.body, bytes):
        return 0
    found = at(json.loads(reply.body), "/usage/total_tokens")
    return found if isinstance(found, int) else 0
