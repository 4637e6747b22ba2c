"""The ledger in PostgreSQL: the same runs, and several processes on one of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import SecretError, SetupError
from kosha_connector_openai.flows.bulk import RowAnswer, RowOptions, RowState, SendOptions, database, open_ledger
from kosha_connector_openai.flows.bulk.opening import run_name, shared_ledger
from kosha_connector_openai.secrets import Secret
from tests.recorder import reply
from tests.running_servers import PASSWORD, end_connections
from tests.unit.flows.bulk.conftest import SHARED, Upstream, completion, prompts, texts

pytestmark = pytest.mark.e2e
LIMITED = reply(429, {"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}}, [("retry-after", "0.2")])
REFUSED = reply(400, {"error": {"message": "no", "type": "invalid_request_error"}})
COMMAND = [sys.executable, "-m", "kosha_connector_openai.cli"]


def test_a_run_goes_as_it_does_in_a_file(run: Any, bulk: Any, dsn: str, tmp_path: Path) -> None:
    """Answers in order, a refused row, a pause for all, what failed sent again, the budget read back; each row once."""
    with Upstream({"t3": [REFUSED], "t5": [LIMITED]}) as upstream:
        result = run(upstream, prompts(30), ledger=dsn)
        assert (result.done, result.failed, result.unknown, result.waiting) == (29, 1, 0, 0)
        assert [row for row, _ in texts(tmp_path / "out.jsonl")] == [n for n in range(1, 31) if n != 3]
        again = bulk(upstream).resume(tmp_path / "out.jsonl", retry_failed=True)
        assert (again.done, again.failed) == (30, 0)
        assert texts(tmp_path / "out.jsonl") == [(n, f"echo t{n}") for n in range(1, 31)]
        assert {name: count for name, count in upstream.seen.items() if count > 1} == {"t3": 2, "t5": 2}
    pointer = (tmp_path / "out.jsonl.ledger").read_text()
    assert "env:LEDGER_DSN" in pointer
    assert PASSWORD not in pointer
    assert (tmp_path / "out.jsonl.ledger").stat().st_mode & 0o777 == 0o600


def test_a_changed_input_is_refused_and_can_be_adopted(run: Any, bulk: Any, dsn: str, tmp_path: Path) -> None:
    """The refusal counts the rows that differ; `adopt` keeps the answers of equal rows, at their new places, and sends new rows alone."""
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in (1, 2, 2, 3)))
    with Upstream() as upstream:
        run(upstream, rows, ledger=dsn)
        rows.write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in (2, 4, 2, 1, 5)))
        with pytest.raises(Exception, match="has other rows: 2 added, 1 missing, 0 changed"):
            bulk(upstream).resume(tmp_path / "out.jsonl")
        result = bulk(upstream).resume(tmp_path / "out.jsonl", adopt=True)
        assert result.done == 5
    assert dict(upstream.seen) == {"t1": 1, "t2": 2, "t3": 1, "t4": 1, "t5": 1}
    assert texts(tmp_path / "out.jsonl") == [(1, "echo t2"), (2, "echo t4"), (3, "echo t2"), (4, "echo t1"), (5, "echo t5")]


def test_what_stands_in_the_way_is_told_before_anything_is_sent(run: Any, dsn: str, tmp_path: Path, monkeypatch: Any, server: str) -> None:
    """No such variable, a DSN on the command line, no DSN, no server, a wrong password, a run of this name, a newer version."""
    monkeypatch.setenv("NO_DSN", "hello-there-of-tests")
    monkeypatch.setenv("NOBODY", "postgresql://u:secret-of-tests@127.0.0.1:9/db")
    monkeypatch.setenv("WRONG", server.replace(PASSWORD, "wrong-word"))
    monkeypatch.setenv("NO_PORT", "postgresql://u:secret-of-tests@127.0.0.1:notaport/db")
    with Upstream() as upstream:
        for number, (reference, words) in enumerate([
            ("env:NOT_SET", "is not set"), (server, "/ledger: is a DSN"), ("env:NO_DSN", "is no DSN"),
            ("env:NO_PORT", "is no DSN"), ("env:NOBODY", "127.0.0.1:9, and nobody answers"), ("env:WRONG", "it refuses"),
        ]):  # fmt: skip
            with pytest.raises((SetupError, SecretError)) as refused:
                run(upstream, prompts(1), out=f"{number}.jsonl", ledger=reference)
            told = str(refused.value)
            assert words in told
            assert not any(word in told for word in (PASSWORD, "secret-of-tests", "wrong-word", "hello-there-of-tests"))
            assert not (tmp_path / f"{number}.jsonl.ledger").exists()
        assert not upstream.seen
        run(upstream, prompts(1), ledger=dsn)
        (tmp_path / "out.jsonl").unlink()
        (tmp_path / "out.jsonl.ledger").unlink()
        with pytest.raises(SetupError, match="has a run in this database"):
            run(upstream, prompts(1), ledger=dsn)
        name = run_name(tmp_path / "out.jsonl", None)
        with shared_ledger(dsn, name) as ledger:
            with pytest.raises(SetupError, match=r"is held by process .*:\d+"):
                shared_ledger(dsn, name)
            assert (ledger.owner() or "").rpartition(":")[2].isdigit()
            ledger.keep("version", 7)
        with pytest.raises(SetupError, match="has version 7"):
            shared_ledger(dsn, name)
        with pytest.raises(SetupError, match="No ledger is there"):
            shared_ledger(dsn, "another")


def test_the_commands_work_on_it_and_never_show_the_dsn(dsn: str, server: str, tmp_path: Path, key: str) -> None:
    """Each command of `bulk` finds the run by its output, ends with its exit code and shows no password of the database."""
    (tmp_path / "in.jsonl").write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in range(1, 6)))
    out, environment = str(tmp_path / "out.jsonl"), {"OPENAI_API_KEY": key, "LEDGER_DSN": server, "PATH": "/bin", "HOME": str(tmp_path)}
    with Upstream({"t2": [REFUSED]}) as upstream:
        environment["OPENAI_BASE_URL"] = f"{upstream.url}/v1"

        def told(*words: str, code: int = 0) -> str:
            done = subprocess.run([*COMMAND, "bulk", *words], check=False, env=environment, capture_output=True, text=True, timeout=60)
            assert done.returncode == code, done.stderr
            assert PASSWORD not in done.stdout + done.stderr
            return done.stdout

        rows = str(tmp_path / "in.jsonl")
        told("run", "createCompletion", rows, "--set", "model=m", "-o", out, "--ledger", dsn, "-q", code=12)
        assert "5 rows" in told("status", out)
        assert "echo t1" in told("show", out, "1")
        assert "No process" in told("cancel", out)
        assert "4 answers" in told("export", out, "-o", str(tmp_path / "other.csv"))
        told("retry-failed", out, "-q")
        told("resume", out, "-q")
    assert sum(upstream.seen.values()) == 6


def test_one_limit_for_all_shares(bulk: Any, dsn: str, tmp_path: Path) -> None:
    """Two processes that know no limit of their own leave together no faster than the one that they share."""
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in range(1, 61)))
    with Upstream() as upstream:
        send = SendOptions(requests=1_200, in_flight=8)  # twenty a second

        async def all_shares() -> list[Any]:
            shares = [
                bulk(upstream)._bulk.run(
                    "createCompletion", rows, tmp_path / "out.jsonl", RowOptions(fixed=SHARED, share=f"{n}/2", ledger=dsn), send
                )
                for n in (1, 2)
            ]
            found = await asyncio.gather(*shares)
            await bulk(upstream)._bulk.connector.aclose()
            return found

        results = asyncio.run(all_shares())
        assert [result.done for result in results] == [30, 30]
    times = sorted(upstream.times)
    assert set(upstream.seen.values()) == {1}
    assert len(times) == 60
    assert times[-1] - times[0] >= 2.3  # 60 at 20 a second, five of them at once


def test_a_done_row_stays_done_and_only_its_owner_gives_a_row_back(run: Any, dsn: str, tmp_path: Path) -> None:
    """What a process that was stopped does late changes no answer and frees no row that another sends."""
    with Upstream() as upstream:
        run(upstream, prompts(3), ledger=dsn)
    with open_ledger(tmp_path / "out.jsonl.ledger") as ledger:
        entry = ledger.entry(1)
        assert entry is not None
        before = ledger.answer(1)
        entry.state = RowState.FAILED
        asyncio.run(ledger.acommit(moved=[(entry, RowAnswer(b'"late"'))]))
        assert ledger.answer(1) == before
        ledger.move(RowState.DONE, RowState.PENDING)
        first, second = ledger.entry(2), ledger.entry(2)
        assert first is not None
        assert second is not None
        assert asyncio.run(ledger.acommit([(first, None)])) == [True]
        assert asyncio.run(ledger.acommit([(second, None)])) == [False]
        second.state, second.at = RowState.PENDING, first.at - 5
        asyncio.run(ledger.acommit(moved=[(second, None)]))
        assert ledger.counts()[RowState.SENT] == 1
        first.state = RowState.PENDING
        asyncio.run(ledger.acommit(moved=[(first, None)]))
        assert ledger.counts() == {RowState.PENDING: 3}


def test_who_is_stopped_in_a_transaction_holds_up_nobody_for_long(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds what another process needs, and goes on with nothing: the server ends its session, and the other gets it."""
    monkeypatch.setitem(database._SESSION, "idle_in_transaction_session_timeout", "500ms")
    stopped, other = database.Database(Secret(server)), database.Database(Secret(server))
    try:
        stopped.command("BEGIN")
        stopped.read("SELECT pg_advisory_xact_lock(5)")
        other.read("SELECT pg_advisory_xact_lock(5)")
        with pytest.raises(SetupError):
            stopped.command("COMMIT")
    finally:
        stopped.close()
        other.close()


