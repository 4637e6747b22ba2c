"""25 Arazzo documents, each with what the specification says that it does: what is sent, how the run ends, what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import InputError, WorkflowDocumentError, WorkflowError, WorkflowLimitError
from kosha_connector_openai.flows.workflows import RunLimits, WorkflowResult, arun_workflow, read_workflows, run_workflow
from tests.recorder import Recorder, Script, reply

FOLDER = Path(__file__).parent / "arazzo"


def moderated(flagged: bool) -> Script:
    return reply(200, {"id": "modr-1", "model": "m", "results": [{"flagged": flagged, "categories": {}, "category_scores": {}}]})


def said(text: str, tokens: int = 3) -> Script:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return reply(200, {"id": "chat-1", "object": "chat.completion", "choices": [choice], "usage": {"total_tokens": tokens}})


def models(*names: str) -> Script:
    return reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}, [("x-request-id", "req_1")])


def refused(status: int, *headers: tuple[str, str], code: str = "busy") -> Script:
    return reply(status, {"error": {"message": "No.", "type": "t", "code": code}}, headers)


def batch(state: str) -> Script:
    return reply(200, {"id": "batch_1", "object": "batch", "status": state})


@dataclass(frozen=True)
class Case:
    """One run of a document: what the upstream answers in turn, and what is then seen."""

    file: str
    answers: Sequence[Script] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    """None where the run fails."""
    pointer: str = ""
    sent: Sequence[str] = ()
    """Method and path of each request."""
    pauses: Sequence[float] = ()
    error: type[WorkflowError] = WorkflowError
    workflow: str | None = None
    status: int | None = None
    """The HTTP status in the failure's reason."""


