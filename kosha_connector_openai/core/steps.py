"""What the plan of a call asks of its driver, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass

from kosha_connector_openai.core.result import FileSink


@dataclass(frozen=True, slots=True)
class Open:
    """Step: send the request, wait for the headers of the reply."""


@dataclass(frozen=True, slots=True)
class Read:
    """Step: read the body whole, at most ``limit`` bytes, or into ``sink``; then close the reply."""

    limit: int
    sink: FileSink | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Step: close the reply without reading its body."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Step: wait, in seconds."""

    seconds: float


Step = Open | Read | Drop | Wait
