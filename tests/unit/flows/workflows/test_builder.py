"""A flow written in Python: the document that it becomes runs, and gives the same as its calls made one by one."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError, WorkflowDocumentError
from kosha_connector_openai.flows.workflows import Flow, Literal, read_workflows, run_workflow
from kosha_connector_openai.text.yaml_text import load_yaml
from tests.offline import offline

TRICKY = "Costs $5, {$inputs.text}, $steps.one.outputs.x and ${HOME}"


def flow() -> Flow:
    made = Flow("answer", title="Answer", summary="Moderate, embed, answer")
    text = made.input("text", {"type": "string"})
    check = made.step("createModeration", {"input": text}, id="check", success=["$response.body#/results/0/flagged == false"])
    flagged = check.output("flagged", "$response.body#/results/0/flagged")
    vector = made.step("createEmbedding", {"model": "text-embedding-3-small", "input": text, "dimensions": 4})
    numbers = vector.output("numbers", "$response.body#/data/0/embedding")
    known = made.step("listFiles", {"limit": 5, "purpose": "batch"}).output("files", "$response.body#/data")
    messages = [{"role": "system", "content": Literal(TRICKY)}, {"role": "user", "content": f"Q: {{{text}}}"}]
    answer = made.step("createChatCompletion", {"model": "gpt-4o-mini", "messages": messages}).output(
        "text", "$response.body#/choices/0/message/content"
    )
    for name, value in (("flagged", flagged), ("numbers", numbers), ("files", known), ("answer", answer)):
        made.output(name, value)
    return made


def test_the_exported_document_gives_what_the_calls_give(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document, its text and the single calls give the same values."""
    exported = flow().to_yaml(connector)
    assert load_yaml(exported.encode()) == flow().to_arazzo(connector)
    with offline() as upstream:
        monkeypatch.setenv("OPENAI_API_KEY", upstream.key)
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        result = run_workflow(read_workflows(exported, connector), connector, connection, {"text": "How high is the tide?"})
        direct = run_workflow(flow().document(connector), connector, connection, {"text": "How high is the tide?"})

        def run(action: str, **inputs: Any) -> Any:
            return connector.run(action, inputs, connection).value

        embedded = run("createEmbedding", model="text-embedding-3-small", input="How high is the tide?", dimensions=4)
        messages = [{"role": "system", "content": TRICKY}, {"role": "user", "content": "Q: How high is the tide?"}]
        said = run("createChatCompletion", model="gpt-4o-mini", messages=messages)
    wanted = {
        "flagged": False,
        "numbers": embedded["data"][0]["embedding"],
        "files": [],
        "answer": said["choices"][0]["message"]["content"],
    }
    assert result.outputs == direct.outputs == wanted
    assert [record.target for record in result.steps] == ["createModeration", "createEmbedding", "listFiles", "createChatCompletion"]
    assert result.usage["total_tokens"] > 0


def test_inputs_stand_where_the_operation_has_them(connector: Connector) -> None:
    """An input of the path is a parameter, one of the body is in the payload."""
    made = Flow("f")
    made.step("retrieveBatch", {"batch_id": "b"}, id="one")
    made.step("createBatch", {"input_file_id": "f", "endpoint": "/v1/embeddings", "completion_window": "24h"}, wait=True)
    one, two = made.to_arazzo(connector)["workflows"][0]["steps"]
    assert one == {"stepId": "one", "operationId": "retrieveBatch", "parameters": [{"name": "batch_id", "in": "path", "value": "b"}]}
    assert (two["stepId"], two["x-kosha-job"], two["requestBody"]["payload"]["input_file_id"]) == ("step2", "wait", "f")
    assert made.document(connector).workflows["f"].steps[1].runner == "job"


def test_a_task_is_exported_with_its_operation_for_other_tools(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step has the operation that the task runs, and our extension for the task."""
    made = Flow("sort")
    sort = made.task("classify", {"text": made.input("text"), "labels": ["praise", "complaint"]}, id="sort")
    made.output("label", sort.output("label"))
    step = made.to_arazzo(connector)["workflows"][0]["steps"][0]
    assert (step["operationId"], step["x-kosha-task"]) == ("createChatCompletion", "classify")
    with offline() as upstream:
        monkeypatch.setenv("OPENAI_API_KEY", upstream.key)
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        result = run_workflow(made.document(connector), connector, connection, {"text": "Thank you!"})
    assert result.outputs["label"] in ("praise", "complaint")
    assert result.steps[0].runner == "task"


def test_what_is_no_json_is_refused_with_its_place(connector: Connector) -> None:
    """Bytes among the inputs are told by their pointer."""
    made = Flow("f")
    made.step("createEmbedding", {"model": "m", "input": [b"bytes"]})
    with pytest.raises(InputError) as refusal:
        made.to_arazzo(connector)
    assert refusal.value.pointer == "/steps/0/input/0"


def test_an_expression_that_leads_nowhere_is_refused(connector: Connector) -> None:
    """An input that the flow does not have is told by its pointer."""
    made = Flow("f")
    made.step("createEmbedding", {"model": "m", "input": "$inputs.text"})
    with pytest.raises(WorkflowDocumentError) as refusal:
        made.document(connector)
    assert [fault.pointer for fault in refusal.value.faults] == ["/workflows/0/steps/0/requestBody/payload/input"]


def test_the_method_of_version_0_1_makes_a_task(connector: Connector) -> None:
    """``Flow.preset`` makes what ``Flow.task`` makes, and warns."""
    old, new = Flow("f"), Flow("f")
    with pytest.warns(DeprecationWarning, match=r"Flow\.task"):
        old.preset("classify", {"text": "x", "labels": ["a", "b"]}, id="sort")
    new.task("classify", {"text": "x", "labels": ["a", "b"]}, id="sort")
    assert old.to_arazzo(connector) == new.to_arazzo(connector)
