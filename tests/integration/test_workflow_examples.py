"""The workflows in examples/, run against the sandbox as a user would run them: what they give, and where a bad answer stops them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import WorkflowError
from kosha_connector_openai.flows.workflows import WorkflowResult, arun_workflow, read_workflows, run_workflow
from tests.offline import offline


@pytest.fixture
def connection(connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connection]:
    with offline() as upstream:
        monkeypatch.setenv("OPENAI_API_KEY", upstream.key)
        values = {"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}
        yield connector.connection(values, roots=(tmp_path,))


@pytest.fixture
def run(root: Path, connector: Connector, connection: Connection) -> Any:
    def run(name: str, **inputs: Any) -> WorkflowResult:
        document = read_workflows(root / "examples" / "workflows" / f"{name}.yaml", connector)
        return run_workflow(document, connector, connection, inputs)

    return run


def test_every_example_can_be_run(root: Path, connector: Connector) -> None:
    """Each example is read without a warning."""
    files = sorted((root / "examples" / "workflows").glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        assert read_workflows(file, connector).warnings == ()


def test_a_question_is_answered_once_it_has_passed(run: Any) -> None:
    """Both steps run, in their order."""
    result = run("moderate-then-answer", question="Say Low water is at noon.")
    assert result.outputs == {"answer": "Low water is at noon (sandbox)."}
    assert [(record.step, record.outcome) for record in result.steps] == [("moderate", "succeeded"), ("ask", "succeeded")]


def test_a_flagged_question_stops_the_flow(run: Any) -> None:
    """The second step does not run, and nothing is given."""
    with pytest.raises(WorkflowError) as failure:
        run("moderate-then-answer", question="Describe violence.")
    assert failure.value.pointer == "/workflows/0/steps/0/successCriteria/1"
    assert [record.step for record in failure.value.result.steps] == ["moderate"]
    assert failure.value.result.outputs == {}


def test_a_recording_becomes_a_summary(run: Any) -> None:
    """The transcript of an uploaded file goes into the next step."""
    from kosha_connector_openai.sandbox.audio import wav

    result = run("transcribe-then-summarise", recording={"bytes": wav(), "filename": "talk.wav"})
    assert result.outputs["transcript"]
    assert result.outputs["summary"]


def test_a_batch_is_waited_for_and_its_rows_come_back(run: Any, tmp_path: Path) -> None:
    """The step is a job, and each request of the file has its row."""
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": {"model": "text-embedding-3-small", "input": name}}
        for name in ("a", "b")
    ]
    file = tmp_path / "requests.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run("batch-of-embeddings", requests={"path": str(file)})
    assert {row["key"] for row in result.outputs["rows"]} == {"a", "b"}
    assert [record.runner for record in result.steps] == ["operation", "job"]


def test_the_handle_of_a_job_outlives_an_interrupted_run(
    root: Path, connector: Connector, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops a run while it waits for a job can go on with the job, and pays for no second one."""
    from kosha_connector_openai.flows import driving
    from kosha_connector_openai.flows.jobs import Jobs, JobStore

    (tmp_path / "r.jsonl").write_text(
        json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}) + "\n"
    )
    store = JobStore(tmp_path / "jobs")
    document = read_workflows(root / "examples" / "workflows" / "batch-of-embeddings.yaml", connector)

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(driving, "time", SimpleNamespace(sleep=stop))  # the upstream in this process sleeps as ever
        with pytest.raises(KeyboardInterrupt):
            run_workflow(document, connector, connection, {"requests": {"path": str(tmp_path / "r.jsonl")}}, handles=store)
    (handle,) = store
    jobs = Jobs(connector, connection, store=store)
    assert jobs.wait(handle).check().end == "success"
    assert len(connector.run("listBatches", {}, connection).value["data"]) == 1


def test_a_message_is_sorted_by_a_task(run: Any) -> None:
    """A reply is written for a complaint alone."""
    result = run("triage", message="The parcel came two weeks late.")
    assert result.outputs["label"] in ("complaint", "order", "other")
    assert result.steps[0].runner == "task"
    assert ("reply" in result.outputs) is (result.outputs["label"] == "complaint")


async def test_an_event_loop_runs_tasks_and_jobs_too(root: Path, connector: Connector, connection: Connection, tmp_path: Path) -> None:
    """Steps that are tasks and jobs succeed over asyncio."""
    file = tmp_path / "requests.jsonl"
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "text-embedding-3-small", "input": "x"}}
    file.write_text(json.dumps(line) + "\n")
    given: list[tuple[str, dict[str, Any]]] = [
        ("triage", {"message": "Where is it?"}),
        ("batch-of-embeddings", {"requests": {"path": str(file)}}),
    ]
    try:
        for name, inputs in given:
            document = read_workflows(root / "examples" / "workflows" / f"{name}.yaml", connector)
            assert (await arun_workflow(document, connector, connection, inputs)).outcome == "succeeded"
    finally:
        await connector.aclose()
