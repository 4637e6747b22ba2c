"""A report as text for people, as JSON values for programs, and as Markdown for a review."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from kosha_connector_openai.openapi.diff.change import Change, Verdict
from kosha_connector_openai.openapi.diff.report import DiffReport

_WHOLE: Final = frozenset({"operation-added", "operation-removed"})
MAX_VALUE: Final = 120
"""Characters of a value that people are shown; programs get all of it."""


def to_json(report: DiffReport) -> dict[str, Any]:
    """The report as JSON-ready values."""
    return {
        "before": report.before,
        "after": report.after,
        "stripped_prefix": report.prefix,
        "operations": {"before": report.operations_before, "after": report.operations_after},
        "breaking": report.is_breaking,
        "counts": report.counts(),
        "changes": [asdict(change) for changes in report.by_operation().values() for change in changes],
    }


def to_text(report: DiffReport) -> str:
    """The report as lines, grouped by operation."""
    lines = [_title(report)]
    for heading, changes in _groups(report):
        lines += ["", heading, *(f"  {change.verdict:<11}  {_place(change)}: {_sentence(change)}" for change in changes)]
    return "\n".join([*lines, "", *_summary(report)])


def to_markdown(report: DiffReport) -> str:
    """The report as Markdown, a table for each operation."""
    lines = [f"# {_markdown(_title(report))}"]
    for heading, changes in _groups(report):
        lines += ["", f"## {_markdown(heading)}", "", "| Verdict | Where | What |", "| --- | --- | --- |"]
        lines += [f"| {_strong(change.verdict)} | {_code(_place(change))} | {_markdown(_sentence(change))} |" for change in changes]
    return "\n".join([*lines, "", *(f"- {line}" for line in _summary(report))])


def _groups(report: DiffReport) -> Iterator[tuple[str, Sequence[Change]]]:
    """The changes under their headings: first whole operations that came or went, then the operations that both have."""
    whole = report.only(lambda change: change.kind in _WHOLE)
    if whole.changes:
        yield "Operations", [change for changes in whole.by_operation().values() for change in changes]
    yield from report.only(lambda change: change.kind not in _WHOLE).by_operation().items()


def _place(change: Change) -> str:
    return change.operation if change.kind in _WHOLE else change.where


def _title(report: DiffReport) -> str:
    counts = f"{report.operations_before} and {report.operations_after} operations"
    prefix = f", paths without {report.prefix}" if report.prefix else ""
    return f"{report.before} -> {report.after} ({counts}{prefix})"


def _summary(report: DiffReport) -> Iterator[str]:
    for direction, counts in report.counts().items():
        yield f"{direction.capitalize()}s: " + ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    yield "Breaking." if report.is_breaking else "Nothing breaks." if report.changes else "No difference."


def _sentence(change: Change) -> str:
    return " ".join(filter(None, [change.message, _values(change)]))


def _values(change: Change) -> str:
    before, after = (None if value is None else _value(value) for value in (change.before, change.after))
    if before is not None and after is not None:
        return f"{before} -> {after}"
    return f"was {before}" if before is not None else f"now {after}" if after is not None else ""


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _strong(verdict: Verdict) -> str:
    return f"**{verdict}**" if verdict is Verdict.BREAKING else verdict


def _code(text: str) -> str:
    """Text as code inside a table cell."""
    return f"`{_one_line(text).replace('`', ' ').replace('|', chr(92) + '|')}`"


def _markdown(text: str) -> str:
    """Text that Markdown and the HTML in it leave alone."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|" else char for char in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())
