"""What expressions may name: collected from a document before it is read, so that a name that leads nowhere is found before any run."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.flows.workflows.expressions import Expression, ExpressionError, parse
from kosha_connector_openai.flows.workflows.model import Runner
from kosha_connector_openai.schema import SchemaReader, safe
from kosha_connector_openai.text import nearest


@dataclass(frozen=True, slots=True)
class Signature:
    """The names of a workflow's inputs and outputs, and of its steps' outputs."""

    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    steps: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NameScope:
    """The names that an expression may use: by its workflow, its kind of step, and whether a reply is there already."""

    workflows: Mapping[str, Signature]
    sources: frozenset[str]
    parameters: frozenset[str]
    headers: tuple[str, ...]
    """Patterns of the reply headers that the connector keeps."""
    here: Signature = Signature()
    runner: Runner | None = None
    target: str = ""
    action: Action | None = None
    given: frozenset[tuple[str, str]] = frozenset()
    """The request's parameters, place and name."""
    replied: bool = False

    def at(self, **changes: Any) -> NameScope:
        """Returns the scope with some values changed."""
        return replace(self, **changes)

    def read(self, text: str) -> Expression:
        """The expression in a text; raises ExpressionError where it names nothing."""
        found = parse(text)
        _check(found, self)
        return found

    def read_in_condition(self, text: str) -> Expression:
        """The same in a condition, where an expression may go on with property names: ``$response.body.id``."""
        for head in ("$response.body", "$request.body"):
            if text.startswith(f"{head}."):
                return _going_on(self.read(head), text.removeprefix(f"{head}.").split("."))
        found = parse(text)
        known = self._known(found)
        name = found.names[-1] if found.names else ""
        if known is not None and name not in known and "." in name and not found.pointer:
            words = name.split(".")
            for count in range(len(words) - 1, 0, -1):
                if ".".join(words[:count]) in known:
                    short = Expression(found.kind, (*found.names[:-1], ".".join(words[:count])))
                    return _going_on(short, words[count:])
        _check(found, self)
        return found

    def _known(self, found: Expression) -> frozenset[str] | None:
        if found.kind == "inputs":
            return self.here.inputs
        if found.kind == "steps":
            return self.here.steps.get(found.names[0], frozenset())
        if found.kind == "workflows" and found.names[0] in self.workflows:
            signature = self.workflows[found.names[0]]
            return signature.inputs if found.names[1] == "inputs" else signature.outputs
        return None


def _going_on(found: Expression, words: list[str]) -> Expression:
    if not all(words):
        raise ExpressionError("has an empty property name.")
    return replace(found, steps_in=tuple(words))


def _check(found: Expression, place: NameScope) -> None:
    _CHECKS[found.kind](found, place)


def _one_of(name: str, known: frozenset[str], what: str) -> None:
    if name in known:
        return
    near = nearest(name, known, shortest=3)
    listed = ", ".join(f"`{safe(word)}`" for word in sorted(known)[:20])
    fix = f"Did you mean `{safe(near)}`?" if near else f"There is {listed}." if known else "There are none."
    raise ExpressionError(f"names no {what}.", fix, "unknown")


def _inputs(found: Expression, place: NameScope) -> None:
    _one_of(found.names[0], place.here.inputs, "input of this workflow")


def _steps(found: Expression, place: NameScope) -> None:
    step, output = found.names
    _one_of(step, frozenset(place.here.steps), "step of this workflow")
    _one_of(output, place.here.steps[step], "output of that step")


def _workflows(found: Expression, place: NameScope) -> None:
    workflow, word, name = found.names
    _one_of(workflow, frozenset(place.workflows), "workflow of this document")
    signature = place.workflows[workflow]
    _one_of(name, signature.inputs if word == "inputs" else signature.outputs, f"{word[:-1]} of that workflow")


def _outputs(found: Expression, place: NameScope) -> None:
    if place.runner != "workflow" or not place.replied:
        raise ExpressionError("has a meaning only after a step that runs a workflow.", "Name a step: `$steps.<stepId>.outputs.<name>`.")
    _one_of(found.names[0], place.workflows[place.target].outputs, "output of the workflow that the step runs")


def _request(found: Expression, place: NameScope) -> None:
    if place.runner not in ("operation", "job"):
        raise ExpressionError("has a meaning only in a step that runs an operation.")
    if found.names[0] != "body" and (found.names[0], found.names[1]) not in place.given:
        raise ExpressionError("names no parameter of this step.", "A parameter must be declared under `parameters` of the step.", "unknown")


def _response(found: Expression, place: NameScope) -> None:
    if place.runner in (None, "workflow") or not place.replied:
        raise ExpressionError("has a meaning only after a step that runs an operation.")
    if found.names[0] == "header":
        if place.runner != "operation":
            raise ExpressionError("asks for a header, and such a step has none.")
        if not any(fnmatch.fnmatchcase(found.names[1], pattern) for pattern in place.headers):
            raise ExpressionError("names a header that this connector does not keep.", f"It keeps {', '.join(place.headers)}.", "unknown")
    elif place.runner == "operation" and place.action is not None and place.action.output_schema is not None:
        _check_body(found.pointer, place.action.output_schema)


def _check_body(pointer: tuple[str, ...], schema: Mapping[str, Any]) -> None:
    """A name in a reply that is nearly one that the description knows is a slip."""
    reader = SchemaReader(schema)
    parts: list[Any] = [schema]
    for token in pointer:
        below: list[Any] = []
        names: set[str] = set()
        for part in (one for start in parts for one in reader.parts(start, ("allOf", "anyOf", "oneOf"))):
            properties = part.get("properties", {})
            names |= set(properties)
            below += [properties[token]] if token in properties else []
            below += [part["items"]] if token.isdecimal() and isinstance(part.get("items"), Mapping) else []
        near = None if below else nearest(token, names, shortest=4)
        if near:
            raise ExpressionError(f"names no field of the reply: `{safe(token)}`.", f"Did you mean `{safe(near)}`?", "unknown")
        parts = below


def _status(_: Expression, place: NameScope) -> None:
    if place.runner not in ("operation", "workflow") or not place.replied:
        raise ExpressionError("has a meaning only after a step that runs an operation.")


def _operation(_: Expression, place: NameScope) -> None:
    if place.runner != "operation":
        raise ExpressionError("has a meaning only in a step that runs an operation.")


def _replied_operation(found: Expression, place: NameScope) -> None:
    _operation(found, place)
    if not place.replied:
        raise ExpressionError("has a meaning only after the request.")


def _source(found: Expression, place: NameScope) -> None:
    _one_of(found.names[0], place.sources, "source description")


def _parameter(found: Expression, place: NameScope) -> None:
    _one_of(found.names[0], place.parameters, "parameter with a constant value among the components")


_CHECKS = {
    "inputs": _inputs,
    "steps": _steps,
    "workflows": _workflows,
    "outputs": _outputs,
    "request": _request,
    "response": _response,
    "statusCode": _status,
    "method": _operation,
    "url": _replied_operation,
    "source": _source,
    "parameter": _parameter,
}
