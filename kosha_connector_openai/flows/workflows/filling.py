"""What a step gives to the thing that it runs: parameters and body, filled in, as one flat object of inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.core.actions import BODY, Action
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.workflows.expressions import MISSING, find
from kosha_connector_openai.flows.workflows.model import Replacement, StepBody
from kosha_connector_openai.flows.workflows.scope import Known, StepExchange
from kosha_connector_openai.flows.workflows.templates import Omitted, Unfilled
from kosha_connector_openai.text import essence


def fill_step(known: Known, exchange: StepExchange, action: Action | None) -> dict[str, Any]:
    """The inputs, for ``action`` where the step sends one request. Raises InputError where a value is not there."""
    inputs: dict[str, Any] = {}
    try:
        for parameter in exchange.step.parameters:
            try:
                value = parameter.value.fill(known.look)
            except Omitted:
                continue
            exchange.note(parameter, value)
            inputs[parameter.name] = value
        if exchange.step.body is not None:
            exchange.body = _body(exchange.step.body, known)
    except Unfilled as gap:
        pointer = gap.pointer
    else:
        return inputs if action is None or exchange.step.body is None else _with_body(inputs, exchange, exchange.step.body, action)
    raise missing(pointer)


def missing(pointer: str) -> InputError:
    """The error for an expression that finds nothing."""
    fault = Fault(pointer, "missing", "finds no value.", "The step that should give it has not run, or its reply has no such part.")
    return InputError("A value of the step is not there; nothing was sent.", [fault], pointer=pointer)


def _body(body: StepBody, known: Known) -> Any:
    try:
        payload = body.payload.fill(known.look)
    except Omitted:
        raise Unfilled(body.payload.pointer) from None
    if body.replacements:
        payload = copy.deepcopy(payload)
    for replacement in body.replacements:
        _replace(payload, replacement, known)
    return payload


def _replace(payload: Any, replacement: Replacement, known: Known) -> None:
    *path, last = replacement.target
    owner = find(payload, path)
    if find(owner, (last,)) is MISSING:
        raise Unfilled(f"{replacement.pointer}/target")
    try:
        value = replacement.value.fill(known.look)
    except Omitted:
        raise Unfilled(replacement.value.pointer) from None
    owner[int(last) if isinstance(owner, list) else last] = value


def _with_body(inputs: dict[str, Any], exchange: StepExchange, body: StepBody, action: Action) -> dict[str, Any]:
    """The fields of the body among the inputs, or the body as one input where it is no object."""
    pointer = f"{body.pointer}/payload"
    flat = [form.is_flat for form in action.inputs.bodies]
    if not any(flat) or (not all(flat) and not isinstance(exchange.body, Mapping)):
        return inputs | {BODY: exchange.body}
    if not isinstance(exchange.body, Mapping):
        raise InputError("The payload is not an object.", [Fault(pointer, "type", "must be an object.")], pointer=pointer)
    if inputs.keys() & exchange.body.keys():
        raise InputError("A field is given twice.", [Fault(pointer, "twice", "has a field with the name of a parameter.")], pointer=pointer)
    found = inputs | dict(exchange.body)
    if body.content_type is not None and len(flat) > 1:
        _check_type(action, found, body)
    return found


def _check_type(action: Action, inputs: dict[str, Any], body: StepBody) -> None:
    """Of several media types, the inputs must mean the one that the document names."""
    media_type = action.check(inputs, "warn").media_type
    wanted = essence(str(body.content_type))
    if media_type is not None and essence(media_type.name) != wanted:
        pointer = f"{body.pointer}/contentType"
        fault = Fault(pointer, "const", f"does not fit the payload, which is sent as {media_type.name}.", "A file is what makes a form.")
        raise InputError("The payload would be sent in another media type.", [fault], pointer=pointer)
