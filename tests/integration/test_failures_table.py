"""The same failures of a server through every way to call it: one meaning, one verdict, one number of requests.

Each row is a failure of a paid POST. The library, the command line, a task, a workflow's step with a retry, a job's start and the gateway
meet it on real sockets; what they say of it and how often they sent the request must agree.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kosha_connector_openai import CallOptions, Connection, Connector, open_connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.cli.exit_codes import exit_code
from kosha_connector_openai.errors import ConnectorError, JobUnknownError, NotSentError, WorkflowError
from kosha_connector_openai.flows import Jobs, run_task
from kosha_connector_openai.flows.jobs import JobStore
from kosha_connector_openai.flows.workflows import read_workflows, run_workflow
from tests.gateway import TOKENS, Running, serving
from tests.recorder import Received, Recorder, Script, raw, reply, reset, silence
from tests.service import whole

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
JOB = {"model": "m", "training_file": "file-1"}
RETRIES = {"attempts": 2, "base": 0.001, "cap": 0.002}
QUICK = {"retries": RETRIES, "timeouts": {"head": 0.4, "read": 0.4, "total": 20}}
CALM = {"retries": RETRIES, "timeouts": {"head": 20, "read": 20, "total": 40}}
"""For a server that answers, however busy the machine is; ``QUICK`` is for one that falls silent."""
FLOW: Mapping[str, Any] = {
    "arazzo": "1.0.1",
    "info": {"title": "T", "version": "1"},
    "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "w",
            "steps": [
                {
                    "stepId": "s",
                    "operationId": "createChatCompletion",
                    "requestBody": {"payload": CHAT},
                    "onFailure": [{"name": "again", "type": "retry", "retryLimit": 1}],
                }
            ],
        }
    ],
}


def said(status: int, code: str | None = None, *headers: tuple[str, str], kind: str = "some_error") -> Script:
    return reply(status, {"error": {"message": "m", "type": kind, "param": None, "code": code}}, headers)


def page(status: int, *headers: tuple[str, str]) -> Script:
    return reply(status, b"<html>A timeout occurred</html>", headers, content_type="text/html")


def events(*data: Any) -> Script:
    return reply(200, b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in data), content_type="text/event-stream")


@dataclass(frozen=True)
class Failure:
    """What the server does, and what must be said of it."""

    name: str
    script: Script
    word: str
    """The category of an error answer; of any other error its code."""
    retryable: bool | None
    exit: int
    requests: int = 1
    gateway: int = 502
    """The status that the gateway's caller gets."""
    flow: int | None = None
    """The requests of a workflow's step with a retry, where a call by itself sends no second one: its answer had begun."""
    hint: str | None = None
    """The x-should-retry that a caller of the gateway is told."""
    options: Mapping[str, Any] = field(default_factory=lambda: CALM)


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


