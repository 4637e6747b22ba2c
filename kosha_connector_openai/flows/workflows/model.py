"""A document that has been read: frozen records named with the specification's own words, each with the pointer where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.flows.workflows.conditions import Truth
from kosha_connector_openai.flows.workflows.expressions import Expression
from kosha_connector_openai.flows.workflows.templates import Template
from kosha_connector_openai.schema import SchemaValidator

Runner = Literal["operation", "workflow", "task", "job"]
Turn = Literal["end", "goto", "retry"]
Lookup = Callable[[Expression], Any]


@dataclass(frozen=True, slots=True)
class StepParameter:
    """A value for one input of a step. ``name`` is the input's own name; ``location`` is None for workflows and tasks."""

    name: str
    location: str | None
    value: Template
    pointer: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """A value for one place in a payload."""

    target: tuple[str, ...]
    value: Template
    pointer: str


@dataclass(frozen=True, slots=True)
class StepBody:
    """The body of a step; ``content_type`` is None where the operation decides."""

    payload: Template
    content_type: str | None
    replacements: tuple[Replacement, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One assertion. ``about_status`` says whether it asks for the status of the reply."""

    decide: Callable[[Lookup], Truth]
    pointer: str
    text: str
    kind: str = "simple"
    about_status: bool = False

    def satisfied(self, look: Lookup) -> bool:
        """Whether it holds; what is undecided does not."""
        return self.decide(look) is True


@dataclass(frozen=True, slots=True)
class StepAction:
    """What to do after a step: ``end``, ``goto`` or ``retry``, with at most one of ``step`` and ``workflow``. Seconds."""

    name: str
    turn: Turn
    pointer: str
    step: str | None = None
    workflow: str | None = None
    retry_after: float | None = None
    retry_limit: int = 1
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``target`` is an action's id, a workflow's id or a task's name, as ``runner`` says."""

    id: str
    pointer: str
    runner: Runner
    target: str
    description: str = ""
    parameters: tuple[StepParameter, ...] = ()
    body: StepBody | None = None
    criteria: tuple[Criterion, ...] = ()
    on_success: tuple[StepAction, ...] = ()
    on_failure: tuple[StepAction, ...] = ()
    outputs: Mapping[str, Template] = field(default_factory=dict)
    asks_url: bool = False

    @property
    def retries(self) -> bool:
        """Whether the document says itself when this step is tried again."""
        return any(action.turn == "retry" for action in self.on_failure)


@dataclass(frozen=True)
class WorkflowInputs:
    """What a workflow takes: a self-contained JSON Schema 2020-12, its properties' names and defaults."""

    schema: Mapping[str, Any]
    names: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def validator(self) -> SchemaValidator:
        """Checks inputs; a name that the schema does not know is a fault where it is nearly a known one."""
        return SchemaValidator(self.schema, known=self.names)


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow."""

    id: str
    pointer: str
    inputs: WorkflowInputs
    steps: tuple[Step, ...]
    summary: str = ""
    description: str = ""
    depends_on: tuple[str, ...] = ()
    outputs: Mapping[str, Template] = field(default_factory=dict)

    def place(self, step: str) -> int:
        """Where a step stands, from 0."""
        return next(index for index, found in enumerate(self.steps) if found.id == step)


@dataclass(frozen=True, slots=True)
class WorkflowDocument:
    """A whole document, checked against one connector's actions; ``warnings`` name what has no effect here."""

    title: str
    version: str
    arazzo: str
    sources: Mapping[str, str]
    workflows: Mapping[str, Workflow]
    constants: Mapping[str, Any] = field(default_factory=dict)
    """The values of parameters among the components, as ``$components.parameters.<name>`` finds them."""
    summary: str = ""
    warnings: tuple[Fault, ...] = ()
