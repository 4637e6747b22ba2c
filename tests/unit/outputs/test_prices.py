"""Price files: what they say, and every fault of one that is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.outputs.prices import Prices, read_prices

GOOD = """
date: 2026-11-01
currency: EUR
models:
  small-1: {input: 0.1, output: 0.4}
  "small*": {input: 1}
"""


def test_a_price_file(tmp_path: Path) -> None:
    """Amounts are exact, the first name that fits counts, and an unknown model has no price."""
    path = tmp_path / "prices.yaml"
    path.write_text(GOOD)
    prices = read_prices(path)
    assert (prices.date.isoformat(), prices.currency) == ("2026-11-01", "EUR")
    price = prices.of("small-1")
    assert price is not None
    assert price.input == Decimal("0.1")
    assert [prices.of(name) is None for name in ("small-2", "large", None)] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (GOOD.replace("EUR", "euro"), "/currency"),
        (GOOD.replace("2026-11-01", "soon"), "/date"),
        (GOOD.replace("0.4", "-1"), "/models/small-1/output"),
        (GOOD.replace("output", "outptu"), "/models/small-1/outptu"),
        ("models: {}", "/date"),
    ],
)
def test_a_wrong_one(tmp_path: Path, text: str, pointer: str) -> None:
    """Each fault has its place."""
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(SetupError) as caught:
        read_prices(path)
    assert pointer in [fault.pointer for fault in caught.value.faults]


def test_one_that_is_not_there(tmp_path: Path) -> None:
    """No file: an error that says so."""
    with pytest.raises(SetupError, match="cannot be read"):
        read_prices(tmp_path / "none.yaml")


def test_json_is_a_price_file_too() -> None:
    """The format is YAML, of which JSON is a part."""
    assert validated({"date": "2026-11-01", "models": {}}, Prices).of("x") is None
