"""Corrections: reviewed changes where the source is known to be wrong about what the service accepts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.text import tokens


def correct(tree: Node, corrections: list[Node], stale: list[str] | None = None) -> Node:
    """`tree` with each correction applied in order; one that changes nothing goes on the list `stale`, or is an error without one.

    A correction has `at` (a JSON Pointer into the tree, or a list of them), `reason`, and one or more of: `optional`
    (names that leave `required`), `drop` (keywords or properties that go), `merge` (a JSON merge patch, RFC 7396), `add`
    (what the lists of these names have besides), `value` (a whole new value).
    """
    tree = copy.deepcopy(tree)
    for correction in corrections:
        places = correction["at"]
        for pointer in [places] if isinstance(places, str) else places:
            if not _correct(tree, pointer, correction):
                if stale is None:
                    raise ValueError(f"correction at {pointer} changes nothing; it can go")
                stale.append(pointer)
    return tree


def _correct(tree: Node, pointer: str, correction: Node) -> bool:
    """Whether the correction changes anything."""
    holder, key = _locate(tree, pointer)
    before = copy.deepcopy(holder[key])
    for name, change in CHANGES.items():
        if name in correction:
            holder[key] = change(holder[key], correction[name])
    return bool(holder[key] != before)


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
    out = dict(target)
    for name, more in lists.items():
        given = target.get(name, [])
        out[name] = [*given, *(copy.deepcopy(one) for one in more if not any(_is_same(one, other) for other in given))]
    return out


def _is_same(one: Any, other: Any) -> bool:
    """Whether a list has the entry already: the same one, or a parameter of the same name and place."""
    if isinstance(one, dict) and isinstance(other, dict) and {"name", "in"} <= one.keys() & other.keys():
        return (one["name"], one["in"]) == (other["name"], other["in"])
    return bool(one == other)


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "optional": _optional,
    "drop": _drop,
    "merge": _merge,
    "add": _add,
    "value": lambda _, value: value,
}
