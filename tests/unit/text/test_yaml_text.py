"""YAML as JSON values: core-schema types, and nothing that runs, loops or explodes."""

from __future__ import annotations

import json
import time

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.text.yaml_text import YamlLimits, load_yaml


def test_types_are_those_of_json() -> None:
    """S12: words, times and dates that older YAML turns into other types stay text."""
    text = b"[no, on, yes, 12:30:45, 2024-01-01, 010, 1_000, 0x10, 1e3, -2, .5, ~, null, true, '3', 'no', \"x\"]"
    assert load_yaml(text) == [
        "no",
        "on",
        "yes",
        "12:30:45",
        "2024-01-01",
        10,
        "1_000",
        "0x10",
        1000.0,
        -2,
        0.5,
        None,
        None,
        True,
        "3",
        "no",
        "x",
    ]


def test_an_alias_bomb_is_refused_by_what_it_stands_for() -> None:
    """S6: nine levels of ten aliases are refused at once, wherever they stand."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(DocumentError, match="expands to more than"):
        load_yaml("\n".join(lines).encode())
    assert time.monotonic() - started < 2


def test_a_large_file_without_aliases_passes() -> None:
    """S6: size alone is no bomb."""
    assert len(load_yaml(b"- abcdefghijklmnopqrstuvwxyz\n" * 100_000)) == 100_000


def test_ordinary_aliases_work() -> None:
    """An alias stands for its anchor's value."""
    assert load_yaml(b"a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: &x {b: *x}", "anchor x inside itself"),
        (b"a: 1\nb: !!python/object/apply:os.system [id]", r"tag .*os.system.*line 2"),
        (b"a: !custom 3", "tags are not allowed"),
        (b"a: 1\na: 2", r"key a twice.*line 2"),
        (b"? [1]\n: 2", "key that is not text"),
        (b"a: *nowhere", "nowhere"),
        (b"a: [", "not valid YAML"),
        (b"a: 1\n---\nb: 2", "more than one document"),
        (b"[" * 5_000, "deeper than 100"),
        (b"\xff\xfe\x00", "not valid"),
    ],
)
def test_what_must_not_be_read_is_refused_with_its_line(text: bytes, message: str) -> None:
    """S7-S9, S13: cycles, tags, doubled keys, depth and broken text end in one typed error."""
    with pytest.raises(DocumentError, match=message):
        load_yaml(text)


@pytest.mark.parametrize("character", ["\u0085", "\u2028", "\u2029"])
def test_json_keeps_the_line_breaks_of_older_yaml(character: str) -> None:
    """JSON is YAML 1.2 (section 1.3), for which NEL, LS and PS are no line breaks: names and texts with one are read as written."""
    value = {f"a{character} b": [f"c{character}  d"]}
    assert load_yaml(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False, indent=1).encode()) == value
    with pytest.raises(DocumentError, match="key a twice"):
        load_yaml(f'{{"a": 1, "a": "{character}"}}'.encode())
    with pytest.raises(DocumentError, match="not valid YAML"):
        load_yaml(f'{{"a": "{character}"'.encode())
    with pytest.raises(DocumentError, match="deeper"):
        load_yaml(f'{{"a": {"[" * 200}"{character}"{"]" * 200}}}'.encode())


def test_the_size_is_looked_at_first() -> None:
    """S9: more bytes than allowed are not parsed."""
    with pytest.raises(DocumentError, match="larger than 10 bytes"):
        load_yaml(b"a: 12345678901", YamlLimits(bytes=10))
