"""Amounts: counts times prices, exactly; unknown where a price is missing; the most a call can cost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kosha_connector_openai.manifest import validated
from kosha_connector_openai.outputs.cost import amount, estimate, most
from kosha_connector_openai.outputs.prices import Price, Prices


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        ({"input": 1_000_000, "output": 500_000}, {"input": 2, "output": 8}, "6"),
        ({"input": 100, "cached": 40}, {"input": 10, "cached": 1}, "0.00064"),
        ({"input": 100, "cached": 40}, {"input": 10}, "0.001"),
        ({"input": 10, "cached": 40}, {"input": 10, "cached": 1}, "0.00001"),
        ({"input": 0, "output": 10, "reasoning": 8}, {"input": 1, "output": 1, "reasoning": 3}, "0.000026"),
        ({"input": 10, "audio_input": 10, "output": 0}, {"audio_input": 40}, "0.0004"),
        ({"input": 1, "output": 1}, {"input": 1}, None),
        ({"seconds": 90}, {"second": "0.0001"}, "0.009"),
        ({"seconds": 90}, {"input": 1}, None),
        ({}, {"each": "0.04"}, "0.08"),
        ({}, {"call": "0.01", "each": "0.04"}, "0.09"),
    ],
)
def test_amounts(usage: Any, price: Any, cost: str | None) -> None:
    """Parts with a price of their own are taken out of their whole; two answers were made."""
    found = amount(usage, validated(price, Price), answers=2)
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("tokens", "price", "cost"),
    [
        ((1_000_000, 1_000_000), {"input": 2, "cached": 1, "output": 8}, "10"),
        ((1_000_000, 0), {"input": 2, "cache_write": 3}, "3"),
        ((None, 1), {"input": 2}, None),
        ((1, None), {"output": 2}, None),
        ((1, None), {"input": 1_000}, "0.001"),
        ((None, None), {"each": "0.04"}, "0.08"),
        ((0, 0), {"second": 1}, None),
        ((0, 0), {"second": 1, "most_seconds": 5}, "5"),
        ((0, 0), {}, None),
    ],
)
def test_the_most(tokens: Any, price: Any, cost: str | None) -> None:
    """Every token at the dearest price of its kind; None where the amount has no end."""
    found = most(*tokens, validated(price, Price), answers=2)
    assert found == (None if cost is None else Decimal(cost))


def test_an_estimate_has_the_date_of_its_prices() -> None:
    """Amount, currency, date; nothing where the model or the usage is not known."""
    prices = Prices(date=date(2026, 11, 1), models={"m*": Price(input=Decimal(1))})
    assert estimate({"input": 10}, prices, "m1") == {"amount": 1e-05, "currency": "USD", "prices_of": "2026-11-01"}
    assert [estimate({"input": 1}, None, "m1"), estimate({"input": 1}, prices, "x"), estimate(None, prices, "m1")] == [None] * 3
