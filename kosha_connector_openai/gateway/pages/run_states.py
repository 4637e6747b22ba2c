"""How a run over rows stands, as its owner is told it: what was sent, which state it is in, its counts, and the files that came of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.gateway.pages.run_folders import RunFolder, rows_path

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.live_runs import LiveRun

FILES: Final = {"output.csv": "text/csv", "output.jsonl": "application/jsonl", "failed.jsonl": "application/jsonl"}
"""What can be fetched of a run that was started, and of which type it is."""
_SHOWN: Final = 5
"""Rows that are told as they are."""
_LOOK: Final = 100
"""Rows that tell the columns where no header does."""
_CELL: Final = 200
"""Characters of a cell that are shown."""


def received(path: Path, form: Any, name: str, most: int) -> dict[str, Any]:
    """The facts of rows that have come in. Raises InputError where they cannot be read, are none, or more than ``most``."""
    from kosha_connector_openai.flows.bulk import open_source

    place = rows_path(path, form)
    source = open_source(place, form)
    columns, rows = source.columns(), source.rows()
    first = list(islice(rows, _LOOK))
    count = sum(1 for _ in islice(chain(first, rows), most + 1))
    if count > most or not count:
        text, fix = ("has no rows.", "Send at least one row.") if not count else (f"has more than {most} rows.", "Send it in parts.")
        raise InputError("The rows cannot be used.", [Fault("/input", "rows", text, fix)])
    names = columns or tuple(dict.fromkeys(column for row in first for column in row.values))
    return {
        "name": name,
        "format": form,
        "bytes": place.stat().st_size,
        "rows": count,
        "columns": list(names),
        "first": [{column: _cut(value) for column, value in row.values.items()} for row in first[:_SHOWN]],
        "created": time(),
        "end": None,
    }


def standing(run: RunFolder, live: LiveRun | None) -> dict[str, Any]:
    """A run as a list shows it: ``state`` is ready, running, stopping, stopped or ended; what is wrong with it is under ``reason``."""
    facts = {name: value for name, value in run.facts.items() if name not in ("end", "first")}
    if live is not None:
        return {"run": run.id, **facts, "state": "stopping" if live.stop else "running", **_progress(live)}
    if not run.ledger.exists():
        return {"run": run.id, **facts, "state": "ready", **_end(run, "")}
    try:
        return {"run": run.id, **facts, **_kept(run)[0]}
    except ConnectorError as error:
        return {"run": run.id, **facts, "state": "stopped", "stop": "ledger", "reason": error.to_dict()}


def status(run: RunFolder, live: LiveRun | None) -> dict[str, Any]:
    """The same with what was asked for, the first rows that failed or may have run, and the files."""
    if live is not None or not run.ledger.exists():
        return {**standing(run, live), "first": run.facts["first"]}
    facts = {name: value for name, value in run.facts.items() if name != "end"}
    values, details = _kept(run)
    return {"run": run.id, **facts, **values, **details}


def kept_settings(run: RunFolder) -> Mapping[str, Any]:
    """What a run that was started does. Raises SetupError."""
    from kosha_connector_openai.flows.bulk import open_run, run_status

    with open_run(run.ledger) as ledger:
        run_status(ledger)
        settings: Mapping[str, Any] = ledger.kept("settings")
        return settings


def _kept(run: RunFolder) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run that no process works on: how it stands, and the details."""
    from kosha_connector_openai.flows.bulk import open_run, run_status

    with open_run(run.ledger) as ledger:
        found = run_status(ledger)
        settings = ledger.kept("settings")
    unknown = found["unknown"] + found["sent"]  # nobody waits for their answers any more
    stopped = bool(found["pending"] + found["sent"])
    counts = {"total": found["total"], "done": found["done"], "failed": found["failed"], "unknown": unknown, "waiting": found["pending"]}
    spent = {"tokens": int(float(found["spent"].get("tokens", 0))), "cost": float(found["spent"].get("cost", 0)) or None}
    state = {"state": "stopped" if stopped else "ended", "target": found["target"], **counts, "in_flight": 0, **spent}
    names = [name for name in FILES if name != "failed.jsonl" or found["failed"]]
    details = {
        "map": settings["options"]["map"],
        "inputs": settings["options"]["fixed"],
        "categories": found["categories"],
        "troubled": [{**row, "facts": {"message": row["facts"].get("message", "")}} for row in found["rows"]],
        "files": [{"name": name, "href": f"/kosha/v1/bulk/runs/{run.id}/files/{name}", "content_type": FILES[name]} for name in names],
    }
    return {**state, **_end(run, "interrupted" if stopped else "")}, details


def _end(run: RunFolder, without: str) -> dict[str, Any]:
    """Why its last process ended; ``without``: what is told where that process was killed."""
    end = run.facts["end"] or {}
    return {"stop": end.get("stop") or ("" if end else without), "reason": end.get("reason")}


def _progress(live: LiveRun) -> dict[str, Any]:
    if live.progress is None:
        return {}
    spent = live.budget.spent
    left = live.progress.left
    values = live.progress.to_dict() | {"tokens": spent["tokens"], "cost": spent["cost"], "currency": spent["currency"]}
    return values | {"left": None if left is None else round(left, 1), "stop": live.stop}


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return f"{text[: _CELL - 1]}\u2026" if text is not None and len(text) > _CELL else value