LIMIT = {"error": {"message": "m", "code": "rate_limit_exceeded"}}
BUSY = {"error": {"message": "m", "type": "overloaded_error"}}
HELLO = chunk(content="Hel")
TOOL = chunk(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}}])
STARTED = {"type": "response.created", "response": {"id": "r", "object": "response", "status": "in_progress", "output": []}}
ITEM = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs", "summary": []}}
BROKEN = {"id": "r", "object": "response", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}
USED = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
DONE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FAILURES = [
    Failure("400", said(400), "invalid_input", False, 5, gateway=400),
    Failure("400 content filter", said(400, "content_filter"), "content_policy", False, 5, gateway=400),
    Failure("400 too long", said(400, "context_length_exceeded"), "invalid_input", False, 5, gateway=400),
    Failure("402", said(402), "quota", False, 6, gateway=402),
    Failure("403", said(403), "permission", False, 6, gateway=403),
    Failure("404", said(404), "not_found", False, 5, gateway=404),
    Failure("408", said(408), "timeout", None, 7, gateway=408, hint="false"),
    Failure("409", said(409), "conflict", False, 5, gateway=409),
    Failure("410", said(410), "gone", False, 5, gateway=410),
    Failure("413", said(413), "invalid_input", False, 5, gateway=413),
    Failure("422 with a list", reply(422, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}), "invalid_input", False, 5, gateway=422),
    Failure("425", said(425), "overloaded", True, 7, 2, gateway=425),
    Failure("429", said(429), "rate_limit", True, 7, 2, gateway=429),
    Failure("413 cut", reply(413, b'{"error":', length=900), "invalid_input", False, 5, gateway=413),
    Failure("429 cut", reply(429, b'{"error":', length=900), "rate_limit", True, 7, 2, gateway=429),
    Failure("500 cut", reply(500, b'{"error":', length=900), "server", None, 7, gateway=500, hint="false"),
    Failure("429 retry-after", said(429, None, ("retry-after", "0.01")), "rate_limit", True, 7, 2, gateway=429),
    Failure("429 retry-after-ms", said(429, None, ("retry-after-ms", "10")), "rate_limit", True, 7, 2, gateway=429),
    Failure("429 retry-after a date", said(429, None, ("retry-after", formatdate(0, usegmt=True))), "rate_limit", True, 7, 2, gateway=429),
    Failure("429 retry-after nonsense", said(429, None, ("retry-after", "soon")), "rate_limit", True, 7, 2, gateway=429),
    Failure("429 retry-after an hour", said(429, None, ("retry-after", "3600")), "rate_limit", True, 7, 1, gateway=429),
    Failure("429 do not", said(429, None, ("x-should-retry", "false")), "rate_limit", False, 7, 1, gateway=429, hint="false"),
    Failure("429 no credit", said(429, "insufficient_quota"), "quota", False, 6, gateway=429),
    Failure("500", said(500), "server", None, 7, gateway=500, hint="false"),
    Failure("500 text", reply(500, b"Internal Server Error", content_type="text/plain"), "server", None, 7, gateway=500, hint="false"),
    Failure("500 do", said(500, None, ("x-should-retry", "true")), "server", None, 7, gateway=500, hint="true"),
    Failure("501", said(501), "unsupported", False, 5, gateway=501),
    Failure("502 page", page(502), "server", None, 7, gateway=502, hint="false"),
    Failure("503", said(503), "overloaded", None, 7, gateway=503, hint="false"),
    Failure("503 retry-after", said(503, None, ("retry-after", "0.01")), "overloaded", True, 7, 2, gateway=503),
    Failure("504 page", page(504), "server", None, 7, gateway=504, hint="false"),
    Failure("524 empty", reply(524, b"", content_type=None), "server", None, 7, gateway=524, hint="false"),
    Failure("529", said(529), "overloaded", None, 7, gateway=529, hint="false"),
    Failure("302", reply(302, b"", [("location", "https://other.example/")]), "redirect_refused", None, 9, hint="false"),
    Failure("307", reply(307, b"", [("location", "https://other.example/")]), "redirect_refused", None, 9, hint="false"),
    Failure("200 page", page(200), "malformed_reply", None, 9, gateway=200),
    Failure("200 half of the JSON", reply(200, b'{"id": '), "malformed_reply", None, 9, gateway=200),
    Failure("200 cut", reply(200, b'{"id": ', length=900), "truncated_reply", None, 9, hint="false"),
    Failure("200 gzip", reply(200, b"\x1f\x8b", [("content-encoding", "gzip")]), "truncated_reply", None, 9, hint="false"),
    Failure("200 with an error", said(200, "server_error"), "server", None, 7, gateway=200),
    Failure("200 with a rate limit", said(200, "rate_limit_exceeded"), "rate_limit", True, 7, 2, gateway=200),
    Failure("200 with no credit", said(200, "insufficient_quota"), "quota", False, 6, gateway=200),
    Failure("200 with a refusal", reply(200, {"object": "error", "message": "m", "code": 400}), "invalid_input", False, 5, gateway=200),
    Failure("error in a stream", events({"error": {"message": "m", "code": "overloaded"}}), "overloaded", None, 7, gateway=200),
    Failure("no credit in a stream", events({"error": {"message": "m", "type": "insufficient_quota"}}), "quota", False, 6, gateway=200),
    Failure("refusal in a stream", events({"object": "error", "message": "m", "code": 400}), "invalid_input", False, 5, gateway=200),
    Failure("limit in a stream", events(LIMIT), "rate_limit", True, 7, 1, gateway=200, flow=2),
    Failure("limit as a bare event", events({"type": "rate_limit_error", "message": "m"}), "rate_limit", True, 7, 1, gateway=200, flow=2),
    Failure("limit after a role", events(chunk(role="assistant", content=""), LIMIT), "rate_limit", True, 7, 1, gateway=200, flow=2),
    Failure(
        "limit after a start", events(STARTED, {"type": "response.failed", "response": BROKEN}), "rate_limit", True, 7, gateway=200, flow=2
    ),
    Failure("limit after text", events(HELLO, LIMIT), "rate_limit", None, 7, gateway=200),
    Failure("limit with text", events({**HELLO, **LIMIT}), "rate_limit", None, 7, gateway=200),
    Failure("limit after a tool call", events(TOOL, LIMIT), "rate_limit", None, 7, gateway=200),
    Failure("limit after reasoning", events(chunk(reasoning_content="So"), LIMIT), "rate_limit", None, 7, gateway=200),
    Failure("limit after an item", events(STARTED, ITEM, {"type": "error", **LIMIT["error"]}), "rate_limit", None, 7, gateway=200),
    Failure("limit after a use", events({"choices": [], "usage": {"total_tokens": 3}}, LIMIT), "rate_limit", None, 7, gateway=200),
    Failure(
        "limit with a use", events({"type": "response.failed", "response": {**BROKEN, "usage": USED}}), "rate_limit", None, 7, gateway=200
    ),
    Failure("429 after text", events(HELLO, {"error": {"message": "m", "code": 429}}), "rate_limit", None, 7, gateway=200),
    Failure("overload after text", events(HELLO, BUSY), "overloaded", None, 7, gateway=200),
    Failure(
        "no credit after text", events(HELLO, {"error": {"message": "m", "code": "insufficient_quota"}}), "quota", False, 6, gateway=200
    ),
    Failure("200 with a limit and a use", reply(200, {**LIMIT, "usage": {"total_tokens": 3}}), "rate_limit", None, 7, gateway=200),
    Failure("reset", reset, "outcome_unknown", None, 8, hint="false"),
    Failure("closed", raw(b""), "outcome_unknown", None, 8, hint="false"),
    Failure("no HTTP", raw(b"SSH-2.0-x\r\n\r\n"), "malformed_reply", None, 9, hint="false"),
    Failure("half of the head", raw(b"HTTP/1.1 200 OK\r\nContent-"), "outcome_unknown", None, 8, hint="false"),
    Failure("no head", silence(3), "outcome_unknown", None, 8, hint="false", options=QUICK),
    Failure("no more after the head", None, "outcome_unknown", None, 8, gateway=504, hint="false", options=QUICK),  # type: ignore[arg-type]
    Failure("nobody listens", None, "not_sent", True, 7, 0, hint="true"),  # type: ignore[arg-type]
]


