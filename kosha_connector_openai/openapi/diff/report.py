"""The differences between two descriptions as one value, with its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kosha_connector_openai.openapi.diff.change import Change, Direction, Verdict

_GRAVITY: Final = tuple(Verdict)


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What was compared, and every change; ``prefix`` was left out of all paths."""

    before: str
    after: str
    prefix: str
    operations_before: int
    operations_after: int
    changes: tuple[Change, ...]

    @property
    def is_breaking(self) -> bool:
        """Whether any change breaks a sender or a reader."""
        return any(change.verdict is Verdict.BREAKING for change in self.changes)

    def only(self, keep: Callable[[Change], bool]) -> DiffReport:
        """The same report with some of its changes."""
        return replace(self, changes=tuple(filter(keep, self.changes)))

    def counts(self) -> Mapping[Direction, Mapping[Verdict, int]]:
        """How many changes there are of each verdict, for requests and for responses."""
        found = Counter((change.direction, change.verdict) for change in self.changes)
        directions: tuple[Direction, ...] = ("request", "response")
        return {direction: {verdict: found[direction, verdict] for verdict in Verdict} for direction in directions}

    def by_operation(self) -> Mapping[str, tuple[Change, ...]]:
        """The changes of each operation, breaking ones first; operations with breaking changes first."""
        found: dict[str, list[Change]] = {}
        for change in sorted(self.changes, key=lambda change: _GRAVITY.index(change.verdict)):
            found.setdefault(change.operation, []).append(change)
        return {operation: tuple(changes) for operation, changes in found.items()}
