"""One call after the other, inputs validated and the answer decoded; peers on the same HTTP library do neither check nor more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from benchmarks import clients, event_loop
from benchmarks.measure import Bar, Effort, Figure, Series, compare, cpu, measure

EFFORT = Effort(rounds=11, calls=150)
BARE_BAR = Bar(ratio=1.2)
SDK_BAR = Bar(ratio=0.55)

Clients = Mapping[str, Callable[[str], AbstractContextManager[clients.Call]]]


def run(url: str, effort: Effort) -> list[Figure]:
    """From a thread against httpx and the vendor's client; on an event loop against aiohttp."""
    sync = threaded({"ours": clients.ours, "httpx": clients.bare_httpx, "openai": clients.sdk}, url, effort)
    loop = event_loop.series({"ours": clients.ours_aiohttp, "aiohttp": clients.bare_aiohttp}, url, effort, in_flight=1)
    return [
        compare("sequential call", sync, "ours", "httpx", BARE_BAR),
        compare("sequential call", sync, "ours", "openai", SDK_BAR),
        compare("sequential call, asyncio", loop, "ours", "aiohttp"),
    ]


def threaded(contestants: Clients, url: str, effort: Effort) -> Series:
    """The cost of a call for each client, called from this thread."""
    with ExitStack() as stack:
        calls = {name: stack.enter_context(client(url)) for name, client in contestants.items()}
        return measure({name: partial(cpu, call, effort.calls) for name, call in calls.items()}, effort.rounds)
