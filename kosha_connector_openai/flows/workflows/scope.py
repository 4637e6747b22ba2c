"""What an expression finds during a run: a table by its kind. What is found is a value and stays one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kosha_connector_openai.errors import ConnectorError, Fault
from kosha_connector_openai.flows.workflows.expressions import MISSING, Expression, find
from kosha_connector_openai.flows.workflows.model import Step, StepParameter, Workflow, WorkflowDocument


@dataclass(slots=True)
class StepReply:
    """The outcome of one step. ``status`` is None where no reply came or there is none; ``error`` is what the call raised, or why its
    answer is not one."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = MISSING
    usage: Mapping[str, Any] | None = None
    request_id: str | None = None
    requests: int = 0
    error: ConnectorError | None = None
    answer: str | None = None
    """The outcome of the answer, where one came: ``complete``, ``pending``, ``incomplete``, ``refused``, ``filtered`` or ``failed``."""
    warnings: tuple[Fault, ...] = ()
    url: str | None = None
    method: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Those of the workflow that a step has run."""


@dataclass(slots=True)
class StepExchange:
    """A step, what it was given and what came back."""

    step: Step
    body: Any = MISSING
    given: dict[tuple[str | None, str], Any] = field(default_factory=dict)
    reply: StepReply = field(default_factory=StepReply)

    def note(self, parameter: StepParameter, value: Any) -> None:
        """Keeps a parameter's value for ``$request``."""
        name = parameter.name.lower() if parameter.location == "header" else parameter.name
        self.given[parameter.location, name] = value


@dataclass(slots=True)
class Frame:
    """One workflow while it runs: its inputs and the outputs of its steps so far."""

    workflow: Workflow
    inputs: Mapping[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_status: int | None = None


@dataclass(slots=True)
class Known:
    """All that expressions can see: the document, the workflows that have run, the present one and the present step."""

    document: WorkflowDocument
    finished: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
    frame: Frame
    exchange: StepExchange | None = None

    def look(self, expression: Expression) -> Any:
        """The value, or MISSING."""
        value = _TABLE[expression.kind](self, expression)
        return value if value is MISSING else find(value, (*expression.pointer, *expression.steps_in))

    @property
    def reply(self) -> StepReply:
        """The reply of the present step, an empty one where there is none."""
        return self.exchange.reply if self.exchange else StepReply()


def _request(known: Known, expression: Expression) -> Any:
    if known.exchange is None:
        return MISSING
    if expression.names[0] == "body":
        return known.exchange.body
    return known.exchange.given.get((expression.names[0], expression.names[1]), MISSING)


def _response(known: Known, expression: Expression) -> Any:
    if expression.names[0] == "body":
        return known.reply.body
    return known.reply.headers.get(expression.names[1], MISSING)


def _workflows(known: Known, expression: Expression) -> Any:
    name, word, part = expression.names
    inputs, outputs = known.finished.get(name, ({}, {}))
    return (inputs if word == "inputs" else outputs).get(part, MISSING)


def _there(value: Any) -> Any:
    return MISSING if value is None else value


_TABLE: Final[Mapping[str, Callable[[Known, Expression], Any]]] = {
    "inputs": lambda known, expression: known.frame.inputs.get(expression.names[0], MISSING),
    "steps": lambda known, expression: known.frame.steps.get(expression.names[0], {}).get(expression.names[1], MISSING),
    "outputs": lambda known, expression: known.reply.outputs.get(expression.names[0], MISSING),
    "workflows": _workflows,
    "request": _request,
    "response": _response,
    "statusCode": lambda known, _: _there(known.reply.status),
    "url": lambda known, _: _there(known.reply.url),
    "method": lambda known, _: _there(known.reply.method),
    "source": lambda known, expression: known.document.sources[expression.names[0]],
    "parameter": lambda known, expression: known.document.constants.get(expression.names[0], MISSING),
}
