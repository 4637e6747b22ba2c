"""Paths into answers: every item, items that fit, the first that leads anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.text.json_pointer import all_of, find, first_of

VALUE = {"a": [{"t": "x", "v": 1}, {"t": "y", "v": 2}, "text"], "b": {"c/d": None, "~": 3}, "n": [[1], [2, 3]]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", [VALUE]),
        ("/a/0/v", [1]),
        ("/a/*/v", [1, 2]),
        ("/a/*[t=y]/v", [2]),
        ("/a/*[t!=y]/v", [1]),
        ("/a/9/v", []),
        ("/a/-1", []),
        ("/b/c~1d", []),
        ("/b/~0", [3]),
        ("/n/*/*", [1, 2, 3]),
        ("/a/v", []),
        ("/missing/*", []),
    ],
)
def test_what_a_path_finds(path: str, found: list[Any]) -> None:
    """Nulls are left out, and a path that leads nowhere finds nothing."""
    assert find(VALUE, path) == found


def test_the_first_of_several_paths() -> None:
    """The first that leads anywhere counts."""
    assert first_of(VALUE, ["/x", "/a/1/v", "/a/0/v"]) == 2
    assert first_of(VALUE, ["/x"]) is None
    assert all_of(VALUE, ["/x", "/a/*/v"]) == [1, 2]
