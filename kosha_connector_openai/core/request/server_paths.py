"""A request as the server at hand has it: some kinds of server have operations under other paths than the description says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from kosha_connector_openai.core.request.parameters import write_path, write_query
from kosha_connector_openai.core.request.request import MAX_TARGET, Request
from kosha_connector_openai.errors import Fault, InputError, SetupError
from kosha_connector_openai.manifest import PATH, PathRule, PathValue, ServerForm
from kosha_connector_openai.openapi import Parameter
from kosha_connector_openai.text import escape

_AS_DESCRIBED: Final = PathRule(path=PATH)


def at_server(request: Request, action: str, inputs: Mapping[str, Any], form: ServerForm, fields: Mapping[str, str]) -> Request:
    """The request of an action with the path and the query of this form; ``fields`` are those of the connection.

    Raises InputError where an input that the path needs is missing or would lead elsewhere, SetupError for such a field.
    """
    rule = next((rule for rule in form.paths if not rule.actions or action in rule.actions), _AS_DESCRIBED)
    path, _, query = request.target.partition("?")
    target = _fill(rule, _without(path, form.strip), inputs, fields)
    query = "&".join(part for part in (query, _fixed(query, form, fields)) if part)
    target = f"{target}?{query}" if query else target
    if len(target) > MAX_TARGET:
        message = f"The path and query are longer than {MAX_TARGET} characters."
        raise InputError(message, [Fault("", "maxLength", message, "Ask for less at once.", MAX_TARGET)])
    return replace(request, template=rule.path.replace(PATH, _without(request.template, form.strip)), target=target)


def _without(path: str, prefix: str) -> str:
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def _fill(rule: PathRule, path: str, inputs: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """The rule's path; a value never adds, drops or changes a segment, as for any path parameter."""
    of_fields = {name: source.field for name, source in rule.values.items() if source.field in fields}
    values = {
        name: fields[of_fields[name] or ""] if name in of_fields else inputs.get(source.input or "") for name, source in rule.values.items()
    }
    try:
        return path.join(write_path(piece, (), values) for piece in rule.path.split(PATH))
    except InputError as error:
        found = error.faults
    names = [fault.pointer.removeprefix("/") for fault in found]
    faults = [_told(fault, rule.values[name], of_fields.get(name)) for fault, name in zip(found, names, strict=True)]
    kind = SetupError if of_fields.keys() & set(names) else InputError
    raise kind("This server has the action under a path that cannot be written.", faults)


def _told(fault: Fault, source: PathValue, field: str | None) -> Fault:
    """The fault of a variable, told of the field or input that fills it."""
    pointer = f"/{escape(field or source.input or source.field or '')}"
    if fault.rule != "required":
        return replace(fault, pointer=pointer)
    other = f", or fill in the connection's field {source.field}" if source.field and source.input else ""
    return replace(fault, pointer=pointer, fix=f"Give it{other}: this server finds the action by it.")


def _fixed(query: str, form: ServerForm, fields: Mapping[str, str]) -> str:
    """The parameters that go with every request; raises InputError where an input would set one of them a second time."""
    given = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    if twice := sorted(given & form.query.keys()):
        faults = [Fault(f"/{escape(name)}", "fixed", "is set by the connection.", "Leave it out.") for name in twice]
        raise InputError("The query cannot be written.", faults)
    values = {name: fields[field] for name, field in form.query.items() if field in fields}
    return write_query([Parameter(name, "query", {}, style="form", explode=True) for name in values], values)
