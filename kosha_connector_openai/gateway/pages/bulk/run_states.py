"""How a run over rows stands, as its owner is told it: what was sent, its state and counts, and the files that came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.gateway.pages.bulk.run_folders import RunFolder

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.bulk.live_runs import LiveRun

FILES: Final = {"output.csv": "text/csv", "output.jsonl": "application/jsonl", "failed.jsonl": "application/jsonl"}
"""What can be fetched of a run that was started, and of which type it is."""


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
    from kosha_connector_openai.flows.bulk import open_run, settings_of

    with open_run(run.ledger) as ledger:
        return settings_of(ledger)


def _kept(run: RunFolder) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run that no process works on: how it stands, and the details."""
    from kosha_connector_openai.flows.bulk import open_run, run_status, settings_of

    with open_run(run.ledger) as ledger:
        found, settings = run_status(ledger), settings_of(ledger)
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
