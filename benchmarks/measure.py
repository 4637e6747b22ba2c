"""Contestants measured in turn, their CPU time compared round by round.

A shared machine is slower in one minute than in the next, so each round measures every contestant, the order moves on by one
each round, and what is reported of a comparison is the median of the rounds' ratios.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Contestant = Callable[[], float]
"""Does its work once, and gives its cost: seconds of CPU time per unit."""
Series = Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds, and calls in each."""

    rounds: int
    calls: int


@dataclass(frozen=True, slots=True)
class Bar:
    """What was promised: at most this share of the peer's cost, or at most so many seconds; of a share, at least or at most this much."""

    ratio: float | None = None
    seconds: float | None = None
    least: float | None = None
    most: float | None = None


NO_BAR = Bar()


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report; costs in seconds of CPU time, or a share where the bar is of one."""

    name: str
    ours: float
    peer_name: str = ""
    peer: float | None = None
    ratio: float | None = None
    bar: Bar = NO_BAR

    @property
    def met(self) -> bool | None:
        """Whether the promise was kept; None where none was made."""
        if self.bar.least is not None or self.bar.most is not None:
            return (self.bar.least or 0.0) <= self.ours and (self.bar.most is None or self.ours <= self.bar.most)
        if self.bar.seconds is not None:
            return self.ours <= self.bar.seconds
        if self.bar.ratio is not None and self.ratio is not None:
            return self.ratio <= self.bar.ratio
        return None


def cpu(work: Callable[[], object], calls: int = 1) -> float:
    """Seconds of this process's CPU time, all threads, for one of ``calls`` runs of ``work``."""
    gc.collect()
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def measure(contestants: Mapping[str, Contestant], rounds: int) -> Series:
    """Every contestant's cost in every round; a round before the first warms up and is not kept."""
    names = list(contestants)
    series: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            cost = contestants[name]()
            if turn:
                series[name].append(cost)
    return series


def compare(name: str, series: Series, ours: str, peer: str, bar: Bar = NO_BAR) -> Figure:
    """The medians of two contestants, and the median of their ratios in each round."""
    ratios = [one / other for one, other in zip(series[ours], series[peer], strict=True)]
    return Figure(name, median(series[ours]), peer, median(series[peer]), median(ratios), bar)