def stalled(connection: socket.socket, request: Received) -> bool:
    connection.sendall(DONE + b'Content-Length: 90\r\n\r\n{"id":')
    return silence(3)(connection, request)


class Upstream:
    """One server for all: it does what the present failure says."""

    def __init__(self) -> None:
        self.failure = FAILURES[0]
        self.recorder = Recorder(self._act)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            self.nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"

    def _act(self, connection: socket.socket, request: Received) -> bool:
        return (self.failure.script or stalled)(connection, request)

    @property
    def url(self) -> str:
        return self.nobody if self.failure.name == "nobody listens" else self.recorder.url


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
def gateways(upstream: Upstream) -> Iterator[dict[tuple[str, bool], Running]]:
    """By the address of the upstream, and whether it is one that answers."""
    with (
        serving(upstream.recorder.url, options=CALM) as usual,
        serving(upstream.recorder.url, options=QUICK) as silent,
        serving(upstream.nobody, options=CALM) as lonely,
    ):
        yield {(upstream.recorder.url, True): usual, (upstream.recorder.url, False): silent, (upstream.nobody, True): lonely}


@pytest.fixture(scope="module")
def pages(upstream: Upstream) -> Iterator[Running]:
    """The whole gateway, its own pages included."""
    home = {"values": {"server_url": upstream.recorder.url, "auth_type": "NONE"}, "options": CALM}
    with whole(upstream.recorder.url, settings={"tokens": TOKENS, "connections": {"default": home}}, tokens=False) as running:
        yield running


