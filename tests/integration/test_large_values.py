"""One limit for what a body may hold, whichever way the call goes: library, command line, task, workflow, gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import InputError, WorkflowError
from kosha_connector_openai.flows import run_task
from kosha_connector_openai.flows.workflows import read_workflows, run_workflow
from tests.gateway import serving
from tests.recorder import Recorder, reply

ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
}  # fmt: skip
PDF = "data:application/pdf;base64," + "A" * 12_000_000
CHAT = {"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}]}]}
PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 9_000_000
FLOW = {
    "arazzo": "1.0.1",
    "info": {"title": "T", "version": "1"},
    "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "w",
            "inputs": {"type": "object", "properties": {"chat": {"type": "object"}}},
            "steps": [{"stepId": "s", "operationId": "createChatCompletion", "requestBody": {"payload": "$inputs.chat"}}],
        }
    ],
}


def by_library(connector: Connector, upstream: Recorder, limits: dict[str, int], folder: Path) -> None:
    connection = connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, limits=limits)
    connector.run("createChatCompletion", CHAT, connection)


def by_task(connector: Connector, upstream: Recorder, limits: dict[str, int], folder: Path) -> None:
    connection = connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, limits=limits)
    run_task(connector, "describe-image", {"image": PICTURE}, connection)


def by_workflow(connector: Connector, upstream: Recorder, limits: dict[str, int], folder: Path) -> None:
    connection = connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, limits=limits)
    run_workflow(read_workflows(FLOW, connector), connector, connection, {"chat": CHAT})


def by_command(connector: Connector, upstream: Recorder, limits: dict[str, int], folder: Path) -> None:
    (folder / "connection.yaml").write_text(json.dumps({"options": {"limits": limits}}))
    (folder / "inputs.json").write_text(json.dumps(CHAT))
    words = ["run", "createChatCompletion", "--input", str(folder / "inputs.json"), "--connection", str(folder / "connection.yaml")]
    done = CliRunner().invoke(make_app(), [*words, "--set", f"server_url={upstream.url}", "--set", "auth_type=NONE"])
    if done.exit_code:
        assert done.exit_code == 3
        raise InputError(done.stderr)


WAYS = {"library": by_library, "task": by_task, "workflow": by_workflow, "command": by_command}


@pytest.mark.parametrize("way", WAYS)
def test_a_large_file_is_sent_whole(way: str, connector: Connector, tmp_path: Path) -> None:
    """12 MB in one value; nothing on the way has a limit of its own."""
    with Recorder(reply(body=ANSWER)) as upstream:
        WAYS[way](connector, upstream, {}, tmp_path)
    assert len(upstream.last.body) > 12_000_000


@pytest.mark.parametrize("way", WAYS)
def test_what_is_larger_than_the_option_is_refused_with_its_name_and_another_way(way: str, connector: Connector, tmp_path: Path) -> None:
    """The same option in each; nothing is sent."""
    with Recorder(reply(body=ANSWER)) as upstream, pytest.raises((InputError, WorkflowError)) as caught:
        WAYS[way](connector, upstream, {"body_json": 1_000_000}, tmp_path)
    assert "1000000 bytes" in str(caught.value)
    assert "limits.body_json" in str(caught.value)
    assert "createFile" in str(caught.value)
    assert upstream.silent


def test_the_gateway_has_the_same() -> None:
    """The same default, the same name, the same advice; the caller gets 413."""
    body, kind = json.dumps(CHAT).encode(), {"Content-Type": "application/json"}
    with Recorder(reply(body=ANSWER)) as upstream:
        with serving(upstream.url) as gateway:
            assert gateway.call("POST", "/v1/chat/completions", content=body, headers=kind).status_code == 200
        assert len(upstream.last.body) == len(body)
        with serving(upstream.url, settings={"limits": {"body_json": 1_000_000}}) as gateway:
            refused = gateway.call("POST", "/v1/chat/completions", content=body, headers=kind)
    assert refused.status_code == 413
    assert all(word in refused.text for word in ("1000000 bytes", "limits.body_json", "createFile"))
    assert len(upstream.requests) == 1
