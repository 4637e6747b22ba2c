"""One limit as a bucket of the generic cell rate algorithm (GCRA), a quarter of a second deep.

Limits are enforced over shorter times than the minute that they are told for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Self

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.text import install

_DEPTH: Final = 0.25
"""Seconds of the limit that may leave at once."""
_USED: Final = 0.98
"""Of a limit: what is taken up of it."""
_UNITS: Final = 600_000
"""Units a minute at most, so that the time of one is at least 100 us."""
_WHOLE: Final = 1_000


@cache
def library() -> Any:
    """The library of the algorithm, which is read when it is first needed. Raises SetupError where it is not installed."""
    try:
        import pyrate_limiter
    except ImportError:
        raise SetupError("Rows cannot be sent: pyrate-limiter is not installed.", hint=install("bulk")) from None
    return pyrate_limiter


@cache
def _gcra() -> Any:
    """The algorithm, which holds no state."""
    return library().GCRA()


@dataclass(slots=True)
class Bucket:
    """One limit as GCRA: ``limit`` units a minute, the state its theoretical arrival time in microseconds."""

    limit: float
    unit: int = 1
    rates: list[Any] = field(default_factory=list)
    state: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, limit: float) -> Self:
        """A bucket of which nothing is taken."""
        bucket = cls(limit)
        bucket.set(limit)
        return bucket

    def set(self, limit: float) -> None:
        """Goes on with another limit."""
        make = library().Rate
        self.limit = limit
        self.unit = max(1, int(limit // _UNITS) + (limit > _UNITS))
        units = limit * _USED / self.unit
        burst = max(1, int(units / 60 * _DEPTH))
        # Few units a minute are a thousand in a longer time: the library counts in whole ones.
        rate = make(int(units), 60_000, burst=burst) if units >= _WHOLE else make(_WHOLE, round(60_000 * _WHOLE / units), burst=burst)
        self.rates = [rate]

    def take(self, now: int, amount: float) -> tuple[int, tuple[int, ...]]:
        """Milliseconds until the amount may leave, and the state after that."""
        rate = self.rates[0]
        weight = max(1, round(amount / self.unit))
        inside = min(weight, rate.burst)
        state, decision = _gcra().step(self.rates, self.state, now, inside)
        wait = decision.retry_after_ms or 0
        if wait:
            state, decision = _gcra().step(self.rates, self.state, now + wait, inside)
        return wait, (int(state[0]) + (weight - inside) * self.time,) if weight > inside else state

    @property
    def time(self) -> int:
        """Microseconds of one unit."""
        rate = self.rates[0]
        return int(max(1, -(-rate.interval * 1000 // rate.limit)))

    def begin(self, at: float) -> None:
        """Nothing is saved up at ``at``: what was refused leaves evenly, not all at once."""
        self.state = (int(at * 1e6) + (self.rates[0].burst - 1) * self.time,)

    def correct(self, amount: float) -> None:
        """Counts so much more, or less, than was taken."""
        self.state = (int(self.state[0] + amount / self.unit * self.time),)

    def packed(self) -> list[Any]:
        """All of it, as JSON has it."""
        return [self.limit, *self.state]

    @classmethod
    def unpacked(cls, values: Sequence[Any]) -> Self:
        """What ``packed`` gave."""
        bucket = cls.of(values[0])
        bucket.state = tuple(values[1:])
        return bucket
