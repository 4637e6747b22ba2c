"""What the gateway adds to a call's time at a steady pace, beside the barest relay and the way without any, in turn.

``python -m benchmarks.gateway_latency [--rate 50] [--seconds 20] [--sustained 75] [--sustained-seconds 60]``. Calls start at their times,
whatever the others do, and their times are measured from when they should have started. Not a part of ``python -m benchmarks``: its
figures are wall time, and mean something on an otherwise idle machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from dataclasses import dataclass, field
from statistics import median

import aiohttp

from benchmarks.gateway import _CALL, _HEADERS, _child
from benchmarks.soak.overload import percentile
from benchmarks.upstream import upstream

_WARM = 2.0
_CALLS = "/v1/completions"


@dataclass(slots=True)
class _Way:
    """One way to the upstream: the times of its calls in seconds, and how many failed."""

    url: str
    times: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def p50(self) -> float:
        return median(self.times)

    @property
    def p99(self) -> float:
        return percentile(self.times)


def main() -> int:
    """Prints both tables; 1 where a call failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_latency", description=__doc__)
    parser.add_argument("--rate", type=float, default=50, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20, help="for each way, in slices of a fourth of it")
    parser.add_argument("--sustained", type=float, default=75, help="calls a second, on one core")
    parser.add_argument("--sustained-seconds", type=float, default=60)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} at the start, {os.cpu_count()} cores")
    with upstream() as url, _child("ours", url) as ours, _child("aiohttp", url) as bare:
        ways = {"direct": _Way(url), "aiohttp": _Way(bare.url), "ours": _Way(ours.url)}
        asyncio.run(_turns(ways, options.rate, options.seconds))
        _print(f"{options.rate:g} calls a second", ways)
        before = ours.cpu()
        long = {name: _Way(ways[name].url) for name in ("direct", "ours")}
        asyncio.run(_turns(long, options.sustained, options.sustained_seconds, slices=1))
        spent = (ours.cpu() - before) / options.sustained_seconds
        _print(f"{options.sustained:g} calls a second for {options.sustained_seconds:g} s", long)
    print(f"the gateway's process used {spent:.0%} of a core")
    print(f"load average {os.getloadavg()[0]:.1f} at the end")
    return int(any(way.failed for way in (*ways.values(), *long.values())))


async def _turns(ways: dict[str, _Way], rate: float, seconds: float, slices: int = 4) -> None:
    """Each way for a while, in turn, the order moving on; a first slice warms up and is forgotten."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=_HEADERS) as session:
        names = list(ways)
        for name in names:
            await _pace(session, _Way(ways[name].url), rate, _WARM)
        for turn in range(slices):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                await _pace(session, ways[name], rate, seconds / slices)


async def _pace(session: aiohttp.ClientSession, way: _Way, rate: float, seconds: float) -> None:
    chance = random.Random(len(way.times))
    start = time.monotonic()

    async def one(due: float) -> None:
        async with session.post(way.url + _CALLS, data=_CALL) as answer:
            await answer.read()
        way.failed += answer.status != 200
        way.times.append(time.monotonic() - due)

    tasks, at = [], 0.0
    while (at := at + chance.uniform(0.5, 1.5) / rate) < seconds:
        await asyncio.sleep(max(0.0, start + at - time.monotonic()))
        tasks.append(asyncio.create_task(one(start + at)))
    await asyncio.gather(*tasks)


def _print(title: str, ways: dict[str, _Way]) -> None:
    direct = ways["direct"]
    print(title)
    for name, way in ways.items():
        added = "" if way is direct else f"; added {(way.p50 - direct.p50) * 1e3:.2f} and {(way.p99 - direct.p99) * 1e3:.2f} ms"
        print(f"  {name:8} {len(way.times)} calls, {way.failed} failed: p50 {way.p50 * 1e3:.2f} ms, p99 {way.p99 * 1e3:.2f} ms{added}")


if __name__ == "__main__":
    sys.exit(main())
