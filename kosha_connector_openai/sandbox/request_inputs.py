"""A request -> an action's flat inputs: path and query values, JSON, forms and multipart bodies, each in its declared type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from kosha_connector_openai.connector import Action
from kosha_connector_openai.sandbox.message import Blob, Incoming, UploadedFile
from kosha_connector_openai.schema import NOT_JSON, Compiled, default_backend
from kosha_connector_openai.text import essence

_BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_HEAD = 16 * 1024
_PARTS = 10_000
Pairs = list[tuple[str, Any]]


class Unreadable(Exception):
    """The body is not what its Content-Type says, or of a type that the operation does not take."""


class Reader:
    """Reads the requests of one action."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self._parameters = action.inputs.parameters
        self._types = {essence(form.media_type.name) for form in action.inputs.bodies}
        self._compiled: dict[str, Compiled] = {}

    def read(self, request: Incoming, path: Mapping[str, str]) -> dict[str, Any]:
        """The flat inputs, not yet checked; raises Unreadable."""
        own = {parameter.name for parameter in self._parameters.values() if parameter.location == "query"}
        places = {"path": path, "query": _nested(parse_qsl(request.query, keep_blank_values=True), own), "header": request.headers}
        inputs: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            key = parameter.name.lower() if parameter.location == "header" else parameter.name
            if key in places[parameter.location]:
                inputs[name] = self._typed(name, places[parameter.location][key])
        return self._body(request) | inputs

    def _body(self, request: Incoming) -> dict[str, Any]:
        if not len(request.body) or not self._types:
            return {}
        content = Message()
        content["content-type"] = request.headers.get("content-type", "application/json")
        kind = content.get_content_type()
        if kind not in self._types and not any("*" in name for name in self._types):
            raise Unreadable(f"Unsupported content type {kind[:100]!a}; use {' or '.join(sorted(self._types))}.")
        if kind.endswith("json"):
            return self._named(_json(request.body))
        if kind == "multipart/form-data":
            return self._form(list(parts(request.body, str(content.get_param("boundary") or ""))))
        if kind == "application/x-www-form-urlencoded":
            return self._form(parse_qsl(bytes(request.body).decode("utf-8", "replace"), keep_blank_values=True))
        return {"body": bytes(request.body).decode("utf-8", "replace") if kind.startswith("text/") else request.body}

    def _named(self, value: Any) -> dict[str, Any]:
        flat = any(form.is_flat and form.media_type.name.endswith("json") for form in self._action.inputs.bodies)
        if flat and not isinstance(value, dict):
            raise Unreadable("The body is not a JSON object.")
        return value if flat else {"body": value}

    def _form(self, pairs: Pairs) -> dict[str, Any]:
        nested = _nested(pairs, self._action.inputs.fields)
        return {name: self._typed(name, value) for name, value in nested.items()}

    def _typed(self, name: str, value: Any) -> Any:
        """The text or its JSON meaning, whichever the field's schema takes."""
        if _has_file(value):
            return value
        schema = self._action.input_schema
        if name not in schema["properties"]:
            return value
        if name not in self._compiled:
            self._compiled[name] = default_backend().compile({"allOf": [schema["properties"][name]], "$defs": schema.get("$defs", {})})
        value = _listed(value)
        meant = _meant(value)
        for candidate in (value, meant, [value], [meant], [part for part in str(value).split(",") if part]):
            try:
                if self._compiled[name].is_valid(candidate):
                    return candidate
            except NOT_JSON:
                continue
        return meant


def parts(body: Blob, boundary: str) -> Iterator[tuple[str, str | UploadedFile]]:
    """The parts of a multipart body (RFC 7578): text fields as text, files as UploadedFile, none copied; raises Unreadable."""
    mark = b"--" + boundary.encode()
    position = body.find(mark, body.start)
    if not boundary or position < 0:
        raise Unreadable("The multipart body has no boundary.")
    for _ in range(_PARTS):
        start = position + len(mark)
        if body.buffer[start : start + 2] == b"--":
            return
        head_end, position = body.find(b"\r\n\r\n", start), body.find(b"\r\n" + mark, start)
        if head_end < 0 or position < 0 or not head_end - start < _HEAD:
            break
        yield _part(body.buffer[start:head_end], Blob(body.buffer, min(head_end + 4, position), position))
        position += 2
    raise Unreadable("The multipart body is cut off or has too many parts.")


def _part(head: bytes, content: Blob) -> tuple[str, str | UploadedFile]:
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if value:
            message[name] = value.strip()
    name = str(message.get_param("name", "", header="content-disposition"))
    filename = message.get_param("filename", header="content-disposition")
    if filename is None:
        return name, bytes(content).decode("utf-8", "replace")
    return name, UploadedFile(str(filename), message.get_content_type(), content)


def _json(body: Blob) -> Any:
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise Unreadable("The body is not valid JSON.") from None


def _nested(pairs: Pairs, known: Iterable[str]) -> dict[str, Any]:
    """``a[b]`` and ``a[]`` as objects and arrays; a repeated name is an array. A declared name keeps its brackets."""
    names = set(known)
    found: dict[str, Any] = {}
    for key, value in pairs:
        match = None if key in names else _BRACKETS.fullmatch(key)
        name = match[1] if match else key
        steps = re.findall(r"\[([^\[\]]*)\]", match[2]) if match else []
        if name not in names and f"{name}[]" in names:
            name = f"{name}[]"
        found[name] = _put(found.get(name), [*steps, "" if key.endswith("[]") and not steps else None], value)
    return found


def _put(target: Any, steps: list[str | None], value: Any) -> Any:
    step, rest = steps[0], steps[1:]
    if step is None:
        return value if target is None else [*(target if isinstance(target, list) else [target]), value]
    if step == "":
        return [*(target if isinstance(target, list) else []), _put(None, rest, value) if rest else value]
    base = target if isinstance(target, dict) else {}
    return {**base, step: _put(base.get(step), rest, value)}


def _listed(value: Any) -> Any:
    """Objects whose keys are the indices of a list as that list: ``a[0]``, ``a[1]``."""
    if isinstance(value, list):
        return [_listed(item) for item in value]
    if not isinstance(value, dict):
        return value
    items = [_listed(item) for item in value.values()]
    return items if [*value] == [str(index) for index in range(len(items))] else dict(zip(value, items, strict=True))


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(item) for item in value]
    if isinstance(value, dict):
        return {key: _meant(item) for key, item in value.items()}
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return value


def _has_file(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_file, value))
    return isinstance(value, (UploadedFile, Blob))
