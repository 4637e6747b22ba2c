"""The commands for lists and jobs against a running server: what is printed, where, and which exit code ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.flows import driving
from tests.driving import control, drive, sent
from tests.jobs import ROWS, batch_lines
from tests.offline import Offline

ROOT = Path(__file__).parents[3]
RESPONSE = ("createResponse", "model=m", "input=say done", "background:=true")
Cli = Callable[..., Result]


@pytest.fixture
def cli(sandbox: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in this process, its server and its folder of jobs in the environment; it waits a twentieth as long as it would."""
    monkeypatch.setattr(driving, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20)))
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.url)
    monkeypatch.setenv("KOSHA_JOBS", str(tmp_path / "jobs"))
    return lambda *arguments: CliRunner().invoke(make_app(), list(arguments), prog_name="kosha-openai")


def values(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_of_a_list(cli: Cli, sandbox: Offline, tmp_path: Path) -> None:
    """A JSON line for each item as it arrives, on standard error how many; in a file as well."""
    drive(sandbox, "/v1/files", add=250)
    done = cli("run", "listFiles", "--all", "limit=100")
    assert (done.exit_code, len({item["id"] for item in values(done.stdout)})) == (0, 250)
    assert "250 items in 3 pages" in done.stderr
    saved = cli("run", "listFiles", "--all", "--out", str(tmp_path / "files.jsonl"))
    assert (saved.exit_code, saved.stdout) == (0, "")
    assert values((tmp_path / "files.jsonl").read_text()) == values(done.stdout)
    assert cli("run", "listFiles", "--all", "--out", str(tmp_path / "files.jsonl")).exit_code == ExitCode.INPUT


def test_some_of_a_list(cli: Cli, sandbox: Offline) -> None:
    """At most so many, and how to go on."""
    drive(sandbox, "/v1/files", add=30)
    first = cli("run", "listFiles", "--max", "12")
    cursor = first.stderr.rpartition("go on with ")[2].strip()
    assert len(sent(sandbox, "GET", "/v1/files")) == 1
    rest = cli("run", "listFiles", "--all", cursor)
    assert [len(values(done.stdout)) for done in (first, rest)] == [12, 18]
    assert not {item["id"] for item in values(first.stdout)} & {item["id"] for item in values(rest.stdout)}


def test_a_list_as_one_object(cli: Cli, sandbox: Offline) -> None:
    """For programs: one JSON value, an error in it as well, what came before it kept; the exit code is the error's."""
    drive(sandbox, "/v1/files", add=30)
    found = json.loads(cli("run", "listFiles", "--all", "--json", "limit=10").stdout)
    assert (found["complete"], found["pages"], found["cursor"], found["error"], len(found["items"])) == (True, 3, None, None, 30)
    empty = json.loads(cli("run", "listBatches", "--all", "--json").stdout)
    assert (empty["items"], empty["complete"]) == ([], True)
    for after in (0, 1):
        control(sandbox, "POST", "/faults", {"fault": "slow=0", "operation": "listFiles", "times": after})
        control(sandbox, "POST", "/faults", {"fault": "badjson", "operation": "listFiles"})
        cut = cli("run", "listFiles", "--all", "--json", "limit=10")
        found = json.loads(cut.stdout)
        assert (cut.exit_code, found["complete"], found["error"]["code"]) == (ExitCode.REPLY, False, "malformed_reply")
        assert (len(found["items"]), found["pages"]) == (10 * after, after)
        control(sandbox, "POST", "/faults", {"fault": "slow=0", "times": 0})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("createModeration", "input=x", "--all"), ExitCode.INPUT),
        (("createModeration", "input=x", "--wait"), ExitCode.INPUT),
        (("createResponse", "model=m", "input=x", "--detach"), ExitCode.INPUT),
        (("listFiles", "--all", "--raw"), ExitCode.USAGE),
        (("listFiles", "--all", "--wait"), ExitCode.USAGE),
        (("createBatch", "--wait", "--detach"), ExitCode.USAGE),
    ],
)
def test_what_makes_no_sense(cli: Cli, sandbox: Offline, arguments: tuple[str, ...], code: ExitCode) -> None:
    """Refused with a word, and nothing is sent."""
    assert cli("run", *arguments).exit_code == code
    assert control(sandbox, "GET", "/requests") == []


def test_run_and_wait(cli: Cli) -> None:
    """The result on standard output, the states on standard error; for programs JSON lines there."""
    done = cli("run", *RESPONSE, "--wait")
    assert (done.exit_code, done.stdout) == (0, "Done (sandbox).\n")
    assert "in_progress" in done.stderr
    told = cli("run", *RESPONSE, "--wait", "--json")
    found = json.loads(told.stdout)
    assert (found["state"], found["end"], found["kind"], found["value"]) == ("completed", "success", "text", "Done (sandbox).")
    assert [tick["state"] for tick in values(told.stderr)] == ["in_progress", "completed"]
    assert cli("run", *RESPONSE, "--wait", "--quiet").stderr == ""


