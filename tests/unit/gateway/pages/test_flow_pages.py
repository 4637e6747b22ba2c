"""Tasks, workflows and jobs over HTTP: paths like those of actions, the same rights, events while they run."""

import asyncio
import base64
import json
from typing import Any

import pytest

from kosha_connector_openai.gateway.access.admission import Admission
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.flow_pages import FlowPages
from kosha_connector_openai.gateway.records import Allowance, Caller
from tests.recorder import events, reply
from tests.unit.gateway.pages.test_event_response import ASK, PNG, chunk, read
from tests.unit.gateway.pages.test_pages import House, house  # noqa: F401 - a fixture

V1 = "/kosha/v1"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
ONLY_MODELS = Caller("ci", "acme", "default", "on", Allowance(1, 1), frozenset({"listModels"}))


def document(*steps: Any, outputs: Any = None) -> dict[str, Any]:
    workflow = {"workflowId": "w", "steps": list(steps), "outputs": outputs or {}}
    sources = [{"name": "openai", "url": "openapi.json", "type": "openapi"}]
    return {"arazzo": "1.0.1", "info": {"title": "T", "version": "1"}, "sourceDescriptions": sources, "workflows": [workflow]}


def step(name: str, operation: str, payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"stepId": name, "operationId": operation, **({"requestBody": {"payload": payload}} if payload else {}), **more}


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TWO = document(
    step("first", "listModels"),
    step("second", "createChatCompletion", CHAT, outputs={"text": "$response.body#/choices/0/message/content"}),
    outputs={"text": "$steps.second.outputs.text"},
)


async def test_tasks_have_paths_like_those_of_actions(house: House):  # noqa: F811
    """A list, one with its schemas, a form of either kind, samples, a check; a caller sees those whose action it may run."""
    listed = (await house.client.get(f"{V1}/tasks")).json()["tasks"]
    assert {"name", "title", "summary", "action"} <= listed[0].keys()
    for name in [task["name"] for task in listed]:
        base = f"{V1}/tasks/{name}"
        form = (await house.client.get(f"{base}/form")).json()
        assert (form["form_version"], form["task"]) == (1, name)
        assert all(field["widget"] and field["label"] and field["help"] for field in form["fields"]), name
        assert "binary" not in (await house.client.get(f"{base}/form", params={"as": "rjsf"})).text
        sample = (await house.client.get(f"{base}/sample")).json()
        files = [field["name"] for field in form["fields"] if field["required"] and field["name"] not in sample["inputs"]]
        inputs = sample["inputs"] | {key: {"base64": PNG, "filename": "a.png"} for key in files}
        assert (await house.client.post(f"{base}/validate", json={"inputs": inputs})).json()["valid"], name
        assert (await house.client.get(base)).json()["input_schema"]["type"] == "object"
    wrong = (await house.client.post(f"{V1}/tasks/ask/validate", json={"inputs": {"x": 1}})).json()
    assert {fault["pointer"] for fault in wrong["faults"]} == {"/question", "/x"}
    unknown = await house.client.get(f"{V1}/tasks/sumarise")
    assert (unknown.status_code, "summarise" in unknown.text) == (404, True)
    house.caller = ONLY_MODELS
    assert (await house.client.get(f"{V1}/tasks")).json()["tasks"] == []
    assert (await house.client.post(f"{V1}/tasks/ask/run", json={"inputs": {"question": "x"}})).status_code == 404
    assert house.upstream.silent


