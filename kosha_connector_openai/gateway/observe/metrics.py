"""The gateway's metrics, in a registry of each service's own; labels are operation ids, so that their number is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

OTHER: Final = "other"
"""The operation of whatever is none: unknown paths and our own pages."""
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_SERIES: Final = 20_000
M = TypeVar("M", bound=MetricWrapperBase)


class Series(Generic[M]):
    """A metric's series by label values, at most 20,000 of them; what does not fit any more is counted under ``other``."""

    def __init__(self, metric: M) -> None:
        self._metric = metric
        self._found: dict[tuple[str, ...], M] = {}

    def __call__(self, *labels: str) -> M:
        """The series of these label values."""
        found = self._found.get(labels)
        if found is not None:
            return found
        if len(self._found) >= _MOST_SERIES:
            labels = (OTHER,) * len(labels)
        return self._found.setdefault(labels, self._metric.labels(*labels))


class Metrics:
    """The numbers of one service, and its process's memory, descriptors and CPU time."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"
    """What ``expose`` gives: Prometheus's text format."""

    def __init__(self) -> None:
        self._registry = _Registry()
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
        places = Gauge("kosha_gateway_places_taken", "Calls and streams under way.", ("kind",), registry=self._registry)
        self.places = Series(places)

    def spent(self, token: str, kind: str, number: float) -> None:
        """Counts calls, tokens or cost of a token; ``minute calls`` and the like are a budget that refused a call. Subjects of JSON Web
        Tokens are one."""
        name = token.partition(":")[0] if ":" in token else token
        if " " in kind:
            self._unspent(name, kind).inc()
        else:
            self._spent(name, kind).inc(number)

    def expose(self) -> bytes:
        """All numbers as text."""
        text: bytes = generate_latest(self._registry)
        return text

    def _counter(self, name: str, text: str, *labels: str) -> Series[Counter]:
        return Series(Counter(f"kosha_gateway_{name}", text, labels, registry=self._registry))

    def _histogram(self, name: str, text: str) -> Series[Histogram]:
        return Series(Histogram(f"kosha_gateway_{name}", text, ("operation",), buckets=_BUCKETS, registry=self._registry))


class _Registry(CollectorRegistry):
    """Without the time at which each series began: it doubles the counters, and the library's switch for it is the whole process's."""

    def collect(self) -> Iterator[Metric]:
        """The metrics with their samples."""
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
