"""The sandbox as a process of its own, used through the connector as a host uses it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector, ConnectorError
from kosha_connector_openai.errors import (
    AccessError,
    MalformedReplyError,
    OutcomeUnknownError,
    RedirectRefusedError,
    RejectedError,
    TruncatedReplyError,
    UnavailableError,
)
from kosha_connector_openai.sandbox import Sandbox

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it works"}]}
ONCE = CallOptions(attempts=1)
COMMAND = [sys.executable, "-m", "kosha_connector_openai.sandbox"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A running sandbox."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def connection(connector: Connector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection to it, its key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
    return connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url}, environ={})


def plan(sandbox: Sandbox, fault: str, times: int = 1) -> None:
    """Plans a fault at the control endpoint."""
    caller = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
    body = json.dumps({"fault": fault, "times": times})
    caller.request("POST", "/__sandbox__/faults", body, {"authorization": f"Bearer {sandbox.key}"})
    assert caller.getresponse().status == 200
    caller.close()


def test_a_connection_test_succeeds(connector: Connector, connection: Connection) -> None:
    """The connector's own test of a connection finds the sandbox in order."""
    assert connector.test(connection).startswith("OpenAI answered 200 in ")


def test_a_call_comes_back_whole(connector: Connector, connection: Connection) -> None:
    """Text, model, usage, request id and rate limits are where results show them."""
    result = connector.run("createChatCompletion", CHAT, connection)
    assert result.value["choices"][0]["message"]["content"] == "It works (sandbox)."
    assert (result.model, result.usage and result.usage["total_tokens"]) == ("gpt-4o-mini", 6)
    assert (result.request_id or "").startswith("req_sandbox_")
    assert result.rate_limit["remaining_requests"] == "9999"


async def test_streams_come_event_by_event(connector: Connector, connection: Connection) -> None:
    """The text adds up, and the stream is complete, from a thread and on an event loop."""
    inputs = {**CHAT, "stream": True}
    result = connector.run("createChatCompletion", inputs, connection)
    assert (result.text, result.incomplete) == ("It works (sandbox).", None)
    again = await connector.arun("createResponse", {"model": "m", "input": "Say it works", "stream": True}, connection)
    assert (again.text, again.incomplete) == ("It works (sandbox).", None)
    await connector.aclose()


def test_files_go_there_and_back(connector: Connector, connection: Connection) -> None:
    """What is uploaded is what is downloaded."""
    data = bytes(range(256)) * 1000
    made = connector.run("createFile", {"file": ("a.bin", data), "purpose": "user_data"}, connection)
    assert connector.run("downloadFile", {"file_id": made.value["id"]}, connection).value == data


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", UnavailableError),
        ("500", UnavailableError),
        ("401", AccessError),
        ("404", RejectedError),
        ("redirect=https://example.com/", RedirectRefusedError),
        ("cut=10", TruncatedReplyError),
        ("wrong-length", TruncatedReplyError),
        ("reset", OutcomeUnknownError),
        ("badjson", MalformedReplyError),
        ("empty", MalformedReplyError),
    ],
)
def test_each_fault_is_an_error_of_its_own(
    connector: Connector, connection: Connection, sandbox: Sandbox, fault: str, error: type[ConnectorError]
) -> None:
    """What the sandbox does wrong, the connector names."""
    plan(sandbox, fault)
    with pytest.raises(error):
        connector.run("createChatCompletion", CHAT, connection, ONCE)


def test_a_cut_stream_is_marked(connector: Connector, connection: Connection, sandbox: Sandbox) -> None:
    """What came before is kept, and the result says that it is not all."""
    plan(sandbox, "cut-stream=3")
    result = connector.run("createChatCompletion", {**CHAT, "stream": True}, connection)
    assert len(result.value) == 3
    assert result.incomplete


def test_a_busy_server_is_asked_again(connector: Connector, connection: Connection, sandbox: Sandbox) -> None:
    """After one 503 the second attempt succeeds."""
    plan(sandbox, "503")
    assert connector.run("listModels", {}, connection).attempts == 2


def test_the_process_ends_with_the_block() -> None:
    """Nothing listens afterwards, and the process is gone."""
    with Sandbox(key="another-key-0123456789") as running:
        port, pid = int(running.url.rpartition(":")[2]), running.pid
        caller = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        caller.request("GET", "/v1/models", headers={"authorization": "Bearer another-key-0123456789"})
        assert caller.getresponse().status == 200
        caller.close()
    assert running.pid is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(number: signal.Signals) -> None:
    """Its first line is its address; a signal ends it in order, without a word on stderr."""
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_a_sandbox_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    """No address, no process left behind."""
    sandbox = Sandbox(connector=tmp_path)
    with pytest.raises(RuntimeError, match="did not start"):
        sandbox.start()
    assert sandbox.pid is None


def test_a_folder_without_a_connector_is_said(tmp_path: Path) -> None:
    """Exit status 2 and a sentence, no traceback."""
    done = subprocess.run([*COMMAND, "--connector", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert "connector.yaml" in done.stderr
