"""A flow written in Python -> an Arazzo document that runs the same here and in other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from warnings import warn

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import BODY, Catalog
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.workflows.model import WorkflowDocument
from kosha_connector_openai.flows.workflows.parse_document import read_workflows
from kosha_connector_openai.text import check_value, escape

CriterionText = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is no expression, whatever it looks like: ``Literal("$inputs.x costs {$5}")``."""

    value: Any


@dataclass
class StepDraft:
    """One step of a flow; ``output`` names a part of its reply and gives the expression that later steps use."""

    id: str
    action: str
    inputs: Mapping[str, Any]
    success: Sequence[CriterionText] = ()
    on_success: Sequence[Mapping[str, Any]] = ()
    on_failure: Sequence[Mapping[str, Any]] = ()
    description: str = ""
    kind: str = "action"
    outputs: dict[str, str] = field(default_factory=dict)

    def output(self, name: str, expression: str = "$response.body") -> str:
        """Keeps a part of the reply under a name; the expression for it."""
        self.outputs[name] = expression
        return f"$steps.{self.id}.outputs.{name}"


class Flow:
    """A workflow in the making. Texts among the inputs of its steps are expressions where they look like one; see Literal."""

    def __init__(self, id: str, *, title: str = "", summary: str = "", version: str = "1.0.0") -> None:  # noqa: A002 - Arazzo's word
        self.id = id
        self.title = title or id
        self.summary = summary
        self.version = version
        self.steps: list[StepDraft] = []
        self._inputs: dict[str, Mapping[str, Any]] = {}
        self._required: list[str] = []
        self._outputs: dict[str, str] = {}

    def input(self, name: str, schema: Mapping[str, Any] | None = None, *, required: bool = True) -> str:
        """An input of the flow with its JSON Schema; the expression for it. One with a default need not be given."""
        self._inputs[name] = {} if schema is None else schema
        if required and "default" not in self._inputs[name]:
            self._required.append(name)
        return f"$inputs.{name}"

    def step(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002
        success: Sequence[CriterionText] = (),
        on_success: Sequence[Mapping[str, Any]] = (),
        on_failure: Sequence[Mapping[str, Any]] = (),
        description: str = "",
        wait: bool = False,
    ) -> StepDraft:
        """A step that runs an action with its flat inputs. ``wait`` waits for the job that it starts; ``success`` are conditions."""
        return self._add(action, inputs, id, success, on_success, on_failure, description, "job" if wait else "action")

    def task(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002
        success: Sequence[CriterionText] = (),
        on_success: Sequence[Mapping[str, Any]] = (),
        on_failure: Sequence[Mapping[str, Any]] = (),
        description: str = "",
    ) -> StepDraft:
        """A step that runs a task."""
        return self._add(name, inputs, id, success, on_success, on_failure, description, "task")

    def preset(self, name: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> StepDraft:
        """``task`` by its name in version 0.1; goes in 0.2."""
        warn("Flow.preset is now Flow.task.", DeprecationWarning, stacklevel=2)
        return self.task(name, inputs, **options)

    def _add(
        self,
        action: str,
        inputs: Mapping[str, Any] | None,
        name: str | None,
        success: Sequence[CriterionText],
        on_success: Sequence[Mapping[str, Any]],
        on_failure: Sequence[Mapping[str, Any]],
        description: str,
        kind: str,
    ) -> StepDraft:
        step = StepDraft(name or f"step{len(self.steps) + 1}", action, inputs or {}, success, on_success, on_failure, description, kind)
        self.steps.append(step)
        return step

    def output(self, name: str, expression: str) -> Self:
        """An output of the flow."""
        self._outputs[name] = expression
        return self

    def to_arazzo(self, connector: Connector, catalog: Catalog | None = None) -> dict[str, Any]:
        """The document as JSON values, by the connector's own actions or those of ``catalog``.

        Raises InputError where an input is no JSON, UnknownActionError where an action is not there.
        """
        literals: dict[str, Mapping[str, Any]] = {}
        steps = [
            self._step(step, connector, catalog or connector.catalog, literals, f"/steps/{number}")
            for number, step in enumerate(self.steps)
        ]
        schema: dict[str, Any] = {"type": "object", "properties": {**self._inputs, **literals}}
        workflow: dict[str, Any] = {"workflowId": self.id}
        workflow |= {"summary": self.summary} if self.summary else {}
        workflow |= {"inputs": schema | ({"required": self._required} if self._required else {})}
        workflow |= {"steps": steps} | ({"outputs": dict(self._outputs)} if self._outputs else {})
        source = {"name": connector.id, "url": f"./{connector.manifest.spec.file}", "type": "openapi"}
        return {
            "arazzo": "1.0.1",
            "info": {"title": self.title, "version": self.version},
            "sourceDescriptions": [source],
            "workflows": [workflow],
        }

    def to_yaml(self, connector: Connector, catalog: Catalog | None = None) -> str:
        """The document as YAML text."""
        import yaml

        text: str = yaml.safe_dump(self.to_arazzo(connector, catalog), sort_keys=False, allow_unicode=True, width=120)
        return text

    def document(self, connector: Connector, catalog: Catalog | None = None) -> WorkflowDocument:
        """The flow, checked and ready to run; raises WorkflowDocumentError."""
        return read_workflows(self.to_arazzo(connector, catalog), connector, catalog=catalog)

    def _step(
        self, step: StepDraft, connector: Connector, catalog: Catalog, literals: dict[str, Mapping[str, Any]], pointer: str
    ) -> dict[str, Any]:
        inputs = {name: self._plain(value, literals, f"{pointer}/{escape(name)}") for name, value in step.inputs.items()}
        found: dict[str, Any] = {"stepId": step.id}
        found |= {"description": step.description} if step.description else {}
        found |= {} if step.kind == "task" else _sent(step, inputs, catalog)
        if step.kind == "task":
            from kosha_connector_openai.flows.tasks import find_task

            # Other tools, which know no task, find the operation that it uses.
            found |= {"operationId": find_task(connector, step.action).action, "x-kosha-task": step.action}
            found |= {"x-kosha-inputs": inputs} if inputs else {}
        found |= {"successCriteria": list(map(_criterion, step.success))} if step.success else {}
        for name, actions in (("onSuccess", step.on_success), ("onFailure", step.on_failure)):
            found |= {name: [dict(action) for action in actions]} if actions else {}
        return found | ({"outputs": dict(step.outputs)} if step.outputs else {})

    def _plain(self, value: Any, literals: dict[str, Mapping[str, Any]], pointer: str) -> Any:
        """The value as JSON; a literal text becomes an input with a default, which nothing reads as an expression."""
        if isinstance(value, Literal):
            name = f"literal{len(literals) + 1}"
            literals[name] = {"default": value.value, "const": value.value}
            return f"$inputs.{name}"
        if isinstance(value, Mapping):
            return {name: self._plain(part, literals, f"{pointer}/{escape(str(name))}") for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(part, literals, f"{pointer}/{number}") for number, part in enumerate(value)]
        if isinstance(value, (bytes, bytearray)):
            fault = Fault(pointer, "type", "is no JSON value.", "Make a file an input of the flow.")
            raise InputError("A document holds JSON only.", [fault], pointer=pointer)
        check_value(value, pointer=pointer)
        return value


def _sent(step: StepDraft, inputs: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The flat inputs as parameters with their places, and a payload."""
    known = catalog[step.action].inputs.parameters
    parameters = [{"name": known[name].name, "in": known[name].location, "value": value} for name, value in inputs.items() if name in known]
    rest = {name: value for name, value in inputs.items() if name not in known}
    found: dict[str, Any] = {"operationId": step.action} | ({"x-kosha-job": "wait"} if step.kind == "job" else {})
    found |= {"parameters": parameters} if parameters else {}
    return found | ({"requestBody": {"payload": rest.get(BODY) if set(rest) == {BODY} else rest}} if rest else {})


def _criterion(criterion: CriterionText) -> dict[str, Any]:
    return {"condition": criterion} if isinstance(criterion, str) else dict(criterion)
