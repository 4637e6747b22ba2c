"""Inputs to try a form with: curated examples first, made-up values for the rest, and only what the form's conditions allow."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Mapping
from typing import Any

from kosha_connector_openai.core.actions import Action, action_sample
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.schema import Node


def form_sample(action: Action, fields: list[Node], define: Callable[[str], Node], *, minimal: bool = True) -> dict[str, Any]:
    """JSON-ready inputs that the form's schema and the action's own check accept, files as data URLs (RFC 2397).

    ``minimal`` gives what is needed, and what the form shows first where an example of it is at hand; ``define`` gives the shape behind a
    ``$ref``. Raises DocumentError where the description gives no sample.
    """
    needed = {field["name"] for field in fields if field["required"]}
    made = action_sample(action, minimal=minimal)
    plain = _json({name: value for name, value in made.items() if value not in (None, "") or name in needed}, fields)
    examples = {field["name"]: field["example"] for field in fields if "example" in field}
    if minimal:
        main = {field["name"] for field in fields if field["group"] == "main"}
        examples = {name: value for name, value in examples.items() if name in main or name in plain}
    found = allowed(fields, {**plain, **examples}, define)
    try:
        action.check(found)
    except InputError:
        return allowed(fields, plain, define)
    return found


def allowed(fields: list[Node], inputs: Mapping[str, Any], define: Callable[[str], Node]) -> dict[str, Any]:
    """The inputs without those that a condition hides, and without the later one of two that exclude each other; their objects too."""
    found = dict(inputs)
    for field in sorted(fields, key=lambda field: not field["required"]):
        if field["name"] in found:
            for other in field.get("excludes", ()):
                found.pop(other, None)
    defaults = {field["name"]: field.get("default") for field in fields}
    hidden = [field["name"] for field in fields if not all(holds(test, found, defaults) for test in field.get("visible_when", ()))]
    shapes = {field["name"]: define(field["$ref"]) if "$ref" in field else field for field in fields}
    return {name: _inner(shapes.get(name, {}), value, define) for name, value in found.items() if name not in hidden}


def _inner(shape: Node, value: Any, define: Callable[[str], Node]) -> Any:
    return allowed(shape["fields"], value, define) if isinstance(value, Mapping) and "fields" in shape else value


def holds(test: Node, inputs: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether a condition of the form holds for these inputs; a field left out counts as its default."""
    name = test["field"]
    if "given" in test:
        return (name in inputs) is test["given"]
    return inputs.get(name, defaults.get(name)) in test["in"]


def _json(inputs: Mapping[str, Any], fields: list[Node]) -> dict[str, Any]:
    files = {field["name"]: field.get("file", {}) for field in fields}
    return {name: _plain(value, files.get(name, {})) for name, value in inputs.items()}


def _plain(value: Any, rules: Mapping[str, Any]) -> Any:
    """Files, which samples give as a name and bytes, as JSON can hold them."""
    if isinstance(value, tuple):
        name, content = value[0], value[1]
        extension = next(iter(rules.get("extensions", ())), "")
        name = f"{name.partition('.')[0]}{extension}" if extension else name
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return f"data:{kind};name={name};base64,{base64.b64encode(content).decode()}"
    if isinstance(value, dict):
        return {key: _plain(item, rules) for key, item in value.items()}
    return [_plain(item, rules) for item in value] if isinstance(value, list) else value
