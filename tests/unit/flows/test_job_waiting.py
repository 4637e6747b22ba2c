"""A wait: when it asks, what it tolerates, how it ends, and that nothing secret is in what it hands out."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import InputError, JobEndedError, JobPendingError, JobUnknownError
from kosha_connector_openai.flows.jobs import Handle, Jobs, Tick, WaitOptions, read_handle
from kosha_connector_openai.flows.jobs.handle import new_handle
from kosha_connector_openai.flows.jobs.state import Schedule
from kosha_connector_openai.manifest.parts.jobs import Hint, Poll
from tests.canary import Canary

RESPONSE = {"model": "m", "input": "a private prompt", "background": True}
STATUS = "https://api.openai.com/v1/responses/resp_1"
GOING = {"id": "resp_1", "object": "response", "status": "in_progress"}
DONE = {**GOING, "status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}]}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.pauses: list[float] = []
        monkeypatch.setattr("kosha_connector_openai.flows.driving.time.sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if seconds:
            self.pauses.append(round(seconds, 6))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    del key
    return connector.connection({}, engine="httpx", retries={"attempts": 1})


@pytest.fixture
def jobs(connector: Connector, connection: Connection) -> Jobs:
    return Jobs(connector, connection)


@pytest.fixture
def handle(jobs: Jobs, httpx_mock: HTTPXMock) -> Handle:
    httpx_mock.add_response(method="POST", json=GOING)
    return jobs.start("createResponse", RESPONSE)


def options(clock: Clock, ticks: list[Tick] | None = None, **more: Any) -> WaitOptions:
    return WaitOptions(clock=clock, rand=lambda: 0.0, progress=None if ticks is None else ticks.append, **more)


def test_the_schedule_grows_to_its_cap(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """1 s, then half as long again each time, and never more than 15 s: the data of this kind."""
    for _ in range(9):
        httpx_mock.add_response(url=STATUS, json=GOING)
    httpx_mock.add_response(url=STATUS, json=DONE)
    assert jobs.wait(handle, options(clock), fresh=True).ok
    assert clock.pauses == [1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 15, 15, 15]


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        ({"openai-poll-after-ms": "2500"}, 2.5),
        ({"retry-after": "7"}, 7),
        ({"openai-poll-after-ms": "100", "retry-after": "7"}, 0.1),
        ({"openai-poll-after-ms": "999999999"}, 1),
        ({"openai-poll-after-ms": "-5"}, 1),
        ({"openai-poll-after-ms": "nan"}, 1),
        ({"retry-after": "soon"}, 1),
        ({}, 1),
    ],
)
def test_the_server_says_when_to_ask(
    jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock, headers: dict[str, str], first: float
) -> None:
    """Its hint counts where it can be used, up to the cap of the data."""
    httpx_mock.add_response(url=STATUS, json=GOING, headers=headers)
    httpx_mock.add_response(url=STATUS, json=DONE)
    assert jobs.wait(handle, options(clock)).ok
    assert clock.pauses == [first]


def test_jitter_is_bounded() -> None:
    """Own pauses shrink by at most a quarter; a server's are never shorter than asked and at most a tenth longer."""
    for rand in (0.0, 0.5, 0.999):
        schedule = Schedule(Poll(start=4, factor=2, cap=8), (Hint(header="h"),), 60, WaitOptions(rand=lambda rand=rand: rand))  # type: ignore[misc]
        assert 3 <= schedule.pause() <= 4
        assert 10 <= schedule.pause({"h": "10"}) <= 11
        assert 6 <= schedule.pause() <= 8


FAULTS = [
    {"status_code": 503},
    {"status_code": 429, "headers": {"retry-after": "3"}},
    {"status_code": 502, "html": "<html>"},
    {"status_code": 200, "content": b"{", "headers": {"content-type": "application/json"}},
    {"status_code": 200, "html": "<html>"},
]


