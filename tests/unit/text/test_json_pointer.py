"""Paths into answers: every item, items that fit, the first that leads anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.text.json_pointer import all_of, at, find, first_of, resolve, to_pointer, tokens

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


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", {"a/b": {"~": [1, {"c": None}]}, "01": 5}),
        ("/a~1b/~0/0", 1),
        ("/a~1b/~0/1", {"c": None}),
        ("/a~1b/~0/1/c", None),
        ("/a~1b/~0/2", None),
        ("/a~1b/~0/-", None),
        ("/01", 5),
        ("/01/x", None),
        ("/none", None),
        ("/a~1b/~0/00", None),
        ("/a~1b/~0/\u0660", None),
    ],
)
def test_at(pointer: str, expected: Any) -> None:
    """RFC 6901: escapes, indices without leading zeros, and None where nothing is."""
    assert at({"a/b": {"~": [1, {"c": None}]}, "01": 5}, pointer) == expected


def test_resolve_refuses_what_is_not_there() -> None:
    """A null is a value; a pointer that leads nowhere raises LookupError, and ``at`` gives what stands for it."""
    assert resolve({"a": [None]}, "/a/0") is None
    assert resolve({"a": ({"b": 1},)}, ("a", 0, "b")) == 1
    with pytest.raises(LookupError):
        resolve({"a": []}, "/a/0")
    assert at({"a": []}, "/a/0", "gone") == "gone"


def test_tokens_and_their_pointer() -> None:
    """Writing and splitting undo each other: ``~1`` is a slash, ``~01`` the text "~1"."""
    assert tokens("/a~1b/~01/0/") == ("a/b", "~1", "0", "")
    assert to_pointer(("a/b", "~1", 0, "")) == "/a~1b/~01/0/"
    assert (tokens(""), to_pointer(())) == ((), "")