def test_detached_listed_shown_waited_for_and_forgotten(cli: Cli) -> None:
    """The name is all that is printed, and all that is needed afterwards."""
    started = cli("run", *RESPONSE, "--detach")
    name = started.stdout.strip()
    assert f"kosha-openai jobs resume {name}" in started.stderr
    assert cli("jobs", "list").stdout.split("\t")[:3] == [name, "createResponse", "started"]
    assert cli("jobs", "show", name).stdout.startswith(f"{name}: in_progress\n  response_id: resp_")
    assert cli("jobs", "resume", name[:20]).stdout == "Done (sandbox).\n"
    assert json.loads(cli("jobs", "fetch", name, "--json").stdout)["value"] == "Done (sandbox)."
    assert [handle["phase"] for handle in json.loads(cli("jobs", "list", "--json").stdout)] == ["ended"]
    assert cli("jobs", "forget", name).exit_code == 0
    assert cli("jobs", "show", name).exit_code == ExitCode.INPUT
    assert "No job was started here." in cli("jobs", "list").stderr


def test_events(cli: Cli) -> None:
    """A JSON line for each event."""
    name = cli("run", "createFineTuningJob", "model=gpt-4o-mini", "training_file=file-1", "--detach").stdout.strip()
    assert [event["object"] for event in values(cli("jobs", "show", name, "--events").stdout)] == ["fine_tuning.job.event"]
    assert len(json.loads(cli("jobs", "show", name, "--events", "--json").stdout)) == 1


def test_a_handle_in_a_file(cli: Cli, tmp_path: Path) -> None:
    """What a program kept from ``--detach --json`` or from an error goes on, too."""
    file = tmp_path / "handle.json"
    file.write_text(cli("run", *RESPONSE, "--detach", "--json").stdout)
    assert cli("jobs", "wait", str(file)).stdout == "Done (sandbox).\n"


@pytest.mark.parametrize(
    ("steps", "code"), [(["failed"], ExitCode.ENDED), (["in_progress"] * 99, ExitCode.PENDING), (["incomplete"], ExitCode.ENDED)]
)
def test_exit_codes(cli: Cli, sandbox: Offline, steps: list[str], code: ExitCode) -> None:
    """A job that failed and one that goes on are told apart; only the latter says how to go on."""
    drive(sandbox, "/v1/responses", steps=["in_progress", *steps])
    done = cli("run", *RESPONSE, "--wait", "--wait-timeout", "0.5")
    assert done.exit_code == code
    assert ("kosha-openai jobs resume response-" in done.stderr) == (code == ExitCode.PENDING)
    error = json.loads(cli("run", *RESPONSE, "--wait", "--wait-timeout", "0.5", "--json").stdout)["error"]
    assert error["handle"]["kind"] == "response"


def test_a_lost_answer(cli: Cli, sandbox: Offline) -> None:
    """The exit code for what may have run, and the name by which it is looked up."""
    control(sandbox, "POST", "/faults", {"fault": "reset", "operation": "createBatch"})
    batch = ("createBatch", "input_file_id=f", "endpoint=/v1/chat/completions", "completion_window=24h")
    done = cli("run", *batch, "--wait")
    assert done.exit_code == ExitCode.UNKNOWN
    (name,) = [word for word in done.stderr.split() if word.startswith("batch-")]
    assert cli("jobs", "list").stdout.split("\t")[2] == "start unanswered"
    assert cli("jobs", "resume", name).exit_code == ExitCode.ENDED
    assert len(sent(sandbox, "POST", "/v1/batches")) == 1


def test_a_place_that_cannot_be_used_is_told_first(cli: Cli, sandbox: Offline, tmp_path: Path) -> None:
    """Not after hours of waiting, and before the job is started."""
    (tmp_path / "v.mp4").write_bytes(b"mine")
    done = cli("run", "createVideo", "model=sora-2", "prompt=x", "--wait", "--out", str(tmp_path / "v.mp4"))
    assert done.exit_code == ExitCode.INPUT
    assert sent(sandbox, "POST", "/v1/videos") == []
    name = cli("run", "createVideo", "model=sora-2", "prompt=x", "--detach").stdout.strip()
    assert cli("jobs", "wait", name, "--out", str(tmp_path / "v.mp4")).exit_code == ExitCode.INPUT
    assert [entry["method"] for entry in control(sandbox, "GET", "/requests")] == ["POST"]
    assert (tmp_path / "v.mp4").read_bytes() == b"mine"


