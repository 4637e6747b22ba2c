"""What a step runs: an operation of the connector, another workflow, a task or a job. A table, so that a kind more is a row more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action, Catalog
from kosha_connector_openai.errors import ConnectorError, Fault
from kosha_connector_openai.flows.workflows.expressions import ExpressionError
from kosha_connector_openai.flows.workflows.model import Runner
from kosha_connector_openai.flows.workflows.name_check import Signature
from kosha_connector_openai.flows.workflows.node import Node
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.schema import safe
from kosha_connector_openai.text import nearest

if TYPE_CHECKING:
    from kosha_connector_openai.flows.tasks import TaskForm

_PATH: Final = re.compile(r"\{\$sourceDescriptions\.([A-Za-z0-9_-]+)\.url\}#(/paths/.+)")
_HEADER: Final = "header"
_TASK: Final = ("x-kosha-task", "x-kosha-preset")
"""The key that names a task; its second spelling is that of version 0.1, and goes in 0.2."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one step runs; ``names`` are the inputs of a workflow or a task, ``required`` those that it needs."""

    runner: Runner
    name: str
    action: Action | None = None
    names: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    lost: bool = False
    """Nothing was found: the fault is noted, and no other is worth telling."""

    @property
    def takes_object(self) -> bool:
        """Whether the body has fields."""
        return self.action is not None and bool(self.action.inputs.bodies) and self.action.inputs.bodies[0].is_flat

    def parameter(self, name: str, location: str | None) -> tuple[str, str | None]:
        """The input's own name and its location; raises ExpressionError where there is no such input."""
        if self.lost:
            return name, location
        if self.action is None:
            return self._named(name, location)
        if location is None:
            raise ExpressionError("does not say where the parameter goes.", "Add `in`: path, query or header.", "required")
        if location == "cookie":
            raise ExpressionError("is a cookie, and nothing here sends cookies.", rule="unsupported")
        known = {entry.name: entry for entry in self.action.inputs.parameters.values() if entry.location == location}
        own = next((key for key in known if key == name or (location == _HEADER and key.lower() == name.lower())), None)
        if own is None:
            near = nearest(name, known, shortest=3)
            fix = f"Did you mean `{safe(near)}`?" if near else "Credentials come from the connection." if location == _HEADER else ""
            raise ExpressionError(f"is no {location} parameter of {self.name}.", fix, "unknown")
        return known[own].input_name, location

    def _named(self, name: str, location: str | None) -> tuple[str, None]:
        if location is not None:
            raise ExpressionError("has a place, and this step sends no request of its own.", "Leave out `in`.", "exclusive")
        if name not in self.names:
            near = nearest(name, self.names, shortest=3)
            raise ExpressionError(f"is no input of {safe(self.name)}.", f"Did you mean `{safe(near)}`?" if near else "", "unknown")
        return name, None


