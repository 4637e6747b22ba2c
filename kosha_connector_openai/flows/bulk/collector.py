"""The garbage collector while rows are under way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_HELD: Final = 200
"""Containers, with room for as many again, that a row holds while it is under way; none of them is garbage."""


@contextmanager
def rare_collections(in_flight: int) -> Iterator[None]:
    """Lets the collector begin only when more has been made than ``in_flight`` rows hold.

    By default it begins with every seventh row, and with every thousandth it walks through all descriptions, and nothing is sent
    meanwhile. The threshold is put back unless another has set it since; a collector that is switched off stays so.
    """
    first, *others = gc.get_threshold()
    raised = max(first, in_flight * _HELD) if first else 0
    gc.set_threshold(raised, *others)
    try:
        yield
    finally:
        if gc.get_threshold()[0] == raised:
            gc.set_threshold(first, *others)
