"""Walks over a value, for what the engines do not tell: what is too deep or large, and what stands where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kosha_connector_openai.schema.complexity import DEEPEST
from kosha_connector_openai.schema.keywords import Path


def parts(value: Any, deepest: int = DEEPEST) -> Iterator[tuple[Path, Any]]:
    """Every part of a value with its path, itself first, in order; one level below ``deepest`` at most."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, part = waiting.pop()
        yield path, part
        if len(path) <= deepest:
            waiting.extend(((*path, step), child) for step, child in reversed(_children(part)))


def locate(value: Any, path: Path) -> tuple[Path, Any]:
    """A path with the value's own keys, and the part there; None where it is lost. Engines may give the key "007" as 7."""
    found: list[str | int] = []
    for step in path:
        if isinstance(value, Mapping):
            name = step if step in value else next((key for key in value if _is_number(key, step)), step)
            value = value.get(name)
            found.append(name)
        else:
            in_range = isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value)
            value = value[step] if in_range else None
            found.append(step)
    return tuple(found), value


def _is_number(key: str, number: str | int) -> bool:
    return isinstance(number, int) and key.lstrip("+0") == str(number).lstrip("0")


def too_deep(value: Any, deepest: int) -> Path | None:
    """The path of the first part that lies deeper than this many levels."""
    return next((path for path, _ in parts(value, deepest) if len(path) > deepest), None)


def is_larger(value: Any, limit: int) -> bool:
    """Whether a value has more parts than this."""
    count, waiting = 0, [value]
    while waiting and count <= limit:
        part = waiting.pop()
        count += 1
        if isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
    return count > limit


def _children(part: Any) -> list[tuple[str | int, Any]]:
    if isinstance(part, Mapping):
        return list(part.items())
    return list(enumerate(part)) if isinstance(part, (list, tuple)) else []
