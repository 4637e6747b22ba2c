"""What a task gives: the typed value, how the answer ended, and what all calls together used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args
from warnings import warn

from kosha_connector_openai.core.result import Policy, Result
from kosha_connector_openai.errors import AnswerError, Fault, IncompleteAnswerError, RefusedAnswerError, UnfitAnswerError
from kosha_connector_openai.flows.usage import add_usage

Outcome = Literal["ok", "refused", "incomplete", "unfit"]
POLICIES: Final = get_args(Policy)
"""What is done with an answer that is not what was asked for: an error, a result with a warning, or the result alone."""
_ERRORS: Final[Mapping[str, type[AnswerError]]] = {
    "refused": RefusedAnswerError,
    "incomplete": IncompleteAnswerError,
    "unfit": UnfitAnswerError,
}
_HINTS: Final[Mapping[str, str]] = {
    "refused": "Change the input.",
    "incomplete": "Allow a longer answer, or ask for less.",
    "unfit": "Try again, or choose another model.",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended. ``reason`` says it in a sentence; ``faults`` are where an unfit answer breaks its schema."""

    outcome: Outcome = "ok"
    reason: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class TaskResult:
    """What one finished task gave: its typed value, and what its calls used.

    ``value`` is what the task's output schema describes; where ``outcome`` is not ``ok`` it is None, or what there is of it.
    ``partial`` is the answer's own text in that case. ``usage`` is summed over all ``calls``; ``duration`` is in seconds.
    """

    task: str
    value: Any
    outcome: Outcome = "ok"
    reason: str = ""
    partial: str = field(default="", repr=False)
    model: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    request_ids: tuple[str, ...] = ()
    calls: int = 0
    duration: float = 0.0
    warnings: tuple[Fault, ...] = ()

    @property
    def preset(self) -> str:
        """``task`` by its name in version 0.1; goes in 0.2."""
        warn("TaskResult.preset is now TaskResult.task.", DeprecationWarning, stacklevel=2)
        return self.task

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        return {
            "task": self.task,
            "value": self.value,
            "outcome": self.outcome,
            "reason": self.reason,
            "partial": self.partial,
            "model": self.model,
            "usage": self.usage,
            "request_ids": list(self.request_ids),
            "calls": self.calls,
            "duration": round(self.duration, 6),
            "warnings": [{"pointer": w.pointer, "rule": w.rule, "message": w.message, "fix": w.fix} for w in self.warnings],
        }


class Tally:
    """What the calls of one task cost, added up as they come back."""

    def __init__(self, task: str) -> None:
        self._result = TaskResult(task, None)

    def warn(self, warnings: tuple[Fault, ...]) -> None:
        """Adds warnings."""
        self._result.warnings += warnings

    @property
    def calls(self) -> int:
        """The number of calls so far."""
        return self._result.calls

    def add(self, result: Result) -> None:
        """Counts one call."""
        total = self._result
        total.calls += 1
        total.duration += result.duration
        total.model = result.model or total.model
        total.usage = add_usage(total.usage, result.usage or {})
        total.request_ids += (result.request_id,) if result.request_id else ()
        total.warnings += result.warnings

    def finish(self, value: Any, ending: Ending, policy: Policy, partial: str = "") -> TaskResult:
        """The result; raises AnswerError where the answer is not what was asked for and the policy is ``fail``."""
        total = self._result
        if ending.outcome != "ok" and policy == "fail":
            kind = _ERRORS[ending.outcome]
            raise kind(ending.reason, ending.faults, hint=_HINTS[ending.outcome], usage=total.usage, request_ids=total.request_ids)
        total.value, total.outcome, total.reason = value, ending.outcome, ending.reason
        if ending.outcome != "ok":
            total.partial = partial
        if ending.outcome != "ok" and policy == "warn":
            total.warnings += (Fault("", ending.outcome, ending.reason, _HINTS[ending.outcome]), *ending.faults)
        return total
