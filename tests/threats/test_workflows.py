"""Workflow documents of another's making: what they cannot make the machine do (rows S5, S10, S11, P12, P14, R-12)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import WorkflowDocumentError, WorkflowError
from kosha_connector_openai.flows.workflows import read_workflows, run_workflow
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from tests.cap import capped
from tests.gateway import KEY, ROOT
from tests.recorder import Received, Recorder, reply

ANY = {"type": "object", "properties": {"x": {}}}
CALL = {"stepId": "s", "operationId": "listModels", "successCriteria": [{"condition": "$statusCode == 200"}]}


def document(*workflows: dict[str, Any]) -> dict[str, Any]:
    source = {"name": "openai", "url": "openapi.json", "type": "openapi"}
    return {"arazzo": "1.0.1", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [source], "workflows": list(workflows)}


def run(given: dict[str, Any], inputs: dict[str, Any] | None = None, name: str | None = None, data: Sequence[Any] = ()) -> list[Received]:
    """What was sent, each answered with a list of ``data``."""
    with Recorder(reply(body={"object": "list", "data": list(data)})) as upstream:
        with Connector(ROOT, stores=[EnvironmentStore(["KEY"], {"KEY": KEY})]) as connector:
            connection = connector.connection({"server_url": upstream.url, "api_key": "env:KEY"}, environ={})
            run_workflow(read_workflows(given, connector), connector, connection, inputs or {}, workflow=name)
        return upstream.requests


def doubling(value: Any) -> dict[str, Any]:
    """Workflows in workflows, each of which hands on many times what it was given."""
    inner = [
        {
            "workflowId": f"w{n}",
            "inputs": ANY,
            "steps": [{"stepId": "s", "workflowId": f"w{n + 1}", "parameters": [{"name": "x", "value": value}]}],
        }
        for n in range(6)
    ]
    return document(*inner, {"workflowId": "w6", "inputs": ANY, "steps": [CALL]})


BOMB = """
from kosha_connector_openai.errors import WorkflowError
from tests.threats.test_workflows import doubling, run
try:
    run(doubling(value), {"x": "0123456789"}, "w0")
except WorkflowError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("value", "rule"), [("{$inputs.x}" * 1_000, "becomes longer"), pytest.param(["$inputs.x"] * 50, "more than", marks=pytest.mark.slow)]
)
def test_P12_what_is_handed_on_many_times_over_fills_no_memory(value: Any, rule: str) -> None:
    """P12: texts and lists that grow by each workflow in a workflow end with a named fault, before anything is sent."""
    done = capped(BOMB, value=value, memory=2048)
    assert done.code == 0, done.errors
    assert rule in done.output
    assert done.peak < 300


def test_S11_a_query_that_doubles_what_it_selects_is_refused() -> None:
    """S11: twenty times two names select a million values of twenty; a few of them, as people write them, are fine."""
    nested: Any = None
    for _ in range(30):
        nested = {"d": nested}
    for condition in ("$" + "['d','d']" * 30, "$" + "[*,*,*,*,*,*,*,*]" * 8, "$[?@" + "['d','d']" * 20 + "]"):
        criterion = {"context": "$inputs.x", "type": "jsonpath", "condition": condition}
        begun = time.monotonic()
        with pytest.raises(WorkflowDocumentError, match="too long"):
            run(document({"workflowId": "w", "inputs": ANY, "steps": [{**CALL, "successCriteria": [criterion]}]}), {"x": nested})
        assert time.monotonic() - begun < 2
    fine = {"context": "$inputs.x", "type": "jsonpath", "condition": "$['d','e'][?match(@.d, 'a+') || @.d]"}
    steps = [{**CALL, "successCriteria": [fine]}]
    (sent,) = run(document({"workflowId": "w", "inputs": ANY, "steps": steps}), {"x": {"d": [{"d": 1}]}})
    assert sent.target == "/v1/models"


@pytest.mark.parametrize("name", ["goto", "goto workflow", "itself"])
def test_R12_loops_end(name: str) -> None:
    """R-12: a step that leads back to itself, a workflow that hands over to itself, or runs itself."""
    steps = {
        "goto": [{**CALL, "onSuccess": [{"name": "again", "type": "goto", "stepId": "s"}]}],
        "goto workflow": [{**CALL, "onSuccess": [{"name": "again", "type": "goto", "workflowId": "w"}]}],
        "itself": [{"stepId": "s", "workflowId": "w"}],
    }[name]
    with pytest.raises(WorkflowError, match=r"More than 1000 steps|8 deep"):
        run(document({"workflowId": "w", "steps": steps}))


def test_P14_what_an_input_holds_is_never_read_as_an_expression() -> None:
    """P14: nor as a reference to a secret; it arrives as it is."""
    text = "env:KEY {$inputs.y} $inputs.y {{ secrets.key }} ${env:HOME}"
    body = {"contentType": "application/json", "payload": {"model": "m", "input": "$inputs.x"}}
    step = {**CALL, "operationId": "createEmbedding", "requestBody": body}
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    (sent,) = run(document({"workflowId": "w", "inputs": ANY, "steps": [step]}), {"x": text}, data=[vector])
    assert sent.json() == {"model": "m", "input": text}


@pytest.mark.parametrize("place", [{"path": "/etc/passwd"}, "/etc/passwd", "file:///etc/passwd", "@/etc/passwd"])
def test_F1_no_file_is_read_for_a_workflow(place: Any) -> None:
    """F1: paths in a document or in its inputs are refused, by name."""
    body = {"contentType": "multipart/form-data", "payload": {"purpose": "batch", "file": "$inputs.x"}}
    with pytest.raises(WorkflowError, match=r"not allowed here|never opened as a path"):
        run(
            document({"workflowId": "w", "inputs": ANY, "steps": [{**CALL, "operationId": "createFile", "requestBody": body}]}),
            {"x": place},
        )
