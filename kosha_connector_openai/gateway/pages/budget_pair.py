"""The budget of a token and that of one run, both over the same calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.errors import BudgetError, ConnectorError, NotSentError

if TYPE_CHECKING:
    from kosha_connector_openai.core import CallBudget, Reservation
    from kosha_connector_openai.core.result import Result


@dataclass(frozen=True, slots=True)
class BudgetPair:
    """Two budgets of the core's as one: a call has room in both, or it is not sent."""

    first: CallBudget
    second: CallBudget

    def reserve(self, action: str, inputs: Mapping[str, Any], size: int | None, *, paid: bool, times: int = 1) -> ReservationPair:
        """Sets aside in both what a call can use; raises BudgetError, and sets nothing aside then."""
        held = self.first.reserve(action, inputs, size, paid=paid, times=times)
        try:
            return ReservationPair(held, self.second.reserve(action, inputs, size, paid=paid, times=times))
        except BudgetError as error:
            held.settle(None, NotSentError(error.message, phase="pool"))
            raise


@dataclass(frozen=True, slots=True)
class ReservationPair:
    """What one call has set aside in both."""

    first: Reservation
    second: Reservation

    def settle(self, result: Result | None, error: ConnectorError | None) -> None:
        """Counts what the call did use in both."""
        self.first.settle(result, error)
        self.second.settle(result, error)
