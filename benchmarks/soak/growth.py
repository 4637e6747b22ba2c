"""What a process holds, second by second: does it keep growing after it has warmed up?"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.soak.processes import Watched

_HOUR = 3600.0
_MIB = 2**20
_SLOPE = 1.0
"""MiB an hour."""
_NOISE = 6.0
"""MiB: less than this over the whole time after the warm-up is no trend; a short run can tell no finer."""
_LONG = _HOUR
"""Seconds from which on the slope alone decides."""
_MORE_DESCRIPTORS = 5
_MORE_THREADS = 2


class Growth:
    """Samples of one process; the warm-up counts for the most that it may hold at the end, not for the slope."""

    def __init__(self, process: Watched, warm: float) -> None:
        self._process = process
        self._warm = warm
        self._start = time.monotonic()
        self._samples: list[tuple[float, int]] = []
        self._first = (process.descriptors(), process.threads())
        self._warmed = self._first

    async def watch(self) -> None:
        """Samples until it is cancelled."""
        while True:
            at = time.monotonic() - self._start
            self._samples.append((at, self._process.resident()))
            if at < self._warm:
                self._warmed = (max(self._warmed[0], self._process.descriptors()), max(self._warmed[1], self._process.threads()))
            await asyncio.sleep(1)

    @property
    def slope(self) -> float:
        """MiB an hour after the warm-up, by least squares."""
        kept = self._kept()
        if len(kept) < 3:
            return 0.0
        middle = sum(at for at, _ in kept) / len(kept)
        height = sum(size for _, size in kept) / len(kept)
        spread = sum((at - middle) ** 2 for at, _ in kept)
        return sum((at - middle) * (size - height) for at, size in kept) / spread * _HOUR / _MIB

    @property
    def back(self) -> bool:
        """Whether descriptors are as at the start, and threads as after the warm-up."""
        descriptors, threads = self._process.descriptors(), self._process.threads()
        return descriptors <= self._first[0] + _MORE_DESCRIPTORS and threads <= self._warmed[1] + _MORE_THREADS

    def broken(self) -> list[str]:
        """What is not as it should be, after the work."""
        kept = self._kept()
        length = kept[-1][0] - kept[0][0] if kept else 0.0
        grown = self.slope * length / _HOUR
        found = []
        if self.slope > _SLOPE and (length >= _LONG or grown > _NOISE):
            found.append(f"memory grows by {self.slope:.1f} MiB an hour")
        return [*found, *self.kept_open()]

    def kept_open(self, more: int = 0) -> list[str]:
        """Descriptors and threads that were not given back; ``more`` connections may rest in the pool."""
        if self.back or self._process.descriptors() <= self._first[0] + _MORE_DESCRIPTORS + more:
            return []
        return [f"descriptors {self._first[0]} -> {self._process.descriptors()}, threads {self._warmed[1]} -> {self._process.threads()}"]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        kept = self._kept() or [(0.0, 0)]
        return {
            "slope_mib_per_hour": round(self.slope, 2),
            "over_minutes": round((kept[-1][0] - kept[0][0]) / 60, 1),
            "resident_mib": [round(kept[0][1] / _MIB, 1), round(kept[-1][1] / _MIB, 1)],
            "descriptors": [self._first[0], self._process.descriptors()],
            "threads": [self._warmed[1], self._process.threads()],
        }

    def _kept(self) -> list[tuple[float, int]]:
        return [sample for sample in self._samples if sample[0] >= self._warm]
