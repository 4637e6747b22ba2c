"""A document's steps on Temporal: a worker is killed in each of them, and another goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.flows.bulk import RowState
from kosha_connector_openai.flows.bulk.opening import shared_ledger
from kosha_connector_openai.flows.durable.steps import ledger_of_run
from tests.integration.bulk.site import KEY, Site, found_in
from tests.recorder import reply
from tests.running_servers import PASSWORD, Temporal
from tests.unit.flows.bulk.conftest import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("dsn")]
WORD = "canary-of-an-input"
REFUSED = reply(400, {"error": {"message": "no", "type": "invalid_request_error"}})


def test_a_run_is_begun_again_while_a_worker_is_on_it(dsn: str) -> None:
    """A worker holds the run's ledger for as long as a step takes; who was killed and begins it again finds what is kept."""
    with ledger_of_run(dsn, "again") as made:
        made.keep("run", {"started": 1.0})
    with shared_ledger(dsn, "workflow-again"), ledger_of_run(dsn, "again") as found:
        assert found.kept("run") == {"started": 1.0}


def document(folder: Path, steps: int) -> Path:
    """Completions, each of what the one before has answered."""
    text = """arazzo: 1.0.1
info: {title: Several steps, version: '1'}
sourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]
workflows:
- workflowId: several
  inputs: {type: object, properties: {word: {type: string}}}
  steps:
"""
    for number in range(1, steps + 1):
        prompt = "$inputs.word" if number == 1 else f"$steps.s{number - 1}.outputs.text"
        text += f"""  - stepId: s{number}
    operationId: createCompletion
    requestBody: {{payload: {{model: m, prompt: {prompt}, max_tokens: 7}}}}
    outputs: {{text: $response.body#/choices/0/text}}
"""
    path = folder / "several.yaml"
    path.write_text(f"{text}  outputs: {{text: $steps.s{steps}.outputs.text}}\n")
    path.chmod(0o600)
    return path


def begun(site: Site, path: Path, name: str, *more: str) -> Any:
    return site.begin(
        "workflow", "run", str(path), f"word={WORD}", "--ledger", "env:LEDGER_DSN", *site.engine, "--run", name, "--json", *more
    )  # fmt: skip


def wait(upstream: Upstream, calls: int, answered: bool) -> None:
    end = time.monotonic() + 40
    while sum((upstream.answered if answered else upstream.seen).values()) < calls:
        assert time.monotonic() < end, (upstream.seen, calls)
        time.sleep(0.01)


def test_a_worker_killed_in_each_step(server: str, tmp_path: Path) -> None:
    """No finished step is sent again; a step that may have run ends the run as unknown, and is told; nothing of it is in Temporal."""
    path = document(tmp_path, 5)
    with Temporal(tmp_path) as temporal, Upstream(delay=0.4) as upstream, Site(tmp_path, server, upstream, temporal, 1) as site:

        def worker() -> Any:
            return site.begin("workflow", "worker", "--ledger", "env:LEDGER_DSN", *site.engine)

        at_work = worker()
        for step in range(1, 6):
            upstream.seen.clear()
            upstream.answered.clear()
            run = begun(site, path, f"kill-{step}")
            wait(upstream, step, answered=False)
            at_work.kill()
            at_work.wait()
            at_work = worker()
            told = site.result(run, 60)
            assert told["error"]["code"] == "workflow", told
            assert "may have" in json.dumps(told["error"])
            assert set(upstream.seen.values()) == {1}
            assert len(upstream.seen) == step
        upstream.seen.clear()
        upstream.answered.clear()
        run = begun(site, path, "between")
        for step in range(1, 5):  # after the answer has been kept: the next step is on its way, or not yet
            wait(upstream, step, answered=True)
        told = site.result(run, 60)
        assert told["outputs"] == {"text": f"{'echo ' * 5}{WORD}"}
        assert [step["outcome"] for step in told["steps"]] == ["succeeded"] * 5
        assert set(upstream.seen.values()) == {1}
        again = site.result(begun(site, path, "between"), 30)
        assert again["outputs"] == told["outputs"]
        assert len(upstream.seen) == 5
        assert found_in(temporal.file, [WORD, KEY, PASSWORD, "createCompletion"]) == []


def test_a_budget_covers_a_run_whichever_worker_goes_on(server: str, dsn: str, tmp_path: Path) -> None:
    """Three calls of five may be made: the worker that goes on knows of those before it."""
    with Temporal(tmp_path) as temporal, Upstream(delay=0.3) as upstream, Site(tmp_path, server, upstream, temporal, 1) as site:
        words = ["workflow", "worker", "--ledger", "env:LEDGER_DSN", *site.engine]
        at_work, run = site.begin(*words), begun(site, document(tmp_path, 5), "capped", "--budget", "calls=3")
        wait(upstream, 2, answered=False)
        with temporal.stopped():
            while kept(dsn, "capped") < 2:
                time.sleep(0.02)
            at_work.kill()
            at_work.wait()
        site.begin(*words)
        told = site.result(run, 60)
        assert "cap on calls" in json.dumps(told), told
        assert sorted(upstream.seen.values()) == [1] * 3


def kept(reference: str, name: str) -> int:
    """How many steps of a run have their answers in the ledger."""
    with shared_ledger(reference, f"workflow-{name}", read_only=True) as ledger:
        return sum(entry.state == RowState.DONE for entry in ledger.entries())


def test_a_worker_killed_between_steps(server: str, dsn: str, tmp_path: Path) -> None:
    """After the answer of each step was kept, before Temporal knows of it, in one run: each step is sent once, and the run succeeds."""
    path = document(tmp_path, 5)
    with Temporal(tmp_path) as temporal, Upstream(delay=0.6) as upstream, Site(tmp_path, server, upstream, temporal, 1) as site:

        def worker() -> Any:
            return site.begin("workflow", "worker", "--ledger", "env:LEDGER_DSN", *site.engine)

        at_work, run = worker(), begun(site, path, "killed-between")
        for step in range(1, 6):
            wait(upstream, step, answered=False)
            with temporal.stopped():
                end = time.monotonic() + 20
                while kept(dsn, "killed-between") < step:
                    assert time.monotonic() < end, step
                    time.sleep(0.02)
                assert len(upstream.seen) == step
                at_work.kill()
                at_work.wait()
            at_work = worker()
        told = site.result(run, 60)
        assert told["outputs"] == {"text": f"{'echo ' * 5}{WORD}"}
        assert sorted(upstream.seen.values()) == [1] * 5