def test_rows_that_are_moved_together_are_those_that_are_so_still(run: Any, dsn: str, tmp_path: Path, monkeypatch: Any) -> None:
    """A row whose answer another process keeps meanwhile stays done."""
    with Upstream() as upstream:
        run(upstream, prompts(3), ledger=dsn)
    with open_ledger(tmp_path / "out.jsonl.ledger") as ledger:
        late = ledger.entry(1)
        assert late is not None
        late.state = RowState.SENT  # as it was when it was read
        monkeypatch.setattr(ledger, "entries", lambda *_, **__: iter([late]))
        ledger.move(RowState.SENT, RowState.UNKNOWN, "process_ended")
        assert ledger.counts() == {RowState.DONE: 3}


def test_a_database_that_is_away_for_a_moment_costs_no_answer(run: Any, bulk: Any, dsn: str, server: str, tmp_path: Path) -> None:
    """Its connections end while rows are under way, as when it is restarted: the run stops, their answers are kept, a resume ends it."""

    def lose(connection: Any, request: Any) -> bool:
        end_connections(server)
        return reply(200, completion("t20"))(connection, request)

    with Upstream({"t20": [lose]}, delay=0.1) as upstream:
        result = run(upstream, prompts(400), SendOptions(in_flight=16), ledger=dsn)
        sent = sum(upstream.seen.values())
        assert (result.stop, result.unkept, result.done, result.unknown, result.waiting) == ("ledger", (), sent, 0, 400 - sent)
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 400
        assert set(upstream.seen.values()) == {1}


