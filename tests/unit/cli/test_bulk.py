"""``kosha-openai bulk``: what a person sees, and what a script gets."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.cli import bulk_progress
from kosha_connector_openai.cli.bulk_progress import BulkProgress
from kosha_connector_openai.cli.bulk_result import tell
from kosha_connector_openai.flows.bulk import BulkResult, RunProgress
from tests.recorder import reply, reset
from tests.unit.flows.bulk.conftest import Upstream

REFUSED = reply(400, {"error": {"message": "No.", "code": "invalid_value", "type": "invalid_request_error"}})
QUOTA = reply(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})
Bulk = Callable[..., Any]


@pytest.fixture
def bulk(cli: Any, canary: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bulk:
    """Runs a command of ``bulk`` over an upstream, in the folder of the rows."""
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("id,text\na,t1\nb,t2\nc,t3\n")

    def run(upstream: Upstream, *arguments: str, **options: Any) -> Any:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")
        result = cli("bulk", *arguments, **options)
        assert canary.key not in result.output
        return result

    return run


RUN = ("run", "createCompletion", "in.csv", "--map", "prompt=text", "--set", "model=m", "--set", "max_tokens=7", "--out", "out.csv")


def test_a_run_its_output_and_its_rows(bulk: Bulk) -> None:
    """The run sends each row once; `status`, `show`, `cancel` and `export` then tell of it, and the output keeps the named column."""
    with Upstream() as upstream:
        result = bulk(upstream, *RUN, "--keep", "id")
        assert (result.exit_code, result.stdout) == (0, "out.csv: 3 rows: 3 done\n")
        assert upstream.requests[0].json() == {"model": "m", "max_tokens": 7, "prompt": "t1"}
        told = json.loads(bulk(upstream, "status", "out.csv", "--json").stdout)
        assert [told[name] for name in ("total", "pending", "sent", "done", "failed", "unknown")] == [3, 0, 0, 3, 0, 0]
        shown = json.loads(bulk(upstream, "show", "out.csv", "2", "--json").stdout)
        assert shown["answer"]["choices"][0]["text"] == "echo t2"
        assert (shown["request"]["method"], shown["request"]["url"]) == ("POST", f"{upstream.url}/v1/completions")
        second = {"model": "m", "max_tokens": 7, "prompt": "t2"}
        assert json.loads(shown["request"]["body"]) == second
        assert second in [request.json() for request in upstream.requests]  # rows leave together, and in any order
        assert "No process works on this run" in bulk(upstream, "cancel", "out.csv").stdout
        cancelled = json.loads(bulk(upstream, "cancel", "out.csv", "--json").stdout)
        assert cancelled == {"out": "out.csv", "ended": None, "batches": 0}
        assert bulk(upstream, "export", "out.csv", "--out", "again.jsonl").exit_code == 0
        assert bulk(upstream, "export", "out.csv", "--out", "again.xlsx").exit_code == 4
    assert not [path.name for path in Path().iterdir() if "xlsx" in path.name]
    assert Path("out.csv").read_text().splitlines() == ["row,id,answer", "1,a,echo t1", "2,b,echo t2", "3,c,echo t3"]
    assert len(Path("again.jsonl").read_text().splitlines()) == 3


def test_a_dry_run_checks_every_row_and_sends_nothing(bulk: Bulk) -> None:
    """The first requests, the number of rows, tokens and cost as a range; each fault with its line and code 3."""
    Path("prices.yaml").write_text("date: 2026-11-01\nmodels: {m: {input: 2, output: 10}}\n")
    with Upstream() as upstream:
        shown = json.loads(bulk(upstream, *RUN[:-2], "--dry-run", "--prices", "prices.yaml", "--json").stdout)
        assert (shown["rows"], shown["fault_count"], shown["currency"]) == (3, 0, "USD")
        assert 0 < shown["cost"][0] < shown["cost"][1]
        assert json.loads(shown["first"][0]["body"]) == {"max_tokens": 7, "model": "m", "prompt": "t1"}
        Path("in.csv").write_text("text,n\na,1\nb,many\nc\n")
        wrong = bulk(upstream, "run", "createCompletion", "in.csv", "--map", "prompt=text", "--map", "n=n", "--set", "model=m", "--dry-run")
        assert wrong.exit_code == 3
        assert "/line/3/n" in wrong.stderr
        assert "/line/4" in wrong.stderr
        assert not upstream.seen


def test_the_exit_codes(bulk: Bulk) -> None:
    """12 some rows failed, 8 an answer was lost, 11 it goes on later, 13 the budget; each says what to do next."""
    cases: list[tuple[dict[str, Any], tuple[str, ...], int, str]] = [
        ({"t2": [REFUSED]}, (), 12, "out.csv.failed.jsonl"),
        ({"t2": [reset]}, (), 8, "may have run"),
        ({"t1": [QUOTA]}, (), 11, "bulk resume out.csv"),
        ({}, ("--budget", "calls=1"), 13, "bulk resume out.csv"),
    ]
    for special, more, code, words in cases:
        with Upstream(special) as upstream:
            result = bulk(upstream, *RUN, *more)
            assert (result.exit_code, words in result.stderr) == (code, True), result.output
            assert bulk(upstream, "retry-failed", "out.csv", "--unknown", "retry", "-q").exit_code == 0
        assert len(Path("out.csv").read_text().splitlines()) == 4
        for path in Path().glob("out.csv*"):
            path.unlink()


def test_a_run_that_stops_says_the_whole_command_that_goes_on(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options by which rows are sent stand in it as they were given; a cap that is used up is left open, so that no bill grows unasked."""
    given = ("--budget", "calls=1", "--rpm", "600", "--attempts", "2", "--validation", "open", "--in-flight", "1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")  # the environment is there the next time, too
    with Upstream({"t3": [QUOTA]}) as upstream:
        told = bulk(upstream, *RUN, *given).stderr
        command = "bulk resume out.csv --in-flight 1 --rpm 600 --attempts 2 --validation open --budget CAP=NUMBER"
        assert f"To go on: kosha-openai {command}\n" in told
        assert "kosha-openai bulk resume out.csv\n" in bulk(upstream, "status", "out.csv").stderr
        assert bulk(upstream, *command.split()[1:]).exit_code == 2
        again = bulk(upstream, *command.replace("CAP=NUMBER", "calls=9").split()[1:])
        assert again.exit_code == 11
        assert again.stderr.endswith("out.csv --in-flight 1 --rpm 600 --attempts 2 --budget calls=9 --validation open\n")
    assert sum(upstream.seen.values()) == 3


