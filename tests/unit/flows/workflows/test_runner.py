"""Runs: what a run leaves, what it never leaves, what a step may run besides operations, and what is never sent twice."""

from __future__ import annotations

import json
import logging
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector
from kosha_connector_openai.errors import InputError, SetupError, WorkflowDocumentError, WorkflowError, WorkflowLimitError
from kosha_connector_openai.flows.workflows import FileJournal, RunLimits, read_workflows, run_workflow
from tests.canary import Canary
from tests.recorder import Recorder, raw, reply, reset

HEAD: Mapping[str, Any] = {
    "arazzo": "1.0.1",
    "info": {"title": "T", "version": "1"},
    "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}],
}


def document(*steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    named = [{"stepId": f"s{number}", **step} for number, step in enumerate(steps)]
    return {**HEAD, "workflows": [{"workflowId": "w", "steps": named, **more}]}


def embed(**more: Any) -> dict[str, Any]:
    return {"operationId": "createEmbedding", "requestBody": {"payload": {"model": "m", "input": "x"}}, **more}


VECTOR = reply(200, {"object": "list", "data": [{"index": 0, "embedding": [1.0]}], "model": "m", "usage": {"total_tokens": 2}})


@pytest.fixture
def at(connector: Connector) -> Callable[..., Connection]:
    return lambda upstream: connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, retries={"attempts": 1})


def test_a_run_leaves_lines_for_its_steps_and_for_itself(connector: Connector, at: Callable[..., Connection], tmp_path: Path) -> None:
    """Each line names its run; the last has the sum of the usage; the file is its owner's alone."""
    path = tmp_path / "runs.jsonl"
    read = read_workflows(document(embed(), embed()), connector)
    with Recorder(VECTOR) as upstream, FileJournal(path) as journal:
        result = run_workflow(read, connector, at(upstream), journal=journal)
        run_workflow(read, connector, at(upstream), journal=journal)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 6
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one, two, whole = lines[:3]
    assert {one["run"], two["run"], whole["run"]} == {result.run}
    assert (one["step"], one["outcome"], one["status"], one["usage"], one["requests"]) == ("s0", "succeeded", 200, {"total_tokens": 2}, 1)
    assert (whole["outcome"], whole["steps"], whole["usage"]) == ("succeeded", 2, {"total_tokens": 4})
    assert lines[3]["run"] != result.run


def test_a_journal_is_no_link_and_its_failure_is_told(tmp_path: Path) -> None:
    """A link and a missing folder are refused, and the link's target is not made."""
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(SetupError):
        FileJournal(link)
    with pytest.raises(SetupError):
        FileJournal(tmp_path / "missing" / "file")
    assert not target.exists()


