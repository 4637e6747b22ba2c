"""One stream of 1,000 events, read to its end; the cost is that of one event."""

from __future__ import annotations

from benchmarks import clients
from benchmarks.measure import Effort, Figure, compare
from benchmarks.sequential import threaded
from benchmarks.upstream import EVENTS

EFFORT = Effort(rounds=9, calls=3)


def run(url: str, effort: Effort) -> list[Figure]:
    """Against httpx's line reader with each line's JSON decoded, and against the vendor's client."""
    contestants = {"ours": clients.ours_stream, "httpx": clients.bare_httpx_stream, "openai": clients.sdk_stream}
    whole = threaded(contestants, url, effort)
    series = {name: [cost / EVENTS for cost in costs] for name, costs in whole.items()}
    return [compare("event of a stream", series, "ours", peer) for peer in ("httpx", "openai")]