MODERATE, CHAT, MODELS = "POST /v1/moderations", "POST /v1/chat/completions", "GET /v1/models"
CASES = [
    Case("01-happy", [models("a", "b")], outputs={"first": "a", "request": "req_1"}, sent=[MODELS]),
    Case("02-moderate-then-answer", [moderated(False), said("Blue.")], {"question": "Why?"}, {"answer": "Blue."}, sent=[MODERATE, CHAT]),
    Case(
        "02-moderate-then-answer", [moderated(True)], {"question": "?"}, pointer="/workflows/0/steps/0/successCriteria/1", sent=[MODERATE]
    ),
    # a moderation whose reply lacks the verdict is no answer: the step fails whatever its criteria say
    Case(
        "02-moderate-then-answer",
        [reply(200, {"id": "modr-1", "model": "m", "results": []})],
        {"question": "?"},
        pointer="/workflows/0/steps/0",
        sent=[MODERATE],
    ),
    Case("03-http-error-fails", [refused(404)], pointer="/workflows/0/steps/0", sent=[MODELS], status=404),
    Case("04-expected-404", [refused(404)], outputs={"code": "busy"}, sent=["GET /v1/models/gone"]),
    Case("04-expected-404", [reply(200, {"id": "gone"})], pointer="/workflows/0/steps/0/successCriteria/0", sent=["GET /v1/models/gone"]),
    # criteria that do not ask for the status make no success of an error
    Case("05-error-without-status", [refused(400)], pointer="/workflows/0/steps/0", sent=[MODELS], status=400),
    Case("06-branch", [models(), said("none")], outputs={"text": "none"}, sent=[MODELS, CHAT]),
    Case("06-branch", [models("a")], outputs={}, sent=[MODELS]),
    Case("07-goto-skips", [models("a"), said("end")], outputs={"text": "end"}, sent=[MODELS, CHAT]),
    Case("08-retry", [refused(503), refused(503), models("a")], outputs={"first": "a"}, sent=[MODELS] * 3, pauses=[2, 2]),
    Case("08-retry", [refused(503)], pointer="/workflows/0/steps/0", sent=[MODELS] * 4, pauses=[2, 2, 2], status=503),
    Case("08-retry", [refused(401)], pointer="/workflows/0/steps/0", sent=[MODELS], status=401),
    Case("09-retry-after", [refused(429, ("Retry-After", "7")), models("a")], outputs={}, sent=[MODELS] * 2, pauses=[7]),
    Case("10-retry-once", [refused(500), models("a")], outputs={}, sent=[MODELS] * 2, pauses=[]),
    Case("10-retry-once", [refused(500)], pointer="/workflows/0/steps/0", sent=[MODELS] * 2, status=500),
    # the retry is used up before the next action is looked at
    Case("11-retry-then-goto", [refused(500), refused(500), said("Plan B")], outputs={"text": "Plan B"}, sent=[MODELS] * 2 + [CHAT]),
    Case(
        "12-goto-loop",
        [batch("in_progress"), batch("in_progress"), batch("completed")],
        {"id": "batch_1"},
        {"state": "completed"},
        sent=["GET /v1/batches/batch_1"] * 3,
    ),
    Case(
        "12-goto-loop",
        [batch("in_progress")],
        {"id": "batch_1"},
        pointer="/workflows/0/steps/0",
        sent=["GET /v1/batches/batch_1"] * 20,
        error=WorkflowLimitError,
    ),
    Case("13-nested-outputs", [models("m1"), said("Hi")], outputs={"text": "Hi", "model": "m1"}, sent=[MODELS, CHAT], workflow="outer"),
    Case("13-nested-outputs", [refused(404)], pointer="/workflows/1/steps/0", sent=[MODELS], workflow="outer", status=404),
    Case("14-depends-on", [models("m1"), said("Hi")], outputs={"text": "Hi"}, sent=[MODELS, CHAT], workflow="second"),
    Case("14-depends-on", [refused(404)], pointer="/workflows/0/steps/0", sent=[MODELS], workflow="second", status=404),
    Case(
        "15-components",
        [reply(200, {"id": "b", "object": "model"}), said("x")],
        {"model": "b"},
        {"text": "x"},
        sent=["GET /v1/models/b", CHAT],
    ),
    Case("16-replacements", [said("x")], {"text": "q"}, {"sent": {"role": "user", "content": "q"}}, sent=[CHAT]),
    Case("17-json-payload", [said("x")], {"text": 'a "quoted" {$inputs.text} $inputs.text'}, {}, sent=[CHAT]),
    Case("18-criteria", [models("gpt-4", "other")], outputs={"second": "other"}, sent=[MODELS]),
    Case("18-criteria", [models("x", "other")], pointer="/workflows/0/steps/0/successCriteria/1", sent=[MODELS]),
    Case("18-criteria", [models("gpt-4", "another")], pointer="/workflows/0/steps/0/successCriteria/2", sent=[MODELS]),
    Case("19-workflow-actions", [refused(500), said("late")], outputs={"text": "late"}, sent=[MODELS, CHAT]),
    Case("20-override", [refused(500)], pointer="/workflows/0/steps/0", sent=[MODELS], status=500),
    Case("21-goto-workflow", [refused(500), said("other")], {"text": "q"}, {"text": "other"}, sent=[MODELS, CHAT], workflow="main"),
    Case("22-retry-with-step", [refused(401), models("a"), said("x")], outputs={"text": "x"}, sent=[CHAT, MODELS, CHAT]),
    Case("22-retry-with-step", [refused(401), refused(404)], pointer="/workflows/0/steps/1", sent=[CHAT, MODELS], status=404),
    Case("23-failure-end", [refused(500)], outputs=None, pointer="/workflows/0/steps/0", sent=[MODELS], status=500),
    Case("24-wrong-inputs", [models()], {"count": 3}, {}, sent=[MODELS]),
]


@pytest.fixture(scope="module")
def connector() -> Iterator[Connector]:
    from kosha_connector_openai import open_connector

    with open_connector() as opened:
        yield opened


def connect(connector: Connector, upstream: Recorder) -> Connection:
    return connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, retries={"attempts": 1})


def check(case: Case, upstream: Recorder, result: WorkflowResult, pauses: list[float]) -> None:
    assert [f"{request.method} {request.target}" for request in upstream.requests] == list(case.sent)
    assert pauses == [pause for pause in case.pauses if pause]
    assert sum(record.requests for record in result.steps) == len(case.sent)
    if case.outputs:
        assert {name: result.outputs[name] for name in case.outputs} == case.outputs
    assert result.outcome == ("failed" if case.outputs is None else "succeeded")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{CASES.index(case)}")
