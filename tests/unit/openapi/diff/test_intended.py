"""Lists of intended differences: what they explain, and what they may not hide."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.diff import Intended, compare_documents, judge, read_intended
from tests.unit.openapi.diff.describe import echo

REPORT = compare_documents(
    echo({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}),
    echo({"type": "object", "properties": {"c[]": {"type": "string"}}}),
)


def test_an_entry_explains_what_fits_all_of_its_lists() -> None:
    """Kinds, operations, places and direction must all fit; `*` stands for any text and nothing else is special."""
    entries = [
        Intended(reason="r", kinds=("field-removed",), where=("*/a",), operations=("ec*",), direction="request"),
        Intended(reason="r", kinds=("field-added",), where=("*/c[]",)),
    ]
    left = judge(REPORT, entries).unexplained.changes
    assert [(change.direction, change.where, change.kind) for change in left] == [
        ("request", "request.body.application/json/b", "field-removed"),
        ("response", "response.200.application/json/a", "field-removed"),
        ("response", "response.200.application/json/b", "field-removed"),
    ]


def test_entries_that_explain_nothing_are_named() -> None:
    """A list may not grow old: an entry without a change is stale, one that shares its change is not."""
    used = Intended(reason="used", kinds=("field-*",))
    twin = Intended(reason="twin", kinds=("field-added",))
    stale = Intended(reason="stale", kinds=("field-added",), operations=("other",))
    judged = judge(REPORT, [used, twin, stale])
    assert judged.unexplained.changes == ()
    assert judged.stale == (stale,)


def test_a_list_is_read_from_yaml(tmp_path: Path) -> None:
    """Reason and kinds are needed; the rest means everything."""
    path = tmp_path / "intended.yaml"
    path.write_text("- reason: Because.\n  kinds: [field-added]\n")
    assert read_intended(path) == (Intended(reason="Because.", kinds=("field-added",)),)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("- kinds: [field-added]", "/0/reason"),
        ("- {reason: '', kinds: [field-added]}", "/0/reason"),
        ("- reason: Because.", "/0/kinds"),
        ("- {reason: Because., kinds: []}", "/0/kinds"),
        ("- {reason: Because., kinds: [field-added], place: ['*']}", "/0/place"),
        ("- {reason: Because., kinds: [field-added], direction: both}", "/0/direction"),
    ],
)
def test_a_faulty_list_is_refused_with_its_places(tmp_path: Path, text: str, pointer: str) -> None:
    """No entry without a reason, without kinds, or with a word that does not exist."""
    path = tmp_path / "intended.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as caught:
        read_intended(path)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    """A list that is not there explains nothing silently."""
    with pytest.raises(DocumentError, match=r"none\.yaml cannot be read"):
        read_intended(tmp_path / "none.yaml")
