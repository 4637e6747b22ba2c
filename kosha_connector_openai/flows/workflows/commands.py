"""What an interpreter yields, and what bounds it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.errors import WorkflowError
from kosha_connector_openai.flows.driving import Pause
from kosha_connector_openai.flows.workflows.model import Step
from kosha_connector_openai.flows.workflows.result import StepRecord


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of one run: steps in all, seconds in all, workflows inside workflows, seconds of one pause."""

    steps: int = 1_000
    seconds: float = 3_600
    depth: int = 8
    pause: float = 300


@dataclass(frozen=True, slots=True)
class StepCall:
    """Command: run this step with these inputs. ``once``: one attempt only, since the document says itself when to retry."""

    step: Step
    inputs: Mapping[str, Any] = field(repr=False)
    once: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Begun:
    """Note: a step begins."""

    workflow: str
    step: Step
    attempt: int


Move = StepCall | Pause | Begun | StepRecord
Moves = Generator[Move, Any, Any]


@dataclass(slots=True)
class End:
    """How a workflow ended; ``error`` says why it failed."""

    workflow: str
    outputs: dict[str, Any]
    error: WorkflowError | None = None
    status: int | None = None
