"""What a run gives: outputs, and a record of each attempt at a step. Records hold no body, no input and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kosha_connector_openai.errors import Fault

Outcome = Literal["succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One attempt at one step. ``attempt`` counts from 1; ``requests`` is how often the connector sent it; seconds.

    ``status`` is the HTTP status where there was a reply; ``error`` a code of the error tree, or ``criteria`` where a criterion was not
    met; ``then`` is what the document does next, such as ``next``, ``end``, ``goto:summarise``, ``retry`` or ``fail``.
    """

    workflow: str
    step: str
    pointer: str
    runner: str
    target: str
    outcome: Outcome
    attempt: int = 1
    requests: int = 0
    status: int | None = None
    request_id: str | None = None
    duration: float = 0.0
    usage: Mapping[str, Any] | None = None
    error: str | None = None
    failed: str | None = None
    """The pointer of the criterion that was not met, or of the value that found nothing."""
    answer: str | None = None
    """The outcome of the answer, where one came; a step may have succeeded with one that is ``incomplete``."""
    warnings: tuple[Fault, ...] = ()
    then: str = "next"

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready values, without empty values."""
        values = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return values | {"duration": round(self.duration, 6)}


@dataclass(slots=True)
class WorkflowResult:
    """One finished run. ``workflow`` is the one that it ended in, which another may have handed over to; ``usage`` is that of all steps."""

    workflow: str
    outcome: Outcome
    outputs: dict[str, Any] = field(default_factory=dict, repr=False)
    steps: tuple[StepRecord, ...] = ()
    duration: float = 0.0
    usage: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    """The id of the run, which its lines in the journal carry."""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values; bytes become base64."""
        return {
            "run": self.run,
            "workflow": self.workflow,
            "outcome": self.outcome,
            "outputs": plain(self.outputs),
            "steps": [step.to_dict() for step in self.steps],
            "usage": self.usage,
            "duration": round(self.duration, 6),
        }


def plain(value: Any) -> Any:
    """A value as JSON has it: what is not JSON gets the form that it has in results."""
    import base64

    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode(), "size": len(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return plain(value.to_dict()) if hasattr(value, "to_dict") else str(value)
