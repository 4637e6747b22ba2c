"""A table that is looked at in a loop hides no row."""

from __future__ import annotations

import pytest

from tests.tables import check_each, compiled


def test_every_row_is_looked_at_and_every_fault_is_told() -> None:
    """By its row and its line, whatever kind of fault it is."""
    seen = []

    def is_even(row: int) -> None:
        seen.append(row)
        if row == 5:
            with pytest.raises(ZeroDivisionError):
                pass
        assert row % 2 == 0

    with pytest.raises(pytest.fail.Exception) as caught:
        check_each(range(6), is_even)
    told = str(caught.value).splitlines()
    assert (seen, told[0]) == ([0, 1, 2, 3, 4, 5], "3 of 6 rows fail:")
    assert [line.partition(",")[0] for line in told[1:] if ", line " in line] == ["1", "3", "5"]
    assert "DID NOT RAISE" in told[-1]
    check_each([2, 4], is_even)


def test_a_table_without_a_row_fails() -> None:
    """It would hold whatever was claimed."""
    with pytest.raises(AssertionError):
        check_each([], print)


def test_what_is_no_schema_is_not_compiled() -> None:
    """A validator that passes over a misspelt type would pass everything."""
    with pytest.raises(ValueError, match="nonsense"):
        compiled({"type": "nonsense"})
    assert compiled({"type": "string"}).is_valid("x")
