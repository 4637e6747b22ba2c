"""Differences: what two descriptions of one service say otherwise, and which of them is right, from sides.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

SIDES = Path(__file__).parent / "sides.yaml"
DESCRIPTION, CLIENT = "description", "client"


@dataclass(frozen=True)
class Difference:
    """One fact on which the sides differ: of which kind, in which operation, where in it, and what each says.

    `take` makes the description say what the client says.
    """

    kind: str
    operation: str
    where: str
    description: Any
    client: Any
    take: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.operation} {self.where} {self.kind}: {_short(self.description)} | {_short(self.client)}"


@dataclass(frozen=True)
class Side:
    """An entry of sides.yaml: which side is right for the differences that fit one pattern of each of its lists, and why."""

    right: str
    reason: str
    kinds: tuple[str, ...]
    operations: tuple[str, ...] = ("*",)
    where: tuple[str, ...] = ("*",)
    values: tuple[str, ...] = ("*",)

    def fits(self, difference: Difference) -> bool:
        given = {
            "kinds": difference.kind,
            "operations": difference.operation,
            "where": difference.where,
            "values": f"{difference.description} | {difference.client}",
        }
        return all(any(fnmatchcase(text, pattern) for pattern in getattr(self, name)) for name, text in given.items())


def read_sides(path: Path = SIDES) -> list[Side]:
    """The entries in order; the first that fits a difference decides. Raises `ValueError` where one names no side or no reason."""
    sides = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if entry.get("right") not in (DESCRIPTION, CLIENT) or not entry.get("reason"):
            raise ValueError(f"{path.name}: an entry needs `right` (description or client) and a reason: {entry}")
        lists = {name: tuple(value) for name, value in entry.items() if isinstance(value, list)}
        sides.append(Side(right=entry["right"], reason=entry["reason"].strip(), **lists))
    return sides


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
