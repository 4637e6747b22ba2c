"""A request body of a document -> RequestBody. A payload that is JSON text is read first and filled in afterwards, never the other way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.workflows.expressions import MISSING, ExpressionError, find, looks_like_one, pointer_tokens
from kosha_connector_openai.flows.workflows.model import Replacement, StepBody
from kosha_connector_openai.flows.workflows.name_check import NameScope
from kosha_connector_openai.flows.workflows.node import Keys, Node
from kosha_connector_openai.flows.workflows.targets import Target
from kosha_connector_openai.flows.workflows.templates import Template, read_template
from kosha_connector_openai.text import essence, loads_strict

_BODY: Final = Keys((), ("contentType", "payload", "replacements"))
_REPLACEMENT: Final = Keys(("target", "value"))


def read_body(node: Node, target: Target, place: NameScope) -> StepBody:
    """The request body; what is wrong with it is noted."""
    fields = node.fields(_BODY)
    if target.lost:
        return StepBody(Template(node.pointer, "constant", {}), None, (), node.pointer)
    if target.action is None:
        node.unsupported("A request body is", "Give inputs of a workflow or a task as parameters.")
    elif not target.action.inputs.bodies:
        node.fault("body", "has no place: the operation takes no body.", "Leave it out.")
    content_type = fields["contentType"].text() if "contentType" in fields else None
    if content_type is not None and target.action is not None:
        _check_type(fields["contentType"], target)
    if "payload" not in fields:
        node.findings.add(f"{node.pointer}/payload", "required", "is missing.", "Add `payload`.")
    payload = _payload(fields["payload"], target, place) if "payload" in fields else Template(node.pointer, "constant", {})
    raw = _plain(fields["payload"].value) if "payload" in fields else None
    items = fields["replacements"].items() if "replacements" in fields else ()
    return StepBody(payload, content_type, tuple(_replacement(item, raw, place) for item in items), node.pointer)


def _check_type(node: Node, target: Target) -> None:
    assert target.action is not None
    known = [form.media_type.name for form in target.action.inputs.bodies]
    if essence(str(node.value)) not in [essence(name) for name in known]:
        node.fault("enum", "is not a media type that the operation takes.", f"It takes {' or '.join(known)}.")


def _payload(node: Node, target: Target, place: NameScope) -> Template:
    value = node.value
    if isinstance(value, str) and not looks_like_one(value) and target.takes_object:
        try:
            value = loads_strict(value, what="payload")
        except InputError as error:
            where = error.faults[0].message if error.faults else ""
            node.fault(
                "json", f"must be an object, or its JSON: it {where}", "Write it as YAML, with each expression as a text of its own."
            )
            return Template(node.pointer, "constant", {})
    if target.takes_object and not isinstance(value, (Mapping, str)):
        node.fault("type", "must be an object: the operation's body has fields.")
    return read_template(value, node.pointer, place.read, node.findings.refuse)


def _plain(value: Any) -> Any:
    """The payload as the document has it, where it has one that replacements can be checked against."""
    if isinstance(value, str):
        try:
            return loads_strict(value)
        except InputError:
            return None
    return value


def _replacement(node: Node, payload: Any, place: NameScope) -> Replacement:
    fields = node.fields(_REPLACEMENT)
    tokens: tuple[str, ...] = ()
    if "target" in fields:
        target = fields["target"].text()
        try:
            tokens = pointer_tokens(target)
        except ExpressionError as error:
            fields["target"].fault("unsupported", f"is no JSON Pointer: it {error.message}", "XPath is not supported.")
        else:
            if not tokens:
                fields["target"].unsupported("Replacing the whole payload is", "Give it as the payload.")
            elif target.startswith("//"):
                fields["target"].unsupported("XPath is", "Write a JSON Pointer.")
            elif isinstance(payload, (Mapping, list)) and find(payload, tokens) is MISSING:
                fields["target"].fault("unknown", "points at nothing in the payload.", "Write a place for it there.")
    value = fields.get("value")
    template = (
        Template(node.pointer, "constant", None)
        if value is None
        else read_template(value.value, value.pointer, place.read, node.findings.refuse)
    )
    return Replacement(tokens, template, node.pointer)
