"""The work that a schema can demand is counted, and cut where it multiplies."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kosha_connector_openai.schema.complexity import BUDGET, DEEPEST, Effort, Extract, effort, extract

LEAF = {"type": "string"}


def levels(count: int, branch: Any) -> dict[str, Any]:
    definitions = {f"L{n}": {"anyOf": [branch(f"#/$defs/L{n + 1}") for _ in range(8)]} for n in range(count)}
    return {"$ref": "#/$defs/L0", "$defs": definitions | {f"L{count}": LEAF}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, Effort(DEEPEST, 1)),
        ({"properties": {"a": LEAF, "b": {"properties": {"c": LEAF}}}}, Effort(DEEPEST, 3)),
        ({"anyOf": [LEAF, LEAF], "items": LEAF}, Effort(DEEPEST, 4)),
        ({"anyOf": [{"properties": {"a": LEAF}}, {"additionalProperties": LEAF}]}, Effort(DEEPEST, 5)),
        ({"$ref": "#/$defs/T", "$defs": {"T": {"properties": {"t": {"$ref": "#/$defs/T"}}}}}, Effort(DEEPEST, 2 * (DEEPEST + 1))),
    ],
)
def test_work_is_counted_along_the_worst_way(schema: dict[str, Any], expected: Effort) -> None:
    """Each schema applied counts once, branches add up, parts of a value count along one way; recursion is no harm."""
    assert effort(schema) == expected


def test_branches_at_one_place_leave_no_depth() -> None:
    """S11: twelve nested choices of eight at one place leave no value that could be checked."""
    assert effort(levels(12, lambda reference: {"allOf": [{"$ref": reference}]})).deepest == -1


def test_branches_that_descend_leave_some_depth() -> None:
    """S11: choices that descend into one property multiply by level, so that shallow values can be checked."""
    found = effort(levels(12, lambda reference: {"properties": {"x": {"$ref": reference}}}))
    assert 0 < found.deepest < 12
    assert found.visits <= BUDGET


def test_recursion_with_branches_is_bounded() -> None:
    """S11: a recursive choice of two doubles with every level."""
    two = [{"properties": {"x": {"$ref": "#/$defs/U"}}}] * 2
    found = effort({"$ref": "#/$defs/U", "$defs": {"U": {"anyOf": two}}})
    assert 5 < found.deepest < 15


def test_counting_is_quick() -> None:
    """S11: the count itself ends soon on a schema whose unfolded size is astronomic."""
    started = time.perf_counter()
    effort(levels(40, lambda reference: {"items": {"$ref": reference}, "properties": {"x": {"$ref": reference}}}))
    assert time.perf_counter() - started < 2


def has_no_bad_item(value: Any) -> bool:
    return "bad" not in f"{value}"


def test_a_small_value_is_its_own_extract() -> None:
    """Within the limit nothing is left out."""
    assert extract({"a": ["bad"]}, 3, has_no_bad_item) == Extract({"a": ["bad"]})


def test_the_first_items_come_first() -> None:
    """Above the limit the first items of every list are looked at together, further in too."""
    found = extract({"a": [["bad"] + [1] * 99] * 99, "b": 1}, 1_000, has_no_bad_item)
    assert found == Extract({"a": [["bad"] + [1] * 19] * 20, "b": 1}, whole=False)


def test_a_window_finds_a_later_item() -> None:
    """A fault further along a list is found, and its path is given in the whole."""
    found = extract({"a": [1] * 50 + ["bad"] + [1] * 50, "b": [1] * 100}, 100, has_no_bad_item)
    assert found == Extract({"a": [1] * 10 + ["bad"] + [1] * 9, "b": [1] * 20}, whole=False, list_name="a", offset=40)
    assert found.place(("a", 10, "x")) == ("a", 50, "x")
    assert found.place(("b", 10)) == ("b", 10)
    assert found.place(("a",)) == ("a",)


def test_a_fault_that_no_extract_has() -> None:
    """Where every extract is valid there is nothing to show."""
    assert extract({"a": [1] * 100}, 10, lambda _: True) is None


def test_extracts_shrink_with_depth() -> None:
    """Lists of lists of lists are cut further until the extract fits the limit."""
    found = extract([[["bad"] * 20] * 20] * 20, 300, has_no_bad_item)
    assert found == Extract([[["bad"] * 5] * 5] * 5, whole=False)
