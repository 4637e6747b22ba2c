"""Sample inputs of an action: flat inputs that its own check accepts, made from its schemas alone, always the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.core.actions.body_form import BODY, BodyForm
from kosha_connector_openai.errors import DocumentError, InputError
from kosha_connector_openai.schema import NOT_JSON, candidates, with_files

_FILE: Final = ("sample.txt", b"sample\n")


def action_sample(action: Action, *, minimal: bool = True) -> dict[str, Any]:
    """Flat inputs that the action's own ``check`` accepts, files as ``(name, bytes)``; ``minimal`` leaves optional ones out.

    Raises DocumentError where none are found.
    """
    for schema in map(partial(_writable, action), [_input_schema(action, form) for form in action.inputs.bodies] or [action.input_schema]):
        for value in candidates(schema, optional=not minimal, hidden="readOnly"):
            inputs = with_files(value, lambda name: _FILE)
            if _accepts(action, inputs):
                return dict(inputs)
    raise DocumentError(f"No sample inputs can be made for {action.id}.", pointer=action.operation.pointer)


def _input_schema(action: Action, form: BodyForm) -> Mapping[str, Any]:
    """The inputs of one body form: what is required together stays together, which one flat schema cannot say."""
    flat = action.input_schema
    parameters = {name: parameter for name, parameter in action.inputs.parameters.items() if name not in action.inputs.constants}
    needed = action.operation.request_body is not None and action.operation.request_body.required
    required = [name for name, parameter in parameters.items() if parameter.required]
    if not (needed and form.is_flat):
        own = {name: part for name, part in flat["properties"].items() if name in parameters or name in form.properties}
        return {**flat, "properties": own, "required": [*required, BODY] if needed else required}
    body = form.json_schema
    return {
        "properties": {name: flat["properties"][name] for name in parameters},
        "required": required,
        "allOf": [{key: value for key, value in body.items() if key != "$defs"}],
        "$defs": {**flat.get("$defs", {}), **body.get("$defs", {})},
    }


def _writable(action: Action, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with a text in each variable of the path: an empty one would lead elsewhere."""
    properties = dict(schema["properties"])
    for name, parameter in action.inputs.parameters.items():
        if parameter.location == "path" and name in properties:
            properties[name] = {"allOf": [properties[name], {"minLength": 1}]}
    return {**schema, "properties": properties}


def _accepts(action: Action, inputs: Any) -> bool:
    try:
        action.check(inputs)
    except (InputError, *NOT_JSON):
        return False
    return True
