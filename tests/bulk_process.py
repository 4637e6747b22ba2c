"""Runs over rows in processes that can be killed: one interpreter with everything loaded, which forks for each run.

``python -m tests.bulk_process URL INPUT OUTPUT IN_FLIGHT``: for each line on standard input, ``run`` or ``resume [hold|retry]``, a process
is forked; its number, and when it has ended its status, are written on a line each.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def main() -> None:
    url, rows, out, in_flight = sys.argv[1:5]
    from pyrate_limiter import GCRA, Rate  # noqa: F401 - loaded once, before the first fork

    from kosha_connector_openai import open_connector
    from kosha_connector_openai.core import AsyncExecutor  # noqa: F401
    from kosha_connector_openai.flows.bulk import Bulk, RowOptions, SendOptions
    from kosha_connector_openai.flows.bulk.bulk import find_target
    from kosha_connector_openai.http import aiohttp_engine  # noqa: F401

    connector = open_connector()
    connection = connector.connection({"server_url": f"{url}/v1", "api_key": "env:OPENAI_API_KEY"})
    connector.check("createCompletion", {"model": "m", "prompt": "x"}, connection)
    find_target(connector, connection, "createCompletion")
    for line in sys.stdin:
        words = line.split()
        child = os.fork()
        if child == 0:
            send: Any = SendOptions(in_flight=int(in_flight), unknown=words[1] if len(words) > 1 else "hold")
            bulk = Bulk(connector, connection)
            if words[0] == "run":
                result = bulk.run("createCompletion", Path(rows), Path(out), RowOptions(fixed={"model": "m"}), send)
            else:
                result = bulk.resume(Path(out), send)
            os._exit(0 if not result.stop and not result.waiting and not result.unknown else 11 if result.stop or result.waiting else 8)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


@dataclass
class Kills:
    """Kills at seeded moments, and what was found after each: rows lost, finished rows sent again, repeats that nobody had told."""

    url: str
    rows: Path
    out: Path
    seen: Counter[str]
    seed: int = 1
    in_flight: int = 16
    kills: int = 0
    held: int = 0
    finished_sent_again: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        words = [sys.executable, "-m", "tests.bulk_process", self.url, str(self.rows), str(self.out), str(self.in_flight)]
        environment = {**os.environ, "OPENAI_API_KEY": "test-key-0123456789abcdef"}
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, words: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def _ended(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def run(self, count: int, longest: float) -> None:
        """``count`` kills, each within ``longest`` seconds of a start; each fourth run sends held rows again, on purpose."""
        began = False
        for number in range(count):
            words = "run" if not began else f"resume {'retry' if number % 4 == 3 else 'hold'}"
            done, listed = self._done(), self._listed()
            before = Counter(self.seen)
            child = self._ask(words)
            time.sleep(self._random.uniform(0.0, longest))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            killed = self._ended() == signal.SIGKILL
            self.kills += killed
            time.sleep(0.05)  # what was on its way arrives
            self._judge(before, done, listed)
            began = began or bool(self._rows("SELECT count(*) FROM rows") and self._rows("SELECT count(*) FROM rows")[0][0])
            if not began:
                for path in self.out.parent.glob(f"{self.out.name}*"):
                    path.unlink()
            if not killed:
                break

    def finish(self) -> int:
        """Ends the run, held rows sent again; gives its exit code."""
        done, listed, before = self._done(), self._listed(), Counter(self.seen)
        self.held += len(listed)
        self._ask("resume retry" if self.out.with_name(f"{self.out.name}.ledger").exists() else "run")
        code = os.waitstatus_to_exitcode(self._ended())
        self._judge(before, done, listed)
        return code

    def _judge(self, before: Counter[str], done: set[int], listed: set[int]) -> None:
        sent = {int(name[1:]) for name, count in self.seen.items() if count > before[name]}
        again = {int(name[1:]) for name, count in self.seen.items() if count > before[name] and before[name]}
        self.finished_sent_again += [f"t{n}" for n in sorted(sent & done)]
        self.untold += [f"t{n}" for n in sorted(again - listed - done)]

    def _rows(self, text: str) -> list[Any]:
        path = self.out.with_name(f"{self.out.name}.ledger")
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as base:
            try:
                return base.execute(text).fetchall()
            except sqlite3.OperationalError:
                return []

    def _done(self) -> set[int]:
        return {n for (n,) in self._rows("SELECT n FROM rows WHERE state = 2")}

    def _listed(self) -> set[int]:
        """The rows that are told as sent without an answer, or will be by the next start."""
        return {n for (n,) in self._rows("SELECT n FROM rows WHERE state IN (1, 4)")}


if __name__ == "__main__":
    main()