def test_shares_that_are_killed_and_started_again(dsn: str, server: str, tmp_path: Path, key: str, record_property: Any) -> None:
    """Two shares of 5,000 rows, killed five times each in turn and begun again as a launcher does it: no row lost, no row sent twice."""
    (tmp_path / "in.jsonl").write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in range(1, 5_001)))
    with Upstream(delay=0.05) as upstream:
        environment = {"OPENAI_API_KEY": key, "LEDGER_DSN": server, "PATH": "/bin", "HOME": str(tmp_path)}
        environment["OPENAI_BASE_URL"] = f"{upstream.url}/v1"
        given = [str(tmp_path / "in.jsonl"), "--set", "model=m", "-o", str(tmp_path / "out.jsonl"), "--ledger", dsn, "--go-on", "-q"]

        def begin(share: int) -> subprocess.Popen[bytes]:
            words = [*COMMAND, "bulk", "run", "createCompletion", *given, "--share", f"{share + 1}/2", "--rpm", "3600", "--in-flight", "32"]
            return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        shares = [begin(0), begin(1)]
        for number in range(10):
            sent = sum(upstream.seen.copy().values())
            end = time.monotonic() + 20
            while sum(upstream.seen.copy().values()) < sent + 40 and time.monotonic() < end:
                time.sleep(0.02)
            shares[number % 2].kill()
            shares[number % 2].wait()
            shares[number % 2] = begin(number % 2)
        assert all(share.wait(150) in (0, 8) for share in shares)
        states = {}
        for part in (1, 2):
            with open_ledger(tmp_path / f"out.{part}-of-2.jsonl.ledger", read_only=True) as ledger:
                states |= {entry.n: entry.state for entry in ledger.entries()}
        record_property("held", sum(state == RowState.UNKNOWN for state in states.values()))
        assert len(states) == 5_000
        assert set(states.values()) <= {RowState.DONE, RowState.UNKNOWN}
        assert max(upstream.seen.values()) == 1
