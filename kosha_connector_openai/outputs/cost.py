"""Cost of a call from its counts and the prices: an estimate for a finished call, an upper bound for a planned one."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from kosha_connector_openai.outputs.prices import Price, Prices

MILLION: Final = Decimal(1_000_000)
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("cached", "cache_write", "audio_input", "image_input"),
    "output": ("reasoning", "audio_output", "image_output"),
}
"""The kinds of tokens that are counted in a whole too."""


def amount(usage: Mapping[str, int | float], price: Price, *, answers: int = 1) -> Decimal | None:
    """What these counts cost; None where a count has no price."""
    total = (price.call or Decimal(0)) + (price.each or Decimal(0)) * answers
    for whole, parts in _PARTS.items():
        rest = Decimal(str(usage.get(whole, 0)))
        for part in parts:
            rate: Decimal | None = getattr(price, part)
            count = min(Decimal(str(usage.get(part, 0))), rest)
            if rate is not None and count > 0:
                total += count * rate / MILLION
                rest -= count
        rate = getattr(price, whole)
        if rest > 0 and rate is None and price.each is None:
            return None
        total += rest * (rate or Decimal(0)) / MILLION
    seconds = usage.get("seconds")
    if seconds is not None and price.second is None:
        return None
    return total + Decimal(str(seconds or 0)) * (price.second or Decimal(0))


def most(input_tokens: int | None, output_tokens: int | None, price: Price, *, answers: int) -> Decimal | None:
    """The most that a call of so many tokens at most can cost: all of them at the dearest price of their kind. None where it has no end."""
    total = (price.call or Decimal(0)) + (price.each or Decimal(0)) * answers
    for whole, tokens in (("input", input_tokens), ("output", output_tokens)):
        rates = [rate for name in (whole, *_PARTS[whole]) if (rate := getattr(price, name)) is not None]
        if rates and tokens is None:
            return None
        total += (tokens or 0) * max(rates, default=Decimal(0)) / MILLION
    if price.second is not None:
        if price.most_seconds is None:
            return None
        total += price.second * price.most_seconds
    # Without any price for tokens, seconds or answers nothing is known.
    known = (price.input, price.output, price.second, price.each, price.call)
    return total if any(rate is not None for rate in known) else None


def estimate(
    usage: Mapping[str, int | float] | None, prices: Prices | None, *models: str | None, answers: int = 1
) -> dict[str, object] | None:
    """The amount, its currency and the date of its prices; None where it cannot be known. The first model that has prices counts."""
    price = next((known for model in models if (known := prices.of(model))), None) if prices else None
    if prices is None or price is None or (usage is None and price.each is None and price.call is None):
        return None
    found = amount(usage or {}, price, answers=answers)
    if found is None:
        return None
    return {"amount": float(round(found, 9)), "currency": prices.currency, "prices_of": prices.date.isoformat()}
