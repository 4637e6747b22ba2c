"""Differences that are meant: a reviewed list of patterns, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.diff.change import Change, Direction
from kosha_connector_openai.openapi.diff.report import DiffReport
from kosha_connector_openai.text import load_yaml, model_faults

Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class Intended(BaseModel):
    """Changes that are meant: those that fit one pattern of every list. In a pattern ``*`` stands for any text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Text
    kinds: Patterns
    operations: Patterns = ("*",)
    where: Patterns = ("*",)
    direction: Direction | None = None

    def explains(self, change: Change) -> bool:
        """Whether this change is one of those."""
        fits = ((self.kinds, change.kind), (self.operations, change.operation), (self.where, change.where))
        return self.direction in (None, change.direction) and all(any(_fits(p, text) for p in patterns) for patterns, text in fits)


@dataclass(frozen=True, slots=True)
class Judged:
    """A report seen through a list of intended changes."""

    unexplained: DiffReport
    """The changes that no entry explains."""
    stale: tuple[Intended, ...]
    """The entries that explain nothing: they can go."""


_ENTRIES: Final = TypeAdapter(tuple[Intended, ...])


def read_intended(path: Path) -> tuple[Intended, ...]:
    """The entries of a YAML file; raises DocumentError."""
    try:
        return _ENTRIES.validate_python(load_yaml(path.read_bytes(), what=path.name))
    except OSError as error:
        raise DocumentError(f"{path.name} cannot be read: {error.strerror}.", hint="Name a file that you may read.") from None
    except ValidationError as error:
        raise DocumentError(f"{path.name} is not a list of intended changes.", model_faults(error)) from None


def judge(report: DiffReport, intended: Iterable[Intended]) -> Judged:
    """Takes the intended changes out of a report, and finds the entries that are not needed."""
    entries = tuple(intended)
    used: set[int] = set()
    left = []
    for change in report.changes:
        found = {index for index, entry in enumerate(entries) if entry.explains(change)}
        used |= found
        left += [] if found else [change]
    kept = set(map(id, left))
    return Judged(report.only(lambda change: id(change) in kept), tuple(e for i, e in enumerate(entries) if i not in used))


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
