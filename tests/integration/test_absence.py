"""What is missing in an answer is told in every way to ask: no surface calls it whole, and where it is none each says that it failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kosha_connector_openai import CallOptions, Connection, Connector, open_connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import ConnectorError, WorkflowError
from kosha_connector_openai.flows import Jobs, run_task
from kosha_connector_openai.flows.workflows import read_workflows, run_workflow
from tests.gateway import TOKENS, Running
from tests.recorder import Received, Recorder, Script, reply
from tests.service import whole

QUICK = {"retries": {"attempts": 1}}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}
RESPONSE = {"model": "m", "input": "hi"}


def chat(*choices: tuple[Any, Any]) -> Script:
    """An answer of choices, each with its content and its end."""
    made = [
        {"index": number, "finish_reason": end, "message": {"role": "assistant", "content": content}}
        for number, (content, end) in enumerate(choices)
    ]
    return reply(200, {"id": "x", "object": "chat.completion", "model": "m", "choices": made})


def stream(*choices: tuple[int, Any, Any]) -> Script:
    """The same in pieces: number, content and end."""
    events = [{"choices": [{"index": number, "delta": {"content": content}, "finish_reason": end}]} for number, content, end in choices]
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return reply(200, body + b"data: [DONE]\n\n", content_type="text/event-stream")


@dataclass(frozen=True)
class Case:
    """What is asked, what the server answers, and what that is."""

    action: str
    inputs: dict[str, Any]
    script: Script
    outcome: str


CASES = {
    "an empty text": Case("createChatCompletion", CHAT, chat(("", "stop")), "failed"),
    "an empty text in a stream": Case("createChatCompletion", STREAM, stream((0, "", "stop")), "failed"),
    "one of two is empty": Case("createChatCompletion", {**CHAT, "n": 2}, chat(("Hello", "stop"), (None, "stop")), "failed"),
    "one of two is empty in a stream": Case(
        "createChatCompletion", {**STREAM, "n": 2}, stream((0, "Hello", "stop"), (1, "", "stop")), "failed"
    ),
    "one of two never came": Case("createChatCompletion", {**CHAT, "n": 2}, chat(("Hello", "stop")), "incomplete"),
    "one of two has no end": Case("createChatCompletion", {**STREAM, "n": 2}, stream((0, "Hello", "stop"), (1, "Hel", None)), "incomplete"),
    "no end": Case("createChatCompletion", CHAT, chat(("Hel", None)), "incomplete"),
    "an unknown end": Case("createChatCompletion", STREAM, stream((0, "Hel", "vanished")), "incomplete"),
    "one vector for two texts": Case(
        "createEmbedding", {"model": "m", "input": ["a", "b"]}, reply(200, {"data": [{"index": 0, "embedding": [0.5]}]}), "failed"
    ),
    "one verdict for two texts": Case("createModeration", {"input": ["a", "b"]}, reply(200, {"results": [{"flagged": False}]}), "failed"),
    "a status that nobody knows": Case(
        "createResponse",
        RESPONSE,
        reply(
            200,
            {
                "object": "response",
                "status": "succeeded",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
            },
        ),
        "incomplete",
    ),
    "reasoning alone": Case(
        "createResponse", RESPONSE, reply(200, {"object": "response", "status": "completed", "output": [{"type": "reasoning"}]}), "failed"
    ),
    "not deleted": Case("deleteFile", {"file_id": "f"}, reply(200, {"id": "f", "deleted": False}), "failed"),
    "an empty file": Case("downloadFile", {"file_id": "f"}, reply(200, b"", content_type="application/octet-stream"), "failed"),
}


class Upstream:
    """One server for all: it answers as the present script says, or by the path."""

    def __init__(self) -> None:
        self.script: Script = reply()
        self.paths: dict[str, Script] = {}
        self.recorder = Recorder(self._act)

    def _act(self, connection: Any, request: Received) -> bool:
        return self.paths.get(request.target, self.script)(connection, request)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    found = Upstream()
    with found.recorder:
        yield found


@pytest.fixture(scope="module")
def opened() -> Iterator[Connector]:
    with open_connector() as connector:
        yield connector


@pytest.fixture(scope="module")
def pages(upstream: Upstream) -> Iterator[Running]:
    """The whole gateway, its own pages included."""
    home = {"values": {"server_url": upstream.recorder.url, "auth_type": "NONE"}, "options": QUICK}
    with whole(upstream.recorder.url, settings={"tokens": TOKENS, "connections": {"default": home}}, tokens=False) as running:
        yield running


@pytest.fixture
def connection(upstream: Upstream, opened: Connector) -> Connection:
    return opened.connection({"server_url": upstream.recorder.url, "auth_type": "NONE"}, environ={}, **QUICK)


@pytest.mark.parametrize("name", CASES)
def test_every_surface_tells_it(name: str, upstream: Upstream, opened: Connector, connection: Connection, pages: Running) -> None:
    """In threads and on an event loop, on the command line, in a workflow and at the gateway: the same outcome, a reason and a warning."""
    case = CASES[name]
    upstream.script = case.script
    seen = {"library": opened.outputs.of(opened.run(case.action, case.inputs, connection)).to_dict()}
    seen["asyncio"] = opened.outputs.of(asyncio.run(_arun(case, upstream))).to_dict()
    words = ["run", case.action, "--result", "--json-input", json.dumps(case.inputs), "--set", "auth_type=NONE"]
    done = CliRunner().invoke(make_app(), [*words, "--set", f"server_url={upstream.recorder.url}"])
    seen["command"] = json.loads(done.stdout)
    if "file_id" not in case.inputs:  # at a gateway files are somebody's
        seen |= _at_the_gateway(case, pages)
    assert {way: (each["outcome"], bool(each["reasons"]), bool(each["warnings"])) for way, each in seen.items()} == dict.fromkeys(
        seen, (case.outcome, True, True)
    )
    assert done.exit_code == (9 if case.outcome == "failed" else 0)
    assert _of_a_workflow(case, opened, connection) == case.outcome


def _at_the_gateway(case: Case, pages: Running) -> dict[str, Any]:
    """The answer of the action's page, whole and as events."""
    path, asked = f"/kosha/v1/actions/{case.action}/run", {"json": {"inputs": case.inputs}}
    told = pages.call("POST", path, headers={"Accept": "text/event-stream"}, **asked).text
    return {"gateway": pages.call("POST", path, **asked).json(), "events": json.loads(told.rpartition("event: result\ndata: ")[2])}


