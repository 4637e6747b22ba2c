"""Paths into JSON values: a JSON Pointer (RFC 6901) whose step may be ``*``, every item, or ``*[name=value]`` or
``*[name!=value]``, the objects among them that fit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_Step = tuple[str, str, str]
"""A property or index, or ``*`` with the name and the value that an item must have."""


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[_Step, ...]:
    return tuple(map(_step, path.split("/")[1:]))


def _step(text: str) -> _Step:
    if text.startswith("*[") and text.endswith("]"):
        name, _, value = text[2:-1].partition("=")
        return "*", name, value
    return text.replace("~1", "/").replace("~0", "~"), "", ""


def find(value: Any, path: str) -> list[Any]:
    """Every value at a path, nulls left out; nothing where the path leads nowhere."""
    found = [value]
    for key, name, wanted in _steps(path):
        below: list[Any] = []
        for item in found:
            if isinstance(item, dict):
                if key in item:
                    below.append(item[key])
            elif isinstance(item, list):
                below += item if key == "*" and not name else _items(item, key, name, wanted)
        if not below:
            return below
        found = below
    return [item for item in found if item is not None]


def _items(items: list[Any], key: str, name: str, wanted: str) -> list[Any]:
    if key != "*":
        return [items[int(key)]] if key.isdecimal() and int(key) < len(items) else []
    if name.endswith("!"):
        return [item for item in items if isinstance(item, dict) and item.get(name[:-1]) != wanted]
    return [item for item in items if isinstance(item, dict) and item.get(name) == wanted]


def first_of(value: Any, paths: Sequence[str]) -> Any:
    """The first value that one of the paths finds, or None."""
    return next((found[0] for path in paths if (found := find(value, path))), None)


def all_of(value: Any, paths: Sequence[str]) -> list[Any]:
    """What the first of the paths that leads anywhere finds."""
    return next((found for path in paths if (found := find(value, path))), [])
