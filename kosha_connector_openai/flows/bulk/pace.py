"""When calls may leave: requests and tokens a minute for each model, learned from replies, and one pause for all after a refusal.

Tokens are estimated from bytes and corrected by what answers say was used. What is refused although the told limits allow it, since others
use them too, makes an adaptive rate below them, as where nothing is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.core import Attempt
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import ApiError, ConnectorError, NotSentError
from kosha_connector_openai.flows.bulk.adaptive_rate import AdaptiveRate
from kosha_connector_openai.flows.bulk.model_limits import ModelLimits

_DAY: Final = 600.0
"""Seconds: a limit that refills more slowly than in this time is none of a minute."""
_PROBE: Final = 0.02
_PAUSES: Final = (0.25, 20.0)
"""Seconds: the first pause where a refusal tells none, and the longest."""
_SLACK: Final = (0.1, 0.02)
"""Seconds for which a pause is longer than told, so that not the first delay of a reply makes the next one; and those of one of several
processes under a told limit, which takes its turn close behind another's and leaves room for the next."""
_ROOM: Final = (60.0, 0.98)
"""Where its share of a told limit is less than so many requests a minute, one of several processes takes this part of it, so that each
finds a turn between the others'."""
_SOON: Final = (0.25, 1.0)
"""Seconds: a slot is given no longer than this before it, while the rate grows quickly, and else."""
_ASKED: Final = 0.5
"""Seconds after which a call that waits asks again, so that it ends with the run."""
_OFTEN: Final = (5, 8)
"""So many refusals with fewer attempts than these from each to the next say that less is served than the told limits allow."""


@dataclass(slots=True)
class _Slot:
    """What an attempt took."""

    at: float
    epoch: int
    tokens: float = 0.0
    probe: bool = False
    number: int = 0


