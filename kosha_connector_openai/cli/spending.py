"""What calls may cost and did cost: the options ``--budget`` and ``--prices``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from kosha_connector_openai import Connector, Result
from kosha_connector_openai.cli.terminal import note
from kosha_connector_openai.text import first_of

if TYPE_CHECKING:
    from kosha_connector_openai.outputs import Budget, Prices, ShortResult

_CAPS: Final = ("calls", "tokens", "cost")


class Spending:
    """The caps and the prices of one command; without either nothing is read. Made before anything is sent.

    ``prices`` is the price file as it was read, ``budget`` what the calls are held to and counted by; each is None where there is none.
    """

    def __init__(self, connector: Connector, caps: Sequence[str], prices: Path | None) -> None:
        """Raises SetupError where the price file cannot be used, or a cap on cost has none."""
        self._connector = connector
        given = [cap.partition("=") for cap in caps]
        if any(name not in _CAPS or not _is_number(number) for name, _, number in given):
            raise typer.BadParameter(f"A cap is written CAP=NUMBER; caps are {', '.join(_CAPS)}.", param_hint="--budget")
        self.prices: Prices | None = connector.outputs.prices(prices) if prices else None
        self.budget: Budget | None = self._made({name: number for name, _, number in given}) if given or prices else None

    def _made(self, numbers: Mapping[str, str]) -> Budget:
        calls, tokens = (int(float(numbers[name])) if name in numbers else None for name in ("calls", "tokens"))
        return self._connector.outputs.budget(calls=calls, tokens=tokens, cost=numbers.get("cost"), prices=self.prices)

    @property
    def currency(self) -> str | None:
        """That of the prices."""
        return self.prices.currency if self.prices else None

    def output(self, result: Result, given: Mapping[str, Any]) -> ShortResult:
        """The short result of a call with these inputs, with its cost where prices were given."""
        outputs = self._connector.outputs
        model = first_of(dict(given), [outputs.part.model])
        return outputs.of(result, prices=self.prices, model=model if isinstance(model, str) else None)

    def tell(self, result: Result, given: Mapping[str, Any], *, quiet: bool) -> None:
        """Says what a call cost, where prices were given."""
        if self.prices is None or quiet:
            return
        cost = self.output(result, given).cost
        if cost is None:
            note("What it cost is not known: the price file does not cover it.")
        else:
            note(f"About {cost['amount']:.6f} {cost['currency']} by the prices of {cost['prices_of']}.")

    def tell_all(self, *, quiet: bool) -> None:
        """Says what all calls of the command cost together, where prices were given."""
        if self.prices is None or self.budget is None or quiet:
            return
        spent = self.budget.spent
        if spent["unknown"]:
            note("What it cost is not known: the price file does not cover all of it.")
        else:
            note(f"About {spent['cost']:.6f} {spent['currency']} in all by the prices of {self.prices.date}.")


def _is_number(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False
