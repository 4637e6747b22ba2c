"""A run on several processes: workers that are killed, stopped and let go on, and what the upstream and the ledger say afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from kosha_connector_openai.flows.bulk import RowState, ledger_of, open_ledger
from tests.running_servers import Temporal
from tests.unit.flows.bulk.conftest import Upstream

COMMAND = [sys.executable, "-m", "kosha_connector_openai.cli"]
KEY = "test-key-0123456789abcdef"
CANARY = "canary-of-a-row"


class Site:
    """One run of ``rows`` completions, and its workers."""

    def __init__(self, folder: Path, dsn: str, upstream: Upstream, temporal: Temporal | None, rows: int, span: int = 100) -> None:
        self.out, self._rows, self._span = folder / "out.jsonl", folder / "in.jsonl", span
        self._rows.write_text("".join(f'{{"prompt": "{CANARY}-{n}"}}\n' for n in range(1, rows + 1)))
        self.upstream, self.total = upstream, rows
        self._environment = {**os.environ, "OPENAI_API_KEY": KEY, "LEDGER_DSN": dsn, "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        self.engine = ["--on", "temporal", "--temporal", temporal.address] if temporal else []
        self.workers: list[subprocess.Popen[str]] = []
        self._all: list[subprocess.Popen[str]] = []
        self.finished_sent_again: list[str] = []

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """A process of the command line."""
        process = subprocess.Popen(
            [*COMMAND, *words], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._all.append(process)
        return process

    def worker(self, *words: str) -> subprocess.Popen[str]:
        self._words = words
        process = self.begin("bulk", "worker", "--ledger", "env:LEDGER_DSN", "--in-flight", "32", *self.engine, *words)
        self.workers.append(process)
        return process

    def run(self, *words: str) -> subprocess.Popen[str]:
        """The run itself."""
        more = ["--span", str(self._span)] if self.engine else []
        given = [str(self._rows), "--set", "model=m", "-o", str(self.out), "--ledger", "env:LEDGER_DSN", "--json", *self.engine, *more]
        return self.begin("bulk", "run", "createCompletion", *given, *words)

    def resume(self, *words: str) -> subprocess.Popen[str]:
        return self.begin("bulk", "resume", str(self.out), "--json", *self.engine, *words)

    def seen(self) -> Counter[str]:
        """How often each row has reached the upstream by now."""
        return self.upstream.seen.copy()

    def states(self) -> dict[int, RowState]:
        with open_ledger(ledger_of(self.out), read_only=True) as ledger:
            return {entry.n: entry.state for entry in ledger.entries()}

    def done(self) -> set[int]:
        return {n for n, state in self.states().items() if state == RowState.DONE}

    def wait_for(self, sent: int, seconds: float = 60) -> None:
        """Until so many calls have reached the upstream."""
        end = time.monotonic() + seconds
        while sum(self.seen().values()) < sent:
            assert time.monotonic() < end, f"{sum(self.seen().values())} of {sent}"
            time.sleep(0.02)

    def watch_kill(self, process: subprocess.Popen[str]) -> float:
        """Kills a worker, begins another; seconds until rows of each span under way are sent."""
        self.wait_for(sum(self.seen().values()) + 40)
        process.kill()
        process.wait()
        self.workers.remove(process)
        time.sleep(0.05)
        done = self.done()  # before what was seen: a row may be sent and done between the two
        killed, seen, states = time.monotonic(), self.seen(), self.states()
        self.worker(*self._words)
        going = {self._span_of(n) for n, state in states.items() if state == RowState.SENT}
        going &= {self._span_of(n) for n, state in states.items() if state == RowState.PENDING}
        while going and time.monotonic() < killed + 15:
            going -= {self._span_of(int(name.rpartition("-")[2])) for name, count in self.seen().items() if count > seen[name]}
            time.sleep(0.02)
        alive = time.monotonic()
        self.judge(seen, done)
        return alive - killed

    def _span_of(self, n: int) -> int:
        return (n - 1) // self._span

    def judge(self, seen: Counter[str], done: set[int]) -> None:
        """Notes the rows that were done and are sent again."""
        self.finished_sent_again += [
            name for name, count in self.seen().items() if count > seen[name] and int(name.rpartition("-")[2]) in done
        ]

    def result(self, process: subprocess.Popen[str], seconds: float = 60) -> dict[str, Any]:
        """What a run told at its end."""
        out, errors = process.communicate(timeout=seconds)
        assert out, errors
        found: dict[str, Any] = json.loads(out)
        return found | {"code": process.returncode}

    def twice(self) -> list[str]:
        return [name for name, count in self.seen().items() if count > 1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


def found_in(path: Path, words: Sequence[str]) -> list[str]:
    """Which of the words are in the bytes of a database and of the files beside it."""
    data = b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
    assert len(data) > 10_000
    return [word for word in words if word.encode() in data]
