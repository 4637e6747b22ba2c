"""JSON Pointers (RFC 6901): written, split and resolved. A path is a pointer one of whose tokens may be ``*``, every item of an array,
or ``*[name=value]``, ``*[name!=value]`` or ``*[name?=value]`` (that value or none), the objects among them that fit; ``a|b`` is either."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final

OBJECT: Final = (dict, Mapping)
"""What JSON has as an object, for ``isinstance``: that a dict is one is seen without the slow question to Mapping."""
_ARRAY: Final = (list, tuple)
_ABSENT: Final = object()
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
"""An index has no leading zeros (section 4)."""
_Step = tuple[str, str, tuple[str, ...]]
"""A token, or ``*`` with the name and the values of which an item must have one."""


def escape(token: object) -> str:
    """One token as a pointer writes it (section 3)."""
    return str(token).replace("~", "~0").replace("/", "~1")


def to_pointer(path: Iterable[object]) -> str:
    """The pointer of these tokens: names of members and indices of items."""
    return "".join(f"/{escape(token)}" for token in path)


@lru_cache(maxsize=1024)
def tokens(pointer: str) -> tuple[str, ...]:
    """The tokens of a pointer (section 4)."""
    return tuple(map(_unescape, pointer.split("/")[1:]))


def at(value: Any, path: str | Iterable[str | int], default: Any = None) -> Any:
    """The value at a pointer, or at its tokens; ``default`` where nothing is there."""
    for token in tokens(path) if isinstance(path, str) else path:
        value = value.get(token, _ABSENT) if type(value) is dict else _member(value, token, _ABSENT)
        if value is _ABSENT:
            return default
    return value


def resolve(value: Any, path: str | Iterable[str | int]) -> Any:
    """The value at a pointer, or at its tokens. Raises LookupError where nothing is there."""
    found = at(value, path, _ABSENT)
    if found is _ABSENT:
        raise LookupError(path)
    return found


def find(value: Any, path: str) -> list[Any]:
    """Every value at a path, without nulls; empty where the path leads nowhere."""
    pointer, steps = _split(path)
    for token in pointer:
        if value is None:
            break
        value = value.get(token) if type(value) is dict else _member(value, token)
    if value is None or not steps:
        return [] if value is None else [value]
    found = [value]
    for key, name, wanted in steps:
        below: list[Any] = []
        for item in found:
            if key == "*" and isinstance(item, list):
                below += _fitting(item, name, wanted) if name else item
            elif (member := item.get(key) if type(item) is dict else _member(item, key)) is not None:
                below.append(member)
        if not below:
            return below
        found = below
    return [item for item in found if item is not None]


def first_of(value: Any, paths: Sequence[str]) -> Any:
    """The first value that one of the paths finds, or None."""
    for path in paths:
        if found := find(value, path):
            return found[0]
    return None


def all_of(value: Any, paths: Sequence[str]) -> list[Any]:
    """The values of the first path that finds any."""
    return next((found for path in paths if (found := find(value, path))), [])


def walk(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its pointer, parents first, without recursion; lazy, so that a caller can stop a cycle."""
    waiting = [(pointer, value)]
    while waiting:
        here, node = waiting.pop()
        yield here, node
        if isinstance(node, dict):
            waiting += [(f"{here}/{escape(key)}", child) for key, child in reversed(node.items())]
        elif isinstance(node, _ARRAY):
            waiting += [(f"{here}/{index}", node[index]) for index in range(len(node) - 1, -1, -1)]


def _member(value: Any, token: str | int, default: Any = None) -> Any:
    """The member of an object or the item of an array that a token names; ``default`` where there is none."""
    if isinstance(value, _ARRAY):
        index = token if isinstance(token, int) else _index(token)
        return value[index] if 0 <= index < len(value) else default
    return value.get(token, default) if isinstance(value, OBJECT) else default


@lru_cache(maxsize=1024)
def _index(token: str) -> int:
    """The index that a token is, or -1."""
    return int(token) if _INDEX.fullmatch(token) else -1


@lru_cache(maxsize=1024)
def _split(path: str) -> tuple[tuple[str, ...], tuple[_Step, ...]]:
    """The tokens of the pointer that a path begins with, and the steps from its first ``*`` on."""
    texts = path.split("/")[1:]
    plain = tuple(takewhile(lambda text: "*" not in text, texts))
    return tuple(map(_unescape, plain)), tuple(map(_step, texts[len(plain) :]))


def _step(text: str) -> _Step:
    if text.startswith("*[") and text.endswith("]"):
        name, _, value = text[2:-1].partition("=")
        return "*", name, tuple(value.split("|"))
    return _unescape(text), "", ()


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _fitting(items: list[Any], name: str, wanted: tuple[str, ...]) -> list[Any]:
    if name.endswith("!"):
        return [item for item in items if isinstance(item, dict) and not _equals(item.get(name[:-1]), wanted)]
    if name.endswith("?"):
        name = name[:-1]
        return [item for item in items if isinstance(item, dict) and (item.get(name) is None or _equals(item[name], wanted))]
    return [item for item in items if isinstance(item, dict) and _equals(item.get(name), wanted)]


def _equals(value: Any, wanted: tuple[str, ...]) -> bool:
    return (str(value) if type(value) is int else value) in wanted
