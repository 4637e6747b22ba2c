"""Steps that name a task or a job: what is wrong with them is found when the document is read."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import WorkflowDocumentError
from kosha_connector_openai.flows.workflows import read_workflows

TEXT = {"name": "text", "value": "x"}
LABELS = {"name": "labels", "value": ["a", "b"]}
BATCH = {"input_file_id": "f", "endpoint": "/v1/embeddings", "completion_window": "24h"}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown task", {"x-kosha-task": "clasify", "parameters": [TEXT, LABELS]}, "/x-kosha-task"),
    ("another operation", {"x-kosha-task": "classify", "operationId": "createEmbedding", "parameters": [TEXT, LABELS]}, "/operationId"),
    ("an unknown input", {"x-kosha-task": "classify", "parameters": [TEXT, LABELS, {"name": "lables", "value": 1}]}, "/parameters/2"),
    ("an input that lacks", {"x-kosha-task": "classify", "parameters": [TEXT]}, "/parameters"),
    ("a place", {"x-kosha-task": "classify", "parameters": [LABELS, {**TEXT, "in": "query"}]}, "/parameters/1"),
    ("a body", {"x-kosha-task": "classify", "parameters": [TEXT, LABELS], "requestBody": {"payload": {}}}, "/requestBody"),
    (
        "a status that a task has not",
        {"x-kosha-task": "classify", "parameters": [TEXT, LABELS], "successCriteria": [{"condition": "$statusCode == 200"}]},
        "/successCriteria/0/condition",
    ),
    ("a task and a workflow", {"x-kosha-task": "classify", "workflowId": "w", "parameters": [TEXT, LABELS]}, ""),
    ("no job", {"operationId": "listModels", "x-kosha-job": "wait"}, "/x-kosha-job"),
    ("another word", {"operationId": "createBatch", "x-kosha-job": "start", "requestBody": {"payload": BATCH}}, "/x-kosha-job"),
    (
        "a header that a job has not",
        {"operationId": "createBatch", "x-kosha-job": "wait", "requestBody": {"payload": BATCH}, "outputs": {"x": "$response.header.Date"}},
        "/outputs/x",
    ),
]


@pytest.mark.parametrize(("what", "step", "pointer"), WRONG, ids=[what for what, _, _ in WRONG])
def test_a_slip_is_refused_with_its_pointer(connector: Connector, what: str, step: dict[str, Any], pointer: str) -> None:
    """A wrong value of an extension of ours is a fault of the document."""
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "T", "version": "1"},
        "sourceDescriptions": [{"name": "openai", "url": "./openapi.json"}],
        "workflows": [{"workflowId": "w", "steps": [{"stepId": "s", **step}]}],
    }
    with pytest.raises(WorkflowDocumentError) as refusal:
        read_workflows(document, connector)
    assert f"/workflows/0/steps/0{pointer}" in [fault.pointer for fault in refusal.value.faults]


@pytest.mark.parametrize("key", ["x-kosha-task", "x-kosha-preset"])
def test_the_key_of_version_0_1_still_names_a_task(connector: Connector, key: str) -> None:
    """Saved documents run for one minor version more: both spellings make the same step, beside ``operationId`` too."""
    step = {"stepId": "s", key: "classify", "operationId": "createChatCompletion", "parameters": [TEXT, LABELS]}
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "T", "version": "1"},
        "sourceDescriptions": [{"name": "openai", "url": "./openapi.json"}],
        "workflows": [{"workflowId": "w", "steps": [step]}],
    }
    found = read_workflows(document, connector).workflows["w"].steps[0]
    assert (found.runner, found.target) == ("task", "classify")