async def test_a_task_runs(house: House):  # noqa: F811
    """The typed value; a file as a part; its calls are told as they end."""
    house.upstream.scripts = [reply(body=ANSWER)]
    ran = (await house.client.post(f"{V1}/tasks/ask/run", json={"inputs": {"question": "x"}})).json()
    assert (ran["value"], ran["outcome"], ran["usage"]["total_tokens"]) == ("yes", "ok", 2)
    house.upstream.scripts = [reply(body={"text": "hello"})]
    files = {"audio": ("a.mp3", b"ID3" + bytes(50), "audio/mpeg")}
    heard = await house.client.post(f"{V1}/tasks/transcribe/run", data={"run": "{}"}, files=files, headers=ASK)
    got = read(heard.text)
    assert got[-1][0] == "result", got
    assert b"ID3" in house.upstream.last.body
    bad = await house.client.post(f"{V1}/tasks/ask/run", json={"inputs": {}}, headers=ASK)
    assert bad.status_code == 400


async def test_a_workflow_is_checked_for_its_caller(house: House):  # noqa: F811
    """As an object or as text; every fault; actions that the caller may not run are not there."""
    for given in (TWO, json.dumps(TWO)):
        good = (await house.client.post(f"{V1}/workflows/check", json={"document": given})).json()
        assert good["valid"], good
        assert [step["step"] for step in good["workflows"][0]["steps"]] == ["first", "second"]
    for bad in (document(step("a", "listModls")), "arazzo: [", 5):
        answer = await house.client.post(f"{V1}/workflows/check", json={"document": bad})
        assert answer.status_code in (200, 400)
        assert answer.status_code == 400 or answer.json()["faults"]
    house.caller = ONLY_MODELS
    faults = (await house.client.post(f"{V1}/workflows/check", json={"document": TWO})).json()["faults"]
    assert [(fault["pointer"], fault["rule"]) for fault in faults] == [("/workflows/0/steps/1", "unknown")]
    ran = await house.client.post(f"{V1}/workflows/run", json={"document": TWO})
    assert ran.status_code == 400
    assert house.upstream.silent


async def test_a_workflow_runs_with_an_event_for_each_step(house: House):  # noqa: F811
    """Begun, text that grows, the answer, ended; what the steps get is the same with events and without."""
    models = reply(body={"object": "list", "data": []})
    house.upstream.scripts = [models, reply(body=ANSWER)]
    plain = (await house.client.post(f"{V1}/workflows/run", json={"document": TWO})).json()
    assert (plain["outcome"], plain["outputs"]) == ("succeeded", {"text": "yes"})
    house.upstream.scripts = [models, events(chunk("y"), chunk("es"), b"data: [DONE]\n\n")]
    answer = await house.client.post(f"{V1}/workflows/run", json={"document": TWO, "run": "my-own-run"}, headers=ASK)
    got = read(answer.text)
    names = [name for name, _ in got]
    assert names == ["run", "begun", "answer", "ended", "begun", "text", "text", "answer", "ended", "result"]
    assert got[0][1]["run"] == "my-own-run"
    assert [data["step"] for name, data in got if name == "ended"] == ["first", "second"]
    assert got[7][1]["result"]["result"]["text"] == "yes"
    assert got[-1][1]["outputs"] == {"text": "yes"}


async def test_a_workflow_that_fails_says_where_and_what_came_before(house: House):  # noqa: F811
    """In the error's shape, the steps so far beside it; wrong inputs are told before anything is sent."""
    assert (await house.client.post(f"{V1}/workflows/run", json={"document": TWO, "inputs": {"x": 1}})).status_code == 400
    assert house.upstream.silent
    house.upstream.scripts = [reply(body={"object": "list", "data": []}), reply(400, {"error": {"message": "no", "type": "x"}})]
    answer = await house.client.post(f"{V1}/workflows/run", json={"document": TWO})
    found = answer.json()
    assert answer.status_code >= 400
    assert found["error"]["detail"]["step"] == "second"
    assert [record["outcome"] for record in found["result"]["steps"]] == ["succeeded", "failed"]