class Targets:
    """Finds what the steps of one document run."""

    def __init__(
        self,
        connector: Connector,
        catalog: Catalog,
        sources: Mapping[str, str],
        workflows: Mapping[str, Signature],
        required: Mapping[str, Any],
        validation: Validation = "on",
    ) -> None:
        self.validation: Validation = validation
        """How strict the checks of literals are: as those of the connection that will run them."""
        self._connector = connector
        self._catalog = catalog
        self._sources = sources
        self._workflows = workflows
        self._required = required

    def form(self, target: Target) -> TaskForm:
        """The form of a task that was found."""
        from kosha_connector_openai.flows.tasks import find_task

        return find_task(self._connector, target.name).form

    def find(self, node: Node, fields: Mapping[str, Node]) -> Target:
        """The step's target; what is wrong with it is noted."""
        named = [name for name in FINDERS if name in fields]
        if named in (["operationId", key] for key in _TASK):
            found = self._task(fields[named[1]])
            if not found.lost and fields["operationId"].value not in (found.action_id, None):
                fields["operationId"].fault("const", "is not the operation that the task uses.", f"It uses `{found.action_id}`.")
            return found.target
        if len(named) != 1:
            what = "operationId, operationPath, workflowId or x-kosha-task"
            node.fault("exclusive", f"must name one of {what}, and {'none' if not named else 'only one'} of them.")
            return Target("operation", "", lost=True)
        target = FINDERS[named[0]](self, fields[named[0]])
        return self._job(fields["x-kosha-job"], target) if "x-kosha-job" in fields else target

    def _lost(self, node: Node, message: str, known: Any = (), rule: str = "unknown", name: str = "") -> Target:
        near = nearest(name, known, shortest=4) if name else None
        node.fault(rule, message, f"Did you mean `{safe(near)}`?" if near else "")
        return Target("operation", "", lost=True)

    def _operation_id(self, node: Node) -> Target:
        text = node.text()
        name = text
        if text.startswith("$sourceDescriptions."):
            source, _, name = text.removeprefix("$sourceDescriptions.").partition(".")
            if source not in self._sources:
                return self._lost(node, "names no source description.", self._sources, name=source)
        elif len(self._sources) > 1:
            return self._lost(node, "must say which source it means: `$sourceDescriptions.<name>.<operationId>`.", rule="ambiguous")
        return self._operation(node, name)

    def _operation(self, node: Node, name: str) -> Target:
        catalog = self._catalog
        if name not in catalog:
            return self._lost(node, "names no operation of the connector.", list(catalog), name=name)
        try:
            action = catalog[name]
            _ = action.inputs.fields
        except ConnectorError:
            return self._lost(node, "names an operation whose description is faulty.", rule="document")
        return Target("operation", name, action)

    def _operation_path(self, node: Node) -> Target:
        match = _PATH.fullmatch(node.text())
        if match is None:
            return self._lost(node, "is not `{$sourceDescriptions.<name>.url}#/paths/<path>/<method>`.", rule="expression")
        if match[1] not in self._sources:
            return self._lost(node, "names no source description.", self._sources, name=match[1])
        for name, action in self._catalog.items():
            if action.operation.pointer.removeprefix("#") == match[2]:
                return Target("operation", name, action)
        return self._lost(node, "points at no operation of the connector.")

    def _workflow(self, node: Node) -> Target:
        name = node.text()
        if name.startswith("$sourceDescriptions."):
            return self._lost(node, "names a workflow of another document, which is not supported here.", rule="unsupported")
        if name not in self._workflows:
            return self._lost(node, "names no workflow of this document.", self._workflows, name=name)
        return Target("workflow", name, None, self._workflows[name].inputs, frozenset(self._required[name]))

    def _task(self, node: Node) -> _TaskTarget:
        from kosha_connector_openai.flows.tasks import find_task

        try:
            info = find_task(self._connector, node.text())
        except ConnectorError as error:
            fault: Fault | None = next(iter(getattr(error, "faults", ())), None)
            node.fault("unknown", "names no task.", fault.fix if fault else "")
            return _TaskTarget(Target("task", "", lost=True), "")
        schema = info.input_schema
        names, required = frozenset(schema.get("properties", {})), frozenset(schema.get("required", ()))
        return _TaskTarget(Target("task", info.name, None, names, required), info.action)

    def _job(self, node: Node, target: Target) -> Target:
        from kosha_connector_openai.manifest.parts import JobsPart

        node.choice("wait")
        if target.lost:
            return target
        if target.action is None or self._connector.part("jobs", JobsPart).starts(target.name) is None:
            node.fault("job", "has no meaning: the step starts no long job.", "Leave it out.")
            return target
        return Target("job", target.name, target.action)


@dataclass(frozen=True, slots=True)
class _TaskTarget:
    target: Target
    action_id: str

    @property
    def lost(self) -> bool:
        return self.target.lost


FINDERS: Final[Mapping[str, Callable[[Targets, Node], Target]]] = {
    "operationId": Targets._operation_id,
    "operationPath": Targets._operation_path,
    "workflowId": Targets._workflow,
    **dict.fromkeys(_TASK, lambda targets, node: targets._task(node).target),
}
"""The keys of a step that name what it runs."""
