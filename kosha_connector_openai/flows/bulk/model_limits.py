"""The limits of one model, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from kosha_connector_openai.flows.bulk.adaptive_rate import AdaptiveRate
from kosha_connector_openai.flows.bulk.bucket import Bucket


@dataclass(slots=True)
class ModelLimits:
    """Requests and tokens a minute, as buckets; told, or found by trying."""

    requests: Bucket | None = None
    tokens: Bucket | None = None
    known: bool = False
    """Whether an answer told the limits, or that there are none to see."""
    probing: float = -1.0
    ratio: float = 0.3
    """Tokens that a byte of a request stands for, its answer's included."""
    measured: int = 0
    told: dict[str, float] = field(default_factory=dict)
    """The limits a minute that were given or told, by name."""
    sent: int = 0
    """Attempts that have left, or have a slot, since the last pause."""
    often: int = 0
    """Refusals that came soon after each other."""
    rate: AdaptiveRate | None = None
    """Where nothing tells the limits, or less than they allow is served."""

    @property
    def buckets(self) -> Iterator[Bucket]:
        """Those that there are."""
        return (bucket for bucket in (self.requests, self.tokens) if bucket is not None)

    def take(self, now: float, tokens: float, most: float = math.inf) -> float:
        """Seconds until an attempt of so many tokens may leave, which it takes unless these are more than ``most``."""
        amounts = ((self.requests, 1.0), (self.tokens, tokens))
        taken = [(bucket, *bucket.take(int(now * 1000), amount)) for bucket, amount in amounts if bucket is not None]
        wait = max([wait for _, wait, _ in taken], default=0) / 1000
        for bucket, _, state in taken if wait <= most else ():
            bucket.state = state
        return wait

    def tell(self, name: str, limit: float) -> bool:
        """Takes a limit up; whether it is another one than before."""
        if self.told.get(name) == limit:
            return False
        if not self.told:
            self.requests = self.rate = None
        self.told[name] = limit
        if name == "requests":
            self.set_rate()
        else:
            self.tokens = _set(self.tokens, limit)
        return True

    def set_rate(self) -> None:
        """Requests leave as the told limit and the adaptive rate allow; the latter is not needed once it has reached the former."""
        limit = self.told.get("requests")
        if self.rate is not None and limit is not None and self.rate.rate * 60 >= limit:
            self.rate = None
        if self.rate is not None:
            limit = self.rate.rate * 60
        if limit is not None:
            self.requests = _set(self.requests, limit)

    def packed(self) -> dict[str, Any]:
        """All that is known, as JSON has it."""
        return {**asdict(self), **{name: bucket and bucket.packed() for name, bucket in self._named}}

    @property
    def _named(self) -> tuple[tuple[str, Bucket | None], ...]:
        return ("requests", self.requests), ("tokens", self.tokens)

    @classmethod
    def unpacked(cls, values: Mapping[str, Any]) -> Self:
        """What ``packed`` gave."""
        buckets = {name: values[name] and Bucket.unpacked(values[name]) for name in ("requests", "tokens")}
        return cls(**{**values, **buckets, "rate": values["rate"] and AdaptiveRate(**values["rate"])})


def _set(bucket: Bucket | None, limit: float) -> Bucket:
    if bucket is None:
        return Bucket.of(limit)
    bucket.set(limit)
    return bucket
