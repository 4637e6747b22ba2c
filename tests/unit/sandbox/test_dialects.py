"""What the sandbox plays of other servers, and that none of it passes for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connector, Result, open_connector
from kosha_connector_openai.errors import ApiError, ConnectorError, MalformedReplyError
from kosha_connector_openai.sandbox.fault_injection import dialects
from tests.offline import Offline, offline

MISNAMED = {"stream-as-text", "stream-as-json", "json-as-text", "json-as-page"}
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say hi"}]}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "stream": ("createChatCompletion", {**CHAT, "stream": True}),
    "response-stream": ("createResponse", {"model": "m", "input": "x", "stream": True}),
    "createChatCompletion": ("createChatCompletion", CHAT),
    "createModeration": ("createModeration", {"input": ["x", "y"]}),
    "createEmbedding": ("createEmbedding", {"model": "m", "input": ["x", "y"]}),
    "createImage": ("createImage", {"prompt": "x", "n": 2}),
    "createResponse": ("createResponse", {"model": "m", "input": "x"}),
    "createSpeech": ("createSpeech", {"model": "m", "input": "x", "voice": "alloy"}),
    "getVectorStoreFileBatch": ("getVectorStoreFileBatch", {"vector_store_id": "vs_1", "batch_id": "vsfb_1"}),
    "deleteFile": ("deleteFile", {"file_id": "file-1"}),
    "downloadFile": ("downloadFile", {"file_id": "file-1"}),
    "retrieveBatch": ("retrieveBatch", {"batch_id": "batch_1"}),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Offline]:
    with offline() as running:
        yield running


@pytest.fixture
def connector(sandbox: Offline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
    with open_connector() as opened:
        yield opened


def call(connector: Connector, sandbox: Offline, fault: str, of: str = "createChatCompletion", **options: Any) -> Result:
    action, inputs = CALLS[of]
    connection = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url}, headers={"x-kosha-fault": fault})
    return connector.run(action, inputs, connection, CallOptions(attempts=1, **options))


def seen(connector: Connector, sandbox: Offline, name: str, **options: Any) -> str:
    """What a dialect is to a caller; a word more where it is told badly."""
    row = dialects()[name]
    try:
        result = call(connector, sandbox, f"dialect={name}", row.get("of", "createChatCompletion"), **options)
    except ApiError as error:
        return "error" if not str(error).startswith(("The server answered", "The server reports")) else "error without its words"
    except MalformedReplyError:
        return "error"
    if result.outcome == "complete":
        told = [warning.rule for warning in result.warnings] == ["content-type"]
        return "complete" if told == (name in MISNAMED) else "complete with other warnings"
    return result.outcome if result.reasons and result.warnings else f"{result.outcome} without a warning"


def test_each_dialect_is_what_the_page_says(connector: Connector, sandbox: Offline) -> None:
    """An error has the server's words, what is no whole answer an outcome of its own with a warning; the rest is read."""
    assert {name: seen(connector, sandbox, name) for name in dialects()} == {name: row["is"] for name, row in dialects().items()}


def test_what_is_wrong_never_passes_for_right(connector: Connector, sandbox: Offline) -> None:
    """Under the policy to fail each dialect that is no whole answer is an error."""
    passed = []
    for name, row in dialects().items():
        with suppress(ConnectorError):
            call(connector, sandbox, f"dialect={name}", row.get("of", "createChatCompletion"), policy="fail")
            passed.append(name)
    assert passed == [name for name, row in dialects().items() if row["is"] == "complete"]


@pytest.mark.parametrize("fault", ["type=text/plain", "type=application/octet-stream", "type"])
def test_what_is_right_passes(connector: Connector, sandbox: Offline, fault: str) -> None:
    """Good answers under another name are read as what they are, which is told in a warning."""
    result = call(connector, sandbox, fault)
    assert (result.outcome, bool(result.text)) == ("complete", True)
    assert [warning.rule for warning in result.warnings] == ["content-type"]


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
def test_a_body_that_is_refused_on_its_way(connector: Connector, sandbox: Offline, engine: str) -> None:
    """413 that comes while a large body is being sent is told as 413 (RFC 9110, section 15.5.14)."""
    values = {"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url}
    connection = connector.connection(values, headers={"x-kosha-fault": "early-413"}, engine=engine)
    inputs = {"model": "m", "messages": [{"role": "user", "content": "x" * 5_000_000}]}
    with pytest.raises(ApiError) as caught:
        connector.run("createChatCompletion", inputs, connection, CallOptions(attempts=1))
    assert caught.value.status == 413


def test_answers_hold_what_the_dialect_has(connector: Connector, sandbox: Offline) -> None:
    """Content in parts, reasoning apart from the answer, tool calls by their ids, unknown items kept."""
    texts = {"parts", "reasoning", "stream-parts", "stream-reasoning", "stream-whole-message", "unknown-items", "ended-eos", "json-as-page"}
    read = {name: call(connector, sandbox, f"dialect={name}", dialects()[name].get("of", "createChatCompletion")) for name in texts}
    assert {name: result.text for name, result in read.items()} == dict.fromkeys(texts, "Hello")
    shorts = {name: connector.outputs.of(result).result["text"] for name, result in read.items()}
    assert shorts == dict.fromkeys(texts, "Hello")
    for name in ("stream-tools-same-index", "stream-tools-no-index"):
        short = connector.outputs.of(call(connector, sandbox, f"dialect={name}", "stream"))
        assert [(one["id"], one["name"]) for one in short.result["tool_calls"]] == [("call_a", "first"), ("call_b", "second")]


def test_an_unknown_dialect_is_told(connector: Connector, sandbox: Offline) -> None:
    """With the names of those that there are."""
    with pytest.raises(ApiError, match="error-in-200"):
        call(connector, sandbox, "dialect=klingon")
