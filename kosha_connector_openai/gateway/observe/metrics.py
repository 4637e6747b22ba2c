"""The gateway's metrics, in a registry of each service's own; labels are operation ids, so that their number is bounded.

Prometheus's client writes them; its own counters cost a call more than all that is counted of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from threading import Lock
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

OTHER: Final = "other"
"""The operation of whatever is none: unknown paths and our own pages."""
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_BOUNDS: Final = (*map(floatToGoString, _BUCKETS), "+Inf")
_MOST_SERIES: Final = 20_000
V = TypeVar("V")


class _Series(Collector, Generic[V]):
    """A metric's values by label values, at most 20,000 of them; what does not fit any more is counted under ``other``."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._name = f"kosha_gateway_{name}"
        self._text = text
        self._labels = labels
        self._found: dict[tuple[str, ...], V] = {}
        self._lock = Lock()

    def _place(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Where the values of labels are counted that come for the first time."""
        return labels if len(self._found) < _MOST_SERIES else (OTHER,) * len(labels)

    def _all(self) -> list[tuple[tuple[str, ...], V]]:
        with self._lock:
            return list(self._found.items())


class Counter(_Series[float]):
    """Sums."""

    def add(self, number: float, *labels: str) -> None:
        """Adds a number to the sum of these label values."""
        with self._lock:
            place = labels if labels in self._found else self._place(labels)
            self._found[place] = self._found.get(place, 0.0) + number

    def collect(self) -> Iterator[Metric]:
        """All sums."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, total in self._all():
            family.add_metric(labels, total)
        yield family


class Histogram(_Series[list[float]]):
    """How many values lie in each bucket, and their sum, which is kept as the last."""

    def add(self, number: float, *labels: str) -> None:
        """Adds a value to those of these label values."""
        with self._lock:
            place = labels if labels in self._found else self._place(labels)
            found = self._found.get(place) or self._found.setdefault(place, [0.0] * (len(_BOUNDS) + 1))
            found[bisect_left(_BUCKETS, number)] += 1
            found[-1] += number

    def collect(self) -> Iterator[Metric]:
        """All buckets, each with those below it."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, (*counts, total) in self._all():
            family.add_metric(labels, list(zip(_BOUNDS, accumulate(counts), strict=True)), total)
        yield family


class Metrics:
    """The numbers of one service, and its process's memory, descriptors and CPU time."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"
    """What ``expose`` gives: Prometheus's text format."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = self._counter("requests_total", "Requests answered, by what was answered.", "operation", "status")
        self.seconds = self._histogram("request_seconds", "Seconds from a request to the end of its reply.")
        self.first_byte = self._histogram("first_byte_seconds", "Seconds until a reply began.")
        self.upstream = self._counter("upstream_total", "Replies of the upstream, by status.", "operation", "status")
        self.failures = self._counter("upstream_failures_total", "Calls without a whole reply, by reason.", "operation", "reason")
        self.retries = self._counter("retries_total", "Requests sent again.", "operation")
        self.tokens = self._counter("tokens_total", "Tokens used, as the upstream counts them.", "operation", "kind")
        self._spent = self._counter("budget_spent_total", "What tokens with a budget have spent.", "token", "kind")
        self._unspent = self._counter("budget_refused_total", "Calls refused because of a budget.", "token", "budget")
        self.sheds = self._counter("shed_total", "Requests turned away because of limits.", "operation", "status")
        self.refused = self._counter("refused_total", "Requests refused before they were looked at.", "reason")
        self.received = self._counter("received_bytes_total", "Bytes of requests' bodies.", "operation")
        self.sent = self._counter("sent_bytes_total", "Bytes of replies' bodies.", "operation")
        self.places = Gauge("kosha_gateway_places_taken", "Calls and streams under way.", ("kind",), registry=self._registry)

    def spent(self, token: str, kind: str, number: float) -> None:
        """Counts calls, tokens or cost of a token; ``minute calls`` and the like are a budget that refused a call. Subjects of JSON Web
        Tokens are one."""
        name = token.partition(":")[0] if ":" in token else token
        if " " in kind:
            self._unspent.add(1, name, kind)
        else:
            self._spent.add(number, name, kind)

    def expose(self) -> bytes:
        """All numbers as text."""
        text: bytes = generate_latest(self._registry)
        return text

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        counter = Counter(name, text, labels)
        self._registry.register(counter)
        return counter

    def _histogram(self, name: str, text: str) -> Histogram:
        histogram = Histogram(name, text, ("operation",))
        self._registry.register(histogram)
        return histogram