@dataclass(frozen=True)
class Seen:
    """What one way makes of a failure."""

    word: str
    retryable: bool | None
    exit: int
    requests: int


def word(values: Mapping[str, Any]) -> str:
    return str(values.get("category") or values["code"])


def of_error(error: ConnectorError, requests: int) -> Seen:
    return Seen(word(error.to_dict()), error.retryable, exit_code(error), requests)


def by_library(connector: Connector, connection: Connection, upstream: Upstream, folder: Path) -> Seen:
    with pytest.raises(ConnectorError) as caught:
        connector.run("createChatCompletion", CHAT, connection)
    return of_error(caught.value, len(upstream.recorder.requests))


def by_command(connector: Connector, connection: Connection, upstream: Upstream, folder: Path) -> Seen:
    (folder / "connection.yaml").write_text(json.dumps({"options": upstream.failure.options}))
    words = ["run", "createChatCompletion", "--json", "--json-input", json.dumps(CHAT), "--connection", str(folder / "connection.yaml")]
    done = CliRunner().invoke(make_app(), [*words, "--set", f"server_url={upstream.url}", "--set", "auth_type=NONE"])
    error = json.loads(done.stdout)["error"]
    return Seen(word(error), error["retryable"], done.exit_code, len(upstream.recorder.requests))


def by_task(connector: Connector, connection: Connection, upstream: Upstream, folder: Path) -> Seen:
    with pytest.raises(ConnectorError) as caught:
        run_task(connector, "ask", {"question": "hi"}, connection)
    return of_error(caught.value, len(upstream.recorder.requests))


def by_workflow(connector: Connector, connection: Connection, upstream: Upstream, folder: Path) -> Seen:
    """The step's error is the reason of the workflow's; the exit code is the workflow's own. A retry is a second request."""
    with pytest.raises(WorkflowError) as caught:
        run_workflow(read_workflows(FLOW, connector), connector, connection, sleep=lambda _: None)
    assert exit_code(caught.value) == 14
    reason = caught.value.reason or {}
    assert reason["retryable"] == caught.value.retryable
    return Seen(word(reason), caught.value.retryable, upstream.failure.exit, len(upstream.recorder.requests))


def by_job(connector: Connector, connection: Connection, upstream: Upstream, folder: Path) -> Seen:
    """A start after which the job may run is one of its own; its reason is the error behind it."""
    with pytest.raises(ConnectorError) as caught:
        Jobs(connector, connection, store=JobStore(folder / "jobs")).start("createFineTuningJob", JOB)
    requests = len(upstream.recorder.requests)
    if not isinstance(caught.value, JobUnknownError):
        return of_error(caught.value, requests)
    reason = caught.value.reason or {}
    assert exit_code(caught.value) == 8
    assert upstream.failure.retryable is not True
    return Seen(word(reason), reason["retryable"], upstream.failure.exit, requests)