def test_nothing_that_a_run_leaves_shows_a_text_or_a_key(
    connector: Connector, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts, answers and keys are in the outputs and on the wire, and nowhere else."""
    canary, secret = Canary(), "prompt-canary-90210"
    monkeypatch.setenv("OPENAI_API_KEY", canary.key)
    steps = [
        embed(requestBody={"payload": {"model": "m", "input": "$inputs.text"}}),
        embed(requestBody={"payload": {"model": "m", "input": "$inputs.text"}}, successCriteria=[{"condition": "$inputs.text == 'no'"}]),
    ]
    read = read_workflows(document(*steps, inputs={"type": "object", "properties": {"text": {"type": "string"}}}), connector)
    seen: list[str] = []
    with Recorder(VECTOR) as upstream, FileJournal(tmp_path / "j") as journal, caplog.at_level(logging.DEBUG):
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        with pytest.raises(WorkflowError) as failure:
            run_workflow(read, connector, connection, {"text": secret}, journal=journal, watch=lambda move: seen.append(repr(move)))
    error = failure.value
    shown = (tmp_path / "j").read_text() + caplog.text + repr(error) + str(error) + json.dumps(error.to_dict()) + "".join(seen)
    shown += json.dumps(error.result.to_dict()) + repr(error.result)
    assert secret not in shown
    assert canary.key not in shown
    assert secret in upstream.last.body.decode()


def test_a_paid_call_that_may_have_run_is_not_repeated(connector: Connector, at: Callable[..., Connection]) -> None:
    """The document says retry; who knows that it is safe says so, too."""
    read = read_workflows(document(embed(onFailure=[{"name": "again", "type": "retry", "retryLimit": 3}])), connector)
    with Recorder(reset) as upstream, pytest.raises(WorkflowError) as failure:
        run_workflow(read, connector, at(upstream), sleep=lambda _: None)
    assert len(upstream.requests) == 1
    assert (failure.value.reason or {})["code"] in ("outcome_unknown", "truncated_reply")
    with Recorder(reset, VECTOR) as upstream:
        run_workflow(read, connector, at(upstream), options=CallOptions(unsafe_retries=True), sleep=lambda _: None)
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("first", "calls"),
    [
        (reply(500, {}), 1),
        (reply(502, b"<html>", content_type="text/html"), 1),
        (reply(503, {}), 1),
        (reply(503, {}, [("retry-after", "1")]), 2),
        (reply(524, b"", content_type=None), 1),
        (reply(408, {}), 1),
        (reply(429, {}), 2),
        (reply(200, b"{", length=9), 1),
    ],
)
def test_a_retry_follows_the_one_rule(connector: Connector, at: Callable[..., Connection], first: Any, calls: int) -> None:
    """What a plain call would not send again, a workflow does not either: behind a proxy that gave up, the paid work may be done."""
    read = read_workflows(document(embed(onFailure=[{"name": "again", "type": "retry", "retryLimit": 3}])), connector)
    with Recorder(first, VECTOR) as upstream:
        expected = pytest.raises(WorkflowError) if calls == 1 else nullcontext()
        with expected as failure:
            run_workflow(read, connector, at(upstream), sleep=lambda _: None)
    assert len(upstream.requests) == calls
    assert failure is None or failure.value.retryable is None


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({"onFailure": [{"name": "again", "type": "retry"}]}, 1),
        ({"onFailure": [{"name": "again", "type": "retry", "criteria": [{"condition": "$response.body#/model == 'small'"}]}]}, 2),
    ],
)
def test_an_answer_that_does_not_meet_the_criteria_was_paid_for(
    connector: Connector, at: Callable[..., Connection], change: Any, calls: int
) -> None:
    """Another is asked for only where the action itself says of which answers."""
    read = read_workflows(document(embed(successCriteria=[{"condition": "$response.body#/model == 'large'"}], **change)), connector)
    data = [{"object": "embedding", "index": 0, "embedding": [0.1]}]
    answers = [reply(200, {"object": "list", "model": model, "data": data}) for model in ("small", "large")]
    with Recorder(*answers) as upstream, pytest.raises(WorkflowError) if calls == 1 else nullcontext():
        run_workflow(read, connector, at(upstream), sleep=lambda _: None)
    assert len(upstream.requests) == calls


def test_an_error_in_a_200_is_no_success_by_its_status(connector: Connector, at: Callable[..., Connection]) -> None:
    """Nor one in a stream: a criterion about the status does not make an answer of it."""
    read = read_workflows(document(embed(successCriteria=[{"condition": "$statusCode == 200"}])), connector)
    with Recorder(reply(200, {"error": {"message": "m", "code": "server_error"}})) as upstream, pytest.raises(WorkflowError) as failure:
        run_workflow(read, connector, at(upstream), sleep=lambda _: None)
    assert ((failure.value.reason or {})["category"], failure.value.retryable, len(upstream.requests)) == ("server", None, 1)


def test_a_workflow_inside_is_not_begun_again_either(connector: Connector, at: Callable[..., Connection]) -> None:
    """The step that failed inside may have run."""
    retry = [{"name": "again", "type": "retry", "retryLimit": 3}]
    outer = {"workflowId": "outer", "steps": [{"stepId": "all", "workflowId": "w", "onFailure": retry}]}
    inner = document(embed())
    read = read_workflows({**inner, "workflows": [*inner["workflows"], outer]}, connector)
    with Recorder(reply(502, {}), VECTOR) as upstream, pytest.raises(WorkflowError):
        run_workflow(read, connector, at(upstream), workflow="outer", sleep=lambda _: None)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("answers", "calls"), [(["paid", "busy"], 2), (["busy", "paid", "paid"], 3), (["paid", "lost"], 2)])
def test_a_workflow_of_several_calls_is_not_begun_again_where_one_was_paid_for(
    connector: Connector, at: Callable[..., Connection], answers: list[str], calls: int
) -> None:
    """The second call's rate limit says nothing of the first: the workflow as a whole may not be run again, by a step or a caller."""
    scripts = {"paid": VECTOR, "busy": reply(429, {}), "lost": reply(500, {})}
    outer = {"workflowId": "outer", "steps": [{"stepId": "all", "workflowId": "w", "onFailure": [{"name": "again", "type": "retry"}]}]}
    inner = document({**embed(), "stepId": "first"}, {**embed(), "stepId": "second"})
    read = read_workflows({**inner, "workflows": [*inner["workflows"], outer]}, connector)
    sent_twice = answers[0] == "busy"
    for name in ("outer", "w"):
        with Recorder(*(scripts[answer] for answer in answers)) as upstream:
            fails = nullcontext() if sent_twice and name == "outer" else pytest.raises(WorkflowError)
            with fails as failure:
                run_workflow(read, connector, at(upstream), workflow=name, options=CallOptions(attempts=1), sleep=lambda _: None)
        assert len(upstream.requests) == (1 if sent_twice and name == "w" else calls), name
        assert failure is None or failure.value.retryable is (True if sent_twice else None), name


def test_a_harmless_call_is_repeated(connector: Connector, at: Callable[..., Connection]) -> None:
    """A GET whose connection broke is sent again by the step's retry."""
    read = read_workflows(document({"operationId": "listModels", "onFailure": [{"name": "again", "type": "retry"}]}), connector)
    with Recorder(reset, reply(200, {"object": "list", "data": []})) as upstream:
        assert run_workflow(read, connector, at(upstream), sleep=lambda _: None).outcome == "succeeded"


def test_a_cut_stream_is_a_failure(connector: Connector, at: Callable[..., Connection]) -> None:
    """U12: half an answer is no answer."""
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Half"}}]}\n\n'
    cut = raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + chunk)
    payload = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    step = {
        "operationId": "createChatCompletion",
        "requestBody": {"payload": payload},
        "successCriteria": [{"condition": "$statusCode == 200"}],
    }
    with Recorder(cut) as upstream, pytest.raises(WorkflowError):
        run_workflow(read_workflows(document(step), connector), connector, at(upstream))


