"""Large values are looked at in extracts, whose places lead back to the whole."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.schema.probe import Probe, probe


def has_no_bad_item(value: Any) -> bool:
    return "bad" not in f"{value}"


def test_a_small_value_is_its_own_probe() -> None:
    """Within the limit nothing is left out."""
    assert probe({"a": ["bad"]}, 3, has_no_bad_item) == Probe({"a": ["bad"]})


def test_the_first_items_come_first() -> None:
    """Above the limit the first items of every list are looked at together, further in too."""
    found = probe({"a": [["bad"] + [1] * 99] * 99, "b": 1}, 1_000, has_no_bad_item)
    assert found == Probe({"a": [["bad"] + [1] * 19] * 20, "b": 1}, whole=False)


def test_a_window_finds_a_later_item() -> None:
    """A fault further along a list is found, and its path is given in the whole."""
    found = probe({"a": [1] * 50 + ["bad"] + [1] * 50, "b": [1] * 100}, 100, has_no_bad_item)
    assert found == Probe({"a": [1] * 10 + ["bad"] + [1] * 9, "b": [1] * 20}, whole=False, list_name="a", offset=40)
    assert found.place(("a", 10, "x")) == ("a", 50, "x")
    assert found.place(("b", 10)) == ("b", 10)
    assert found.place(("a",)) == ("a",)


def test_a_fault_that_no_extract_has() -> None:
    """Where every extract is valid there is nothing to show."""
    assert probe({"a": [1] * 100}, 10, lambda _: True) is None


def test_extracts_shrink_with_depth() -> None:
    """Lists of lists of lists are cut further until the extract fits the limit."""
    found = probe([[["bad"] * 20] * 20] * 20, 300, has_no_bad_item)
    assert found == Probe([[["bad"] * 5] * 5] * 5, whole=False)
