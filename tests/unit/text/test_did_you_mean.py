"""Hints: near names are found, far and short ones are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai.text.did_you_mean import _distance, _strange, nearest

NAMES = ("max_tokens", "messages", "model", "n", "seed", "stop", "stream", "temperature", "tools", "top_p")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_token", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("MAX-TOKENS", "max_tokens"),
        ("mx_tokns", "max_tokens"),
        ("temprature", "temperature"),
        ("temperatrue", "temperature"),
        ("Model", "model"),
        ("modle", "model"),
        ("mesages", "messages"),
        ("strem", "stream"),
        ("tool", "tools"),
        ("N", "n"),
    ],
)
def test_a_slip_is_understood(name: str, meant: str) -> None:
    """A name that differs by case, punctuation, one edit, or two in a long word, leads to the known one."""
    assert nearest(name, NAMES) == meant


@pytest.mark.parametrize("name", ["", "___", "top_k", "steam_engine", "foo", "m", "temp", "é" * 9, "messages" * 9])
def test_other_names_get_no_hint(name: str) -> None:
    """A short name that differs, a far one, an empty one and a very long one are nobody's slip."""
    assert nearest(name, NAMES) is None


def test_a_known_name_is_not_its_own_hint() -> None:
    """The name itself is never offered, so a hint is always another name."""
    assert nearest("model", ["model", "modal"]) == "modal"


def test_the_answer_does_not_depend_on_the_order() -> None:
    """Of equally near names the first by spelling is offered."""
    assert nearest("stoop", ["stool", "stoop_", "stomp"]) == nearest("stoop", ["stomp", "stoop_", "stool"]) == "stoop_"


def test_short_words_can_be_let_in() -> None:
    """Lists of values are closed, so that a slip in a short word is safe to correct."""
    assert nearest("hgih", ["low", "high"], shortest=3) == "high"


@given(st.text("abcde", max_size=8), st.text("abcde", max_size=8))
def test_what_is_left_out_unmeasured_is_too_far(word: str, other: str) -> None:
    """Letters that only one of two words has are no more than the edits between them: no near name is missed by counting them first."""
    assert _strange(word, other) <= _distance(word, other)
