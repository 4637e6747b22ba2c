"""What tokens may spend, as the settings say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import Constraint, Field, Part

Cap = Annotated[int, Constraint(ge=0, le=1_000_000_000_000)]
Money = Annotated[Decimal, Constraint(ge=0, le=1_000_000)]


class CapsEntry(Part):
    """What may be spent in one minute or one day; what is left out has no cap."""

    calls: Cap | None = None
    tokens: Cap | None = Field(default=None, description="Tokens in and out.")
    cost: Money | None = Field(default=None, description="Money, in the currency of `budgets.prices`.")


class BudgetEntry(Part):
    """What one token may spend. Minutes and days begin with those of UTC."""

    minute: CapsEntry | None = None
    day: CapsEntry | None = None

    @property
    def has_cost(self) -> bool:
        """Whether money is counted."""
        return any(caps is not None and caps.cost is not None for caps in (self.minute, self.day))

    @property
    def meters(self) -> bool:
        """Whether what a call uses is counted, and not only that there was one."""
        return self.has_cost or any(caps is not None and caps.tokens is not None for caps in (self.minute, self.day))


class BudgetsEntry(Part):
    """How budgets are counted, and the budget of each caller without one of its own."""

    file: Path | None = Field(default=None, description="Where what was spent is kept; without it, it is forgotten when the service ends.")
    prices: Path | None = Field(default=None, description="The price file (docs/outputs.md); caps on cost need one.")
    default: BudgetEntry | None = Field(
        default=None, description="The budget of each token that has none, and of each JSON Web Token's subject."
    )
    assumed_tokens: Annotated[int, Constraint(ge=1, le=10_000_000)] = Field(
        default=16_384, description="Tokens set aside for an input, and for each answer, that the request does not bound."
    )
    assumed_cost: Money | None = Field(
        default=None, description="Set aside for a call whose cost nobody can tell; without it a cap on cost refuses such calls."
    )


def budget_faults(entry: BudgetsEntry, own: Iterable[BudgetEntry | None]) -> Iterator[Fault]:
    """What single values do not show; ``own`` are the budgets of the tokens, in their order."""
    for name, place in (("file", entry.file), ("prices", entry.prices)):
        if place is not None and not place.is_absolute():
            yield Fault(f"/budgets/{name}", "path", "is no absolute path.", "Write /path/to/file.")
    given = [("/budgets/default", entry.default), *((f"/tokens/{number}/budget", each) for number, each in enumerate(own))]
    for where, budget in given if entry.prices is None else ():
        if budget is not None and budget.has_cost:
            yield Fault(where, "prices", "has a cap on cost, and there are no prices.", "Name a price file under /budgets/prices.")
