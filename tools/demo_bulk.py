"""A part of ``make demo``: 200 rows, a process killed in the midst of them, another that goes on, and the bill counted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import Request, urlopen

from tools.demo_words import check, say

ROWS, AT = 200, 60


def rows(environment: Mapping[str, str]) -> None:
    """``kosha-openai bulk`` in processes of their own, against the sandbox, which counts the requests."""
    with tempfile.TemporaryDirectory(prefix="kosha-") as name:
        source, out = Path(name, "questions.jsonl"), Path(name, "answers.jsonl")
        source.write_text("".join(f'{{"prompt": "Question {number}"}}\n' for number in range(1, ROWS + 1)))
        before = _bill(environment)
        command = [
            "run",
            "createCompletion",
            str(source),
            "--out",
            str(out),
            "--set",
            "model=m",
            "--set",
            "max_tokens=7",
            "--in-flight",
            "4",
        ]
        process = _start(command, environment)
        while process.poll() is None and _done(out) < AT:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.5)  # what was on its way when the process died is counted, too
        done, paid = _done(out), _bill(environment) - before
        say("rows", f"{ROWS} rows; kill -9 when {done} were done and {paid} requests paid for")
        goes_on = _start(["resume", str(out), "--unknown", "retry"], environment)
        check(goes_on.wait(60) == 0 and AT <= done < ROWS, "a run that goes on")
        answers = [json.loads(line)["row"] for line in out.read_text().splitlines()]
        held = _bill(environment) - before - ROWS
        check(answers == [*range(1, ROWS + 1)] and 0 <= held <= paid - done, "each row once, in order")
        again = f"; {held} sent again: no answer had come" if held else ""
        say("rows", f"resumed: {len(answers)} answers in order, no finished row paid for twice{again}")


def _start(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "bulk", *arguments, "--if-cut", "pass"]
    command = command[:-2] if arguments[0] == "resume" else command
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _done(out: Path) -> int:
    ledger = out.with_name(f"{out.name}.ledger")
    if not ledger.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as base, contextlib.suppress(sqlite3.Error):
        return int(base.execute("SELECT count(*) FROM rows WHERE state = 2").fetchone()[0])
    return 0


def _bill(environment: Mapping[str, str]) -> int:
    """The completions that the sandbox was asked for."""
    origin = environment["OPENAI_BASE_URL"].removesuffix("/v1")
    request = Request(f"{origin}/__sandbox__/requests", headers={"Authorization": f"Bearer {environment['OPENAI_API_KEY']}"})
    with urlopen(request, timeout=10) as reply:
        return sum(entry["target"].endswith("/completions") for entry in json.load(reply))