async def test_pictures_of_a_workflow_have_addresses(house: House):  # noqa: F811
    """In its outputs and in the steps' answers; with links no base64 is left."""
    house.upstream.scripts = [reply(body={"created": 1, "data": [{"b64_json": PNG}]})]
    drawn = step("draw", "createImage", {"prompt": "x"}, outputs={"picture": "$response.body#/data/0/b64_json"})
    run = {"document": document(drawn, outputs={"picture": "$steps.draw.outputs.picture"}), "file": "link"}
    answer = await house.client.post(f"{V1}/workflows/run", json=run, headers=ASK)
    assert PNG not in answer.text
    result = read(answer.text)[-1][1]
    assert [file["pointer"] for file in result["files"]] == ["/picture"]
    got = await house.client.get(result["outputs"]["picture"]["href"])
    assert base64.b64encode(got.content).decode() == PNG


@pytest.mark.parametrize("headers", [{}, ASK])
async def test_a_run_can_be_cancelled_by_its_caller(house: House, headers: dict[str, str]):  # noqa: F811
    """By its id; nobody else can; the call upstream is ended, and no other is made."""
    house.upstream.scripts = [events(*[chunk("x")] * 200, pause=0.05)]
    run = {"document": document(step("talk", "createChatCompletion", {**CHAT, "stream": True})), "run": "run-to-end"}
    going = asyncio.create_task(house.client.post(f"{V1}/workflows/run", json=run, headers=headers))
    while not house.upstream.requests:
        await asyncio.sleep(0.02)
    caller, house.caller = house.caller, ONLY_MODELS.__class__("x", "other", "default", "on", Allowance(9, 9))
    assert (await house.client.post(f"{V1}/workflows/runs/run-to-end/cancel")).status_code == 404
    house.caller = caller
    twice = await house.client.post(f"{V1}/workflows/run", json=run)
    assert (twice.status_code, twice.json()["error"]["param"]) == (409, "run")
    assert (await house.client.post(f"{V1}/workflows/runs/run-to-end/cancel")).json() == {"run": "run-to-end", "cancelled": True}
    answer = await going
    error = read(answer.text)[-1][1]["error"] if headers else answer.json()["error"]
    assert error["code"] == "cancelled"
    assert await asyncio.to_thread(house.upstream.closed_early.wait, 10)
    assert (await house.client.post(f"{V1}/workflows/runs/run-to-end/cancel")).status_code == 404


JOB = {"object": "fine_tuning.job", "id": "ftjob-1", "status": "running", "model": "m", "created_at": 1, "training_file": "file-1"}
START = {"action": "createFineTuningJob", "inputs": {"model": "m", "training_file": "file-1"}}


async def test_a_job_is_started_waited_for_cancelled_and_fetched(house: House):  # noqa: F811
    """Each verb takes a handle and gives a newer one; a wait that is over says so, and nothing is kept here."""
    house.upstream.scripts = [reply(body=JOB)]
    handle = (await house.client.post(f"{V1}/jobs/start", json=START)).json()["handle"]
    assert handle["ids"]["fine_tuning_job_id"] == "ftjob-1"
    seen = (await house.client.post(f"{V1}/jobs/status", json={"handle": handle})).json()
    assert (seen["state"], seen["end"]) == ("running", None)
    late = (await house.client.post(f"{V1}/jobs/wait", json={"handle": handle, "timeout": 0.1})).json()
    assert (late["end"], late["handle"]["name"]) == (None, handle["name"])
    house.upstream.scripts = [reply(body={**JOB, "status": "succeeded", "fine_tuned_model": "ft:m"})]
    ended = read((await house.client.post(f"{V1}/jobs/resume", json={"handle": late["handle"]}, headers=ASK)).text)
    assert [name for name, _ in ended] == ["tick", "result"]
    assert ended[-1][1]["end"] == "success"
    left = (await house.client.post(f"{V1}/jobs/fetch", json={"handle": ended[-1][1]["handle"]})).json()
    assert (left["kind"], left["value"]) == ("value", "ft:m")
    house.upstream.scripts = [reply(body={**JOB, "status": "cancelled"})]
    assert (await house.client.post(f"{V1}/jobs/cancel", json={"handle": handle})).json()["end"] == "cancelled"
    assert house.upstream.last.target.endswith("/fine_tuning/jobs/ftjob-1/cancel")


