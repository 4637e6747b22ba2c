"""The program in ``examples/bulk``, as an application runs it."""

from __future__ import annotations

import runpy
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.flows import SendOptions


@pytest.fixture
def sigterm() -> Iterator[None]:
    """What the signal does here, put back: the program sets its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_a_program_labels_its_database_and_goes_on_where_it_stopped(
    root: Path, sandbox: Any, opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopped by its cap it leaves the labels out and says so; started again it finishes, with one call a ticket, and clears up."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.url)
    label = runpy.run_path(str(root / "examples" / "bulk" / "label_tickets.py"))["label"]
    database = tmp_path / "tickets.db"
    with closing(sqlite3.connect(database)) as base, base:
        base.execute("CREATE TABLE tickets (id INTEGER PRIMARY KEY, body TEXT, label TEXT)")
        base.executemany("INSERT INTO tickets (body) VALUES (?)", [(f"ticket {number}",) for number in range(5)])

    def labels() -> list[str | None]:
        with closing(sqlite3.connect(database)) as base:
            return [found for (found,) in base.execute("SELECT label FROM tickets ORDER BY id")]

    assert label(database, SendOptions(in_flight=1, budget=opened.outputs.budget(calls=2))) == 11
    assert labels() == [None] * 5
    assert label(database) == 0
    assert set(labels()) <= {"praise", "complaint", "question"}
    assert label(database) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["tickets.db"]
    assert sum(entry["target"].endswith("/chat/completions") for entry in sandbox.app._log) == 5
