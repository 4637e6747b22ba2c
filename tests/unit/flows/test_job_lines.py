"""Rows of a batch: matched by key, in the input's order, whatever the files look like."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.flows.jobs import LineRow, LineTable
from kosha_connector_openai.manifest.parts.jobs import Lines
from tests.cap import capped

RULES = Lines(
    kind="lines", files=("/o", "/e"), order="/i", download="d", input="f",
    key="/custom_id", status="/response/status_code", body="/response/body", error=("/error", "/response/body/error"),
)  # fmt: skip


def table(order: list[bytes] | None, *files: list[bytes]) -> LineTable:
    made = LineTable(RULES, tempfile.TemporaryDirectory())
    folder = Path(made.folder.name)
    for number, lines in enumerate(files):
        made.files.append(folder / str(number))
        made.files[-1].write_bytes(b"\n".join(lines))
    if order is not None:
        made.order = folder / "input"
        made.order.write_bytes(b"\n".join(order) + b"\n")
    made.index()
    return made


def asked(key: Any) -> bytes:
    return json.dumps({"custom_id": key, "body": {}}).encode()


def answered(key: Any, status: int = 200, **more: Any) -> bytes:
    return json.dumps({"custom_id": key, "response": {"status_code": status, "body": {"said": key}}, **more}).encode()


def test_rows_stand_in_the_order_of_the_input() -> None:
    """Answers from both files, however they are mixed; the missing one is named."""
    failed = json.dumps({"custom_id": "b", "response": None, "error": {"code": "expired"}}).encode()
    with table([asked("a"), asked("b"), asked("c"), asked("d")], [answered("d"), b"", answered("a")], [failed]) as rows:
        found = list(rows)
    assert [(row.key, row.index, row.ok, row.missing) for row in found] == [
        ("a", 0, True, False), ("b", 1, False, False), ("c", 2, False, True), ("d", 3, True, False),
    ]  # fmt: skip
    assert found[1].error == {"code": "expired"}
    assert found[0].body == {"said": "a"}


def test_keys_that_come_twice() -> None:
    """The first answer counts for the first line; the second one stands at the end, and so that it is seen the table warns."""
    with table([asked("a"), asked("a")], [answered("a", 200), answered("a", 201)]) as rows:
        found = list(rows)
    assert [(row.key, row.index, row.status, row.missing) for row in found] == [
        ("a", 0, 200, False), ("a", 1, None, True), ("a", None, 201, False),
    ]  # fmt: skip
    assert len(rows.warnings) == 1


def test_lines_that_are_no_answers() -> None:
    """Broken JSON, a foreign value, a key that is no text, a BOM, CRLF: nothing stops the others."""
    lines = [b"\xef\xbb\xbf" + answered("a") + b"\r", b"{", b"7", answered(5), answered("x")]
    with table([b"\xef\xbb\xbf" + asked("a") + b"\r", b"not json", asked("b")], lines) as rows:
        found = list(rows)
    assert [(row.key, row.index) for row in found] == [("a", 0), (None, 1), ("b", 2), ("x", None), (None, None), (None, None), (None, None)]
    assert [row.missing for row in found[:3]] == [False, True, True]
    assert not any(row.ok for row in found[4:6])


def test_without_the_input() -> None:
    """The order of the answers."""
    with table(None, [answered("b"), answered("a", 400)]) as rows:
        assert [(row.key, row.index, row.ok) for row in rows] == [("b", None, True), ("a", None, False)]


@given(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=20), st.randoms())
@settings(max_examples=60, deadline=None)
def test_every_key_comes_back_once(keys: list[str], random: Any) -> None:
    """In = answered + missing, in the input's order, for any keys, any order of the answers and any of them lost."""
    shuffled = random.sample(keys, len(keys))
    kept = [key for key in shuffled if random.random() < 0.7]
    half = len(kept) // 2
    with table([asked(key) for key in keys], [answered(key) for key in kept[:half]], [answered(key) for key in kept[half:]]) as rows:
        found = list(rows)
    assert [row.key for row in found] == keys
    assert {row.key for row in found if row.ok} == set(kept)


SNIPPET = """
import json, tempfile
from pathlib import Path
from kosha_connector_openai.manifest.parts.jobs import Lines
from kosha_connector_openai.flows.jobs import LineTable

rules = Lines(kind="lines", files=("/o",), order="/i", download="d", input="f", key="/custom_id", body="/response/body")
with LineTable(rules, tempfile.TemporaryDirectory()) as table:
    folder, filler = Path(table.folder.name), "x" * 4_000
    with (folder / "in").open("w") as file:
        for number in range(count):
            file.write(json.dumps({"custom_id": f"row-{number}", "body": {"prompt": filler}}) + "\\n")
    with (folder / "out").open("w") as file:
        for number in reversed(range(count)):
            file.write(json.dumps({"custom_id": f"row-{number}", "response": {"body": {"text": filler}}}) + "\\n")
    table.files, table.order = [folder / "out"], folder / "in"
    table.index()
    assert [row.index for row in table] == list(range(count))
print("whole")
"""


@pytest.mark.parametrize("count", [8_000])
def test_a_large_batch_in_bounded_memory(count: int) -> None:
    """8,000 rows, 64 MB of files: a place in a file for each row is all that is kept."""
    small, large = (capped(SNIPPET, seconds=60, count=rows) for rows in (200, count))
    assert (small.output.strip(), large.output.strip()) == ("whole", "whole"), large.errors
    assert large.peak - small.peak <= 24


def test_a_row_as_values() -> None:
    """What programs get."""
    row = LineRow("a", 0, 200, {"x": 1})
    told = {"error": None, "missing": False, "request_id": None}
    assert row.to_dict() == {"ok": True, "key": "a", "index": 0, "status": 200, "body": {"x": 1}, **told}