def test_a_document_does_what_the_specification_says(case: Case, connector: Connector) -> None:
    """The requests, pauses, outputs and errors are those of the case."""
    document = read_workflows(FOLDER / f"{case.file}.yaml", connector)
    pauses: list[float] = []
    settings: Any = {"workflow": case.workflow, "limits": RunLimits(steps=20), "sleep": pauses.append}
    with Recorder(*case.answers) as upstream:
        connection = connect(connector, upstream)
        if case.outputs is not None:
            check(case, upstream, run_workflow(document, connector, connection, case.inputs, **settings), pauses)
            return
        with pytest.raises(case.error) as failure:
            run_workflow(document, connector, connection, case.inputs, **settings)
        check(case, upstream, failure.value.result, pauses)
    assert type(failure.value) is case.error
    assert failure.value.pointer == case.pointer
    assert (failure.value.reason or {}).get("status") == case.status


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{CASES.index(case)}")
async def test_an_event_loop_sees_the_same(case: Case, connector: Connector) -> None:
    """The same requests, pauses and results over asyncio."""
    document = read_workflows(FOLDER / f"{case.file}.yaml", connector)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    settings: Any = {"workflow": case.workflow, "limits": RunLimits(steps=20), "sleep": sleep}
    with Recorder(*case.answers) as upstream:
        connection = connect(connector, upstream)
        try:
            result = await arun_workflow(document, connector, connection, case.inputs, **settings)
        except WorkflowError as failure:
            result = failure.result
        finally:
            await connector.aclose()
        check(case, upstream, result, pauses)


UNSUPPORTED = {
    "25-unsupported": {
        "/sourceDescriptions/1/type": "unsupported",
        "/workflows/0/dependsOn/0": "unsupported",
        "/workflows/0/steps/0/parameters/0": "unsupported",
        "/workflows/0/steps/0/successCriteria/0/type": "unsupported",
        "/workflows/0/steps/0/successCriteria/1/type": "unsupported",
        "/workflows/0/steps/1/workflowId": "unsupported",
        "/workflows/0/steps/2/requestBody/replacements/0/target": "unsupported",
    },
    "26-mistakes": {
        "/workflows/0/outputs/lost": "unknown",
        "/workflows/0/steps/0/operationId": "unknown",
        "/workflows/0/steps/1/parameters/0": "unknown",
        "/workflows/0/steps/1/onFailure/0/stepId": "unknown",
        "/workflows/0/steps/1/onSuccess/0/retryLimit": "unknown",
        "/workflows/0/steps/1/outputs/one": "unknown",
        "/workflows/0/steps/1/successCriteria/0/condition": "unknown",
        "/workflows/0/steps/1/successCriteria/1/condition": "condition",
        "/workflows/0/steps/1/successCriteria/2/context": "required",
        "/workflows/0/steps/1/successCriteria/3/condition": "regex",
        "/workflows/0/steps/1/successCriteria/4/condition": "unknown",
        "/workflows/0/steps/2/stepId": "duplicate",
        "/workflows/0/steps/2": "exclusive",
        "/workflows/0/steps/2/x-kosha-jobs": "unknown",
    },
    "27-newer-version": {"/arazzo": "unsupported"},
}


@pytest.mark.parametrize("file", UNSUPPORTED)
def test_what_is_not_supported_is_refused_with_its_pointer(file: str, connector: Connector) -> None:
    """What of Arazzo is not supported is a fault before a run, never a guess."""
    with pytest.raises(WorkflowDocumentError) as refusal:
        read_workflows(FOLDER / f"{file}.yaml", connector)
    assert {fault.pointer: fault.rule for fault in refusal.value.faults} == UNSUPPORTED[file]


def test_inputs_are_checked_before_anything_is_sent(connector: Connector) -> None:
    """A wrong, a missing and a misspelt input are told by their pointers, and no request is made."""
    document = read_workflows(FOLDER / "24-wrong-inputs.yaml", connector)
    with Recorder() as upstream:
        for inputs, pointer in (({"count": "many"}, "/count"), ({}, "/count"), ({"count": 1, "cuont": 2}, "/cuont")):
            with pytest.raises(InputError) as refusal:
                run_workflow(document, connector, connect(connector, upstream), inputs)
            assert [fault.pointer for fault in refusal.value.faults] == [pointer]
        assert upstream.silent


def test_every_document_here_has_a_case() -> None:
    """No document lies in the folder without a test."""
    files = {path.stem for path in FOLDER.glob("*.yaml")}
    assert files == {case.file for case in CASES} | UNSUPPORTED.keys()
    assert len(files) >= 25


def test_user_text_stays_text(connector: Connector) -> None:
    """P14: what an expression finds is never read as an expression, in whatever form it is written into the body."""
    text = "{$inputs.secret} $inputs.secret {{7*7}} ${env:HOME} %(x)s {0.__class__} \\ \" '}"
    document = read_workflows(FOLDER / "17-json-payload.yaml", connector)
    with Recorder(said("x")) as upstream:
        run_workflow(document, connector, connect(connector, upstream), {"text": text, "secret": "never"})
        body: Any = upstream.last.json()
    assert [message["content"] for message in body["messages"]] == [text, f"Text: {text}."]
    assert b"never" not in upstream.last.body
