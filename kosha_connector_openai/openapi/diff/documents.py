"""Two descriptions -> a report: which operation became which, and every difference between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from kosha_connector_openai.openapi.diff.change import Change, OperationChanges, change
from kosha_connector_openai.openapi.diff.operations import OperationComparison
from kosha_connector_openai.openapi.diff.report import DiffReport
from kosha_connector_openai.openapi.document import Document
from kosha_connector_openai.openapi.operation import Operation

Place = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path without prefix and without names of variables, and the path's own query: what counts on the wire."""


def compare_documents(before: Document, after: Document, *, prefix: str | None = None, texts: bool = False) -> DiffReport:
    """Every difference between two descriptions.

    Operations are matched by id, and then by method and path. ``prefix`` (such as ``/v1``) is left out of all paths; None finds it:
    a path that most common operations have more of in one description, since one may keep it in its servers. ``texts`` also
    reports changed descriptions. Raises DocumentError where an operation of either cannot be read.
    """
    prefix = _common_prefix(before, after) if prefix is None else prefix.rstrip("/")
    old, new = ({key: _place(document[key], prefix) for key in document} for document in (before, after))
    partners = _partners(old, new)
    comparison = OperationComparison(before, after, texts=texts)
    changes: list[Change] = []
    for key, partner in partners.items():
        findings = OperationChanges(key)
        if key != partner:
            findings.add("request", "operation-renamed", "operation", key, partner)
        if old[key] != new[partner]:
            findings.add("request", "operation-moved", "operation", _words(old[key]), _words(new[partner]))
        comparison.run(before[key], after[partner], findings)
        changes += findings.changes
    for key in [key for key in before if key not in partners]:
        changes.append(change(key, "request", "operation-removed", "operation", _title(before[key]), None))
    for key in [key for key in after if key not in partners.values()]:
        changes.append(change(key, "request", "operation-added", "operation", None, _title(after[key])))
    return DiffReport(before.name, after.name, prefix, len(before), len(after), tuple(changes))


def _partners(before: Mapping[str, Place], after: Mapping[str, Place]) -> dict[str, str]:
    """Old id -> new id: the same one, else the one that has the same place."""
    free = {place: key for key, place in after.items() if key not in before}
    named = {key: key if key in after else free.get(place) for key, place in before.items()}
    return {key: partner for key, partner in named.items() if partner is not None}


def _place(operation: Operation, prefix: str) -> Place:
    path = operation.path
    if path.startswith(f"{prefix}/"):
        path = path.removeprefix(prefix)
    return operation.method, re.sub(r"\{[^{}]*\}", "{}", path), operation.query


def _title(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _words(place: Place) -> str:
    query = "&".join(f"{name}={value}" for name, value in place[2])
    return f"{place[0]} {place[1]}{f'?{query}' if query else ''}"


def _common_prefix(before: Document, after: Document) -> str:
    """What most operations with the same id have before their path in one description only."""
    found = Counter(_longer(_place(before[key], "")[1], _place(after[key], "")[1]) for key in before if key in after)
    return found.most_common(1)[0][0] if found else ""


def _longer(one: str, other: str) -> str:
    shorter, longer = sorted((one, other), key=len)
    return longer.removesuffix(shorter) if longer.endswith(shorter) else ""