async def test_rows_of_a_job_come_with_their_number(house: House, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """The first of them as values; where there are more, all of them as a file."""
    monkeypatch.setattr("kosha_connector_openai.gateway.pages.jobs_api._ROWS", 1)
    batch = {"object": "batch", "id": "batch_1", "status": "completed", "output_file_id": "file-o", "input_file_id": "file-i"}
    lines = b"".join(b'{"custom_id": "%d", "response": {"status_code": 200, "body": {"n": %d}}}\n' % (n, n) for n in range(3))
    plain = {"name": "batch-20261128000000-00000000", "connector": "openai", "kind": "batch", "action": "createBatch"}
    handle = {"kosha_job": 1, **plain, "origin": house.upstream.url, "created": "x", "phase": "started", "ids": {"batch_id": "batch_1"}}
    kept = reply(body=lines, content_type="application/jsonl")
    house.upstream.scripts = [reply(body=batch), kept, kept]
    left = (await house.client.post(f"{V1}/jobs/fetch", json={"handle": handle, "file": "link"})).json()
    assert left["kind"] == "lines", left
    assert ([row["body"] for row in left["value"]], left["rows"]["total"]) == ([{"n": 0}], 3)
    assert len((await house.client.get(left["rows"]["all"]["href"])).text.splitlines()) == 3


async def test_a_handle_reaches_nothing_that_its_caller_may_not(house: House):  # noqa: F811
    """No action that is not the caller's, no other server, no file of this machine, no body of another shape."""
    house.upstream.scripts = [reply(body=JOB)]
    handle = (await house.client.post(f"{V1}/jobs/start", json=START)).json()["handle"]
    sent = len(house.upstream.requests)
    upload = {**handle, "kind": "upload", "source": {"path": "/etc/passwd", "name": "x", "size": 1, "md5": "0" * 32, "part_size": 1}}
    for body, said in (
        ({"handle": {**handle, "origin": "https://other.example"}}, "another server"),
        ({"handle": {**handle, "ids": {"fine_tuning_job_id": "../models"}}}, "path"),
        ({"handle": upload}, "upload"),
        ({"handle": {}}, "handle"),
        ({"handle": handle, "out": "/tmp/x"}, "object"),
    ):
        for verb in ("status", "wait", "fetch"):
            answer = await house.client.post(f"{V1}/jobs/{verb}", json=body)
            assert answer.status_code >= 400, (body, verb)
            assert said in answer.text, answer.text
    house.caller = ONLY_MODELS
    assert (await house.client.post(f"{V1}/jobs/status", json={"handle": handle})).status_code == 404
    assert (await house.client.post(f"{V1}/jobs/start", json=START)).status_code == 404
    assert len(house.upstream.requests) == sent


async def test_the_calls_of_a_flow_count_in_a_minute(house: House):  # noqa: F811
    """A flow is no way round the limit: each call counts, the first with the request."""
    caller = Caller("ci", "acme", "default", "on", Allowance(9, 9, 2))
    admission = Admission(calls=9, streams=9, queue=1, queue_seconds=1, clock=lambda: 0.0)
    context = house.pages._context
    calls = CheckedCalls(context.connector, context.connections, None, admission)
    admission.begin(caller.name, caller.allowance)
    house.upstream.scripts = [reply(body={"object": "list", "data": []})]
    pages = FlowPages(calls, house.pages._files, house.pages._bodies)
    three = document(*(step(f"s{number}", "listModels") for number in range(3)))
    answer = await pages._workflows.run(caller, {"document": three})
    assert answer.status == 502
    assert [record["outcome"] for record in answer.value["result"]["steps"]] == ["succeeded", "succeeded", "failed"]
    assert len(house.upstream.requests) == 2