WAYS = {"library": by_library, "command": by_command, "task": by_task, "workflow": by_workflow, "job": by_job}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_every_way_says_the_same(
    failure: Failure, upstream: Upstream, opened: Connector, gateways: dict[tuple[str, bool], Running], tmp_path: Path
) -> None:
    """Category, retryability, exit code and the number of requests; a paid POST is sent twice only where it surely did not run."""
    upstream.failure = failure
    # A tenant of its own, since the calls of one share a budget of retries.
    connection = opened.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, tenant=failure.name, **failure.options)
    seen = {}
    for name, way in WAYS.items():
        upstream.recorder.requests.clear()
        seen[name] = way(opened, connection, upstream, tmp_path)
    same = Seen(failure.word, failure.retryable, failure.exit, failure.requests)
    expected = dict.fromkeys(WAYS, same)
    if failure.flow:
        expected["workflow"] = replace(same, requests=failure.flow)
    assert seen == expected
    assert max(failure.requests, failure.flow or 0) < 2 or failure.retryable

    upstream.recorder.requests.clear()
    answer = gateways[upstream.url, failure.options is CALM].call("POST", "/v1/chat/completions", json=CHAT)
    assert (answer.status_code, answer.headers.get("x-should-retry")) == (failure.gateway, failure.hint)
    assert len(upstream.recorder.requests) == min(failure.requests, 1)


SHORT = {"choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "Hel"}}]}
LOST = {"index": 0, "finish_reason": "error", "error": LIMIT["error"], "message": CALL}
CUTS = {
    "cut stream": events({"choices": [{"index": 0, "delta": {"content": "Hel"}}]}),
    "stream of nothing": reply(200, b"data: [DONE]\n\n", content_type="text/event-stream"),
    "reached its limit": reply(200, SHORT),
}


@pytest.mark.parametrize("name", CUTS)
def test_an_answer_that_is_not_whole(name: str, upstream: Upstream, opened: Connector) -> None:
    """Library, task and command line, told to fail, say the same of it: code, retryability, exit code; one request each."""
    upstream.failure = Failure(name, CUTS[name], "incomplete_answer", False, 9)
    connection = opened.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, tenant=name, **CALM)
    upstream.recorder.requests.clear()
    warned = opened.run("createChatCompletion", CHAT, connection)
    assert (warned.outcome, bool(warned.warnings), bool(warned.reasons)) == ("incomplete", True, True)
    with pytest.raises(ConnectorError) as library:
        opened.run("createChatCompletion", CHAT, connection, CallOptions(policy="fail"))
    with pytest.raises(ConnectorError) as task:
        run_task(opened, "ask", {"question": "hi"}, connection)
    words = ["run", "createChatCompletion", "--json", "--json-input", json.dumps(CHAT), "--if-cut", "fail", "--set", "auth_type=NONE"]
    done = CliRunner().invoke(make_app(), [*words, "--set", f"server_url={upstream.url}"])
    told = [library.value.to_dict(), task.value.to_dict(), json.loads(done.stdout)["error"]]
    assert {(each["code"], each["retryable"]) for each in told} == {(library.value.code, library.value.retryable)}
    assert (exit_code(library.value), exit_code(task.value), done.exit_code) == (9, 9, 9)
    assert len(upstream.recorder.requests) == 4


@pytest.mark.parametrize("name", CUTS)
def test_an_answer_that_is_not_whole_is_never_sent_again(
    name: str, upstream: Upstream, opened: Connector, pages: Running, tmp_path: Path
) -> None:
    """A workflow whose document says retry, a job's start and the gateway's run: one request each, and all say that it is not whole."""
    upstream.failure = Failure(name, CUTS[name], "incomplete_answer", False, 9)
    connection = opened.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, tenant=name, **CALM)
    document, lines = read_workflows(FLOW, opened), []
    sent = upstream.recorder.requests

    sent.clear()
    with pytest.raises(WorkflowError) as failed:
        run_workflow(document, opened, connection, options=CallOptions(policy="fail"), sleep=lambda _: None)
    assert ((failed.value.reason or {})["code"], failed.value.retryable, len(sent)) == ("incomplete_answer", False, 1)
    (record,) = failed.value.result.steps
    assert (record.outcome, record.answer, record.error, record.status, record.requests) == (
        "failed",
        "incomplete",
        "incomplete_answer",
        200,
        1,
    )

    sent.clear()
    if name == "reached its limit":
        (record,) = run_workflow(document, opened, connection, journal=lines.append).steps
        assert (record.outcome, record.error) == ("succeeded", None)
    else:
        with pytest.raises(WorkflowError) as cut:
            run_workflow(document, opened, connection, journal=lines.append, sleep=lambda _: None)
        (record,) = cut.value.result.steps
        assert ((cut.value.reason or {})["code"], cut.value.retryable) == ("incomplete_answer", False)
    assert (record.answer, [fault.rule for fault in record.warnings], len(sent)) == ("incomplete", ["incomplete"], 1)
    assert (lines[0]["answer"], lines[0]["warnings"]) == ("incomplete", ["incomplete"])

    sent.clear()
    with pytest.raises(JobUnknownError):
        Jobs(opened, connection, store=JobStore(tmp_path / "jobs")).start("createFineTuningJob", JOB)
    assert len(sent) == 1

    sent.clear()
    answer = pages.call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": CHAT})
    told = answer.json()
    assert (answer.status_code, told["outcome"], bool(told["warnings"]), len(sent)) == (200, "incomplete", True, 1)