def test_the_mark(cli: Cli, sandbox: Offline) -> None:
    """It goes with the start, unless it is not wanted."""
    batch = ("createBatch", "input_file_id=f", "endpoint=/v1/chat/completions", "completion_window=24h", "--detach")
    name = cli("run", *batch).stdout.strip()
    cli("run", *batch, "--no-mark")
    first, second = (json.loads(entry["body"]) for entry in sent(sandbox, "POST", "/v1/batches"))
    assert first["metadata"] == {"kosha_job": name}
    assert "metadata" not in second


def test_rows_of_a_batch(cli: Cli, tmp_path: Path) -> None:
    """A JSON line for each row in the order of the input, and how many of which kind."""
    (tmp_path / "in.jsonl").write_bytes(batch_lines())
    file = json.loads(cli("run", "createFile", "purpose=batch", f"file=@{tmp_path / 'in.jsonl'}", "--raw").stdout)["id"]
    batch = ("createBatch", f"input_file_id={file}", "endpoint=/v1/chat/completions", "completion_window=24h")
    done = cli("run", *batch, "--wait")
    assert [(row["key"], row["ok"]) for row in values(done.stdout)] == [(f"row-{n}", n != 2) for n in range(ROWS)]
    assert "4 rows answered \u00b7 1 with an error \u00b7 0 missing" in done.stderr
    name = json.loads(cli("jobs", "list", "--json").stdout)[0]["name"]
    assert len(json.loads(cli("jobs", "fetch", name, "--json").stdout)["value"]) == ROWS
    cli("jobs", "fetch", name, "--out", str(tmp_path / "rows.jsonl"))
    assert values((tmp_path / "rows.jsonl").read_text()) == values(done.stdout)


def test_cancel_and_files(cli: Cli, sandbox: Offline, tmp_path: Path) -> None:
    """Cancelled upstream; a video in a file; a large file in parts."""
    drive(sandbox, "/v1/responses", steps=["in_progress"] * 99)
    name = cli("run", *RESPONSE, "--detach").stdout.strip()
    assert "cancelled" in cli("jobs", "cancel", name).stdout
    assert cli("run", "createVideo", "model=sora-2", "prompt=x", "--wait", "--out", str(tmp_path / "v.mp4")).exit_code == 0
    assert (tmp_path / "v.mp4").read_bytes()[4:8] == b"ftyp"
    (tmp_path / "big.jsonl").write_bytes(b"x" * 100_000)
    done = cli("jobs", "upload", str(tmp_path / "big.jsonl"), "purpose=batch", "mime_type=text/jsonl")
    assert json.loads(done.stdout)["bytes"] == 100_000
    detached = cli("jobs", "upload", str(tmp_path / "big.jsonl"), "purpose=batch", "mime_type=text/jsonl", "--detach").stdout.strip()
    (tmp_path / "big.jsonl").rename(tmp_path / "moved.jsonl")
    assert cli("jobs", "wait", detached).exit_code == ExitCode.INPUT
    assert cli("jobs", "wait", detached, "--file", str(tmp_path / "moved.jsonl")).exit_code == 0


@pytest.mark.parametrize(
    ("option", "state", "words"), [([], "in_progress", "The job goes on."), (["--cancel-on-interrupt"], "cancelled", "Cancelled")]
)
def test_ctrl_c(cli: Cli, sandbox: Offline, option: list[str], state: str, words: str) -> None:
    """In a process of its own: it ends with 130, says how to go on, and cancels the job only where that was asked."""
    drive(sandbox, "/v1/responses", steps=["in_progress"] * 500)
    name = cli("run", *RESPONSE, "--detach").stdout.strip()
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "jobs", "wait", name, *option]
    waiter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert waiter.stderr is not None
    waiter.stderr.readline()
    waiter.send_signal(signal.SIGINT)
    _, errors = waiter.communicate(timeout=30)
    assert waiter.returncode == ExitCode.INTERRUPTED
    assert words in errors
    assert (f"jobs resume {name}" in errors) == (not option)
    assert f"{name}: {state}" in cli("jobs", "show", name).stdout


def test_what_the_description_does_not_know_is_sent_on_request(cli: Cli, sandbox: Offline, tmp_path: Path) -> None:
    """``--validation`` at the commands of jobs, as at all others: refused here by itself, sent with ``open``."""
    (tmp_path / "rows.bin").write_bytes(b"x" * 10)
    upload = ("jobs", "upload", str(tmp_path / "rows.bin"), "purpose=archive", "mime_type=text/plain", "--detach")
    assert cli(*upload).exit_code == ExitCode.INPUT
    assert sent(sandbox, "POST", "/v1/uploads") == []
    cli(*upload, "--validation", "open")
    assert [json.loads(entry["body"])["purpose"] for entry in sent(sandbox, "POST", "/v1/uploads")] == ["archive"]
