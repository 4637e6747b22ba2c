"""Differences: what two descriptions of one service say otherwise, and which of them is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Self

DESCRIPTION, CLIENT = "description", "client"
LONGEST: Final = 60


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
class Precedence:
    """An entry of a list of sides: which side is right for the differences that fit one pattern of each of its lists, and why."""

    right: str
    reason: str
    kinds: tuple[str, ...]
    operations: tuple[str, ...] = ("*",)
    where: tuple[str, ...] = ("*",)
    values: tuple[str, ...] = ("*",)

    @classmethod
    def of(cls, entry: Mapping[str, Any], name: str) -> Self:
        """The entry as written in YAML; raises `ValueError`, which says the file's `name`, where it names no side or no reason."""
        if entry.get("right") not in (DESCRIPTION, CLIENT) or not entry.get("reason"):
            raise ValueError(f"{name}: an entry needs `right` (description or client) and a reason: {entry}")
        lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
        return cls(right=entry["right"], reason=entry["reason"].strip(), **lists)

    def fits(self, difference: Difference) -> bool:
        given = {
            "kinds": difference.kind,
            "operations": difference.operation,
            "where": difference.where,
            "values": f"{difference.description} | {difference.client}",
        }
        return all(any(fnmatchcase(text, pattern) for pattern in getattr(self, name)) for name, text in given.items())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
