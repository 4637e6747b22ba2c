"""R1: kill -9 at any moment loses no row and pays for no finished row again; what may repeat was told."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.bulk_process import Kills
from tests.unit.flows.bulk.conftest import Upstream, texts


@pytest.mark.parametrize(
    ("rows", "kills", "longest"),
    [(600, 20, 0.25), pytest.param(10_000, 200, 0.6, marks=pytest.mark.slow)],
    ids=["20 kills", "200 kills"],
)
def test_a_killed_run_loses_nothing_and_pays_nothing_twice(tmp_path: Path, rows: int, kills: int, longest: float) -> None:
    """Also within claims, commits and the start of the next process; the output is that of an unbroken run."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"".join(orjson.dumps({"prompt": f"t{number}"}) + b"\n" for number in range(1, rows + 1)))
    with Upstream(delay=0.02) as upstream:
        killing = Kills(upstream.url, source, out, upstream.seen)
        try:
            killing.run(kills, longest)
            code = killing.finish()
        finally:
            killing.close()
    assert killing.kills >= kills // 2
    assert (killing.finished_sent_again, killing.untold, code) == ([], [], 0)
    assert texts(out) == [(number, f"echo t{number}") for number in range(1, rows + 1)]
    print(f"{killing.kills} kills; sent {sum(upstream.seen.values())} requests for {rows} rows, {killing.held} held at the end")  # noqa: T201
