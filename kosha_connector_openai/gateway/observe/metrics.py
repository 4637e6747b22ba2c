"""Counters and a histogram of times, in Prometheus's text format 0.0.4; labels by operation id, so that their number is bounded.

Written here, since four kinds of lines are all that is needed and the ready-made client keeps its registry at module level.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
"""The operation of whatever is none: unknown paths and our own pages."""
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_SERIES: Final = 20_000


class Counter:
    """A sum that only grows, by labels."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        """Adds to the sum of these labels; what does not fit any more is counted under ``other``."""
        if labels not in self._values and len(self._values) >= _MOST_SERIES:
            labels = (OTHER,) * len(labels)
        self._values[labels] = self._values.get(labels, 0) + by

    def value(self, *labels: str) -> float:
        """The sum of these labels."""
        return self._values.get(labels, 0)

    def lines(self) -> Iterator[str]:
        """The lines of its samples."""
        for labels, value in self._values.items():
            yield f"{self.name}{_labels(self.labels, labels)} {_number(value)}"


class Histogram:
    """How long things took, in seconds, by labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """Notes one more."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(_BUCKETS) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(_BUCKETS, seconds)] += 1
        self._sums[labels] += seconds

    def lines(self) -> Iterator[str]:
        """The lines of its samples: cumulative buckets, sum and count."""
        names = (*self.labels, "le")
        for labels, counts in self._counts.items():
            so_far = 0
            for bound, count in zip((*map(_number, _BUCKETS), "+Inf"), counts, strict=True):
                so_far += count
                yield f"{self.name}_bucket{_labels(names, (*labels, bound))} {so_far}"
            yield f"{self.name}_sum{_labels(self.labels, labels)} {_number(self._sums[labels])}"
            yield f"{self.name}_count{_labels(self.labels, labels)} {so_far}"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value that is asked for when it is read, by one label."""

    name: str
    text: str
    label: str
    read: Callable[[], Mapping[str, float]]
    kind = "gauge"

    def lines(self) -> Iterator[str]:
        """The lines of its samples."""
        for label, value in self.read().items():
            yield f"{self.name}{_labels((self.label,), (label,))} {_number(value)}"


class Metrics:
    """The gateway's numbers."""

    def __init__(self) -> None:
        self.requests = Counter("kosha_gateway_requests_total", "Requests answered, by what was answered.", ("operation", "status"))
        self.seconds = Histogram("kosha_gateway_request_seconds", "Seconds from a request to the end of its reply.", ("operation",))
        self.first_byte = Histogram("kosha_gateway_first_byte_seconds", "Seconds until a reply began.", ("operation",))
        self.upstream = Counter("kosha_gateway_upstream_total", "Replies of the upstream, by status.", ("operation", "status"))
        self.failures = Counter("kosha_gateway_upstream_failures_total", "Calls without a whole reply, by reason.", ("operation", "reason"))
        self.retries = Counter("kosha_gateway_retries_total", "Requests sent again.", ("operation",))
        self.tokens = Counter("kosha_gateway_tokens_total", "Tokens used, as the upstream counts them.", ("operation", "kind"))
        self.sheds = Counter("kosha_gateway_shed_total", "Requests turned away because of limits.", ("operation", "status"))
        self.refused = Counter("kosha_gateway_refused_total", "Requests refused before they were looked at.", ("reason",))
        self.received = Counter("kosha_gateway_received_bytes_total", "Bytes of requests' bodies.", ("operation",))
        self.sent = Counter("kosha_gateway_sent_bytes_total", "Bytes of replies' bodies.", ("operation",))
        self._gauges: list[Gauge] = []

    def watch(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Shows what ``read`` gives, by ``label``, whenever the numbers are asked for."""
        self._gauges.append(Gauge(name, text, label, read))

    def expose(self) -> str:
        """All numbers as text."""
        counters = [value for value in vars(self).values() if isinstance(value, (Counter, Histogram))]
        lines = []
        for metric in (*counters, *self._gauges):
            lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
