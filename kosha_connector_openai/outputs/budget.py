"""Caps on the calls, tokens and cost of one run, shared by its calls and threads and checked before each call is sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import ApiError, BudgetError, ConnectorError, Fault, InputError, NotSentError, SetupError
from kosha_connector_openai.manifest.parts import Bound, OutputsPart
from kosha_connector_openai.outputs import cost as money
from kosha_connector_openai.outputs.prices import Prices
from kosha_connector_openai.outputs.shapes import normalised_usage
from kosha_connector_openai.text import find, first_of

_NOT_SENT: Final = (NotSentError, InputError, SetupError, BudgetError)
_UNKNOWN: Final = Bound(elsewhere=("",))
_HINTS: Final = {
    "calls": "Raise the cap on calls.",
    "tokens": "Raise the cap on tokens, or limit the tokens of the answer.",
    "cost": "Raise the cap on cost, limit the tokens of the answer, or choose a cheaper model.",
}
_BOUND_HINT: Final = (
    "Limit the tokens of the answer, name the model in the price file with its `most_` values, "
    "or allow calls without a limit (strict=False)."
)


@dataclass(frozen=True, slots=True)
class Extent:
    """What a request says of how much it can use at most; tokens are None where it does not bound them."""

    model: str | None = None
    input: int | None = None
    output: int | None = None
    answers: int = 1


def extent_of(rules: OutputsPart, action: str, inputs: Mapping[str, Any], size: int | None) -> Extent:
    """The extent of a call with these inputs, whose body has ``size`` bytes (None where unknown)."""
    rule = rules.bounds.get(action, _UNKNOWN)
    given = {**inputs, **(extra if isinstance(extra := inputs.get("extra_body"), Mapping) else {})}
    model = first_of(given, (rules.model,))
    answers = _answers(given, rule)
    return Extent(model if isinstance(model, str) else None, _input(given, rule, size), _output(given, rule, answers), answers)


@dataclass(frozen=True, slots=True)
class Need:
    """The most that a call can use; None where no bound is known."""

    tokens: int | None = 0
    cost: Decimal | None = Decimal(0)
    answers: int = 1


class Budget:
    """The caps of one run. Give the same one to every call; safe to share between threads and event loops.

    Before a call is sent, the most that it can use is set aside; afterwards what it did use is counted instead, and where the answer
    does not tell, what was set aside stays counted. With ``strict``, a call whose most is unknown is refused under a cap on tokens or
    cost; without it such a call runs while anything is left, and may pass the cap.
    """

    def __init__(
        self,
        rules: OutputsPart,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        cost: Decimal | float | str | None = None,
        prices: Prices | None = None,
        strict: bool = True,
    ) -> None:
        """Caps left out are none; ``cost`` is in the currency of ``prices``. Raises SetupError for a cap on cost without prices."""
        caps = {"calls": calls, "tokens": tokens, "cost": cost}
        numbers = {name: _number(cap) for name, cap in caps.items() if cap is not None}
        faults = [Fault(f"/{name}", "minimum", "must be a number, 0 or more.") for name, number in numbers.items() if number is None]
        if cost is not None and prices is None:
            faults.append(Fault("/prices", "required", "is missing.", "Give a price file: a cap on cost needs one."))
        if faults:
            raise SetupError("The budget is wrong.", faults)
        self._rules, self._prices, self._strict = rules, prices, strict
        self._caps: dict[str, Decimal] = {name: number for name, number in numbers.items() if number is not None}
        self._used = dict.fromkeys(caps, Decimal(0))
        self._held = dict.fromkeys(caps, Decimal(0))
        self._unknown = 0
        self._parts = 1
        self._lock = threading.Lock()

    @property
    def spent(self) -> dict[str, Any]:
        """What was used so far: calls, tokens, cost in ``currency``, and ``unknown``: answers that told neither usage nor had a bound."""
        with self._lock:
            used = dict(self._used)
        currency = self._prices.currency if self._prices else None
        cost = float(round(used["cost"], 9)) if self._prices else None
        return {"calls": int(used["calls"]), "tokens": int(used["tokens"]), "cost": cost, "currency": currency, "unknown": self._unknown}

    @property
    def kept(self) -> dict[str, str]:
        """What was used and what is set aside, as texts: for a later process that goes on with the run."""
        with self._lock:
            return {name: str(self._used[name] + self._held[name]) for name in self._used}

    def go_on(self, kept: Mapping[str, str]) -> None:
        """Counts what an earlier process of the run had used."""
        with self._lock:
            for name in self._used:
                self._used[name] += Decimal(kept.get(name, "0"))

    def divide(self, parts: int) -> None:
        """Lets this process spend one of so many equal parts of each cap; the others spend the rest. Saying it again changes nothing."""
        self._parts = parts

    def _cap(self, name: str) -> Decimal:
        return self._caps[name] / self._parts

    @property
    def terms(self) -> dict[str, Any]:
        """The caps and the prices as JSON values, for other processes of the run; ``Outputs.budget_of`` reads them."""
        caps = {name: str(self._cap(name)) for name in self._caps}
        return {"caps": caps, "strict": self._strict, "prices": self._prices.to_dict() if self._prices else None}

    @property
    def prices(self) -> Prices | None:
        """The price file, where there is one."""
        return self._prices

    def confirm(self) -> None:
        """Raises BudgetError where more is used and set aside than a cap allows: other processes of the run have spent meanwhile."""
        with self._lock:
            over = next((name for name in self._caps if self._used[name] + self._held[name] > self._cap(name)), None)
        if over is not None:
            raise BudgetError(f"The run's cap on {over} is used up by its other processes.", cap=over, hint=_HINTS[over])

    def reserve(
        self, action: str, inputs: Mapping[str, Any], size: int | None, *, paid: bool, times: int = 1, rate: Decimal = Decimal(1)
    ) -> Ticket:
        """Sets aside what a call can use at most; raises BudgetError, which names the cap.

        ``size`` is the body's length in bytes, None where it is unknown; ``times`` is how often the call may have to be paid for; ``rate``
        is what is paid of its price.
        """
        extent = extent_of(self._rules, action, inputs, size)
        need = self._need(extent, times, rate) if paid else Need()
        wanted: dict[str, Decimal | None] = {
            "calls": Decimal(1),
            "tokens": None if need.tokens is None else Decimal(need.tokens),
            "cost": need.cost,
        }
        with self._lock:
            for name in self._caps:
                self._admit(name, self._cap(name), wanted[name])
            held = {name: max(value or Decimal(0), Decimal(0)) for name, value in wanted.items()}
            for name, value in held.items():
                self._held[name] += value
        return Ticket(self, need, held, extent.model, rate)

    def _admit(self, name: str, cap: Decimal, wanted: Decimal | None) -> None:
        left = cap - self._used[name] - self._held[name]
        if wanted is None and self._strict:
            raise BudgetError(
                f"The run's cap on {name} cannot be kept: nobody can tell what this call uses at most.", cap=name, hint=_BOUND_HINT
            )
        if left < (wanted or 0) or (wanted is None and left <= 0):
            use = "some" if wanted is None else f"{wanted:f}"
            part = f", a part of {self._parts}" if self._parts > 1 else ""
            message = f"The run's cap on {name} is {cap:f}{part}; {max(left, Decimal(0)):f} are left, and this call can use {use}."
            raise BudgetError(message, cap=name, hint=_HINTS[name])

    def _need(self, extent: Extent, times: int, rate: Decimal) -> Need:
        price = self._prices.of(extent.model) if self._prices else None
        tokens_in, tokens_out, answers = extent.input, extent.output, extent.answers
        if price is not None:
            tokens_in = price.most_input if tokens_in is None else tokens_in
            tokens_out = price.most_output * answers if tokens_out is None and price.most_output is not None else tokens_out
        tokens = None if tokens_in is None or tokens_out is None else (tokens_in + tokens_out) * times
        cost = money.most(tokens_in, tokens_out, price, answers=answers) if price else None
        return Need(tokens, None if cost is None else cost * times * rate, answers)

    def settle(self, ticket: Ticket, result: Result | None, error: ConnectorError | None) -> None:
        """Counts what a call did use in place of what was set aside for it."""
        used, unknown = self._actual(ticket, result, error)
        with self._lock:
            for name, value in ticket.held.items():
                self._held[name] -= value
                self._used[name] += used[name]
            self._unknown += unknown

    def _actual(self, ticket: Ticket, result: Result | None, error: ConnectorError | None) -> tuple[dict[str, Decimal], bool]:
        nothing = dict.fromkeys(ticket.held, Decimal(0))
        if isinstance(error, _NOT_SENT) and result is None:
            return nothing, False
        if isinstance(error, ApiError) and result is None:  # refused, and so not charged; it was a call all the same
            return {**nothing, "calls": Decimal(1)}, False
        usage = normalised_usage(result.usage if result else None, self._rules)
        if usage is None or ("total" not in usage and self._prices is None):
            lacking = ticket.need.tokens is None or (self._prices is not None and ticket.need.cost is None)
            return dict(ticket.held), lacking
        price = self._prices.of((result.model if result else None) or ticket.model) if self._prices else None
        price = price or (self._prices.of(ticket.model) if self._prices else None)
        cost = money.amount(usage, price, answers=ticket.need.answers) if price else None
        return {
            "calls": Decimal(1),
            "tokens": Decimal(str(usage.get("total", 0))),
            "cost": ticket.held["cost"] if cost is None else cost * ticket.rate,
        }, bool(self._prices and cost is None and ticket.need.cost is None)


@dataclass(slots=True)
class Ticket:
    """What one call has set aside; settled once."""

    budget: Budget
    need: Need
    held: dict[str, Decimal]
    model: str | None = None
    rate: Decimal = Decimal(1)
    settled: bool = False

    def settle(self, result: Result | None, error: ConnectorError | None) -> None:
        """Counts what the call did use; a second time does nothing."""
        if not self.settled:
            self.settled = True
            self.budget.settle(self, result, error)


def _number(cap: Decimal | float | str) -> Decimal | None:
    try:
        number = Decimal(str(cap))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value == int(value)


def _answers(inputs: Mapping[str, Any], rule: Bound) -> int:
    counts = [value for path in rule.times for value in find(dict(inputs), path) if isinstance(value, int) and not isinstance(value, bool)]
    many = [len(find(dict(inputs), path)) for path in rule.each]
    return max([1, *counts]) * max([1, *many])


def _input(inputs: Mapping[str, Any], rule: Bound, size: int | None) -> int | None:
    return None if size is None or any(find(dict(inputs), path) for path in rule.elsewhere) else size


def _output(inputs: Mapping[str, Any], rule: Bound, answers: int) -> int | None:
    if rule.no_output:
        return 0
    limits = [value for path in rule.output for value in find(dict(inputs), path) if value is not None]
    if limits:  # less than 1 means "no end" to some servers, and what is no whole number means nothing that can be counted on
        sound = [int(value) for value in limits if _is_whole(value) and value >= 1]
        return max(sound) * answers if len(sound) == len(limits) else None
    return rule.output_default * answers if rule.output_default is not None else None
