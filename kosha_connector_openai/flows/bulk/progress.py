"""How a run stands while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class RunProgress:
    """How a run stands; the totals always add up to ``total``. ``cost`` is None where there are no prices."""

    total: int = 0
    done: int = 0
    failed: int = 0
    unknown: int = 0
    waiting: int = 0
    in_flight: int = 0
    batches: int = 0
    """Batches that have been sent and not read."""
    tokens: int = 0
    cost: float | None = None
    refused: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    """Rows a second, of the last seconds."""
    pause: float = 0.0
    """Seconds for which nothing leaves."""

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at this rate, after the pause."""
        return self.pause + (self.waiting + self.in_flight) / self.rate if self.rate else None

    def to_dict(self) -> dict[str, Any]:
        """The progress as JSON-ready values."""
        names = ("total", "done", "failed", "unknown", "waiting", "in_flight", "batches", "tokens", "cost", "refused")
        rounded = {name: round(getattr(self, name), 2) for name in ("rate", "seconds", "pause")}
        return {name: getattr(self, name) for name in names} | rounded
