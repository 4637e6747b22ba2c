"""Clients on one event loop: how the calls of a round are shared among workers, and what a call costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from benchmarks.clients import AsyncCall
from benchmarks.measure import Effort, Series, cpu, measure

Clients = Mapping[str, Callable[[str], AbstractAsyncContextManager[AsyncCall]]]


def series(contestants: Clients, url: str, effort: Effort, *, in_flight: int) -> Series:
    """The cost of a call for each client, with so many in flight; all clients live on one loop."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            calls = {name: runner.run(stack.enter_async_context(client(url))) for name, client in contestants.items()}
            costs = {name: partial(_cost, runner, call, effort.calls, in_flight) for name, call in calls.items()}
            return measure(costs, effort.rounds)
        finally:
            runner.run(stack.aclose())


async def share(call: AsyncCall, calls: int, in_flight: int) -> None:
    """``calls`` calls, ``in_flight`` at a time; each worker starts its next one when its last one is answered."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(worker(len(range(index, calls, in_flight))) for index in range(in_flight)))


def _cost(runner: asyncio.Runner, call: AsyncCall, calls: int, in_flight: int) -> float:
    return cpu(lambda: runner.run(share(call, calls, in_flight))) / calls