@pytest.mark.parametrize(("name", "retryable"), [("limit in a stream", True), ("limit after text", None), ("overload after text", None)])
def test_the_gateways_pages_say_whether_a_call_may_be_sent_again(
    name: str, retryable: bool | None, upstream: Upstream, pages: Running
) -> None:
    """An action's run, plain and as events, and a workflow's: the same verdict, and a second request only where the first did not run."""
    upstream.failure = next(failure for failure in FAILURES if failure.name == name)
    sent = upstream.recorder.requests
    plain = pages.call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": CHAT})
    asked = {"Accept": "text/event-stream"}
    told = pages.call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": CHAT}, headers=asked).text
    last = json.loads(told.rpartition("event: error\ndata: ")[2])
    sent.clear()
    flow = pages.call("POST", "/kosha/v1/workflows/run", json={"document": FLOW})
    assert len(sent) == (2 if retryable else 1)
    details = [values["error"]["detail"] for values in (plain.json(), last, flow.json())]
    assert [detail["retryable"] for detail in details] == [retryable] * 3


def test_an_error_beside_a_part_of_the_answer_is_not_sent_again(upstream: Upstream, opened: Connector, tmp_path: Path) -> None:
    """A 200 whose choice has a tool call and a rate limit: the call ran, whatever the category says."""
    upstream.failure = Failure("a call and a limit", reply(200, {**LIMIT, "choices": [LOST]}), "rate_limit", None, 7)
    connection = opened.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, **CALM)
    for way in (by_library, by_workflow):
        upstream.recorder.requests.clear()
        assert way(opened, connection, upstream, tmp_path) == Seen("rate_limit", None, 7, 1)


def test_a_full_pool_is_told_as_one_by_every_way(upstream: Upstream, opened: Connector, tmp_path: Path) -> None:
    """While a stream holds the one connection: the pool and its setting are named, nobody is sent to check the URL, nothing is sent."""
    over = threading.Event()

    def held(connection: socket.socket, request: Received) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: %b\n\n" % json.dumps(HELLO).encode())
        over.wait(30)
        return False

    upstream.failure = Failure("held", held, "not_sent", True, 7, 0)
    full = {"limits": {"connections": 1}, "timeouts": {"pool": 0.05}, "retries": {"attempts": 1}}
    connection = opened.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, engine="httpx", **full)
    with opened.stream("createChatCompletion", {**CHAT, "stream": True}, connection) as stream:
        reading = iter(stream)
        next(reading)
        for name, way in WAYS.items():
            if name != "command":  # a process of its own has a pool of its own
                upstream.recorder.requests.clear()
                assert way(opened, connection, upstream, tmp_path) == Seen("not_sent", True, 7, 0), name
        with pytest.raises(NotSentError) as caught:
            opened.test(connection)
        over.set()
    assert ("limits.connections" in caught.value.hint, "URL" in str(caught.value)) == (True, False)
