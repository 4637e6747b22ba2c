"""Corrections: reviewed changes where the source is known to be wrong about what the service accepts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from kosha_connector_openai.text import tokens
from tools.spec.node import Node


def correct(tree: Node, corrections: list[Node]) -> Node:
    """`tree` with each correction applied in order; one that finds nothing to change is an error.

    A correction has `at` (a JSON Pointer into the tree, or a list of them), `reason`, and one or more of: `optional`
    (names that leave `required`), `drop` (keywords or properties that go), `merge` (a JSON merge patch, RFC 7396), `add`
    (what the lists of these names have besides), `value` (a whole new value).
    """
    tree = copy.deepcopy(tree)
    for correction in corrections:
        places = correction["at"]
        for pointer in [places] if isinstance(places, str) else places:
            _correct(tree, pointer, correction)
    return tree


def _correct(tree: Node, pointer: str, correction: Node) -> None:
    holder, key = _locate(tree, pointer)
    before = copy.deepcopy(holder[key])
    for name, change in CHANGES.items():
        if name in correction:
            holder[key] = change(holder[key], correction[name])
    if holder[key] == before:
        raise ValueError(f"correction at {pointer} changes nothing; it can go")


def _locate(tree: Any, pointer: str) -> tuple[Any, Any]:
    """The container and the key that `pointer` names; raises `ValueError` when it names nothing."""
    holder: Any = {"": tree}
    key: Any = ""
    for name in tokens(pointer):
        holder, key = holder[key], name
        if isinstance(holder, list):
            key = int(key)
        if key not in (range(len(holder)) if isinstance(holder, list) else holder):
            raise ValueError(f"correction at {pointer} points at nothing")
    return holder, key


def _optional(schema: Node, names: list[str]) -> Node:
    kept = [name for name in schema["required"] if name not in names]
    rest = {keyword: value for keyword, value in schema.items() if keyword != "required"}
    return {**rest, "required": kept} if kept else rest


def _drop(schema: Any, keys: list[Any]) -> Any:
    if isinstance(schema, list):
        return [value for value in schema if value not in keys]
    return {key: value for key, value in schema.items() if key not in keys}


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merge(out.get(key), value)
    return out


def _add(target: Node, lists: Node) -> Node:
    return target | {name: [*target.get(name, []), *copy.deepcopy(more)] for name, more in lists.items()}


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "optional": _optional,
    "drop": _drop,
    "merge": _merge,
    "add": _add,
    "value": lambda _, value: value,
}
