"""Nothing reaches a terminal that could act on it."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.cli.terminal import clean, one_line, to_json

TEXTS = st.text(st.characters(codec=None), max_size=200)
FORBIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
KEPT = "\n\t\u200c\u200d"
VISIBLE = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
"""Format characters that show something (Unicode's Default_Ignorable_Code_Point lacks them)."""


def acting(text: str) -> list[str]:
    """The characters of a text that a terminal could act on."""
    return [char for char in text if unicodedata.category(char) in FORBIDDEN and char not in KEPT and ord(char) not in VISIBLE]


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("dos\r\nlines", "dos\nlines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x1b[2J\x1b[Hhome", "home"),
        ("\x9b31mc1", "31mc1"),
        ("a\x08b\rc\x00", "abc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
        ("caf\u00e9 \u4e2d\u00a0x", "caf\u00e9 \u4e2d\u00a0x"),
    ],
)
def test_clean(given_text: str, shown: str) -> None:
    """Control, ANSI and bidirectional characters go; letters, lines, tabs and joined emoji stay."""
    assert clean(given_text) == shown


def test_no_character_acts() -> None:
    """Of all characters that there are, none that acts is left, and all that show something are."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert acting(clean(every)) == []
    assert all(chr(code) in clean(every) for code in VISIBLE)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_clean_is_safe(text: str) -> None:
    """Whatever the text is, nothing that acts is left, and cleaning again changes nothing."""
    shown = clean(text)
    assert acting(shown) == []
    assert clean(shown) == shown


@given(TEXTS, st.integers(0, 200))
@settings(max_examples=100, deadline=None)
def test_clean_in_pieces(text: str, cut: int) -> None:
    """A text that arrives in pieces is as safe as a whole one."""
    assert acting(clean(text[:cut]) + clean(text[cut:])) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_json_loses_nothing(value: object) -> None:
    """JSON keeps every character, and shows the acting ones as escapes."""
    text = to_json(value)
    assert json.loads(text) == value
    assert acting(text) == []


def test_json_escapes() -> None:
    """DEL, C1, bidirectional and invisible characters are written as ``\\u`` escapes, those beyond the BMP as pairs."""
    assert to_json("\x7f\x9b\u202e\U000e0041", indent=None) == r'"\u007f\u009b\u202e\udb40\udc41"'


def test_one_line() -> None:
    """One line, cut with an ellipsis."""
    assert one_line("a\n b\t c" + "d" * 10, limit=8) == "a b cdd\u2026"
