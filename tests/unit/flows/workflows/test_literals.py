"""Literals of a document are held against the schemas of what its steps run, before anything is paid for."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import WorkflowDocumentError
from kosha_connector_openai.flows import Flow
from kosha_connector_openai.flows.workflows import read_workflows
from kosha_connector_openai.manifest import Validation

TEXT = "$inputs.text"


def document(step: dict[str, Any]) -> dict[str, Any]:
    inputs = {"type": "object", "properties": {"text": {"type": "string"}}}
    sources = [{"name": "openai", "url": "openapi.json", "type": "openapi"}]
    workflow = {"workflowId": "w", "inputs": inputs, "steps": [{"stepId": "s", **step}]}
    return {"arazzo": "1.0.1", "info": {"title": "T", "version": "1"}, "sourceDescriptions": sources, "workflows": [workflow]}


def sends(operation: str, payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"operationId": operation, **({} if payload is None else {"requestBody": {"payload": payload}}), **more}


def task(name: str, inputs: Any) -> dict[str, Any]:
    return {"operationId": "createChatCompletion", "x-kosha-task": name, "x-kosha-inputs": inputs}


USER = {"role": "user", "content": TEXT}
BODY = "/requestBody/payload"
WRONG: list[tuple[dict[str, Any], set[str]]] = [
    (sends("createImage", {"prompt": TEXT, "size": 3}), {f"{BODY}/size"}),
    (sends("createImage", {"n": 2}), {f"{BODY}/prompt"}),
    (sends("createImage"), {f"{BODY}/prompt"}),
    (sends("createSpeech", {"model": "tts-1", "input": TEXT}), {f"{BODY}/voice"}),
    (sends("createChatCompletion", {"model": "m", "messages": [USER], "temperature": 9}), {f"{BODY}/temperature"}),
    (sends("createChatCompletion", {"model": "m", "messages": [USER, {"role": "user"}]}), {f"{BODY}/messages/1/content"}),
    (sends("createEmbedding", {"model": "m", "input": TEXT, "encoding_format": "hex"}), {f"{BODY}/encoding_format"}),
    (sends("retrieveModel"), {"/parameters/model"}),
    (sends("listFiles", parameters=[{"name": "limit", "in": "query", "value": "many"}]), {"/parameters/0/value"}),
    (task("classify", {"text": TEXT, "labels": 5}), {"/x-kosha-inputs/labels"}),
    (task("summarise", {"text": TEXT, "length": "epic"}), {"/x-kosha-inputs/length"}),
]
RIGHT: list[dict[str, Any]] = [
    sends("createImage", {"prompt": TEXT, "size": TEXT, "n": TEXT}),
    sends("createImage", {"prompt": f"A picture of {{{TEXT}}}", "size": "1024x1024"}),
    sends("createChatCompletion", {"model": TEXT, "messages": TEXT}),
    sends("createChatCompletion", {"model": "m", "messages": [{"role": TEXT, "content": "x"}], "temperature": TEXT}),
    sends("createChatCompletion", TEXT),
    sends("createChatCompletion", {"model": "m", "messages": [USER], "some_new_field": True}),
    sends("createTranscription", {"file": TEXT, "model": "whisper-1"}),
    sends("createImageEdit", {"image": TEXT, "prompt": "x"}),
    sends("createResponse", {"model": "m", "input": TEXT, "tools": [{"type": TEXT}]}),
    sends("retrieveModel", parameters=[{"name": "model", "in": "path", "value": TEXT}]),
    sends("listModels"),
    task("classify", {"text": TEXT, "labels": ["a", TEXT]}),
    task("ask", {"question": TEXT}),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_is_missing_or_wrong_is_told_at_its_place(connector: Connector, number: int):
    """At the very value, or where it should stand."""
    step, places = WRONG[number]
    with pytest.raises(WorkflowDocumentError) as caught:
        read_workflows(document(step), connector)
    assert {fault.pointer.removeprefix("/workflows/0/steps/0") for fault in caught.value.faults} == places


def test_what_an_expression_may_make_right_is_no_fault(connector: Connector):
    """Whatever could be there at run time: values, whole lists, files, what tells alternatives apart."""
    found = []
    for step in RIGHT:
        try:
            read_workflows(document(step), connector)
        except WorkflowDocumentError as error:
            found.append((step, error.faults))
    assert found == []


@pytest.mark.parametrize(("validation", "refused"), [("on", True), ("open", False), ("warn", False)])
def test_it_is_as_strict_as_the_connection(connector: Connector, validation: Validation, refused: bool):
    """What a run on the connection would let through, the check lets through."""
    raw = document(sends("createImage", {"prompt": "x", "quality": "superb"}))
    try:
        read_workflows(raw, connector, validation=validation)
    except WorkflowDocumentError:
        assert refused
    else:
        assert not refused


def test_inputs_of_a_task_need_no_place(connector: Connector):
    """``x-kosha-inputs`` is what the Arazzo schema accepts beside an operation; ``parameters`` without a place are read as before."""
    both = task("ask", {"question": TEXT}) | {"parameters": [{"name": "question", "value": TEXT}]}
    for step, rule in (
        (both, "duplicate"),
        (sends("listModels", **{"x-kosha-inputs": {"a": 1}}), "exclusive"),
        (task("ask", {"qestion": 1}), "unknown"),
    ):
        with pytest.raises(WorkflowDocumentError) as caught:
            read_workflows(document(step), connector)
        assert rule in {fault.rule for fault in caught.value.faults}
    old = {"operationId": "createChatCompletion", "x-kosha-task": "ask", "parameters": [{"name": "question", "value": TEXT}]}
    assert read_workflows(document(old), connector).workflows["w"].steps[0].parameters[0].name == "question"


def test_the_builder_writes_what_the_arazzo_schema_accepts(connector: Connector):
    """A task's inputs as an extension, no parameter without a place."""
    flow = Flow("f")
    text = flow.input("text")
    flow.task("ask", {"question": text})
    step = flow.to_arazzo(connector)["workflows"][0]["steps"][0]
    assert (step["x-kosha-inputs"], "parameters" in step) == ({"question": "$inputs.text"}, False)
    flow.document(connector)
