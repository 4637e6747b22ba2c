"""Criteria of the kind ``jsonpath``."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.flows.workflows.criteria import read_jsonpath

NAMED = [{"id": "bb", "tags": ["x", "y"]}, {"id": "c", "tags": []}]


@pytest.mark.parametrize(
    ("query", "met"),
    [
        ("$[?match(@.id, 'b.')]", True),
        ("$[?match(@.id, 'b')]", False),
        ("$[?search(@.id, 'b')]", True),
        ("$[?search(@.id, 'd')]", False),
        ("$[?length(@.tags) > 1]", True),
        ("$[?count(@.tags[*]) > 2]", False),
        ("$[?value(@.id) == 'c']", True),
        ("$..tags[1]", True),
    ],
)
def test_the_functions_of_a_query(query: str, met: bool) -> None:
    """Each function of RFC 9535, section 2.4, with either version of the library."""
    assert read_jsonpath(query)(NAMED) is met


@pytest.mark.parametrize("query", ["$..x", "$..[?@.x == 1]"])
def test_a_query_over_a_deep_answer_cannot_be_decided(query: str) -> None:
    """A value that is nested deeper than the library goes says nothing; its error does not leave the step."""
    value: Any = {"x": 1}
    for _ in range(150):
        value = {"below": value}
    assert read_jsonpath(query)(value) is None
