"""Runs in batches, in processes that end at a chosen moment: one interpreter with everything loaded, which forks for each run.

``python -m tests.batch_process URL INPUT LINES TARGET VIA [LEDGER]``: for each line on standard input, ``run`` or ``resume``, the output,
then ``-`` or ``ACTION:WHEN[:NUMBER]``, a process is forked; its exit code is written on a line. It kills itself with SIGKILL at the call
NUMBER of that action: ``before`` it, ``in`` it (the request was sent, no answer came), or ``after`` it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.jobs import quick_batches

ROOT = Path(__file__).parent.parent
FIXED = {"model": "m"}
SENT = 0.15
"""Seconds in which a request of ours has arrived, whose answer comes later."""


def main() -> None:
    url, rows, lines, target, via = sys.argv[1:6]
    ledger = sys.argv[6] if len(sys.argv) > 6 else None
    from kosha_connector_openai import open_connector
    from kosha_connector_openai.core import AsyncExecutor  # noqa: F401 - loaded once, before the first fork
    from kosha_connector_openai.flows.bulk import Bulk, RowOptions, SendOptions, batches  # noqa: F401
    from kosha_connector_openai.http import aiohttp_engine  # noqa: F401

    connector = open_connector()
    quick_batches(connector, lines=int(lines))
    connection = connector.connection({"server_url": f"{url}/v1", "api_key": "env:OPENAI_API_KEY"}, validation="warn")
    connector.catalog_of(connection)["createBatch"].input_schema  # noqa: B018 - made once
    fixed = FIXED if via == "batch" else {}
    for line in sys.stdin:
        verb, out, plan = line.split()
        child = os.fork()
        if child == 0:
            if plan != "-":
                _die_at(connector, *plan.split(":"))
            bulk = Bulk(connector, connection)
            result = (
                bulk.run(target, Path(rows), Path(out), RowOptions(fixed=fixed, via=via, ledger=ledger), SendOptions())  # type: ignore[arg-type]
                if verb == "run"
                else bulk.resume(Path(out), SendOptions())
            )
            if result.reason is not None:
                sys.stderr.write(f"{result.stop}: {result.reason!r}\n")
                sys.stderr.flush()
            os._exit(11 if result.waiting or result.stop else 8 if result.unknown else 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _die_at(connector: Any, action: str, when: str, number: str = "1") -> None:
    """Ends the process at a call of the action."""
    arun, left = connector.arun, [int(number)]

    async def dying(name: str, *values: Any) -> Any:
        left[0] -= name == action
        if name != action or left[0]:
            return await arun(name, *values)
        if when == "in":
            call = asyncio.create_task(arun(name, *values))
            await asyncio.sleep(SENT)
            os.kill(os.getpid(), signal.SIGKILL)
            await call
        result = None if when == "before" else await arun(name, *values)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    connector.arun = dying


@dataclasses.dataclass
class BatchProcess:
    """The interpreter that forks."""

    url: str
    rows: Path
    out: Path
    lines: int
    target: str = "createChatCompletion"
    via: str = "batch"
    ledger: str | None = None

    def __enter__(self) -> Self:
        given = [self.url, str(self.rows), str(self.lines), self.target, self.via, *([self.ledger] if self.ledger else [])]
        words = [sys.executable, "-m", "tests.batch_process", *given]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def __call__(self, plan: str = "-", out: Path | None = None) -> int:
        """One process, over this output of the run; gives its exit code."""
        out = out or self.out
        verb = "resume" if out.with_name(f"{out.name}.ledger").exists() else "run"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{verb} {out} {plan}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


if __name__ == "__main__":
    main()
