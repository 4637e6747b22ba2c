"""Rows that have come in: what is told of them, and what is refused before its values are made."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.pages.bulk.received_rows import received


def facts(folder: Path, form: Any, data: bytes, most: int = 1_000_000) -> dict[str, Any]:
    (folder / f"rows.{form}").write_bytes(data)
    return received(folder, form, "name", most)


def test_what_is_told(tmp_path: Path):
    """The columns, how many rows there are, and the first five, long values cut."""
    found = facts(tmp_path, "jsonl", b'{"a": "%s", "b": [%s0]}\n' % (b"x" * 500, b"0," * 500) + b'{"c": 1}\n' * 8)
    assert (found["rows"], found["columns"], len(found["first"])) == (9, ["a", "b", "c"], 5)
    assert [len(value) for value in found["first"][0].values()] == [200, 200]
    table = facts(tmp_path, "tsv", b"\na\tb\n1\t2\n")
    assert (table["rows"], table["columns"], table["first"]) == (1, ["a", "b"], [{"a": "1", "b": "2"}])


@pytest.mark.parametrize(
    ("form", "data", "pointer"),
    [
        ("jsonl", b'{"a": 1}\n{"a": [' + b"[]," * 200_000 + b"0]}\n", "/line/2"),
        ("jsonl", b"{" + b",".join(b'"k%d":1' % number for number in range(2_000)) + b"}\n", "/column"),
        ("csv", b",".join(b"c%d" % number for number in range(2_000)) + b"\n", "/line/1"),
        ("csv", b"a" * 70_000 + b"\n1\n", "/line/1"),
        ("csv", b'"a\n",' + b"b," * 50_000 + b"c\n1\n", "/line/1"),
        ("csv", b"a" * 300 + b"\n1\n", "/column"),
        ("csv", b"a\n" + b'"' + (b"[]," * 500 + b"\n") * 120 + b'"\n', "/line/2"),
        ("csv", b'a\n"' + (b"1" * 1_000_000 + b"\n") * 5 + b'"\n', "/line/2"),
        ("csv", b"a\n1\n2\n3\n", "/input"),
    ],
)
def test_what_would_take_much_room_is_refused(tmp_path: Path, form: str, data: bytes, pointer: str):
    """By its line or column, and without making its values: the room that is taken stays near the size of the file."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            facts(tmp_path, form, data, most=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.faults[0].pointer == pointer
    assert peak < 20 * len(data) + 2_000_000