def test_inputs_that_the_action_refuses_fail_the_step_and_send_nothing(connector: Connector, at: Callable[..., Connection]) -> None:
    """A refused input is not repeated, whatever the step's retry says."""
    step = embed(requestBody={"payload": {"model": "m", "input": "$inputs.text"}}, onFailure=[{"name": "again", "type": "retry"}])
    read = read_workflows(document(step, inputs={"type": "object", "properties": {"text": {}}}), connector)
    with Recorder() as upstream, pytest.raises(WorkflowError) as failure:
        run_workflow(read, connector, at(upstream), {"text": {"not": "a text"}}, sleep=lambda _: None)
    assert upstream.silent
    assert (failure.value.step, (failure.value.reason or {})["code"]) == ("s0", "input")
    assert len(failure.value.result.steps) == 1


def test_a_value_that_is_not_there_fails_the_step_before_it_is_sent(connector: Connector, at: Callable[..., Connection]) -> None:
    """The payload's pointer is in the error, and only the first step was sent."""
    first = embed(outputs={"model": "$response.body#/data/0/nothing_like_it"})
    second = embed(requestBody={"payload": {"model": "$steps.s0.outputs.model", "input": "x"}})
    with Recorder(VECTOR) as upstream, pytest.raises(WorkflowError) as failure:
        run_workflow(read_workflows(document(first, second), connector), connector, at(upstream))
    assert len(upstream.requests) == 1
    assert failure.value.pointer == "/workflows/0/steps/1/requestBody/payload/model"


def test_an_input_that_may_be_left_out_is_left_out(connector: Connector, at: Callable[..., Connection]) -> None:
    """The request lacks the optional field, and has the default of the other."""
    inputs = {"type": "object", "properties": {"size": {"type": "integer"}, "model": {"type": "string", "default": "d"}}}
    step = embed(requestBody={"payload": {"model": "$inputs.model", "input": "x", "dimensions": "$inputs.size"}})
    with Recorder(VECTOR) as upstream:
        run_workflow(read_workflows(document(step, inputs=inputs), connector), connector, at(upstream))
    assert upstream.last.json() == {"model": "d", "input": "x"}


def test_a_run_ends_at_its_limits(connector: Connector, at: Callable[..., Connection]) -> None:
    """A loop ends at the number of steps, at the time and at the depth."""
    loop = {"operationId": "listModels", "onSuccess": [{"name": "again", "type": "goto", "stepId": "s0"}]}
    nested = {**HEAD, "workflows": [{"workflowId": "w", "steps": [{"stepId": "s", "workflowId": "w"}]}]}
    now = iter(range(0, 10_000, 10))
    cases: list[tuple[Any, dict[str, Any]]] = [
        (document(loop), {"limits": RunLimits(steps=5)}),
        (document(loop), {"limits": RunLimits(seconds=60), "clock": lambda: float(next(now))}),
        (nested, {"limits": RunLimits(depth=3)}),
    ]
    for source, settings in cases:
        with Recorder(reply(200, {"object": "list", "data": []})) as upstream, pytest.raises(WorkflowLimitError):
            run_workflow(read_workflows(source, connector), connector, at(upstream), **settings)
        assert len(upstream.requests) <= 6


