"""Five times more calls than fit, for a while: what is taken, what is turned away and how fast, and how long until all is as before."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from benchmarks.soak.tally import said, saying

_TIMES = 5
SLOW = 0.4
"""Seconds that the upstream takes for each call, so that places are what is scarce, not the processor."""
_SLOWER = 2.0
_SHED_SECONDS = 0.25
"""The queue's wait, 0.1 s, is part of it."""
_MEMORY = 100 * 2**20
_BACK = 10.0
_FULL = frozenset({429, 503})


async def overload(url: str, token: str, places: int, seconds: float, resident: Callable[[], int]) -> dict[str, Any]:
    """``places``: calls that the gateway takes at once. Closed loops: as many callers as places, then five times as many."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, headers={"Authorization": f"Bearer {token}"}) as session:
        crowd = Crowd(session)
        await crowd.run(places, 1.0)
        nominal = await crowd.run(places, max(3.0, seconds / 5))
        before = resident()
        watch = asyncio.create_task(_peak(resident))
        loaded = await crowd.run(places * _TIMES, seconds)
        ended = time.monotonic()
        watch.cancel()
        grown = max(0, await _result(watch) - before)
        back = await crowd.until_calm(places, _SLOWER * nominal["p99"], ended)
    broken = [
        f"{what} ({loaded})"
        for what, is_so in (
            ("a call under overload was lost or wrong", crowd.wrong),
            ("nothing was turned away", not loaded["shed"]),
            ("a refusal lacked Retry-After", crowd.without),
            ("calls that were taken became more than twice as slow", loaded["p99"] > _SLOWER * nominal["p99"]),
            (f"refusals took more than {_SHED_SECONDS} s", loaded["shed_p99"] > _SHED_SECONDS),
            ("memory grew by more than 100 MiB", grown > _MEMORY),
            ("it was not back to normal within 10 s", back > _BACK),
        )
        if is_so
    ]
    return {"nominal": nominal, "loaded": loaded, "grown_mib": round(grown / 2**20, 1), "back_seconds": round(back, 2), "broken": broken}


class Crowd:
    """Callers that ask again as soon as they have an answer, or a while after they were turned away."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.sent = 0
        self.wrong = 0
        self.without = 0

    async def run(self, callers: int, seconds: float) -> dict[str, float]:
        """Counts and 99th percentiles in seconds."""
        taken: list[float] = []
        shed: list[float] = []
        end = time.monotonic() + seconds

        async def caller(number: int) -> None:
            await asyncio.sleep(number * 0.002)
            while time.monotonic() < end:
                status, spent = await self._call()
                (shed if status in _FULL else taken).append(spent)
                if status in _FULL:
                    await asyncio.sleep(0.5)

        await asyncio.gather(*map(caller, range(callers)))
        return {"taken": len(taken), "p99": percentile(taken), "shed": len(shed), "shed_p99": percentile(shed)}

    async def until_calm(self, callers: int, slowest: float, since: float) -> float:
        """Seconds until a round of ordinary work had nobody turned away and nobody slower than that."""
        while time.monotonic() - since < 3 * _BACK:
            began = time.monotonic()
            found = await asyncio.gather(*(self._call() for _ in range(callers)))
            if all(status == 200 and spent <= slowest for status, spent in found):
                return began - since
        return time.monotonic() - since

    async def _call(self) -> tuple[int, float]:
        self.sent += 1
        mark = f"overload-{self.sent}"
        began = time.monotonic()
        async with self._session.post("/v1/chat/completions", json=saying(mark)) as answer:
            body = await answer.read()
        spent = time.monotonic() - began
        if answer.status in _FULL:
            self.without += not answer.headers.get("retry-after", "").isdigit()
        elif answer.status != 200 or json.loads(body)["choices"][0]["message"]["content"] != said(mark):
            self.wrong += 1
        return answer.status, spent


async def _peak(resident: Callable[[], int]) -> int:
    most = resident()
    try:
        while True:
            most = max(most, resident())
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return most


async def _result(task: asyncio.Task[int]) -> int:
    return await task


def percentile(values: list[float], share: float = 0.99) -> float:
    """The value below which that share of them lies; 0 for none."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 4) if values else 0.0
