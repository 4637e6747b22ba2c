"""What people, programs and reviewers get: text, JSON and Markdown of the same report, and its counts."""

from __future__ import annotations

import json

from kosha_connector_openai.openapi.diff import DiffReport, compare_documents, to_json, to_markdown, to_text
from tests.unit.openapi.diff.describe import document, echo

OLD = echo({"type": "object", "properties": {"a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "string", "default": "1"}}})
NEW = echo({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}, "b": {"type": "string", "default": "2"}}})
GONE = document({"/old": {"get": {"operationId": "old|<b>"}}})


def test_text_puts_breaking_changes_first_and_counts_at_the_end() -> None:
    """Changes stand under their operation, the breaking ones first; each direction is counted."""
    assert to_text(compare_documents(OLD, NEW)).splitlines() == [
        "description -> description (1 and 1 operations)",
        "",
        "echo",
        '  breaking     request.body.application/json/a: Fewer values are allowed. was ["y"]',
        '  compatible   response.200.application/json/a: Fewer values are allowed. was ["y"]',
        "  information  request.body.application/json/b: The default changed: whoever leaves it out may get another behaviour. 1 -> 2",
        "  information  response.200.application/json/b: The default changed: whoever leaves it out may get another behaviour. 1 -> 2",
        "",
        "Requests: 1 breaking, 0 compatible, 1 information",
        "Responses: 0 breaking, 1 compatible, 1 information",
        "Breaking.",
    ]


def test_whole_operations_stand_together_before_the_others() -> None:
    """What came and went is one list; the summary says whether anything breaks."""
    assert to_text(compare_documents(GONE, OLD)).splitlines()[2:5] == [
        "Operations",
        "  breaking     old|<b>: The operation is gone. was GET /old",
        "  compatible   echo: The operation is new. now POST /echo",
    ]
    assert to_text(compare_documents(OLD, OLD)).splitlines()[-1] == "No difference."
    assert to_text(compare_documents(document({}), OLD)).splitlines()[-1] == "Nothing breaks."


def test_json_holds_every_change_whole() -> None:
    """Programs get the fields of each change, the counts and one answer to whether anything breaks."""
    found = json.loads(json.dumps(to_json(compare_documents(OLD, NEW))))
    assert found["breaking"] is True
    assert found["counts"]["request"] == {"breaking": 1, "compatible": 0, "information": 1}
    assert found["operations"] == {"before": 1, "after": 1}
    assert found["changes"][0] == {
        "operation": "echo",
        "direction": "request",
        "where": "request.body.application/json/a",
        "kind": "values-removed",
        "before": ["y"],
        "after": None,
        "verdict": "breaking",
        "message": "Fewer values are allowed.",
    }


def test_markdown_is_a_table_for_each_operation() -> None:
    """Breaking changes are strong; headings and cells show names as they are."""
    lines = to_markdown(compare_documents(OLD, NEW)).splitlines()
    assert lines[2:7] == [
        "## echo",
        "",
        "| Verdict | Where | What |",
        "| --- | --- | --- |",
        '| **breaking** | `request.body.application/json/a` | Fewer values are allowed. was \\["y"\\] |',
    ]
    assert lines[-3:] == [
        "- Requests: 1 breaking, 0 compatible, 1 information",
        "- Responses: 0 breaking, 1 compatible, 1 information",
        "- Breaking.",
    ]


def test_markdown_gives_a_description_no_markup() -> None:
    """Tags and bars of a description do not leave their cell."""
    assert "| **breaking** | `old\\|<b>` | The operation is gone. was GET /old |" in to_markdown(compare_documents(GONE, OLD))


def test_long_values_are_cut_for_people_only() -> None:
    """A list of hundreds of values is a line of a report and whole in JSON."""
    report = compare_documents(echo({"enum": ["a"]}), echo({"enum": ["a", *(f"value{index}" for index in range(500))]}))
    assert max(map(len, to_text(report).splitlines())) < 250
    assert len(to_json(report)["changes"][0]["after"]) == 500


def test_a_part_of_a_report_keeps_its_head() -> None:
    """Only responses: other counts and another verdict, the same descriptions."""
    report = compare_documents(OLD, NEW).only(lambda change: change.direction == "response")
    assert isinstance(report, DiffReport)
    assert not report.is_breaking
    assert (report.before, report.operations_before, len(report.changes)) == ("description", 1, 2)
