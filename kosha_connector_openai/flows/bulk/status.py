"""How a run stands by its ledger, and which of its rows failed or may have run; another process may work on it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from kosha_connector_openai.flows.bulk.batch_file import RowBatch, open_batches
from kosha_connector_openai.flows.bulk.entry import RowAnswer, RowEntry, RowState, no_run
from kosha_connector_openai.flows.bulk.ledger import Ledger

_MOST: Final = 100
"""Rows that are told one by one."""


def run_status(ledger: Ledger) -> dict[str, Any]:
    """The run's target, its counts by state, why rows failed, what was spent, and its first hundred rows that failed or may have run.

    JSON-ready. Raises SetupError where the ledger has no run.
    """
    settings, counts = settings_of(ledger), ledger.counts()
    batches = [_batch_values(batch) for batch in open_batches(ledger)]
    names = {batch["batch"] for batch in batches}
    values = {"target": settings["target"], "total": sum(counts.values())}
    values |= {state.name.lower(): counts[state] for state in RowState}
    values |= {"categories": ledger.categories(), "spent": ledger.kept("spent") or {}}
    values["rows"] = [row_values(entry, ledger.answer(entry.n), ledger.calls(entry.n)) for entry in _troubled(ledger, names)]
    return values | ({"batches": batches} if batches else {})


def settings_of(ledger: Ledger) -> Mapping[str, Any]:
    """What a run does: its target, its input, its output and its options. Raises SetupError where the ledger has no run."""
    settings: Mapping[str, Any] | None = ledger.kept("settings")
    if settings is None:
        raise no_run()
    return settings


def row_values(entry: RowEntry, answer: RowAnswer | None, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """One row's state, and what is known of how it ended."""
    values = {
        "row": entry.n,
        "key": entry.key,
        "state": entry.state.name.lower(),
        "category": entry.category,
        "tries": entry.tries,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds") if entry.at else "",
        "facts": answer.facts if answer else {},
    }
    return values | ({"calls_answered": calls} if calls else {})


def _troubled(ledger: Ledger, batches: set[str]) -> Iterator[RowEntry]:
    found = (entry for entry in ledger.entries(RowState.UNKNOWN, RowState.FAILED, RowState.SENT) if entry.category not in batches)
    yield from islice(found, _MOST)


def _batch_values(batch: RowBatch) -> dict[str, Any]:
    job = batch.job or {}
    state = job.get("state") or job.get("phase") or ("uploaded" if batch.file else "made")
    return {"batch": batch.name, "rows": batch.rows, "state": state, "id": ", ".join(job.get("ids", {}).values())}
