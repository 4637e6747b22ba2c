"""R17: one whole run of a process with a key, and a search for the key in everything that the run leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.canary import Canary
from tests.integration.conftest import WAYS

Run = tuple[Canary, "subprocess.CompletedProcess[bytes]", Path, Path]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The key, the finished process, the folder of its reports and its temporary folder."""
    canary, out, temporary = Canary(), tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("temporary")
    environ = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "PYTHONASYNCIODEBUG": "1",
        "TMPDIR": str(temporary),
        "HOME": str(temporary),
        "OPENAI_API_KEY": canary.key,
    }
    words = [sys.executable, "-m", "tests.threats.scenario", str(out)]
    done = subprocess.run(words, cwd=out, env=environ, capture_output=True, timeout=60, check=False)
    return canary, done, out, temporary


def test_a_whole_run_leaves_no_trace_of_the_key(run: Run) -> None:
    """R17, C2-C4: outputs, logs at DEBUG, tracebacks with variables, pickles, records: no form of the key, and no temporary file."""
    canary, done, out, temporary = run
    assert done.stderr.rstrip().splitlines()[-1].startswith(b"kosha_connector_openai.errors.AccessError: 401")
    canary.scan(done.stdout, done.stderr, out)
    canary.scan(*(file.read_bytes() for file in temporary.rglob("*") if file.is_file()))
    assert {path.name for path in temporary.iterdir()} <= {".cache"}  # checked manifests


def test_the_run_was_a_whole_one(run: Run) -> None:
    """R17, C14: each call that was made has one record of one line; the reports and logs that were searched are there."""
    _, done, out, _ = run
    records = [orjson.loads(line) for line in (out / "records.jsonl").read_bytes().splitlines()]
    assert {record["outcome"] for record in records} >= {
        "ok",
        "incomplete",
        "access",
        "rejected",
        "unavailable",
        "outcome_unknown",
        "not_sent",
    }
    assert f"{len(records)} records".encode() in done.stdout
    assert len(records) >= 28 * len(WAYS)
    assert (out / "debug.log").stat().st_size > 100_000
    assert {path.name for path in out.iterdir()} == {"debug.log", "records.jsonl", "errors.pickle", "a.mp3"}
