"""When calls may leave: requests and tokens a minute for each model, learned from replies, and one pause for all after a refusal.

Slots are given by the generic cell rate algorithm (GCRA) with a depth of a quarter of a second, since limits are enforced over shorter
times than a minute. Tokens are estimated from bytes and corrected by what answers say was used.

One module: what may leave, what a reply teaches and how long all wait are one state of one model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Final

from kosha_connector_openai.core import Attempt
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import ApiError, ConnectorError

_DEPTH: Final = 0.25
"""Seconds of the limit that may leave at once."""
_USED: Final = 0.98
"""Of a limit: what is taken up of it."""
_DAY: Final = 600.0
"""Seconds: a limit that refills more slowly than in this time is none of a minute."""
_UNITS: Final = 600_000
"""Units a minute at most, so that the time of one is at least 100 us."""
_WHOLE: Final = 1_000
_PROBE: Final = 0.02
_FIRST: Final = 50.0
"""Requests a second that are tried first where no header tells a limit."""
_IN_USE: Final = 0.6
_HALF: Final = 0.5
_FEW: Final = 8
_BIT: Final = 0.8
"""So few answers between two refusals tell no rate; then a refusal leaves this part of it."""
_LESS: Final = (0.7, 0.97)
"""Else it leaves at least and at most so much."""
_GROWTH: Final = (1.002, 1.01)
"""How much a rate that is found by trying grows each half second: in the first seconds after a refusal, and later."""
_CALM: Final = 10.0
_PAUSES: Final = (0.25, 20.0)
"""Seconds: the first pause where a refusal tells none, and the longest."""


@cache
def _gcra() -> Any:
    """The algorithm, which holds no state; its library is read when the first limit is known."""
    from pyrate_limiter import GCRA

    return GCRA()


@dataclass(slots=True)
class _Bucket:
    """One limit as GCRA: ``limit`` units a minute, the state its theoretical arrival time in microseconds."""

    limit: float
    unit: int = 1
    rates: list[Any] = field(default_factory=list)
    state: tuple[int, ...] = (0,)

    def set(self, limit: float) -> None:
        from pyrate_limiter import Rate

        self.limit = limit
        self.unit = max(1, int(limit // _UNITS) + (limit > _UNITS))
        units = limit * _USED / self.unit
        burst = max(1, int(units / 60 * _DEPTH))
        # Few units a minute are a thousand in a longer time: the library counts in whole ones.
        rate = Rate(int(units), 60_000, burst=burst) if units >= _WHOLE else Rate(_WHOLE, round(60_000 * _WHOLE / units), burst=burst)
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
        return wait, (int(state[0]) + (weight - inside) * self.time,)

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


@dataclass(slots=True)
class _Lane:
    """The limits of one model, and what is known of it."""

    requests: _Bucket | None = None
    tokens: _Bucket | None = None
    known: bool = False
    """Whether an answer told the limits, or that there are none to see."""
    probing: float = -1.0
    ratio: float = 0.3
    """Tokens that a byte of a request stands for, its answer's included."""
    measured: int = 0
    adaptive: bool = False
    """Whether the rate is found by trying, since no header tells it."""
    doubling: bool = False
    left: int = 0
    """Attempts that were let go since the rate was last looked at."""
    raised: float = 0.0
    refused: float = -1.0
    """When the attempt left that was refused last; -1 where none was."""
    served: int = 0
    """Answers to attempts that have left since."""


@dataclass(slots=True)
class _Slot:
    """What an attempt took."""

    at: float
    epoch: int
    tokens: float = 0.0
    probe: bool = False


