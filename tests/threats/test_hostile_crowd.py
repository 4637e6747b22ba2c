"""Rows B1 and B12 as a crowd: clients without a token cost the service little, and a caller with one gets its answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.hostile import call, gateway, measure
from benchmarks.soak.processes import Watched

SECONDS = 1.5
CONNECTIONS = 150


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, Watched]]:
    with gateway() as (port, process):
        for _ in range(50):
            assert call(port) == 200
        yield port, process


@pytest.mark.parametrize(
    "attack", ["trailers", "one endless trailer", "large bodies after 401", "slow bodies after 404", "heads in a row", "half-open"]
)
def test_b01_b12_a_crowd_without_a_token_costs_little(served: tuple[int, Watched], attack: str) -> None:
    """B1, B12: at most 20 MiB of memory more, and no call with a token is lost."""
    found = measure(*served, attack, SECONDS, CONNECTIONS)
    assert found["connections"] >= CONNECTIONS
    assert found["grown_mib"] <= 20
    assert found["calls"]
    assert not found["lost"]
