"""Runs on Temporal with the ledger in PostgreSQL: workers, the server and the run itself are killed, stopped and cancelled."""

from __future__ import annotations

import shutil
import signal
import time
from itertools import pairwise
from json import loads
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.flows.bulk import ledger_of, open_ledger
from kosha_connector_openai.flows.bulk.postgres import PostgresLedger
from tests.integration.bulk.site import CANARY, KEY, Site, found_in
from tests.recorder import reply
from tests.running_servers import PASSWORD, Temporal, end_connections
from tests.unit.flows.bulk.conftest import Upstream, texts

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("dsn")]


def test_workers_that_are_killed_lose_nothing_and_pay_nothing_twice(server: str, tmp_path: Path, record_property: Any) -> None:
    """Ten kills, one at a time, over 5,000 rows at 60 a second: what was under way is held and listed, the dead one's spans are taken up,
    all workers keep one limit, and nothing of a row is in Temporal."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.05) as upstream, Site(tmp_path, server, upstream, temporal, 5_000) as site:
        site.worker("--spans", "8")
        site.worker("--spans", "8")
        run = site.run("--rpm", "3600")
        site.wait_for(60)
        taken_up = [site.watch_kill(site.workers[0]) for _ in range(10)]
        told = site.result(run, 150)
        gaps = [later - earlier for earlier, later in pairwise(sorted(upstream.times))]
        record_property("figures", {"taken_up": sorted(taken_up), "longest_pause": max(gaps), "held": told["unknown"]})
        assert (told["total"], told["failed"], told["waiting"]) == (5_000, 0, 0)
        assert told["done"] + told["unknown"] == 5_000
        assert told["unknown"] <= 10 * 32
        assert site.finished_sent_again == []
        assert site.twice() == []
        assert upstream.times[-1] - upstream.times[0] >= 5_000 / 60 * 0.95
        seen, done = site.seen(), site.done()
        again = site.result(site.resume("--unknown", "retry"), 60)
        assert (again["done"], again["code"]) == (5_000, 0)
        site.judge(seen, done)
        assert site.finished_sent_again == []
        assert found_in(temporal.file, [CANARY, KEY, PASSWORD, "createCompletion"]) == []


def test_the_server_may_be_killed_and_a_worker_stopped(server: str, tmp_path: Path) -> None:
    """The server is killed and started again; a worker is stopped for 5 s, and another works on its span: no row is sent twice."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.05) as upstream, Site(tmp_path, server, upstream, temporal, 1_500) as site:
        site.worker()
        site.worker()
        run = site.run()
        site.wait_for(100)
        temporal.kill()
        time.sleep(1)
        temporal.start()
        site.wait_for(400)
        stopped = site.workers[0]
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(5)
        stopped.send_signal(signal.SIGCONT)
        told = site.result(run, 90)
        assert told["done"] + told["unknown"] == 1_500
        assert site.twice() == []


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "its process has gone"])
def test_cancelling_ends_sending_and_keeps_answers(server: str, tmp_path: Path, watched: bool, record_property: Any) -> None:
    """Whoever began the run may be there or not: within 3 s nothing is sent any more, and what was under way is kept."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.05) as upstream, Site(tmp_path, server, upstream, temporal, 3_000) as site:
        site.worker()
        run = site.run()
        site.wait_for(200)
        if not watched:
            run.kill()
            run.wait()
        asked = time.monotonic()
        said = site.begin("bulk", "cancel", str(site.out)).communicate(timeout=30)
        record_property("seconds", round(time.monotonic() - asked, 1))
        assert "workers have ended" in said[0], said[1]
        sent = sum(upstream.seen.values())
        time.sleep(1)
        assert sum(upstream.seen.values()) == sent < 3_000
        assert len(site.done()) == sent
        if watched:
            told = site.result(run, 60)
            assert (told["stop"], told["code"], told["done"], told["unknown"]) == ("signal", 11, sent, 0)
            assert len(site.out.read_bytes().splitlines()) == sent


def test_workers_are_asked_to_end_through_the_ledger(server: str, tmp_path: Path) -> None:
    """They need not wait for Temporal, which tells with a heartbeat: what they have is finished, and spans that wait are not taken up."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.05) as upstream, Site(tmp_path, server, upstream, temporal, 3_000, 50) as site:
        site.worker()
        run = site.run()
        site.wait_for(200)
        refused = site.begin("bulk", "retry-failed", str(site.out), *site.engine).communicate(timeout=30)[1]
        assert "Workers are on this run" in refused
        with open_ledger(ledger_of(site.out), read_only=True) as ledger:
            assert isinstance(ledger, PostgresLedger)
            assert ledger.ask_to_stop()
            told = site.result(run, 60)
            assert not ledger.ask_to_stop()
        sent = sum(upstream.seen.values())
        assert (told["stop"], told["code"], told["done"], told["unknown"]) == ("signal", 11, sent, 0)
        assert sent < 3_000


