"""Budgets of tokens: calls, tokens and money in a minute and in a day, set aside before a call is sent and settled by what it used."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import ApiError, ConnectorError, InputError, NotSentError, SetupError
from kosha_connector_openai.gateway.access.spending_store import WINDOWS, SpendingStore, Spent
from kosha_connector_openai.gateway.budget_entries import BudgetEntry, BudgetsEntry, CapsEntry
from kosha_connector_openai.gateway.records import Caller, SpentError
from kosha_connector_openai.manifest.parts import OutputsPart
from kosha_connector_openai.outputs import Extent, Price, Prices, amount, extent_of, most, normalised_usage

_NANO: Final = Decimal(1_000_000_000)
_CAPS: Final = ("calls", "tokens", "cost")
_NOT_SENT: Final = (NotSentError, InputError, SetupError)
_SANE: Final = 10**12
"""A count above it is none."""
_STREAM: Final = 4
"""Bytes of a stream for a token: a stream that was not counted has fewer tokens, since each event has more bytes around its text."""
Told = Callable[[str, str, float], None]
"""Is told of a token's spending: the token's name, the cap, and the number; of a refusal, the cap as ``window cap`` and 0."""


class TokenBudgets:
    """The budgets of all tokens over one store."""

    def __init__(
        self,
        entry: BudgetsEntry,
        rules: OutputsPart,
        prices: Prices | None,
        *,
        told: Told = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``prices`` are needed where a cap on cost is; ``told`` counts. Raises SetupError where the file cannot be used."""
        self.entry, self.rules, self.prices, self.told, self.clock = entry, rules, prices, told, clock
        self.store = SpendingStore(entry.file)
        self._swept = 0.0

    def of(self, caller: Caller) -> TokenBudget | None:
        """The caller's budget; None where it has none."""
        return TokenBudget(self, caller.name, caller.budget) if caller.budget is not None else None

    def sweep(self, now: float) -> None:
        """Forgets old counts, once an hour."""
        if now - self._swept > 3600:  # noqa: PLR2004 - an hour
            self._swept = now
            self.store.sweep(now)

    def close(self) -> None:
        """Closes the store."""
        self.store.close()


