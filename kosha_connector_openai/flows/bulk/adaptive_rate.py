"""A rate that replies do not tell, found by trying: doubled until something is refused, then measured from one refusal to the next.

What is served between two refusals is the limit times the time between them, since at both nothing was left of it. From a little below
that the rate grows along a cubic, flat around the measured limit (CUBIC, RFC 9438): it stays there for long, and a limit that was
raised is found the faster the longer nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LEAST: Final = 0.02
"""Requests a second."""
_WINDOW: Final = 0.5
"""Seconds for which a rate is looked at, or longer, until some attempts have left."""
_SOME: Final = 5
_IN_USE: Final = 0.6
_SEARCH: Final = (2.0, 1.1)
"""How much the rate grows with each window that it was used up: before anything was refused, and until the limit is measured."""
_FEW: Final = 8
"""Fewer answers between two refusals tell no rate."""
_LESS: Final = (0.5, 0.8)
"""What a refusal leaves of the rate at least, and where that is not measured: while it has not grown since the last refusal, and later."""
_BELOW: Final = (0.03, 0.5)
"""How much below the measured limit the rate begins to grow where it is alone there, and at most: each of n processes goes n times as far
below, since a refusal tells one of them that all together send too much."""
_FLAT: Final = (200, 10.0)
"""After so many answers, and seconds' worth of them, the rate is at the measured limit again."""


@dataclass(slots=True)
class AdaptiveRate:
    """The rate of one model, in requests a second."""

    rate: float = 10.0
    search: float = _SEARCH[0]
    """By how much it grows with each window; 0 once the limit is measured."""
    limit: float = 0.0
    """The limit as it was measured last."""
    grown: int = 0
    """Answers that count for the growth since then."""
    window: float = 0.0
    """When the present window began."""
    seen: int = 0
    """Answers to attempts that left in it."""
    since: float = -1.0
    """When the attempt left from whose refusal on the limit is measured; -1 before any."""
    served: int = 0
    """Attempts that left since and were not refused."""
    last: float = -1.0
    """When the attempt left that was refused last."""
    share: float = 1.0
    """The part of the limit that is this process's."""

    @classmethod
    def below(cls, limit: float, at: float, share: float) -> AdaptiveRate:
        """The rate where an attempt that left at ``at`` was refused although it was within a told limit."""
        rate = cls(limit=limit, search=0.0, window=at, since=at, last=at, share=share)
        rate._grow()
        return rate

    def serve(self, at: float, *, is_late: bool) -> bool:
        """An attempt that left at ``at``, ``is_late`` before a pause, was answered; whether the rate is another one now."""
        self.served += is_late and at > self.last
        self.seen += at >= self.window
        passed = at - self.window
        if passed < max(_WINDOW, _SOME / self.rate):
            return False
        used, seen = self.seen / passed, self.seen
        self.window, self.seen = at, 0
        if used < self.rate * _IN_USE:
            return False  # what is not used up tells nothing about the limit
        self.grown += seen
        self._grow()
        return True

    def refuse(self, at: float, before: int) -> None:
        """An attempt that left at ``at``, and ``before`` others before it since the last pause, was refused."""
        self.served += before
        is_measured = self.since >= 0 and self.served >= _FEW
        if is_measured:
            self.limit = min(self.rate, max(self.rate * _LESS[self.grown > 0], self.served / max(at - self.since, 0.001)))
            self.search = 0.0
        else:
            self.limit, self.search = self.rate * _LESS[0], _SEARCH[1]
        if is_measured or self.since < 0:
            self.since, self.served = at, 0
        self.limit = max(_LEAST, self.limit)
        self.last, self.grown, self.seen, self.window, self.rate = at, 0, 0, at, self.limit
        if not self.search:
            self._grow()

    def _grow(self) -> None:
        if self.search:
            self.rate *= self.search
            return
        (answers, seconds), (alone, most) = _FLAT, _BELOW
        flat = max(answers, seconds * self.limit)
        self.rate = self.limit * (1 + min(most, alone / self.share) * ((self.grown - flat) / flat) ** 3)