class Pace:
    """The pace of one run; give it to each call as ``CallOptions.pace``. For one event loop or one thread."""

    is_common = False
    """Whether other processes take its slots, too: then each time that it is asked takes a commit."""

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
        self._models: dict[str | None, ModelLimits] = {}
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
            return 0.0
        model = self._model(attempt.model)
        if slot is not None and slot.probe:
            model.probing = -1.0
        if not model.known:
            if model.probing >= 0 and now - model.probing < 600:  # noqa: PLR2004 - a probe that never came back
                return _PROBE
            model.probing = now
            attempt.taken = _Slot(now, self._epoch, attempt.size * model.ratio, probe=True)
            return 0.0
        return self._take(model, attempt, now)

    def before_claim(self, attempt: Attempt) -> float:
        """``wait``, asked before a row is claimed for the attempt."""
        return self.wait(attempt)

    def release(self, attempt: Attempt) -> None:
        """The attempt does not leave after all."""
        slot: _Slot | None = attempt.taken
        if slot is not None and slot.probe:
            self._model(attempt.model).probing = -1.0
        attempt.taken = None

    def _take(self, model: ModelLimits, attempt: Attempt, now: float) -> float:
        """Seconds until the attempt may leave. It gets its slot shortly before: what waits longer leaves at the rate that holds then."""
        estimate = attempt.size * model.ratio
        soon = _SOON[self.is_common or model.rate is None or not model.rate.search]
        wait = model.take(now, estimate, soon)
        if wait > soon:
            attempt.taken = None
            return wait - soon / 2
        model.sent += 1
        attempt.taken = _Slot(now + wait, self._epoch, estimate, number=model.sent)
        return wait

    def _model(self, name: str | None) -> ModelLimits:
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = ModelLimits()
            for kind, limit in self._given.items():
                if limit is not None:
                    model.tell(kind, self._part(kind, limit))
                    model.known = True
        return model

    def _part(self, name: str, limit: float) -> float:
        """What is ours of a limit a minute."""
        part, (few, room) = limit * self._share, _ROOM
        return part * room if self._share < 1 and name == "requests" and part < few else part

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON has it."""
        models = {name or "": model.packed() for name, model in self._models.items()}
        return {"models": models, "until": self._until, "streak": self._streak, "epoch": self._epoch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Knows what ``state`` gave, and nothing else."""
        self._until, self._streak, self._epoch = state["until"], state["streak"], state["epoch"]
        self._models = {name or None: ModelLimits.unpacked(model) for name, model in state["models"].items()}

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace."""
        model, now = self._model(attempt.model), self._clock()
        slot: _Slot = attempt.taken or _Slot(now, self._epoch)
        attempt.taken = None
        if slot.probe:
            model.probing = -1.0
        is_told = self._learn(model, limits, error)
        if slot.probe:
            model.take(slot.at, slot.tokens)
        if turned_away(error):
            self.refused += 1
            self._pause(error, slot, model, now, is_told=is_told)
            return self._again
        if error is None:
            self._streak = 0
            if model.rate is not None and model.rate.serve(slot.at, is_late=slot.epoch != self._epoch):
                model.set_rate()
        if result is not None:
            self._measure(model, attempt, slot, result)
        return False

    def _learn(self, model: ModelLimits, limits: Mapping[str, float], error: ConnectorError | None) -> bool:
        """Takes the told limits up; whether one of them is another than before."""
        is_told = False
        for name, given in self._given.items():
            limit = limits.get(f"limit_{name}")
            if given is None and limit and limit > 0:
                a_minute = _a_minute(limit, limits.get(f"remaining_{name}"), limits.get(f"reset_{name}"))
                is_told |= model.tell(name, self._part(name, a_minute))
        if not model.known and (limits or error is None or isinstance(error, ApiError)):
            model.known = True
            if not model.told:
                model.rate = AdaptiveRate(window=self._clock(), share=self._share)
                model.set_rate()
        return is_told

    def _pause(self, error: ConnectorError | None, slot: _Slot, model: ModelLimits, now: float, *, is_told: bool) -> None:
        if slot.epoch == self._epoch:  # those that were on their way when the pause began say nothing new
            self._streak += 1
            self._epoch += 1
            if not is_told:
                self._slow(model, slot)
            for each in self._models.values():
                each.sent = 0
        self._until = max(self._until, now + self._seconds(error, model))
        for each in self._models.values():
            for bucket in each.buckets:
                bucket.begin(self._until)

    def _seconds(self, error: ConnectorError | None, model: ModelLimits) -> float:
        """How long nothing leaves after a refusal: as it tells, else the longer the more there were, and at least one request's time."""
        told = error.retry_after if isinstance(error, ApiError) else None
        if told is not None:
            return told + _SLACK[self._share < 1 and model.rate is None]
        first, most = _PAUSES
        one = 1 / model.rate.rate if model.rate is not None else 0.0
        return min(most, max(first * 2.0 ** (self._streak - 1), one))

    def _slow(self, model: ModelLimits, slot: _Slot) -> None:
        before, (times, few) = max(0, slot.number - 1), _OFTEN
        model.often = model.often + 1 if before < few else 0
        if model.rate is not None:
            model.rate.refuse(slot.at, before)
        elif model.often >= times:  # the limits are told, and others use them too
            requests, tokens = model.told.get("requests"), model.told.get("tokens")
            rate = requests if requests is not None else (tokens or 0) / max(1.0, slot.tokens)
            model.rate = AdaptiveRate.below(rate / 60, slot.at, self._share)
        model.set_rate()

    def _measure(self, model: ModelLimits, attempt: Attempt, slot: _Slot, result: Result) -> None:
        used = self._count(result.usage)
        if used is None or not attempt.size:
            return
        model.measured += 1
        weight = max(0.05, 1 / model.measured)
        model.ratio += (used / attempt.size - model.ratio) * weight
        if model.tokens is not None:
            model.tokens.correct(used - slot.tokens)


def _a_minute(limit: float, remaining: float | None, reset: float | None) -> float:
    """The limit for a minute; one that refills over a day is told by how slowly it does."""
    if remaining is not None and reset and limit > remaining:
        window = limit * reset / (limit - remaining)
        if window > _DAY:
            return max(1.0, limit * 60 / window)
    return limit


class Granted:
    """The pace of one call whose first attempt was let go already; a call that waits when the run ``is_over`` does not leave."""

    def __init__(self, pace: Pace, first: Attempt, is_over: Callable[[], bool] = lambda: False) -> None:
        self._pace, self._first, self._is_over = pace, first, is_over

    def wait(self, attempt: Attempt) -> float:
        """As CallPace; raises NotSentError when the run is over."""
        if self._first.taken is not None:
            attempt.taken, self._first.taken = self._first.taken, None
            attempt.size = self._first.size  # what is learned of tokens is learned of the size that they were estimated from
        wait = self._pace.wait(attempt)
        if wait > 0 and self._is_over():
            self._pace.release(attempt)
            raise NotSentError("The run ended before this call could leave.", phase="pool")
        return min(wait, _ASKED)

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace; a refusal is the runner's to deal with."""
        self._pace.answered(attempt, limits, result, error)
        return False