def test_a_run_goes_from_temporal_to_one_machine_and_back(server: str, tmp_path: Path) -> None:
    """Cancelled in each place, where `bulk cancel` ends what sends there; where nothing waits, Temporal needs no worker."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.1) as upstream, Site(tmp_path, server, upstream, temporal, 2_500) as site:
        worker = site.worker()
        run = site.run()
        for who in ("The workers have ended", "Process "):
            site.wait_for(sum(site.seen().values()) + 100)
            assert who in site.begin("bulk", "cancel", str(site.out)).communicate(timeout=60)[0]
            told = site.result(run, 60)
            assert (told["stop"], told["unknown"]) == ("signal", 0)
            run = site.begin("bulk", "resume", str(site.out), "--json", "--in-flight", "8")
        site.result(run, 60)
        worker.terminate()
        worker.wait(60)
        again = site.result(site.resume(), 60)
        assert (again["done"], again["code"]) == (2_500, 0)
        assert site.twice() == []


def test_a_database_that_is_away_for_a_moment_ends_no_run(server: str, tmp_path: Path) -> None:
    """The connections of worker and run end: the worker keeps what comes back and takes its spans up again, the run is watched on."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.1) as upstream, Site(tmp_path, server, upstream, temporal, 1_000) as site:
        site.worker()
        run = site.run()
        site.wait_for(200)
        end_connections(server)
        told = site.result(run, 90)
        assert (told["done"], told["unknown"], told["code"]) == (1_000, 0, 0)
        assert site.twice() == []


def test_workers_send_the_rows_of_an_input_that_was_adopted(server: str, tmp_path: Path) -> None:
    """Its rows stand in other places now, and some are new: each gets the answer to itself, and those that were done are not sent again."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.1) as upstream, Site(tmp_path, server, upstream, temporal, 500, 50) as site:
        site.worker()
        run = site.run()
        site.wait_for(60)
        site.begin("bulk", "cancel", str(site.out)).communicate(timeout=60)
        site.result(run, 60)
        rows = tmp_path / "in.jsonl"
        lines = [f'{{"prompt": "new-{n}"}}' for n in range(1, 11)] + rows.read_text().splitlines()[::-1]
        rows.write_text("\n".join(lines))
        told = site.result(site.resume("--adopt"), 60)
        assert (told["done"], told["total"]) == (510, 510)
        assert texts(site.out) == [(n, f"echo {loads(line)['prompt']}") for n, line in enumerate(lines, 1)]
        assert site.twice() == []


def test_another_host_needs_the_name_of_the_ledger_alone(server: str, tmp_path: Path) -> None:
    """The input is not there, and was never: a run on Temporal keeps its rows, so each command of `bulk` works from there."""
    no = reply(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    special = {f"{CANARY}-7": [no]}
    with Temporal(tmp_path) as temporal, Upstream(special, 0.1) as upstream, Site(tmp_path, server, upstream, temporal, 300, 50) as site:
        site.worker()
        run = site.run()
        site.wait_for(60)
        site.begin("bulk", "cancel", str(site.out)).communicate(timeout=60)
        site.result(run, 60)
        (tmp_path / "in.jsonl").rename(tmp_path / "elsewhere.jsonl")
        other = tmp_path / "other"
        other.mkdir()
        out = str(shutil.copy(tmp_path / "out.jsonl.ledger", other)).removesuffix(".ledger")
        assert f"{CANARY}-7" in site.begin("bulk", "show", out, "7").communicate(timeout=60)[0]
        assert "answers" in site.begin("bulk", "export", out).communicate(timeout=60)[0]
        here = site.result(site.begin("bulk", "resume", out, "--json", "--rpm", "60000"), 90)
        assert (here["done"], here["failed"]) == (299, 1)
        assert loads((other / "out.jsonl.failed.jsonl").read_text()) == {"prompt": f"{CANARY}-7"}
        again = site.result(site.begin("bulk", "retry-failed", out, "--json", *site.engine), 90)
        assert (again["done"], again["code"]) == (300, 0)
        assert site.twice() == [f"{CANARY}-7"]


def test_a_budget_covers_the_run_whoever_sends(server: str, tmp_path: Path) -> None:
    """Two workers, spans of 20, one worker killed: no call above the cap leaves, nearly all of it is used, and a resume raises it."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.05) as upstream, Site(tmp_path, server, upstream, temporal, 400, span=20) as site:
        site.worker("--spans", "4")
        site.worker("--spans", "4")
        run = site.run("--budget", "calls=150")
        site.wait_for(60)
        site.workers[0].kill()
        told = site.result(run, 60)
        assert (told["stop"], told["code"]) == ("budget", 13)
        assert 100 <= sum(upstream.seen.values()) <= 150
        again = site.result(site.resume("--budget", "calls=250"), 60)
        assert (again["stop"], again["code"]) == ("budget", 13)
        assert 200 <= sum(upstream.seen.values()) <= 250
        assert site.twice() == []


