"""The kinds of differences: stable words, documented one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai.openapi.diff.change import CHANGE_KINDS, OperationChanges, Verdict

DOCS = Path(__file__).parents[4] / "docs" / "drift.md"


@pytest.mark.parametrize("kind", CHANGE_KINDS)
def test_each_kind_is_documented_as_it_is(kind: str) -> None:
    """The table of docs/drift.md has the verdicts and the meaning of each kind."""
    rule = CHANGE_KINDS[kind]
    assert f"| `{kind}` | {rule.request} | {rule.response} | {rule.message} |\n" in DOCS.read_text(encoding="utf-8")


def test_a_change_takes_the_verdict_of_its_direction() -> None:
    """The same kind means one thing to senders and another to readers."""
    findings = OperationChanges("echo")
    findings.add("request", "values-removed", "request.body", ["a"], None)
    findings.add("response", "values-removed", "response.200", ["a"], None)
    assert [(change.operation, change.verdict) for change in findings.changes] == [("echo", Verdict.BREAKING), ("echo", Verdict.COMPATIBLE)]
