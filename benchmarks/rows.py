"""A million rows, 1 GB, as JSONL, CSV and Parquet: what memory grows by, how soon a resume sends, and what the ledger costs a row.

``python -m benchmarks.rows [--rows N] [--format jsonl csv parquet]``; 1 where a promise is not kept. Each call is answered here, in place
of an upstream, so that what is measured is the reading, the ledger and the output. Parquet needs the extra ``parquet``.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks import report
from benchmarks.clients import ENVIRONMENT, INPUTS, connection
from benchmarks.measure import NO_BAR, Bar, Figure
from benchmarks.upstream import json_body
from kosha_connector_openai import CallOptions, Connector, open_connector
from kosha_connector_openai.flows import AsyncBulk, BulkResult, RowOptions, SendOptions
from kosha_connector_openai.flows.bulk.sqlite import SqliteLedger

FORMATS: Final = ("jsonl", "csv", "parquet")
GROWTH, FIRST, LEDGER = Bar(most=150.0), Bar(seconds=10.0), Bar(seconds=100e-6)
_SEND: Final = SendOptions(in_flight=64, requests=1e9)
_SIZE: Final = 985
"""Bytes of a row's text, so that a million rows are 1 GB."""


class _Calls:
    """Answers each call; asks the run to end with the call of this number."""

    def __init__(self, connector: Connector, last: int) -> None:
        to = connection(connector, "http://127.0.0.1:9", "auto")
        self._result = connector.read_reply("createCompletion", dict(INPUTS), to, CallOptions(), status=200, body=json_body())
        self._last, self._count = last, 0
        self.first: float | None = None
        """When the first call left."""
        self.bulk = AsyncBulk(connector, to, arun=self)

    async def __call__(self, *_: object) -> Any:
        self.first = self.first or time.monotonic()
        self._count += 1
        if self._count == self._last:
            self.bulk.stop()
        return self._result


def write(path: Path, rows: int) -> None:
    """An input whose rows are all different."""
    texts = (f"{number} ".ljust(_SIZE, "x") for number in range(rows))
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"prompt": list(texts)}), path, compression="none", use_dictionary=False)
        return
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows([("prompt",), *((text,) for text in texts)])
        else:
            file.writelines(f'{{"prompt": "{text}"}}\n' for text in texts)


def once(folder: Path, source: Path, rows: int) -> dict[str, Any]:
    """Begins the run and ends it with nine of ten rows, or goes on with it where it is there; gives what that took."""
    out = source.with_name(f"out.{source.name}")
    with open_connector() as connector, _ledger_time() as ledger:
        options = RowOptions(fixed={"model": "m"}, if_cut="pass")
        few = folder / f"few{source.suffix}"
        write(few, 100)
        asyncio.run(_Calls(connector, 0).bulk.run("createCompletion", few, folder / f"few.{os.getpid()}.{out.name}", options, _SEND))
        ledger.clear()
        calls = _Calls(connector, 0 if out.exists() else rows * 9 // 10)
        bulk = calls.bulk
        with _memory() as growth:
            began, cpu = time.monotonic(), time.process_time()
            work = bulk.resume(out, _SEND) if out.exists() else bulk.run("createCompletion", source, out, options, _SEND)
            result: BulkResult = asyncio.run(work)
            cpu = time.process_time() - cpu
    assert calls.first is not None
    return {"done": result.done, "first": calls.first - began, "growth": growth[0], "ledger": sum(ledger), "cpu": cpu}


@contextmanager
def _ledger_time() -> Iterator[list[float]]:
    """The CPU time of each commit."""
    taken: list[float] = []
    commit = SqliteLedger.commit

    def timed(self: SqliteLedger, *values: Any) -> Any:
        began = time.thread_time()
        try:
            return commit(self, *values)
        finally:
            taken.append(time.thread_time() - began)

    SqliteLedger.commit = timed  # type: ignore[method-assign]
    yield taken


@contextmanager
def _memory() -> Iterator[list[float]]:
    """By how many MB the process is larger at most than it is at the beginning."""
    before, growth, over = _resident(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            growth[0] = max(growth[0], (_resident() - before) / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield growth
    finally:
        over.set()
        thread.join()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def figures(folder: Path, form: str, rows: int) -> list[Figure]:
    """Both parts of a run, each in a process of its own."""
    source = folder / f"rows.{form}"
    _child("write", source, rows)
    begun, ended = (_child("run", source, rows) for _ in range(2))
    if not begun["done"] < rows == ended["done"]:
        raise RuntimeError(f"{form}: {begun['done']} and {ended['done']} of {rows} rows are done")
    return [
        Figure(f"{form}, MB more, nine in ten", begun["growth"], bar=GROWTH),
        Figure(f"{form}, MB more, the rest", ended["growth"], bar=GROWTH),
        Figure(f"{form}, seconds to the first send", begun["first"], bar=NO_BAR),
        Figure(f"{form}, seconds to the first send, nine in ten done", ended["first"], bar=FIRST),
        Figure(f"{form}, CPU of the ledger a row", begun["ledger"] / begun["done"], bar=LEDGER),
        Figure(f"{form}, CPU a row", begun["cpu"] / begun["done"], bar=NO_BAR),
    ]


def _child(work: str, source: Path, rows: int) -> Any:
    words = [sys.executable, "-m", "benchmarks.rows", "--work", work, "--rows", str(rows), str(source)]
    return orjson.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, env={**os.environ, **ENVIRONMENT}).stdout or b"null")


def main() -> int:
    """Measures each form in turn; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", nargs="*", choices=FORMATS, default=FORMATS, dest="forms")
    parser.add_argument("--work", choices=("write", "run"), help=argparse.SUPPRESS)
    parser.add_argument("source", nargs="?", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work == "write":
        write(given.source, given.rows)
        return 0
    if given.work == "run":
        print(json.dumps(once(given.source.parent, given.source, given.rows)))
        return 0
    met = []
    for form in given.forms:
        with tempfile.TemporaryDirectory(prefix="kosha-bench-") as name:
            found = figures(Path(name), form, given.rows)
        print(report.as_text(report.machine(), found), flush=True)
        met += [figure.met for figure in found]
    return int(False in met)


if __name__ == "__main__":
    sys.exit(main())