def test_the_output_of_shares_names_theirs(bulk: Bulk) -> None:
    """Whoever asks for the whole of a shared run is told which outputs there are, in the order of the shares."""
    with Upstream() as upstream:
        for share in ("10/12", "2/12"):
            bulk(upstream, *RUN[:-1], "out.csv", "--share", share)
        Path("other.1-of-2.csv.ledger").touch()
        for command in ("status", "resume", "cancel"):
            told = bulk(upstream, command, "out.csv")
            assert (told.exit_code, "its shares are out.2-of-12.csv, out.10-of-12.csv. " in told.stderr) == (4, True), told.stderr
        assert bulk(upstream, "status", "out.2-of-12.csv").exit_code == 0
        assert "shares" not in bulk(upstream, "status", "out").stderr


def test_standard_input_is_kept_so_that_the_run_can_go_on(bulk: Bulk) -> None:
    """A run over standard input that stopped is resumed without that input."""
    rows = '{"prompt": "t1"}\n{"prompt": "t2"}\n'
    with Upstream({"t2": [QUOTA]}) as upstream:
        arguments = ("run", "createCompletion", "-", "--set", "model=m", "--out", "out.jsonl", "--json", "--in-flight", "1")
        result = bulk(upstream, *arguments, input=rows)
        assert (result.exit_code, json.loads(result.stdout)["stop"]) == (11, "access")
        assert bulk(upstream, "resume", "out.jsonl").exit_code == 0
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


