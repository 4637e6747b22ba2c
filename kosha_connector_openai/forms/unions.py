"""Alternatives of one value as variants that a person can choose between, each with a label and with what tells it from the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kosha_connector_openai.schema import Branch, Flattener, Node

TELLERS: Final = ("type", "role", "mode", "kind", "object")
"""Properties that tell what an object is, the usual ones first; one with a single value is no choice."""
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
_SHAPES: Final = (("properties", "object"), ("additionalProperties", "object"), ("items", "array"), ("prefixItems", "array"))
_ONE: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("Text", "texts"), "integer": ("Number", "numbers"), "number": ("Number", "numbers"), "boolean": ("Boolean", "booleans"),
    "object": ("Object", "objects"), "array": ("List", "lists"),
}  # fmt: skip


def kind(node: Mapping[str, Any]) -> str:
    """The JSON type of a flat schema's values; ``any`` where it does not say."""
    given = node.get("type")
    if isinstance(given, str):
        return given
    values = choices(node)
    if values:
        kinds = {_TYPES.get(type(value), "any") for value in values}
        return kinds.pop() if len(kinds) == 1 else "any"
    return next((name for keyword, name in _SHAPES if keyword in node), "any")


def choices(node: Mapping[str, Any]) -> list[Any]:
    """The only values that a flat schema allows, null left out; none where others are allowed too."""
    if "const" in node:
        return [node["const"]]
    return [value for value in node.get("enum", ()) if value is not None]


def collapse(branches: Sequence[Branch]) -> list[Branch]:
    """The alternatives that differ for a person: texts are one, whether listed or free, and so are numbers."""
    strings = [branch for branch in branches if _is_text(branch.node)]
    numbers = [branch for branch in branches if kind(branch.node) in ("integer", "number") and not choices(branch.node)]
    text = _texts(strings) if len(strings) > 1 else None
    number = _widest(numbers) if len(numbers) > 1 else None
    found: list[Branch] = []
    for branch in branches:
        chosen = text if text and branch in strings else number if number and branch in numbers else branch
        if chosen not in found:
            found.append(chosen)
    return found


def is_file(node: Mapping[str, Any]) -> bool:
    """Whether a flat schema is of a file's bytes."""
    return node.get("format") == "binary" or node.get("contentMediaType") == "application/octet-stream"


def _is_text(node: Mapping[str, Any]) -> bool:
    return kind(node) == "string" and not is_file(node)


def _texts(branches: Sequence[Branch]) -> Branch:
    """One text: with the listed values of all, open where one of them lists none."""
    listed = list(dict.fromkeys(value for branch in branches for value in choices(branch.node)))
    free = next((branch.node for branch in branches if not choices(branch.node)), None)
    node: Node = {key: value for branch in branches for key, value in branch.node.items() if key not in ("const", "enum", "title")}
    node = {**node, "type": "string", **({"enum": listed} if listed else {}), **({"open": True} if free is not None and listed else {})}
    return Branch(node, None, node)


def _widest(branches: Sequence[Branch]) -> Branch:
    return next((branch for branch in branches if branch.node.get("type") == "number"), branches[0])


class Discriminator:
    """The property by which the objects among some alternatives differ, and its values in each of them."""

    def __init__(self, flattener: Flattener, branches: Sequence[Branch], declared: Any) -> None:
        self._flattener = flattener
        objects = [branch for branch in branches if kind(branch.node) == "object"]
        self.name: str | None = None
        if len(objects) > 1:
            first = next(iter(objects), None)
            named = declared.get("propertyName") if isinstance(declared, dict) else None
            others = first.node.get("properties", ()) if first else ()
            names = dict.fromkeys([*([named] if isinstance(named, str) else []), *TELLERS, *others])
            self.name = next((name for name in names if self._tells(name, objects)), None)

    def _tells(self, name: str, objects: Iterable[Branch]) -> bool:
        return all(self.values(branch, name) for branch in objects)

    def values(self, branch: Branch, name: str | None = None) -> list[Any]:
        """The values of the property (or of the one named) that stand for an alternative."""
        schema = branch.node.get("properties", {}).get(name or self.name)
        if not isinstance(schema, dict):
            return []
        values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else None
        if values is None and ("$ref" in schema or "anyOf" in schema or "oneOf" in schema or "allOf" in schema):
            flat = self._flattener.flat(schema)
            values = [] if flat.branches else choices(flat.node)
        return [value for value in values or () if isinstance(value, str)]


def when(branch: Branch, discriminator: Discriminator, flattener: Flattener) -> Node:
    """A small JSON Schema that the values of an alternative fit, and those of the others mostly do not."""
    node, found = branch.node, kind(branch.node)
    if found == "any":
        return {}
    out: Node = {"type": found}
    if found == "array":
        items = flattener.flat(node.get("items", {})).node
        if (inner := kind(items)) != "any":
            out["items"] = {"type": inner}
    if found == "object":
        values = discriminator.values(branch) if discriminator.name else []
        required = [*node.get("required", ())]
        if values and discriminator.name:
            out["properties"] = {discriminator.name: {"enum": values}}
            required = [discriminator.name, *(name for name in required if name != discriminator.name)]
        if required:
            out["required"] = required
    return out


def type_label(node: Mapping[str, Any], flattener: Flattener, depth: int = 0) -> str:
    """What an alternative is by its type: "Text", "List of numbers", "List of lists of numbers"."""
    found = kind(node)
    if is_file(node):
        return "One file"
    if found == "array" and is_file(flattener.flat(node.get("items", {})).node):
        return "Several files"
    if found != "array" or depth > 2:  # noqa: PLR2004 - deeper lists are told apart by nobody
        return _ONE.get(found, ("Any value", ""))[0]
    return f"List of {_plural(flattener.flat(node.get('items', {})).node, flattener, depth + 1)}"


def _plural(node: Mapping[str, Any], flattener: Flattener, depth: int) -> str:
    found = kind(node)
    if found == "array" and depth <= 2:  # noqa: PLR2004
        return f"lists of {_plural(flattener.flat(node.get('items', {})).node, flattener, depth + 1)}"
    return _ONE.get(found, ("", "values"))[1]
