"""A step of a document -> Step: which action it runs, what it gives it, when it has succeeded and what comes next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.flows.workflows.conditions import SimpleCondition, parse_condition
from kosha_connector_openai.flows.workflows.criteria import KINDS
from kosha_connector_openai.flows.workflows.expressions import Expression, ExpressionError, parse
from kosha_connector_openai.flows.workflows.literals import literal_faults, task_faults
from kosha_connector_openai.flows.workflows.model import Criterion, Step, StepAction, StepBody, StepParameter
from kosha_connector_openai.flows.workflows.name_check import NameScope
from kosha_connector_openai.flows.workflows.node import Keys, Node
from kosha_connector_openai.flows.workflows.parse_payload import read_body
from kosha_connector_openai.flows.workflows.targets import FINDERS, Target, Targets
from kosha_connector_openai.flows.workflows.templates import Template, read_template
from kosha_connector_openai.schema import safe
from kosha_connector_openai.text import nearest

OUTPUT: Final = re.compile(r"[a-zA-Z0-9._-]+")
STEP: Final = Keys(
    ("stepId",),
    (
        *FINDERS,
        "x-kosha-job",
        "x-kosha-inputs",
        "description",
        "parameters",
        "requestBody",
        "successCriteria",
        "onSuccess",
        "onFailure",
        "outputs",
    ),
)
_PARAMETER: Final = Keys(("name", "value"), ("in",))
_CRITERION: Final = Keys(("condition",), ("context", "type"))
_SUCCESS: Final = Keys(("name", "type"), ("workflowId", "stepId", "criteria"))
_FAILURE: Final = Keys(("name", "type"), ("workflowId", "stepId", "criteria", "retryAfter", "retryLimit"))
_ACTIONS: Final = {"success": (_SUCCESS, ("end", "goto")), "failure": (_FAILURE, ("end", "goto", "retry"))}
_RETRY: Final = ("retryAfter", "retryLimit")
_MOST_RETRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Shared:
    """What a workflow gives to all of its steps, and the components: nodes, read anew at each step that uses them."""

    parameters: Node | None
    success: Node | None
    failure: Node | None
    components: Mapping[str, Mapping[str, Node]]


def read_step(node: Node, shared: Shared, place: NameScope, targets: Targets) -> Step:
    """The step; what is wrong with it is noted."""
    fields = node.fields(STEP)
    target = targets.find(node, fields)
    place = place.at(runner=target.runner, target=target.name, action=target.action)
    reader = _Reader(shared, place)
    parameters = reader.parameters(fields.get("parameters"), target, node, fields.get("x-kosha-inputs"))
    place = reader.place = place.at(given=frozenset((p.location, p.name.lower() if p.location == "header" else p.name) for p in parameters))
    body = read_body(fields["requestBody"], target, place) if "requestBody" in fields else None
    _check_literals(node, target, parameters, body, targets)
    reader.place = place.at(replied=True)
    criteria = tuple(map(reader.criterion, fields["successCriteria"].items())) if "successCriteria" in fields else ()
    on_success = reader.actions("success", fields.get("onSuccess"))
    on_failure = reader.actions("failure", fields.get("onFailure"))
    entries = fields["outputs"].entries(OUTPUT) if "outputs" in fields else ()
    outputs = {name: reader.expression(part) for name, part in entries}
    actions = [criterion for action in (*on_success, *on_failure) for criterion in action.criteria]
    return Step(
        id=str(node.value.get("stepId", "")) if isinstance(node.value, Mapping) else "",
        pointer=node.pointer,
        runner=target.runner,
        target=target.name,
        description=fields["description"].text() if "description" in fields else "",
        parameters=parameters,
        body=body,
        criteria=criteria,
        on_success=on_success,
        on_failure=on_failure,
        outputs=outputs,
        asks_url=_asks_url(outputs, (*criteria, *actions)),
    )


def _check_literals(node: Node, target: Target, parameters: tuple[StepParameter, ...], body: StepBody | None, targets: Targets) -> None:
    """Holds what the step gives by literals against the schema of what it runs; what is wrong is noted."""
    if target.lost or any(fault.pointer.startswith(node.pointer) for fault in node.findings.faults):
        return  # what is wrong already may be the cause of anything else
    if target.action is not None:
        found = literal_faults(target.action, parameters, body, node.pointer, targets.validation)
    else:
        found = task_faults(targets.form(target), parameters) if target.runner == "task" else []
    for fault in found:
        node.findings.add(fault.pointer, fault.rule, fault.message, fault.fix)


def _asks_url(outputs: Mapping[str, Template], criteria: tuple[Criterion, ...]) -> bool:
    found = (expression for template in outputs.values() for _, expression in template.expressions())
    return any(expression.kind == "url" for expression in found) or any("$url" in criterion.text for criterion in criteria)


class _Reader:
    """Reads the parts of one step."""

    def __init__(self, shared: Shared, place: NameScope) -> None:
        self.shared = shared
        self.place = place

    def template(self, node: Node, value: Any = None) -> Template:
        return read_template(node.value if value is None else value, node.pointer, self.place.read, node.findings.refuse)

    def expression(self, node: Node) -> Template:
        """One expression, as outputs are."""
        found = self.template(node)
        if not isinstance(node.value, str):
            node.fault("type", "must be a text: a runtime expression.")
        elif found.kind != "expression" and not node.findings.has(node.pointer):
            node.fault("expression", "must be a runtime expression.", "Write, for example, `$response.body#/id`.")
        return found

    def parameters(self, own: Node | None, target: Target, step: Node, inputs: Node | None = None) -> tuple[StepParameter, ...]:
        """The step's parameters, and those of the workflow that it does not override; a task's inputs, which need no place, are theirs."""
        found: dict[tuple[str, str | None], StepParameter] = {}
        for source in (self.shared.parameters, own):
            seen: set[tuple[str, str | None]] = set()
            for node in source.items() if source else ():
                parameter = self._parameter(node, target)
                key = (parameter.name, parameter.location)
                if key in seen:
                    node.fault("duplicate", "is given twice in one list.", "Keep one.")
                seen.add(key)
                found[key] = parameter
        for name, node in inputs.entries() if inputs is not None else ():
            self._take(found, name, node, target)
        if inputs is not None and target.runner != "task" and not target.lost:
            inputs.fault("exclusive", "has a meaning only for a task.", "Give `parameters` and a `requestBody`.")
        if target.runner in ("workflow", "task"):
            for name in sorted(target.required - {parameter.name for parameter in found.values()}):
                step.findings.add(f"{step.pointer}/parameters", f"required:{name}", f"does not give `{safe(name)}`, which is needed.")
        return tuple(found.values())

    def _take(self, found: dict[tuple[str, str | None], StepParameter], name: str, node: Node, target: Target) -> None:
        """One input of a task, from ``x-kosha-inputs``."""
        try:
            key = target.parameter(name, None) if target.runner == "task" else (name, None)
        except ExpressionError as error:
            node.findings.refuse(node.pointer, error)
            return
        if key in found:
            node.fault("duplicate", "is given among the parameters too.", "Keep one.")
        found[key] = StepParameter(*key, self.template(node), node.pointer)

    def _parameter(self, node: Node, target: Target) -> StepParameter:
        found, override = self._resolved(node, "parameters")
        fields = found.fields(_PARAMETER)
        name = fields["name"].text() if "name" in fields else ""
        location = fields["in"].choice("path", "query", "header", "cookie") if "in" in fields else None
        value = override or fields.get("value")
        template = self.template(value) if value is not None else Template(node.pointer, "constant", None)
        try:
            name, location = target.parameter(name, location)
        except ExpressionError as error:
            node.findings.refuse(node.pointer, error)
        return StepParameter(name, location, template, node.pointer)

    def _resolved(self, node: Node, kind: str) -> tuple[Node, Node | None]:
        """The object itself, or the component that it refers to; and a value that stands in for the component's."""
        if not isinstance(node.value, Mapping) or "reference" not in node.value:
            return node, None
        fields = node.fields(Keys(("reference",), ("value",) if kind == "parameters" else (), extensible=False))
        reference = fields["reference"].text()
        head = f"$components.{kind}."
        name = reference.removeprefix(head)
        known = self.shared.components.get(kind, {})
        if not reference.startswith(head) or name not in known:
            near = nearest(name, known, shortest=3)
            fix = f"Did you mean `{head}{safe(near)}`?" if near else f"Write `{head}<name>`."
            fields["reference"].fault("unknown", "refers to nothing among the components.", fix)
            return Node({}, type(node.findings)(), node.pointer), None
        return known[name], fields.get("value")

    def actions(self, kind: str, own: Node | None) -> tuple[StepAction, ...]:
        """The step's actions, then those of the workflow that it does not override by name."""
        shared = self.shared.success if kind == "success" else self.shared.failure
        found: dict[str, StepAction] = {}
        for source in (own, shared):
            listed: set[str] = set()
            for node in source.items() if source else ():
                action = self._action(kind, node)
                if action.name in listed:
                    node.fault("duplicate", "has the name of another action in this list.", "Keep one.")
                listed.add(action.name)
                found.setdefault(action.name, action)
        return tuple(found.values())

    def _action(self, kind: str, given: Node) -> StepAction:
        node, _ = self._resolved(given, f"{kind}Actions")
        keys, turns = _ACTIONS[kind]
        fields = node.fields(keys)
        turn: Any = fields["type"].choice(*turns) if "type" in fields else turns[0]
        step, workflow = (fields[name].text() if name in fields else None for name in ("stepId", "workflowId"))
        if step and workflow:
            node.fault("exclusive", "names both a step and a workflow.", "Keep one.")
        if turn == "goto" and not step and not workflow:
            node.fault("required", "goes nowhere.", "Add `stepId` or `workflowId`.")
        if turn == "end" and (step or workflow):
            node.fault("exclusive", "ends the workflow and names where to go on.", "Use `type: goto`.")
        for name in _RETRY:
            if name in fields and turn != "retry":
                fields[name].fault("exclusive", "has a meaning only with `type: retry`.")
        self._known_step(fields.get("stepId"), frozenset(self.place.here.steps), "step of this workflow")
        self._known_step(fields.get("workflowId"), frozenset(self.place.workflows), "workflow of this document")
        limit = int(fields["retryLimit"].number(whole=True)) if "retryLimit" in fields else 1
        if limit > _MOST_RETRIES:
            fields["retryLimit"].fault("maximum", f"must be at most {_MOST_RETRIES}.")
        return StepAction(
            name=fields["name"].text() if "name" in fields else "",
            turn=turn,
            pointer=node.pointer,
            step=step,
            workflow=workflow,
            retry_after=fields["retryAfter"].number() if "retryAfter" in fields else None,
            retry_limit=limit,
            criteria=tuple(map(self.criterion, fields["criteria"].items())) if "criteria" in fields else (),
        )

    def _known_step(self, node: Node | None, known: frozenset[str], what: str) -> None:
        if node is None or not isinstance(node.value, str) or node.value in known:
            return
        if node.value.startswith("$sourceDescriptions."):
            node.unsupported("Workflows of other documents are")
            return
        near = nearest(node.value, known, shortest=3)
        node.fault("unknown", f"names no {what}.", f"Did you mean `{safe(near)}`?" if near else "")

    def criterion(self, node: Node) -> Criterion:
        """One criterion of any kind."""
        fields = node.fields(_CRITERION)
        text = fields["condition"].text() if "condition" in fields else ""
        kind = self._kind(fields["type"]) if "type" in fields else "simple"
        decide: Callable[[Callable[[Expression], Any]], Any] = _never
        about_status = False
        try:
            if kind == "simple":
                if "context" in fields:
                    fields["context"].unsupported("A context for a simple condition is", "Write the expression into the condition.")
                condition: SimpleCondition = parse_condition(text, self.place.read_in_condition)
                decide = condition.decide
                about_status = any(expression.kind == "statusCode" for expression in condition.expressions)
            elif kind in KINDS:
                decide, about_status = self._in_context(kind, text, fields.get("context"), node)
        except ExpressionError as error:
            node.findings.refuse(f"{node.pointer}/condition", error)
        return Criterion(decide, node.pointer, text, kind, about_status)

    def _in_context(self, kind: str, text: str, context: Node | None, node: Node) -> tuple[Callable[..., Any], bool]:
        test = KINDS[kind](text)
        if context is None:
            node.findings.add(f"{node.pointer}/context", "required", "is missing.", f"A {kind} criterion needs a `context`.")
            return _never, False
        try:
            expression = self.place.read(context.text())
        except ExpressionError as error:
            context.findings.refuse(context.pointer, error)
            return _never, False
        return lambda look: test(look(expression)), expression.kind == "statusCode"

    def _kind(self, node: Node) -> str:
        if isinstance(node.value, Mapping):
            node.unsupported("Other versions of a query language are", "Write `type: jsonpath`, which is RFC 9535.")
            return ""
        if node.value == "xpath":
            node.unsupported("XPath is", "Use `jsonpath`, `regex` or a simple condition.")
            return ""
        return node.choice("simple", "regex", "jsonpath")


def _never(_: Any) -> None:
    """The criterion of a document that is refused anyway."""


__all__ = ["OUTPUT", "STEP", "Shared", "parse", "read_step"]
