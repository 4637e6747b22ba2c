"""Many calls in flight on one event loop, as a workflow engine has them."""

from __future__ import annotations

from benchmarks import clients, event_loop
from benchmarks.measure import Bar, Effort, Figure, compare

EFFORT = Effort(rounds=9, calls=640)
BAR = Bar(ratio=0.25)
IN_FLIGHT = 64


def run(url: str, effort: Effort) -> list[Figure]:
    """The connector on aiohttp against httpx's own client, and against aiohttp with nothing around it."""
    contestants = {"ours": clients.ours_aiohttp, "httpx": clients.bare_httpx_async, "aiohttp": clients.bare_aiohttp}
    series = event_loop.series(contestants, url, effort, in_flight=IN_FLIGHT)
    return [
        compare(f"{IN_FLIGHT} calls in flight", series, "ours", "httpx", BAR),
        compare(f"{IN_FLIGHT} calls in flight", series, "ours", "aiohttp"),
    ]