async def _arun(case: Case, upstream: Upstream) -> Any:
    async with open_connector() as connector:
        connection = connector.connection({"server_url": upstream.recorder.url, "auth_type": "NONE"}, environ={}, **QUICK)
        return await connector.arun(case.action, case.inputs, connection)


def _of_a_workflow(case: Case, connector: Connector, connection: Connection) -> str | None:
    """What a workflow's only step says of its answer; a failed one fails the step."""
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "T", "version": "1"},
        "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}],
        "workflows": [{"workflowId": "w", "steps": [_step(case)]}],
    }
    try:
        (record,) = run_workflow(read_workflows(document, connector), connector, connection).steps
    except WorkflowError as error:
        (record,) = error.result.steps
    assert (record.outcome == "failed") is (record.answer == "failed")
    return record.answer


def _step(case: Case) -> dict[str, Any]:
    made: dict[str, Any] = {"stepId": "s", "operationId": case.action}
    if "file_id" in case.inputs:
        return made | {"parameters": [{"name": "file_id", "in": "path", "value": "f"}]}
    return made | {"requestBody": {"payload": case.inputs}}


def test_a_file_without_bytes_stays_one(upstream: Upstream, opened: Connector, connection: Connection, tmp_path: Path) -> None:
    """Its short result has no bytes either; saved, it is judged alike, and words in place of sound are no sound there either."""
    upstream.script = CASES["an empty file"].script
    assert opened.outputs.of(opened.run("downloadFile", {"file_id": "f"}, connection)).result["file"].size == 0
    saved = opened.run("downloadFile", {"file_id": "f"}, connection, CallOptions(out=tmp_path / "file"))
    assert (saved.kind, saved.value.size, saved.outcome) == ("file", 0, "failed")
    upstream.script = reply(200, b"the voice is busy", content_type="text/plain")
    inputs = {"model": "m", "input": "i", "voice": "alloy"}
    spoken = opened.run("createSpeech", inputs, connection, CallOptions(out=tmp_path / "sound"))
    assert (spoken.kind, spoken.outcome, "busy" in spoken.reasons[0]) == ("file", "failed", True)


def test_a_task_gives_nothing_for_nothing(upstream: Upstream, opened: Connector, connection: Connection) -> None:
    """An empty answer, an unknown end and a missing verdict are errors of their own, never an empty value."""
    for task, inputs, script in (
        ("ask", {"question": "hi"}, chat(("", "stop"))),
        ("ask", {"question": "hi"}, chat(("Hel", None))),
        ("ask", {"question": "hi"}, chat(("Hel", "vanished"))),
        ("moderate", {"text": "a"}, reply(200, {"results": [{"flagged": None}]})),
    ):
        upstream.script = script
        with pytest.raises(ConnectorError):
            run_task(opened, task, inputs, connection)


@dataclass(frozen=True)
class Job:
    """What starts a job, where its state is asked for and what that is at its end, and the file that it left."""

    action: str
    inputs: dict[str, Any]
    path: str
    state: dict[str, Any]
    file: Script = reply(200, b"", content_type="application/octet-stream")


JOBS = {
    "a model without a name": Job(
        "createFineTuningJob",
        {"model": "m", "training_file": "f"},
        "/v1/fine_tuning/jobs",
        {"id": "j", "status": "succeeded", "fine_tuned_model": None},
    ),
    "a film without bytes": Job(
        "createVideo",
        {"prompt": "p"},
        "/v1/videos",
        {"id": "v", "object": "video", "status": "completed"},
        reply(200, b"", content_type="video/mp4"),
    ),
    "a batch without lines": Job(
        "createBatch",
        {"input_file_id": "f", "endpoint": "/v1/responses", "completion_window": "24h"},
        "/v1/batches",
        {"id": "b", "object": "batch", "status": "completed", "output_file_id": "out"},
    ),
    "a response without output": Job(
        "createResponse",
        {**RESPONSE, "background": True},
        "/v1/responses",
        {"id": "r", "object": "response", "status": "completed", "output": []},
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_left_nothing_has_failed(
    name: str, upstream: Upstream, opened: Connector, connection: Connection, tmp_path: Path
) -> None:
    """What should be there is told as missing, although the job says that it succeeded."""
    job = JOBS[name]
    started = reply(200, {**job.state, "status": "queued"})
    upstream.script, upstream.paths = job.file, {job.path: started, f"{job.path}/{job.state['id']}": reply(200, job.state)}
    jobs = Jobs(opened, connection)
    with jobs.fetch(jobs.status(jobs.start(job.action, job.inputs)), tmp_path / "out") as found:
        assert (found.status.ok, found.outcome, bool(found.warnings)) == (True, "failed", True)
    upstream.paths = {}
