"""The line of a value in JSON text is where a person finds it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.text.json_lines import line_of

TEXT = '{\n\t"a": [1,\r\n  {"b\\"]": "x\\n}",\n   "c": {}}\n ],\n "d":\n null}'


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("a", 0), 2),
        (("a", 1), 3),
        (("a", 1, 'b"]'), 3),
        (("a", 1, "c"), 4),
        (("d",), 7),
        (("a", 7), 2),
        (("a", 1, "c", "z"), 4),
        (("z",), 1),
        (("d", "z"), 7),
    ],
)
def test_a_path_leads_to_its_line(path: tuple[str | int, ...], line: int) -> None:
    """Tabs, both line ends, brackets in texts and escapes do not mislead; a path that breaks off stays at its last value."""
    assert line_of(TEXT, path) == line


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_JSON, min_size=1, max_size=6), st.data())
@settings(max_examples=100, deadline=None)
def test_every_item_is_found_behind_any_other(values: list[object], data: st.DataObject) -> None:
    """Whatever stands before it, an item written on a line of its own is found on that line."""
    index = data.draw(st.integers(0, len(values) - 1))
    text = "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]"
    assert line_of(text, (index,)) == index + 2
