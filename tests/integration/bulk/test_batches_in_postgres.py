"""Rows in batches with the ledger in PostgreSQL: processes on two hosts that end at any step, and two at the same time."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows.bulk import RowOptions
from tests.batch_process import FIXED, BatchProcess
from tests.unit.flows.bulk.conftest import SandboxUpstream, sandbox  # noqa: F401 - a fixture
from tests.unit.flows.bulk.test_batches import PLANS, TARGET, bulk, outcome, quick, run, says, table, upstream, written  # noqa: F401

pytestmark = pytest.mark.e2e


def on_other_host(out: Path, folder: Path) -> Path:
    """The run's output on a host that has nothing of the run but the file that names it."""
    folder.mkdir(exist_ok=True)
    shutil.copy(out.with_name(f"{out.name}.ledger"), folder / f"{out.name}.ledger")
    return folder / out.name


def test_two_hosts_take_turns_and_end_at_any_step(run: Any, upstream: SandboxUpstream, dsn: str, tmp_path: Path) -> None:  # noqa: F811
    """kill -9 before, in and after upload, start, question and download, each time gone on with by the other host, which has none of the
    files: the same rows as calls make, none in two batches."""
    rows, out = written(table(400), tmp_path / "in.jsonl"), tmp_path / "batch.jsonl"
    upstream.limit(batch_lines=12)
    with BatchProcess(upstream.url, rows, out, 15, ledger=dsn) as process:
        here = out
        for number, plan in enumerate(PLANS):
            if plan.endswith(":in"):
                upstream.app.faults.add("slow=0.3", 1, plan.partition(":")[0])
            assert process(plan, here) == -9, plan
            upstream.app.faults.add("503", 0, None)
            here = out if number % 2 else on_other_host(out, tmp_path / "other")
        assert process("-", here) == 0
    upstream.limit()
    run(rows, out="calls.jsonl", via="calls")
    assert outcome(here) == outcome(tmp_path / "calls.jsonl")
    assert upstream.twice() == []
    assert set(upstream.ran().values()) == {1}
    assert any(batch.status == "expired" for batch in upstream.batches())
    assert len(upstream.batches()) > len(PLANS)


def test_two_hosts_at_the_same_time(bulk: Any, upstream: SandboxUpstream, dsn: str, tmp_path: Path) -> None:  # noqa: F811
    """The second is told who has the run, and sends nothing; when the first has ended it reads the batches that are open."""
    upstream.app._operations._resources._driven["/v1/batches"] = ["validating", *["in_progress"] * 50, "completed"]
    first, out = bulk(), tmp_path / "batch.jsonl"
    rows = written([says(f"Say {number}") for number in range(8)], tmp_path / "in.jsonl")
    told: list[Any] = []

    def second() -> None:
        try:
            bulk().resume(on_other_host(out, tmp_path / "other"))
        except SetupError as error:
            told.append((len(upstream.batches()), error.faults[0].rule))
        first.stop()

    timer = threading.Timer(1.0, second)
    timer.start()
    result = first.run(TARGET, rows, out, RowOptions(fixed=FIXED, via="batch", ledger=dsn))
    timer.join()
    assert (told, result.stop, result.waiting) == ([(1, "held")], "signal", 8)
    upstream.app._operations._resources._driven.clear()
    again = bulk().resume(on_other_host(out, tmp_path / "other"))
    assert (again.done, again.unknown) == (8, 0)
    assert len(upstream.batches()) == 1
    assert set(upstream.ran().values()) == {1}