def test_bad_input_names_its_place(bulk: Bulk) -> None:
    """A missing column, a misspelt action and an absent run are refused with their exit codes, and nothing is sent."""
    with Upstream() as upstream:
        result = bulk(upstream, "run", "createCompletion", "in.csv", "--map", "prompt=txt", "--set", "model=m", "--out", "out.csv")
        assert result.exit_code == 3
        assert "/column/txt: is no column of the input." in result.stderr
        assert bulk(upstream, "run", "createCompletoin", "in.csv", "--out", "o").exit_code == 3
        assert bulk(upstream, "resume", "none.csv").exit_code == 4
        for path in ("", ".", "/"):  # they end in no name
            for told in (
                bulk(upstream, *RUN[:-1], path),
                bulk(upstream, *RUN[:-1], path, "--share", "1/2"),
                bulk(upstream, "status", path),
            ):
                assert (told.exit_code, "/out: names no file" in told.stderr) == (4, True), told.stderr
        assert not upstream.seen
    assert [path.name for path in Path().iterdir()] == ["in.csv"]


def test_a_run_in_batches(bulk: Bulk, canary: Any) -> None:
    """Stopped while its batch goes on it is pending, and the status says where its rows are; cancelled, it goes on with another batch."""
    from tests.recorder import Recorder

    answers = {
        "POST /v1/files": {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"},
        "POST /v1/batches": BATCH | {"status": "validating"},
        "GET /v1/batches/batch_1": BATCH | {"status": "failed", "errors": {"data": [{"code": "x", "message": "Not today.", "line": 2}]}},
    }
    with Recorder(lambda connection, request: reply(200, answers[f"{request.method} {request.target}"])(connection, request)) as upstream:
        result = bulk(upstream, *RUN, "--via", "batch", "--attempts", "1", "--json")
        assert (result.exit_code, json.loads(result.stdout)["failed"]) == (12, 3)
        lines = upstream.requests[0].body.split(b"\r\n\r\n")[-1].splitlines()
        assert json.loads(lines[0])["body"] == {"model": "m", "max_tokens": 7, "prompt": "t1"}
        assert bulk(upstream, "run", "createSpeech", "in.csv", "--out", "x.csv", "--via", "batch").exit_code == 3
    with Upstream() as other:
        for more, code, words in (((), 0, "0 batches cancelled"), (("--connection", "none.yaml"), 4, "")):
            told = bulk(other, "cancel", "out.csv", "--batches", *more)
            assert told.exit_code == code, told.stderr
            assert told.stdout.startswith("No process works on this run")  # told before batches are looked for, so whatever becomes of them
            assert words in told.stdout


BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "created_at": 1,
}


def test_a_progress_that_nobody_reads_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is a pipe whose reader has gone, as in ``2>&1 | head -1``: what is shown is dropped, and nothing is raised."""
    told = []

    def broken(text: str) -> None:
        told.append(text)
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(bulk_progress, "note", broken)
    monkeypatch.setattr(bulk_progress, "_EACH", 0.0)
    with BulkProgress(as_json=False, quiet=False) as progress:
        progress(RunProgress(total=2, done=1))
    assert told == ["1 of 2 done"]


def test_rows_whose_answers_are_lost_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The first fifty are named, and how many there are besides."""
    lost = BulkResult(Path("o"), Path("l"), total=60, done=0, failed=0, unknown=60, waiting=0, stop="ledger", unkept=tuple(range(1, 61)))
    tell(lost, "kosha-openai bulk resume o", as_json=False, quiet=False)
    assert "for rows 1, 2, 3, " in (text := capsys.readouterr().err)
    assert ", 50 and 10 more: they may be paid for" in text