def test_a_wait_that_is_too_long_is_a_failure(connector: Connector, at: Callable[..., Connection]) -> None:
    """A Retry-After of more than an hour is not waited for."""
    step = {"operationId": "listModels", "onFailure": [{"name": "again", "type": "retry"}]}
    busy = reply(503, {"error": {"message": "Busy"}}, [("Retry-After", "4000")])
    pauses: list[float] = []
    with Recorder(busy) as upstream, pytest.raises(WorkflowError):
        run_workflow(read_workflows(document(step), connector), connector, at(upstream), sleep=pauses.append)
    assert (len(upstream.requests), pauses) == (1, [])


def test_a_server_that_is_not_ready_says_when_to_ask_again(connector: Connector, at: Callable[..., Connection]) -> None:
    """Retry-After counts on every reply, not only on errors."""
    step = {
        "operationId": "retrieveBatch",
        "parameters": [{"name": "batch_id", "in": "path", "value": "b"}],
        "successCriteria": [{"condition": "$response.body#/status == 'completed'"}],
        "onFailure": [{"name": "wait", "type": "retry", "retryAfter": 60, "retryLimit": 5}],
    }
    running = reply(200, {"id": "b", "status": "in_progress"}, [("Retry-After", "3")])
    pauses: list[float] = []
    with Recorder(running, running, reply(200, {"id": "b", "status": "completed"})) as upstream:
        result = run_workflow(read_workflows(document(step), connector), connector, at(upstream), sleep=pauses.append)
    assert pauses == [3, 3]
    assert [(record.error, record.then) for record in result.steps] == [("criteria", "retry"), ("criteria", "retry"), (None, "next")]


def test_a_step_that_says_when_to_retry_is_sent_once_each_time(connector: Connector) -> None:
    """The connector's own attempts do not multiply the document's; without a retry in the document they are made."""
    busy = reply(503, {"error": {"message": "Busy"}})
    for action, sent in (([{"name": "again", "type": "retry", "retryLimit": 1}], 2), ([], 2)):
        with Recorder(busy) as upstream:
            connection = connector.connection(
                {"server_url": upstream.url, "auth_type": "NONE"}, environ={}, retries={"attempts": 2, "base": 0.01, "cap": 0.01}
            )
            step = {"operationId": "listModels"} | ({"onFailure": action} if action else {})
            with pytest.raises(WorkflowError):
                run_workflow(read_workflows(document(step), connector), connector, connection, sleep=lambda _: None)
            assert len(upstream.requests) == sent


def test_slow_patterns_and_queries_cost_no_time(connector: Connector, at: Callable[..., Connection]) -> None:
    """S10: a pattern runs in bounded time or is refused, in a regex criterion as in a JSONPath function."""
    body = reply(200, {"object": "list", "data": [{"id": "a" * 40 + "!", "object": "model"}]})
    for criterion in (
        {"context": "$response.body#/data/0/id", "condition": "^(a+)+$", "type": "regex"},
        {"context": "$response.body#/data/0/id", "condition": r"^(a|a)*\1$", "type": "regex"},
        {"context": "$response.body", "condition": "$.data[?match(@.id, '(a+)+')]", "type": "jsonpath"},
        {"context": "$response.body", "condition": "$.data[?search(@.id, '^(a|a|b?)*$')]", "type": "jsonpath"},
    ):
        started = time.thread_time()
        source = document({"operationId": "listModels", "successCriteria": [criterion]})
        with Recorder(body) as upstream, pytest.raises((WorkflowError, WorkflowDocumentError)):
            run_workflow(read_workflows(source, connector), connector, at(upstream))
        assert time.thread_time() - started < 1


def test_a_query_that_could_multiply_is_refused(connector: Connector) -> None:
    """A query whose work grows with the square of the body is a fault of the document."""
    for query in ("$..a..b", "$[?count($.a[*]) > 1]"):
        criterion = {"context": "$response.body", "condition": query, "type": "jsonpath"}
        with pytest.raises(WorkflowDocumentError) as refusal:
            read_workflows(document({"operationId": "listModels", "successCriteria": [criterion]}), connector)
        assert refusal.value.faults[0].rule == "too-complex"


