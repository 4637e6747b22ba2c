"""`python -m tools.drift`: what the newest client and the newest description say that ours does not, as Markdown, with verdicts.

The client that ours is from, or `--base`, is compared with `--client`: that is what changed. Then ours is compared with itself after
a refresh from `--client`: that is what ours lacks. A `--description` is merged with the client as `make spec` does it, and compared with
ours; what intended.yaml explains is left out. Ends with 0 where there is no drift, 3 where there is some, and 1 where a source cannot be
read whole: what could be read is reported all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi import Document, parse_document, read_document
from kosha_connector_openai.openapi.diff import Change, DiffReport, compare_documents, judge, read_intended, to_markdown
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.package import read_package
from kosha_connector_openai.sdk.reader import SOURCE, Reading, ids_by_place, read_client
from kosha_connector_openai.sdk.update import read_for, updated
from tools.spec.merging import ROOT, RULES, merge, read_sides

OURS = ROOT / "openapi.json"
INTENDED = ROOT / "tools" / "spec" / "intended.yaml"
NONE, UNREADABLE, DRIFT = 0, 1, 3


@dataclass
class Drift:
    """One comparison: what it is of, its report, and what could not be read."""

    title: str
    report: DiffReport
    left: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Writes the report to standard output, or to `--out`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.drift", description=__doc__)
    parser.add_argument("--client", default=RULES.package, help="the newer client: openai==X, an archive or a folder; else the newest")
    parser.add_argument("--base", help="the client to compare it with; else the version that ours is from")
    parser.add_argument("--description", type=Path, help="a newer description of the vendor")
    parser.add_argument("--ours", type=Path, default=OURS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(arguments)
    try:
        found = list(_drifts(json.loads(asked.ours.read_text(encoding="utf-8")), asked.client, asked.base, asked.description))
    except (DocumentError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    left = list(dict.fromkeys(text for drift in found for text in drift.left))
    for text in left:
        print(text, file=sys.stderr)
    text = render(found, left)
    asked.out.write_text(text, encoding="utf-8") if asked.out else print(text, end="")
    return UNREADABLE if left else DRIFT if any(drift.report.changes for drift in found) else NONE


def _drifts(ours: Node, client: str, base: str | None, description: Path | None) -> Iterator[Drift]:
    base = base or f"{RULES.package}=={ours[SOURCE]['client']['version']}"
    old, new = (read_for(read_package(source, RULES.package), RULES, ours) for source in (base, client))
    yield Drift(f"{_name(old)} to {_name(new)}", compare_documents(_document(old.document), _document(new.document)), _faults(old, new))
    refreshed = parse_document(json.dumps(updated(ours, new, RULES).document).encode(), name=_name(new), foreign=True)
    yield Drift(f"Ours to {_name(new)}", compare_documents(_document(ours), refreshed))
    if description is not None:
        yield _against(description, client, ours)


def _against(description: Path, client: str, ours: Node) -> Drift:
    """Ours to a description merged with the client, without the differences that are meant."""
    document = dict(read_document(description).root)
    reading = read_client(read_package(client, RULES.package), RULES, ids_by_place(document))
    merged = merge(document, reading.document, read_sides())
    report = judge(compare_documents(_document(merged.document), _document(ours)), read_intended(INTENDED)).unexplained
    undecided = [f"no side is right in sides.yaml: {difference}" for difference in merged.undecided]
    return Drift(f"{description.name} {document['info']['version']} to ours", report, [*_faults(reading), *undecided])


def _document(document: Node) -> Document:
    info = document["info"]
    return parse_document(json.dumps(document).encode(), name=f"{info['title']} {info['version']}", foreign=True)


def _name(reading: Reading) -> str:
    return f"{reading.document['info']['title']} {reading.document['info']['version']}"


def _faults(*readings: Reading) -> list[str]:
    return [str(fault) for reading in readings for fault in reading.faults]


def render(found: list[Drift], left: list[str]) -> str:
    """The report: a table of what changed for each comparison, then every change by operation."""
    parts = ["# Drift\n"]
    if left:
        parts += ["Could not be read, and stays as it is:\n", *(f"- `{text}`" for text in left), ""]
    for drift in found:
        parts += [f"## {drift.title}\n", *summary(drift.report), ""]
    parts += [f"### Every change: {drift.title}\n\n{to_markdown(drift.report)}" for drift in found if drift.report.changes]
    return "\n".join(parts).rstrip() + "\n"


def summary(report: DiffReport) -> list[str]:
    """One line for each change, however many operations it shows in; the gravest first."""
    if not report.changes:
        return ["No difference."]
    rows: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for changes in report.by_operation().values():
        for change in changes:
            rows[_row(change)].add(change.operation)
    lines = ["| verdict | in | what | where | was | now | operations |", "| --- | --- | --- | --- | --- | --- | --- |"]
    order = {verdict: rank for rank, verdict in enumerate(("breaking", "compatible", "information"))}
    for row, operations in sorted(rows.items(), key=lambda entry: (order[entry[0][0]], entry[0][1:])):
        lines.append(f"| {' | '.join(map(_cell, row))} | {_operations(operations)} |")
    return lines


def _row(change: Change) -> tuple[str, ...]:
    """What a change is without where its schema is used: the last two names of the way to it."""
    where = "/".join(change.where.split("/")[-2:]).rpartition("json/")[2]
    return (str(change.verdict), change.direction, change.message.rstrip("."), where, _short(change.before), _short(change.after))


def _operations(names: set[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _short(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