class Pace:
    """The pace of one run; give it to each call as ``CallOptions.pace``. For one event loop or one thread."""

    def __init__(
        self,
        *,
        requests: float | None = None,
        tokens: float | None = None,
        share: float = 1.0,
        again: bool = True,
        count: Callable[[Mapping[str, Any] | None], float | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``requests`` and ``tokens`` a minute are limits of each model where they are known; else replies tell.

        ``share`` is the part of told limits that is ours. ``again``: an attempt that was turned away leaves again by itself. ``count``
        reads the tokens of an answer's usage.
        """
        self._count = count
        self._given = {"requests": requests, "tokens": tokens}
        self._share, self._again, self._clock = share, again, clock
        self._lanes: dict[str | None, _Lane] = {}
        self._epoch = 0
        self._until = 0.0
        self._streak = 0
        self.refused = 0
        """Attempts that were turned away."""

    @property
    def paused(self) -> float:
        """Seconds for which nothing leaves."""
        return max(0.0, self._until - self._clock())

    def wait(self, attempt: Attempt) -> float:
        """As CallPace."""
        now = self._clock()
        if now < self._until:
            return self._until - now
        slot: _Slot | None = attempt.taken
        if slot is not None and slot.epoch == self._epoch:
            if slot.at > now:
                return slot.at - now
            attempt.granted = True
            return 0.0
        lane = self._lane(attempt.model)
        if slot is not None and slot.probe:
            lane.probing = -1.0
        if not lane.known:
            if lane.probing >= 0 and now - lane.probing < 600:  # noqa: PLR2004 - a probe that never came back
                return _PROBE
            lane.probing = now
            attempt.taken, attempt.granted = _Slot(now, self._epoch, attempt.size * lane.ratio, probe=True), True
            return 0.0
        attempt.taken = slot = self._take(lane, attempt, now)
        attempt.granted = slot.at <= now
        return max(0.0, slot.at - now)

    def before_claim(self, attempt: Attempt) -> float:
        """``wait``, asked before a row is claimed for the attempt."""
        return self.wait(attempt)

    def release(self, attempt: Attempt) -> None:
        """The attempt does not leave after all."""
        slot: _Slot | None = attempt.taken
        if slot is not None and slot.probe:
            self._lane(attempt.model).probing = -1.0
        attempt.taken = None

    def _take(self, lane: _Lane, attempt: Attempt, now: float) -> _Slot:
        lane.left += 1
        estimate = attempt.size * lane.ratio
        wait, states = 0, []
        for bucket, amount in ((lane.requests, 1.0), (lane.tokens, estimate)):
            if bucket is not None:
                found, state = bucket.take(int(now * 1000), amount)
                wait = max(wait, found)
                states.append((bucket, state))
        for bucket, state in states:
            bucket.state = state
        return _Slot(now + wait / 1000, self._epoch, estimate)

    def _lane(self, model: str | None) -> _Lane:
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = _Lane()
            for name, limit in self._given.items():
                if limit is not None:
                    self._set(lane, name, limit)
                    lane.known = True
        return lane

    def _set(self, lane: _Lane, name: str, limit: float) -> None:
        limit *= self._share
        bucket: _Bucket | None = getattr(lane, name)
        if bucket is None:
            bucket = _Bucket(limit)
            setattr(lane, name, bucket)
        elif bucket.limit == limit:
            return
        bucket.set(limit)

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON has it."""
        lanes = {
            model or "": {**asdict(lane), **{name: _packed(getattr(lane, name)) for name in self._given}}
            for model, lane in self._lanes.items()
        }
        return {"lanes": lanes, "until": self._until, "streak": self._streak, "epoch": self._epoch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Knows what ``state`` gave, and nothing else."""
        self._until, self._streak, self._epoch = state["until"], state["streak"], state["epoch"]
        self._lanes = {
            model or None: _Lane(**{**lane, **{name: _unpacked(lane[name]) for name in self._given}})
            for model, lane in state["lanes"].items()
        }

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace."""
        lane, now = self._lane(attempt.model), self._clock()
        slot: _Slot = attempt.taken or _Slot(now, self._epoch)
        attempt.taken = None
        if slot.probe:
            lane.probing = -1.0
        self._learn(lane, limits, error)
        if turned_away(error):
            self.refused += 1
            self._pause(error, limits, slot, lane, now)
            return self._again
        if error is None:
            self._streak = 0
            lane.served += slot.at > lane.refused
            self._raise(lane, now)
        if result is not None:
            self._measure(lane, attempt, slot, result)
        return False

    def _learn(self, lane: _Lane, limits: Mapping[str, float], error: ConnectorError | None) -> None:
        for name, given in self._given.items():
            limit = limits.get(f"limit_{name}")
            if given is None and limit and limit > 0:
                lane.adaptive = False
                self._set(lane, name, _a_minute(limit, limits.get(f"remaining_{name}"), limits.get(f"reset_{name}")))
        if not lane.known and (limits or error is None or isinstance(error, ApiError)):
            lane.known = True
            if lane.requests is None and lane.tokens is None:
                lane.adaptive = lane.doubling = True
                lane.raised = self._clock()
                lane.requests = _Bucket(0)
                lane.requests.set(_FIRST * 60)

    def _pause(self, error: ConnectorError | None, limits: Mapping[str, float], slot: _Slot, lane: _Lane, now: float) -> None:
        told = error.retry_after if isinstance(error, ApiError) else None
        if slot.epoch == self._epoch:  # those that were on their way when the pause began say nothing new
            self._streak += 1
            self._slow(lane, slot, now)
            self._epoch += 1
        first, most = _PAUSES
        wait = told if told is not None else min(most, first * 2 ** (self._streak - 1))
        self._until = max(self._until, now + wait)
        for each in self._lanes.values():
            for bucket in (each.requests, each.tokens):
                if bucket is not None:
                    bucket.begin(self._until)

    def _slow(self, lane: _Lane, slot: _Slot, now: float) -> None:
        """Where no header tells a limit, it is what was served from one refusal to the next; the first refusal halves the rate."""
        if not lane.adaptive or lane.requests is None:
            return
        rate = lane.requests.limit
        if lane.doubling:
            slower = rate * _HALF
        elif lane.served < _FEW:
            slower = rate * _BIT
        else:
            least, most = _LESS
            slower = min(rate * most, max(rate * least, lane.served * 60 / max(slot.at - lane.refused, 0.001)))
        lane.refused, lane.served = slot.at, 0
        lane.doubling, lane.raised, lane.left = False, now, 0
        lane.requests.set(max(6.0, slower))

    def _raise(self, lane: _Lane, now: float) -> None:
        """Doubles each half second until something is refused, then grows slowly, and less slowly where nothing was for a while."""
        if lane.requests is None or not lane.adaptive or now - lane.raised < 0.5:  # noqa: PLR2004 - seconds
            return
        rate, used = lane.requests.limit / 60, lane.left / (now - lane.raised)
        lane.raised, lane.left = now, 0
        if used < rate * _IN_USE:
            return  # what is not used up tells nothing about the limit
        lane.requests.set(lane.requests.limit * (2 if lane.doubling else _GROWTH[now - lane.refused > _CALM]))

    def _measure(self, lane: _Lane, attempt: Attempt, slot: _Slot, result: Result) -> None:
        used = self._count(result.usage)
        if used is None or not attempt.size:
            return
        lane.measured += 1
        weight = max(0.05, 1 / lane.measured)
        lane.ratio += (used / attempt.size - lane.ratio) * weight
        if lane.tokens is not None:
            lane.tokens.correct(used - slot.tokens)


def _packed(bucket: _Bucket | None) -> list[Any] | None:
    return None if bucket is None else [bucket.limit, *bucket.state]


def _unpacked(values: Sequence[Any] | None) -> _Bucket | None:
    if values is None:
        return None
    bucket = _Bucket(values[0], state=tuple(values[1:]))
    bucket.set(values[0])
    return bucket


def _a_minute(limit: float, remaining: float | None, reset: float | None) -> float:
    """The limit for a minute; one that refills over a day is told by how slowly it does."""
    if remaining is not None and reset and limit > remaining:
        window = limit * reset / (limit - remaining)
        if window > _DAY:
            return max(1.0, limit * 60 / window)
    return limit


class Granted:
    """The pace of one call whose first attempt was let go already."""

    def __init__(self, pace: Pace, first: Attempt) -> None:
        self._pace, self._first = pace, first

    def wait(self, attempt: Attempt) -> float:
        """As CallPace."""
        if self._first.taken is not None:
            attempt.taken, self._first.taken = self._first.taken, None
            attempt.size = self._first.size  # what is learned of tokens is learned of the size that they were estimated from
        return self._pace.wait(attempt)

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace; a refusal is the runner's to deal with."""
        self._pace.answered(attempt, limits, result, error)
        return False


class InFlight:
    """How many rows are under way at most: grows with answers, shrinks where the server is too busy (AIMD)."""

    def __init__(self, most: int, start: int = 8) -> None:
        self.most = most
        self.size = min(start, most)
        self._grown: float = self.size
        self._slow = False
        self._shrunk = 0.0

    def answered(self) -> bool:
        """One more answer; whether there is room for one more row."""
        if self.size >= self.most:
            return False
        self._grown = min(self.most, self._grown + (1 / self._grown if self._slow else 1))
        before, self.size = self.size, int(self._grown)
        return self.size > before

    def busy(self, now: float) -> None:
        """The server is too busy; counts once a second."""
        if now - self._shrunk >= 1.0:
            self._shrunk, self._slow = now, True
            self._grown = max(1.0, self._grown * 0.7)
            self.size = int(self._grown)