def test_a_run_that_stops_takes_up_no_more_spans(server: str, tmp_path: Path) -> None:
    """A key that the server does not know is told after the rows that were under way, not once for each span that waited."""
    refused = reply(401, {"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}})
    special = {f"{CANARY}-{n}": [refused] for n in range(1, 601)}
    with Temporal(tmp_path) as temporal, Upstream(special, 0.05) as upstream, Site(tmp_path, server, upstream, temporal, 600, 20) as site:
        site.worker()
        told = site.result(site.run(), 60)
        assert (told["stop"], told["done"], told["waiting"]) == ("access", 0, 600)
        assert sum(upstream.seen.values()) <= 16


def test_one_worker_sends_the_rows_of_two_runs(server: str, tmp_path: Path) -> None:
    """They share what may be under way: neither waits for the other's end, and together they keep to the worker's number."""
    other = tmp_path / "other"
    other.mkdir()
    with Temporal(tmp_path) as temporal, Upstream(delay=0.2) as upstream, Site(tmp_path, server, upstream, temporal, 400) as first:
        first.worker("--spans", "4")
        run = first.run()
        first.wait_for(60)
        with Site(other, server, upstream, temporal, 400) as second:
            told = [second.result(second.run(), 60), first.result(run, 60)]
        assert [(each["done"], each["code"]) for each in told] == [(400, 0), (400, 0)]
        assert set(first.seen().values()) == {2}  # the two have the same rows
        assert upstream.most <= 32


def test_many_spans_go_through_several_executions(server: str, tmp_path: Path) -> None:
    """300 spans pass through continue-as-new: every row is done and no row is sent twice."""
    with Temporal(tmp_path) as temporal, Upstream() as upstream, Site(tmp_path, server, upstream, temporal, 600, span=2) as site:
        site.worker("--spans", "8")
        told = site.result(site.run(), 120)
        assert (told["done"], told["code"]) == (600, 0)
        assert site.twice() == []


def test_without_temporal_it_is_told_where_it_should_be(server: str, tmp_path: Path) -> None:
    """Before anything is sent, and before a ledger is made."""
    with Upstream() as upstream, Site(tmp_path, server, upstream, Temporal(tmp_path), 2) as site:
        told = "".join(site.run().communicate(timeout=60))
        assert "127.0.0.1:" in told
        assert "temporal server start-dev" in told
        assert not site.out.with_name("out.jsonl.ledger").exists()
        assert not upstream.seen
