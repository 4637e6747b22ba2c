"""A third of the clients is hostile: what do the others lose, and how much slower are they? Before it, a thousand calls are broken off."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import aiohttp

from benchmarks.soak.gateway_load import GatewayLoad
from benchmarks.soak.overload import Crowd
from benchmarks.soak.processes import ROOT

CALLERS = 10
_ATTACKS = ("half-open", "slow bodies after 401", "trailers", "unread replies", "big names")
"""Slow heads, slow bodies, trailers, replies that nobody reads, large names: one client each, half as many as callers."""
_SLOWER = 3.0
_ABORTS = 1_000
_AT_ONCE = 50


async def hostile_third(url: str, token: str, seconds: float, seed: int) -> dict[str, Any]:
    """A quiet run, one with the hostile third, and what is broken: a call that was lost or wrong, or a p99 of more than three times."""
    await _abort(url, token, seed)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, headers={"Authorization": f"Bearer {token}"}) as session:
        crowd = Crowd(session)
        await crowd.run(CALLERS, 1.0)
        quiet = await crowd.run(CALLERS, seconds)
        hostile = [await _start(name, url.rpartition(":")[2], seconds + 1) for name in _ATTACKS]
        try:
            loaded = await crowd.run(CALLERS, seconds)
        finally:
            for process in hostile:
                if process.returncode is None:
                    process.terminate()
                await process.wait()
    checks = {
        f"{crowd.wrong} calls were lost or wrong beside hostile clients": crowd.wrong,
        f"{loaded['shed']} calls were turned away beside hostile clients": loaded["shed"],
        f"calls became more than three times as slow beside hostile clients ({quiet} {loaded})": loaded["p99"] > _SLOWER * quiet["p99"],
    }
    return {"aborts": _ABORTS, "quiet": quiet, "loaded": loaded, "broken": [what for what, is_so in checks.items() if is_so]}


async def _start(name: str, port: str, seconds: float) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "benchmarks.hostile", "--crowd", name, port, str(seconds), "1")
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)


async def _abort(url: str, token: str, seed: int) -> None:
    """Breaks calls off at every stage: in the body, before the reply, in the middle of it."""
    load = GatewayLoad(url, token)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await load.abort(f"abort-{number}", random.Random(seed + number))

    await asyncio.gather(*map(one, range(_ABORTS)))