def test_without_the_library_a_query_is_refused_with_what_to_install(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix names the extra."""
    monkeypatch.setitem(sys.modules, "jsonpath_rfc9535", None)
    criterion = {"context": "$response.body", "condition": "$.data", "type": "jsonpath"}
    with pytest.raises(WorkflowDocumentError) as refusal:
        read_workflows(document({"operationId": "listModels", "successCriteria": [criterion]}), connector)
    assert "[workflows]" in refusal.value.faults[0].fix


def test_bytes_go_from_one_step_into_another(connector: Connector, at: Callable[..., Connection]) -> None:
    """A file that one action gives is the file that the next one takes."""
    speech = {"operationId": "createSpeech", "requestBody": {"payload": {"model": "m", "input": "Hi", "voice": "alloy"}}}
    speech["outputs"] = {"sound": "$response.body"}
    heard = {
        "operationId": "createTranscription",
        "requestBody": {"contentType": "multipart/form-data", "payload": {"model": "m", "file": "$steps.s0.outputs.sound"}},
        "outputs": {"text": "$response.body#/text"},
    }
    outputs = {"text": "$steps.s1.outputs.text", "sound": "$steps.s0.outputs.sound"}
    with Recorder(reply(200, b"ID3sound", content_type="audio/mpeg"), reply(200, {"text": "Hi"})) as upstream:
        result = run_workflow(read_workflows(document(speech, heard, outputs=outputs), connector), connector, at(upstream))
    assert b"ID3sound" in upstream.last.body
    assert result.outputs == {"text": "Hi", "sound": b"ID3sound"}
    assert result.to_dict()["outputs"]["sound"] == {"base64": "SUQzc291bmQ=", "size": 8}


def test_headers_of_a_reply_that_are_not_kept_are_refused(connector: Connector) -> None:
    """Set-Cookie can be no output."""
    with pytest.raises(WorkflowDocumentError) as refusal:
        read_workflows(document({"operationId": "listModels", "outputs": {"x": "$response.header.Set-Cookie"}}), connector)
    assert refusal.value.faults[0].pointer == "/workflows/0/steps/0/outputs/x"


def test_a_credential_cannot_be_a_parameter(connector: Connector) -> None:
    """P7: the connection alone says who calls."""
    parameters = [{"name": "Authorization", "in": "header", "value": "Bearer evil"}]
    with pytest.raises(WorkflowDocumentError) as refusal:
        read_workflows(document({"operationId": "listModels", "parameters": parameters}), connector)
    assert "connection" in refusal.value.faults[0].fix


def test_nothing_that_a_document_names_is_fetched(connector: Connector) -> None:
    """S1, S2, S4: descriptions and schemas come from the connector and from the document, whatever their URLs say."""
    with Recorder() as upstream:
        sources = [{"name": "openai", "url": f"{upstream.url}/openapi.json", "type": "openapi"}]
        steps = {"steps": [{"stepId": "s", "operationId": "listModels"}]}
        assert read_workflows({**HEAD, "sourceDescriptions": sources, "workflows": [{"workflowId": "w", **steps}]}, connector).workflows
        for reference in (f"{upstream.url}/x.json", "file:///proc/self/environ", "../secrets.yaml#/x", "#/nowhere", "#/workflows/0/inputs"):
            with pytest.raises(WorkflowDocumentError) as refusal:
                read_workflows({**HEAD, "workflows": [{"workflowId": "w", "inputs": {"$ref": reference}, **steps}]}, connector)
            assert refusal.value.faults[0].pointer == "/workflows/0/inputs"
        assert upstream.silent


def test_several_workflows_need_a_name(connector: Connector, at: Callable[..., Connection]) -> None:
    """Without one, or with a wrong one, no request is made."""
    two = {**HEAD, "workflows": [{"workflowId": name, "steps": [{"stepId": "s", "operationId": "listModels"}]} for name in ("one", "two")]}
    with Recorder() as upstream:
        for name in (None, "on"):
            with pytest.raises(InputError):
                run_workflow(read_workflows(two, connector), connector, at(upstream), workflow=name)
        assert upstream.silent


def test_an_interrupted_run_says_so_in_its_journal(connector: Connector, at: Callable[..., Connection]) -> None:
    """Ctrl-C in a pause leaves a last line."""
    lines: list[Mapping[str, Any]] = []

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    step = {"operationId": "listModels", "onFailure": [{"name": "again", "type": "retry", "retryAfter": 1}]}
    with Recorder(reply(503, {})) as upstream, pytest.raises(KeyboardInterrupt):
        run_workflow(read_workflows(document(step), connector), connector, at(upstream), journal=lines.append, sleep=stop)
    assert lines[-1]["outcome"] == "interrupted"
