"""Action + inputs -> Request: everything that will be written, without the credential, without the server, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kosha_connector_openai.core.actions import ABSENT, Action, Checked
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.media_types import Body, LiveBody, write_body
from kosha_connector_openai.core.request.parameters import write_headers, write_path, write_query
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.openapi import Parameter
from kosha_connector_openai.text import is_json

MAX_TARGET = 8 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request, relative to a server. ``target`` is path and query, encoded; ``template`` is the path as described."""

    method: str
    template: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: Body | LiveBody | None
    warnings: tuple[Fault, ...] = ()

    @property
    def replayable(self) -> bool:
        """Whether the same bytes can be sent again."""
        return self.body is None or self.body.replayable


@dataclass(frozen=True, slots=True)
class Preview:
    """The request that an action would send: the method, the whole URL, the headers (the credential's values masked), the body."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    request: Request

    def body(self) -> bytes:
        """The body's bytes, read into memory."""
        body = self.request.body
        return b"".join(body.chunks()) if body is not None and hasattr(body, "chunks") else b""


def build_request(action: Action, inputs: Mapping[str, Any], files: FilePolicy, validation: Validation = "on") -> Request:
    """The request for an action's inputs; raises InputError with every fault. File inputs are opened only when they are sent."""
    return write_request(action, action.check(inputs, validation), files)


def check_inputs(
    action: Action, inputs: Mapping[str, Any], files: FilePolicy = FilePolicy(), validation: Validation = "on"
) -> tuple[Fault, ...]:
    """The warnings about inputs that a request can be written for; raises InputError. No file is opened."""
    checked = action.check(inputs, validation)
    _target(action, checked)
    write_headers(action.parameters, checked.parameters)
    if checked.media_type is not None and is_json(checked.media_type.name):
        _body(action, checked, files)
    return checked.warnings


def write_request(action: Action, checked: Checked, files: FilePolicy) -> Request:
    """The request for inputs that passed the check."""
    operation = action.operation
    target = _target(action, checked)
    body = _body(action, checked, files)
    headers = [("Accept", action.accept)]
    if body is not None and body.content_type:
        headers.append(("Content-Type", body.content_type))
    headers += write_headers(action.parameters, checked.parameters)
    return Request(operation.method, operation.path, target, tuple(headers), body, checked.warnings)


def _target(action: Action, checked: Checked) -> str:
    target = write_path(action.operation.path, action.parameters, checked.parameters)
    query = _query(action, checked)
    if query:
        target += f"?{query}"
    if len(target) > MAX_TARGET:
        message = f"The path and query are longer than {MAX_TARGET} characters."
        raise InputError(message, [Fault("", "maxLength", message, "Ask for less at once.", MAX_TARGET)])
    return target


def _query(action: Action, checked: Checked) -> str:
    """The path key's own query, then the parameters, then unknown names that were let through."""
    own = "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in action.operation.query])
    if not (action.parameters or checked.extra_query):
        return own
    extra = [Parameter(name=name, location="query", schema={}, style="form", explode=True) for name in checked.extra_query]
    values = {**checked.parameters, **checked.extra_query}
    written = write_query([*action.parameters, *extra], values)
    return "&".join(part for part in (own, written) if part)


def _body(action: Action, checked: Checked, files: FilePolicy) -> Body | None:
    if checked.media_type is None or checked.body is ABSENT:
        return None
    return write_body(checked.media_type, checked.body, files, is_file=checked.file_fields.__contains__, rules=action.rules)
