"""Rows by a worker on Temporal, in spans of 500 with the ledger in PostgreSQL, against the same rows in one process with a file.

``python -m benchmarks.spans`` starts both servers on 127.0.0.1; it needs what ``make e2e`` installs, and PostgreSQL's programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import report
from benchmarks.bulk import IN_FLIGHT, LIMIT, slow_upstream
from benchmarks.clients import ENVIRONMENT
from benchmarks.measure import Bar, Effort, Figure
from tests.running_servers import Temporal, postgres

EFFORT: Final = Effort(rounds=5, calls=6_000)
SPAN: Final = 500
COMMAND: Final = [sys.executable, "-m", "kosha_connector_openai.cli", "bulk"]
DSN: Final = "env:LEDGER_DSN"


def run(effort: Effort) -> list[Figure]:
    """Seconds a row, by the clock of the runs themselves, in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="kosha-bench-") as name,
        postgres() as dsn,
        slow_upstream() as url,
        Temporal(Path(name)) as temporal,
    ):
        os.environ.update({"LEDGER_DSN": dsn, "OPENAI_BASE_URL": f"{url}/v1"})
        rows, engine = Path(name) / "rows.jsonl", ["--on", "temporal", "--temporal", temporal.address]
        rows.write_text("".join(f'{{"prompt": "Say {number}"}}\n' for number in range(effort.calls)))
        words = {"local": ["--in-flight", str(IN_FLIGHT)], "spans": ["--ledger", DSN, "--span", str(SPAN), *engine]}
        worker = subprocess.Popen([*COMMAND, "worker", "--ledger", DSN, "--in-flight", str(IN_FLIGHT), *engine])
        try:
            taken: dict[str, list[float]] = {each: [] for each in words}
            for turn in range(effort.rounds + 1):  # the first one warms up
                for each, more in words.items():
                    seconds = _seconds(rows, Path(name) / f"{each}-{turn}.jsonl", more) / effort.calls
                    taken[each] += [seconds] if turn else []
        finally:
            worker.terminate()
            worker.wait(60)
    ours, peer = taken["spans"], taken["local"]
    ratio = median(one / other for one, other in zip(ours, peer, strict=True))
    return [Figure("spans of 500, seconds a row", median(ours), "one process", median(peer), ratio, Bar(ratio=1 / 0.8))]


def _seconds(rows: Path, out: Path, more: list[str]) -> float:
    words = [*COMMAND, "run", "createCompletion", str(rows), "--set", "model=m", "--out", str(out), "--rpm", str(LIMIT), "--if-cut", "pass"]
    ended = subprocess.run([*words, "--json", "--quiet", *more], stdout=subprocess.PIPE, check=False)
    told = json.loads(ended.stdout)
    if told.get("done") != told.get("total"):
        raise RuntimeError(f"The run has not ended: {told}")
    return float(told["seconds"])


if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)
    print(report.as_text(report.machine(), run(EFFORT)))