class TokenBudget:
    """What one token may spend; a CallBudget of the core's."""

    def __init__(self, spending: TokenBudgets, token: str, entry: BudgetEntry) -> None:
        self._spending, self._token, self._entry = spending, token, entry

    def reserve(self, action: str, inputs: Mapping[str, Any], size: int | None, *, paid: bool, times: int = 1) -> SpendingTicket:
        """Sets aside what a call with these inputs can use; raises SpentError."""
        return self.set_aside(extent_of(self._spending.rules, action, inputs, size) if paid else None, times)

    def set_aside(self, extent: Extent | None, times: int = 1) -> SpendingTicket:
        """The same for a call of this extent; None for one that is not paid for. What cannot be known is assumed. Raises SpentError."""
        spending = self._spending
        need, price = self._need(extent, times)
        now = spending.clock()
        starts: dict[str, int] = {}
        try:
            with spending.store as store:
                spending.sweep(now)
                for window in WINDOWS:
                    caps: CapsEntry | None = getattr(self._entry, window)
                    starts[window], spent = store.spent(self._token, window, now)
                    if caps is not None:
                        self._admit(window, caps, need, spent, starts[window] + WINDOWS[window] - now)
                for window, start in starts.items():
                    store.add(self._token, window, start, need)
        except sqlite3.Error:
            raise SpentError(
                "The service cannot keep its count of budgets. Tell its operator.", cap="file", status=503, code="budget_unavailable"
            ) from None
        return SpendingTicket(self, need, price, starts, extent.answers if extent else 1, paid=extent is not None)

    def _need(self, extent: Extent | None, times: int) -> tuple[Spent, Price | None]:
        if extent is None:
            return (1, 0, 0), None
        assumed, prices = self._spending.entry.assumed_tokens, self._spending.prices
        price = prices.of(extent.model) if prices else None
        given = extent.input if extent.input is not None else (price and price.most_input) or assumed
        made = extent.output if extent.output is not None else ((price and price.most_output) or assumed) * extent.answers
        tokens = min((given + made) * times, _SANE)
        if not self._entry.has_cost:
            return (1, tokens, 0), price
        cost = most(given, made, price, answers=extent.answers) if price else None
        cost = self._spending.entry.assumed_cost if cost is None else cost
        if cost is None:
            message = (
                "This token has a budget of money, and nobody can tell what this call costs at most. "
                "Name a model that the operator's prices cover, in a body of JSON."
            )
            raise SpentError(message, cap="cost", status=HTTPStatus.FORBIDDEN, code="budget_unpriced")
        return (1, tokens, min(math.ceil(cost * times * _NANO), _SANE * 1000)), price

    def _admit(self, window: str, caps: CapsEntry, need: Spent, spent: Spent, left_seconds: float) -> None:
        for number, name in enumerate(_CAPS):
            cap: Any = getattr(caps, name)
            if cap is None:
                continue
            whole = int(cap * _NANO) if name == "cost" else int(cap)
            left = max(0, whole - spent[number])
            if need[number] > left:
                fits = need[number] <= whole
                remaining, wanted = (_written(name, value) for value in (left, need[number]))
                advice = "" if fits or name == "calls" else " Limit the tokens of the answer."
                message = (
                    f"This token's budget of {name} in a {window} is {cap}; {remaining} are left, and this call can use {wanted}.{advice}"
                )
                self._spending.told(self._token, f"{window} {name}", 0)
                raise SpentError(
                    message, cap=f"{window} {name}", status=429, code="budget_exceeded", retry_after=left_seconds if fits else None
                )

    def settle(self, ticket: SpendingTicket, used: Spent) -> None:
        """Counts what was used in place of what was set aside, in the windows in which the call began; what is more, in those of now."""
        more: Spent = tuple(mine - held for mine, held in zip(used, ticket.held, strict=True))  # type: ignore[assignment]
        told = self._spending.told
        for name, value in zip(_CAPS, used, strict=True):
            told(self._token, name, value / 1e9 if name == "cost" else value)
        if not any(more):
            return
        try:
            with self._spending.store as store:
                for window, began in ticket.starts.items():
                    start, _ = store.spent(self._token, window, self._spending.clock())
                    change = more if start == began else (max(0, more[0]), max(0, more[1]), max(0, more[2]))
                    if any(change):
                        store.add(self._token, window, start, change)
        except sqlite3.Error:
            return  # what was set aside stays counted

    def used(self, ticket: SpendingTicket, usage: Mapping[str, Any] | None) -> Spent:
        """What a call used by the upstream's count; what was set aside where that says nothing that can be counted on."""
        counts = normalised_usage(usage, self._spending.rules)
        if not counts or not all(math.isfinite(value) and 0 <= value <= _SANE for value in counts.values()):
            return ticket.held
        total = max(counts.get("total", 0), counts.get("input", 0) + counts.get("output", 0))
        cost = amount(counts, ticket.price, answers=ticket.answers) if ticket.price and self._entry.has_cost else None
        tokens = math.ceil(total) if "total" in counts else ticket.held[1]
        return 1, tokens, ticket.held[2] if cost is None else math.ceil(cost * _NANO)


def _written(name: str, value: int) -> str:
    """A number of a cap as people read it."""
    return f"{(Decimal(value) / _NANO).normalize():f}" if name == "cost" else str(value)


@dataclass(slots=True)
class SpendingTicket:
    """What one call has set aside; settled once."""

    budget: TokenBudget
    held: Spent
    price: Price | None
    starts: Mapping[str, int]
    answers: int = 1
    paid: bool = True
    settled: bool = False

    def settle(self, result: Result | None, error: ConnectorError | None) -> None:
        """Counts what the call did use; a second time does nothing."""
        if isinstance(error, ApiError):
            self.refused(error.status)
        elif isinstance(error, _NOT_SENT):
            self.give_back()
        else:
            self.ended(result.usage if result else None, whole=error is None and result is not None)

    def give_back(self) -> None:
        """Nothing was sent."""
        self._settle((0, 0, 0))

    def refused(self, status: int) -> None:
        """The upstream answered with an error: a call, and where it refused the request, no more."""
        self._settle((1, 0, 0) if 400 <= status < 500 else self.held)  # noqa: PLR2004 - client errors

    def ended(self, usage: Mapping[str, Any] | None, *, whole: bool, streamed: int = 0) -> None:
        """The upstream answered. Where its count is missing or may not be the last one, no less counts than what was set aside, or than
        a stream of ``streamed`` bytes can hold."""
        if not self.paid:  # what it tells was used by another call
            self._settle(self.held)
            return
        used = self.budget.used(self, usage)
        if usage is None or not whole:
            least = max(self.held[1], streamed // _STREAM) if self.held[1] else 0
            used = 1, max(used[1], least), max(used[2], self.held[2])
        self._settle(used)

    def _settle(self, used: Spent) -> None:
        if not self.settled:
            self.settled = True
            self.budget.settle(self, used)
