"""Labels the tickets of an application's database. Started again after any end it goes on, and pays for no ticket twice.

``python examples/bulk/label_tickets.py tickets.db`` with a table ``tickets (id INTEGER PRIMARY KEY, body TEXT, label TEXT)`` and the
connection in the environment. Exit code 11: some tickets wait, start it again; 12: some have no label, look why.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from kosha_connector_openai import open_connector
from kosha_connector_openai.flows import Bulk, RowOptions, RunProgress, SendOptions

OPTIONS = RowOptions(map=["text=body"], fixed={"labels": ["praise", "complaint", "question"]}, keep=["id"])
WAITING, FAILED = 11, 12


def label(database: Path, send: SendOptions = SendOptions()) -> int:
    """Labels what has no label yet; gives the exit code. A run that is there already goes on, with the tickets that it began with."""
    out = database.with_suffix(".labels.jsonl")
    with closing(sqlite3.connect(database)) as base, open_connector() as connector:
        found = base.execute("SELECT id, body FROM tickets WHERE label IS NULL ORDER BY id").fetchall()
        if not found:
            return 0
        bulk = Bulk(connector, connector.connection(), watch=show)
        signal.signal(signal.SIGTERM, lambda *_: bulk.stop())
        result = bulk.run("classify", ({"id": number, "body": body} for number, body in found), out, OPTIONS, send, go_on=True)
        print(f"{result.done} labelled, {result.failed} failed, {result.unknown} may have run, {result.waiting} wait")
        if result.stop or result.waiting:
            return WAITING
        with base, out.open("rb") as answers:
            labelled = map(json.loads, answers)
            base.executemany("UPDATE tickets SET label = ? WHERE id = ?", ((row["answer"], row["input"]["id"]) for row in labelled))
    if result.done < result.total:
        print(f"kosha-openai bulk status {out}    # says why; its files stay")
        return FAILED
    for path in out.parent.glob(f"{out.name}*"):
        path.unlink()
    return 0


def show(state: RunProgress) -> None:
    """Says how the run stands."""
    print(f"{state.done} of {state.total}, {state.rate:.0f} a second", file=sys.stderr)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name] if Path(name).is_file():
            sys.exit(label(Path(name)))
    sys.exit("Name a database that is there: label_tickets.py tickets.db")
