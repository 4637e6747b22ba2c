"""The garbage collector's threshold during a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from kosha_connector_openai.flows.bulk.collector import rare_collections


@pytest.fixture(autouse=True)
def threshold() -> Iterator[None]:
    """700, and afterwards what it was."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_threshold_is_raised_and_put_back() -> None:
    """So many containers as the rows under way hold; a higher one of the host's stays."""
    with rare_collections(64):
        assert gc.get_threshold() == (12_800, 10, 10)
        with rare_collections(2):
            assert gc.get_threshold()[0] == 12_800
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [0, 500])
def test_what_the_host_sets_meanwhile_stays(chosen: int) -> None:
    """Only the run's own value is taken back."""
    with rare_collections(64):
        gc.set_threshold(chosen, 10, 10)
    assert gc.get_threshold()[0] == chosen


def test_a_collector_that_is_off_stays_off() -> None:
    """A threshold of 0 switches it off."""
    gc.set_threshold(0)
    with rare_collections(64):
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold()[0] == 0
