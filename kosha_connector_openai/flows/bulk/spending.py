"""A budget that outlives a process, and that several may share: a call leaves once what it set aside is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kosha_connector_openai.core import Attempt, CallPace
    from kosha_connector_openai.core.result import Result
    from kosha_connector_openai.errors import ConnectorError
    from kosha_connector_openai.outputs import Budget

_SOON: Final = 0.005


class KeptBudget:
    """The pace of calls whose budget is kept in a ledger. ``keep`` begins to keep what is set aside now, and learns what others have."""

    def __init__(self, pace: CallPace | None, budget: Budget, keep: Callable[[], asyncio.Future[None]]) -> None:
        self._pace, self._budget, self._keep = pace, budget, keep
        self._keeping: dict[int, tuple[Attempt, asyncio.Future[None]]] = {}
        """By the id of the attempt, which is held here so that no other one has its id."""

    def wait(self, attempt: Attempt) -> float:
        """As CallPace; raises BudgetError where others were first."""
        place = id(attempt)  # one attempt is asked about until it leaves
        if place not in self._keeping:
            self._keeping[place] = attempt, self._keep()
        kept = self._keeping[place][1]
        if not kept.done():
            return _SOON
        kept.result()
        self._budget.confirm()
        wait = self._pace.wait(attempt) if self._pace is not None else 0.0
        if wait <= 0:
            del self._keeping[place]
        return wait

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace."""
        return self._pace is not None and self._pace.answered(attempt, limits, result, error)
