"""What became of each call, in one process: right, failed while the upstream was away, or broken."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KINDS = {"json": 35, "events": 25, "upload": 15, "refused": 15, "aborted": 10}
"""Kind of call -> its share in percent. An upload is downloaded and deleted again, three calls."""
GRACE = 1.0
"""Seconds around an absence of the upstream in which a call may fail."""
_MOST_SHOWN = 20


class Wrong(Exception):
    """A reply that is not the one to this request, or not whole."""


class Failed(Exception):
    """The call ended in an error that says so."""


@dataclass(slots=True)
class Tally:
    """Counts, and the calls that failed with their times (``time.monotonic``, the same clock in all processes)."""

    done: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[float, float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, kind: str, began: float, error: BaseException | None) -> None:
        """One call that ended."""
        if error is None:
            self.done[kind] += 1
        elif isinstance(error, Failed):
            self.failed.append((began, time.monotonic(), f"{kind}: {error}"))
        else:
            self.wrong.append(f"{kind}: {type(error).__name__}: {error}")

    def unexplained(self, absences: list[tuple[float, float]]) -> list[str]:
        """The failures that no absence of the upstream explains."""
        return [
            text for began, ended, text in self.failed if not any(began <= up + GRACE and ended >= down - GRACE for down, up in absences)
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"done": dict(self.done), "failed": self.failed, "wrong": self.wrong[:_MOST_SHOWN], "wrong_count": len(self.wrong)}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Tally:
        """Back from JSON."""
        return cls(Counter(values["done"]), [tuple(entry) for entry in values["failed"]], values["wrong"])


def schedule(rate: float, seconds: float, seed: int) -> Iterator[tuple[float, str, int, random.Random]]:
    """Calls in the order of their times: seconds from the start, kind, number, and a source of chance of its own."""
    chance = random.Random(seed)
    number, at = 0, 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        number += 1
        yield at, chance.choices(list(KINDS), list(KINDS.values()))[0], number, random.Random(seed * 1_000_003 + number)


def saying(mark: str, *, stream: bool = False) -> dict[str, Any]:
    """A chat whose answer is ``said(mark)``."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Say {mark}"}]} | ({"stream": True} if stream else {})


def said(mark: str) -> str:
    """What the sandbox answers to it."""
    return f"{mark[0].upper()}{mark[1:]} (sandbox)."


def same(found: object, expected: object, what: str) -> None:
    """Raises Wrong, which shows no more than the beginning of both."""
    if found != expected:
        raise Wrong(f"{what} is {found!r:.80}, not {expected!r:.80}")