def test_failures_of_the_question_are_tolerated(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """A busy server, a proxy's page, a cut answer, a broken connection: asked again, told, and the job is found at its end."""
    for fault in FAULTS:
        httpx_mock.add_response(url=STATUS, **fault)
    httpx_mock.add_exception(httpx.ReadError("gone"), url=STATUS)
    httpx_mock.add_exception(httpx.ConnectError("down"), url=STATUS)
    httpx_mock.add_response(url=STATUS, json=DONE)
    ticks: list[Tick] = []
    status = jobs.wait(handle, options(clock, ticks))
    assert status.ok
    assert [tick.trouble.code if tick.trouble else None for tick in ticks] == [
        "unavailable", "unavailable", "unavailable", "malformed_reply", "malformed_reply", "outcome_unknown", "not_sent", None,
    ]  # fmt: skip
    assert clock.pauses[1] == 3
    assert [request.method for request in httpx_mock.get_requests()] == ["POST"] + ["GET"] * 8


def test_too_many_failures_end_the_wait_with_the_handle(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """Ten in a row are tolerated; the eleventh is told, with its reason and all that is needed to go on."""
    httpx_mock.add_response(url=STATUS, status_code=503, is_reusable=True)
    with pytest.raises(JobPendingError) as caught:
        jobs.wait(handle, options(clock))
    assert len(httpx_mock.get_requests()) == 12
    assert caught.value.reason is not None
    assert (caught.value.reason["status"], read_handle(caught.value.handle).ids) == (503, {"response_id": "resp_1"})


def test_a_failure_in_between_does_not_add_up(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """Only failures in a row count."""
    for _ in range(15):
        httpx_mock.add_response(url=STATUS, status_code=503)
        httpx_mock.add_response(url=STATUS, json=GOING)
    httpx_mock.add_response(url=STATUS, json=DONE)
    assert jobs.wait(handle, options(clock)).ok


@pytest.mark.parametrize(("status", "asked"), [(401, 1), (403, 1), (404, 4)])
def test_what_will_not_change_ends_the_wait(
    jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock, status: int, asked: int
) -> None:
    """A refused key is told at once; a job that the server does not know yet gets three more chances."""
    httpx_mock.add_response(url=STATUS, status_code=status, json={"error": {"message": "no"}}, is_reusable=True)
    with pytest.raises(JobPendingError) as caught:
        jobs.wait(handle, options(clock))
    assert caught.value.reason is not None
    assert caught.value.reason["status"] == status
    assert len(httpx_mock.get_requests()) == 1 + asked


@pytest.mark.parametrize("timeout", [0.5, 10, 61])
def test_the_wait_ends_in_time(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock, timeout: float) -> None:
    """Not later than asked, with one question at the end; the error says so and carries the handle."""
    httpx_mock.add_response(url=STATUS, json=GOING, is_reusable=True)
    started = clock.now
    with pytest.raises(JobPendingError, match=f"within {timeout:g} seconds") as caught:
        jobs.wait(handle, options(clock, timeout=timeout), fresh=True)
    assert clock.now - started == pytest.approx(timeout)
    assert caught.value.handle == handle.with_(state="in_progress").to_dict()


def test_a_state_that_nobody_named_goes_on(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """A new word of the API does not end a wait, and neither does an answer without a state."""
    for value in ({**GOING, "status": "thinking"}, {"id": "resp_1"}, {**GOING, "status": 7}, DONE):
        httpx_mock.add_response(url=STATUS, json=value)
    ticks: list[Tick] = []
    assert jobs.wait(handle, options(clock, ticks)).ok
    assert [tick.state for tick in ticks] == ["thinking", "unknown", "unknown", "completed"]


def test_an_incomplete_answer_is_no_success(jobs: Jobs, handle: Handle, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """It says why, and its text can still be fetched."""
    body = {**DONE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    httpx_mock.add_response(url=STATUS, json=body)
    status = jobs.wait(handle, options(clock))
    assert (status.end, status.ok, status.error) == ("incomplete", False, "max_output_tokens")
    assert jobs.fetch(status).value == "Yes."


FILES = {"id": "vsfb", "object": "vector_store.files_batch", "vector_store_id": "vs", "status": "completed"}


def test_a_batch_that_was_refused_for_its_lines(jobs: Jobs, httpx_mock: HTTPXMock) -> None:
    """The first line with its code, and how many more; two servers' shapes of the list."""
    lines = [{"code": "invalid_json_line", "line": 7, "message": "This line is no JSON."}, {"code": "c", "line": 9, "message": "m"}]
    for errors in ({"object": "list", "data": lines}, {"data": [*lines, *lines]}):
        httpx_mock.add_response(json={"id": "b", "status": "failed", "errors": errors})
    found = [status_of(jobs, "batch", {"batch_id": "b"}) for _ in range(2)]
    assert [status.error for status in found] == [
        "Line 7 (invalid_json_line): This line is no JSON; and 1 more",
        "Line 7 (invalid_json_line): This line is no JSON; and 3 more",
    ]


def test_the_error_of_a_job_means_what_it_means_elsewhere(jobs: Jobs, httpx_mock: HTTPXMock) -> None:
    """Category, code and retryability of a failed job are those that the same error of a paid call has."""
    cases = [
        ({"code": "rate_limit_exceeded", "message": "Slow down"}, "rate_limit", True),
        ({"code": "server_error", "message": "It broke"}, "server", None),
        ({"code": "insufficient_quota", "message": "No credit"}, "quota", False),
        ({"code": "invalid_prompt", "message": "Not this"}, "invalid_input", False),
    ]
    for error, category, retryable in cases:
        httpx_mock.add_response(json={"id": "r", "object": "response", "status": "failed", "error": error, "output": []})
        with pytest.raises(JobEndedError, match=error["message"]) as caught:
            status_of(jobs, "response", {"response_id": "r"}).check()
        assert (caught.value.category, caught.value.retryable) == (category, retryable)
        assert (caught.value.reason or {})["api_code"] == error["code"]
        assert caught.value.to_dict()["category"] == category
    httpx_mock.add_response(
        json={"id": "b", "status": "failed", "errors": {"data": [{"code": "invalid_json_line", "line": 7, "message": "m"}]}}
    )
    with pytest.raises(JobEndedError, match="Line 7") as caught:
        status_of(jobs, "batch", {"batch_id": "b"}).check()
    assert (caught.value.category, caught.value.retryable) == ("invalid_input", False)
    httpx_mock.add_response(json={"id": "b", "status": "expired"})
    with pytest.raises(JobEndedError) as caught:
        status_of(jobs, "batch", {"batch_id": "b"}).check()
    assert (caught.value.category, caught.value.reason, caught.value.retryable) == (None, None, False)


def test_a_batch_of_files_of_which_some_failed(jobs: Jobs, httpx_mock: HTTPXMock) -> None:
    """The job ends with success, and its result says that it is not whole; one without a failure says nothing."""
    counts = {"in_progress": 0, "completed": 2, "failed": 1, "cancelled": 0, "total": 3}
    for failed, outcome in ((1, "failed"), (0, "complete")):
        httpx_mock.add_response(json={**FILES, "file_counts": {**counts, "failed": failed}})
        status = status_of(jobs, "vector_store_file_batch", {"vector_store_id": "vs", "batch_id": "vsfb"})
        httpx_mock.add_response(json={"object": "list", "data": [], "has_more": False})
        found = jobs.fetch(status)
        assert (status.end, found.outcome, bool(found.warnings)) == ("success", outcome, outcome == "failed")


def status_of(jobs: Jobs, kind: str, ids: dict[str, str]) -> Any:
    """The status of a job that was started elsewhere."""
    made = new_handle(jobs.connector, jobs.connection, kind, "createBatch", None)
    return jobs.status(made.with_(phase="started", ids=ids))


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({**RESPONSE, "background": False}, "/background"),
        ({"model": "m", "input": "x"}, "/background"),
        ({**RESPONSE, "stream": True}, "/stream"),
    ],
)
def test_what_starts_no_job_is_refused(jobs: Jobs, inputs: dict[str, Any], pointer: str) -> None:
    """The field is named, and nothing is sent."""
    with pytest.raises(InputError) as caught:
        jobs.start("createResponse", inputs)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    with pytest.raises(InputError, match="no long job"):
        jobs.start("createEmbedding", {"model": "m", "input": "x"})


@pytest.mark.parametrize("answer", [{"object": "response"}, {"id": None}, {"id": ""}, {"id": 5}, []])
def test_an_answer_without_an_id(jobs: Jobs, httpx_mock: HTTPXMock, answer: Any) -> None:
    """The job was started and cannot be named: told, never started again."""
    httpx_mock.add_response(json=answer)
    with pytest.raises(JobUnknownError):
        jobs.start("createResponse", RESPONSE)
    assert len(httpx_mock.get_requests()) == 1


def test_the_mark(jobs: Jobs, httpx_mock: HTTPXMock) -> None:
    """It goes among the caller's metadata, unless there is no room, it is not wanted, or the API has no list to find it in."""
    batch = {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    httpx_mock.add_response(json={"id": "batch_1", "status": "validating"}, is_reusable=True)
    bodies = []
    for given, mark in (({}, True), ({"metadata": {"a": "b"}}, True), ({}, False), ({"metadata": {str(n): "" for n in range(16)}}, True)):
        handle = jobs.start("createBatch", {**batch, **given}, mark=mark)
        body = httpx.Response(200, content=httpx_mock.get_requests()[-1].content).json()
        bodies.append((body.get("metadata"), handle.marked, handle.name))
    assert bodies[0][0] == {"kosha_job": bodies[0][2]}
    assert bodies[1][0] == {"a": "b", "kosha_job": bodies[1][2]}
    assert [(body, marked) for body, marked, _ in bodies[2:]] == [(None, False), ({str(n): "" for n in range(16)}, False)]
    assert "metadata" not in httpx.Response(200, content=_start_response(jobs, httpx_mock)).json()


def _start_response(jobs: Jobs, httpx_mock: HTTPXMock) -> bytes:
    jobs.start("createResponse", RESPONSE)
    return httpx_mock.get_requests()[-1].content


def test_no_secret_and_no_prompt_in_what_is_handed_out(
    connector: Connector,
    clock: Clock,
    httpx_mock: HTTPXMock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
) -> None:
    """The canary is in no handle, tick, error, log or file, although the server echoes it; the prompt is in no handle."""
    from kosha_connector_openai.flows.jobs import JobStore

    caplog.set_level(logging.DEBUG)
    canary = Canary()
    monkeypatch.setenv("OPENAI_API_KEY", canary.key)
    jobs = Jobs(connector, connector.connection({}, engine="httpx", retries={"attempts": 1}), store=JobStore(tmp_path), name="work")
    httpx_mock.add_response(method="POST", json=GOING)
    httpx_mock.add_response(method="GET", status_code=401, json={"error": {"message": f"Incorrect key {canary.key}"}}, is_reusable=True)
    handle, ticks = jobs.start("createResponse", RESPONSE), []
    with pytest.raises(JobPendingError) as caught:
        jobs.wait(handle, options(clock, ticks))
    canary.scan(
        handle.to_json(), repr(handle), [tick.to_dict() for tick in ticks], caught.value, caught.value.to_dict(), caplog.records, tmp_path
    )
    assert handle.connection == "work"
    assert "private" not in "".join(path.read_text() for path in tmp_path.iterdir())
