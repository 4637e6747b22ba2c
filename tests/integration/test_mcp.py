"""The official client against the server: over standard input and over HTTP through the gateway, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.gateway import TOKEN
from tests.offline import Offline, offline
from tests.recorder import Received, Recorder, reply
from tests.service import whole
from tests.threats.in_process import TOKENS, entry

ERAS = ("auto", "legacy")
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Offline]:
    with offline(any_id=True) as running:
        yield running


@contextlib.asynccontextmanager
async def over_http(url: str, token: str = TOKEN, era: Any = "auto", query: str = "") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(f"{url}/mcp{query}", http_client=http), mode=era) as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def over_stdio(sandbox: Offline, folder: Path, *arguments: str, era: Any = "auto") -> AsyncIterator[Client]:
    command = ["-m", "kosha_connector_openai.cli", "mcp", *arguments]
    environ = {"OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url, "PATH": os.environ["PATH"], "HOME": str(folder)}
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=environ), mode=era) as client:
        yield client


async def a_client_meets(client: Client) -> None:
    """What every client meets, whatever the way and the era."""
    listed = await client.list_tools()
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True)) <= 24_576
    assert {"ask", "createImage", "search_actions"} <= {tool.name for tool in listed.tools}

    answer = await client.call_tool("ask", {"question": "hi"})
    assert answer.is_error is False
    assert "sandbox" in answer.content[0].text
    assert answer.structured_content["value"] == answer.content[0].text

    seen: list[str | None] = []

    async def progress(_: float, __: float | None, message: str | None) -> None:
        seen.append(message)

    streamed = await client.call_tool("createChatCompletion", {**CHAT, "stream": True}, progress_callback=progress)
    assert "sandbox" in streamed.structured_content["result"]["text"]
    assert "sandbox" in "".join(filter(None, seen))

    wrong = await client.call_tool("createChatCompletion", {"model": 3, "messages": [{"role": "usr", "content": "hi"}]})
    assert wrong.is_error
    assert [fault["pointer"] for fault in wrong.structured_content["faults"]] == ["/model", "/messages/0/role"]
    assert "/messages/0/role" in wrong.content[0].text
    assert "Did you mean `user`?" in wrong.content[0].text
    wrong = await client.call_tool("ask", {"queston": "hi"})
    assert {fault["pointer"] for fault in wrong.structured_content["faults"]} == {"/queston"}
    assert (await client.call_tool("aks", {})).is_error

    picture = await client.call_tool("createImage", {"prompt": "a cat", "model": "gpt-image-1"})
    assert [(block.type, getattr(block, "mime_type", "")) for block in picture.content] == [("text", ""), ("image", "image/png")]
    sound = await client.call_tool("createSpeech", {"input": "hi", "model": "tts-1", "voice": "alloy"})
    assert [(block.type, getattr(block, "mime_type", "")) for block in sound.content] == [("text", ""), ("audio", "audio/mpeg")]
    fetched = await client.call_tool("run_action", {"action": "downloadFile", "inputs": {"file_id": "file-abc123"}})
    link = fetched.content[1]
    assert link.type == "resource_link"
    read = await client.read_resource(link.uri)
    assert read.contents[0].blob
    with pytest.raises(MCPError, match="No file has this address"):
        await client.read_resource("file:///etc/hostname")

    found = await client.call_tool("search_actions", {"words": "vector store"})
    assert "createVectorStore" in [each["action"] for each in found.structured_content["actions"]]
    told = await client.call_tool("describe_action", {"action": "createVectorStore"})
    made = await client.call_tool("run_action", {"action": "createVectorStore", "inputs": told.structured_content["example"]})
    assert made.is_error is False
    refused = await client.call_tool("run_action", {"action": "deleteFile", "inputs": {"file_id": "file-abc123"}})
    assert refused.is_error
    assert "only where it is named" in refused.content[0].text


@pytest.mark.parametrize("era", ["auto", pytest.param("legacy", marks=[pytest.mark.e2e, pytest.mark.slow])])
async def test_over_standard_input(sandbox: Offline, tmp_path: Path, era: str) -> None:
    """The command as a client starts it; files lie in the folder that was named."""
    async with over_stdio(sandbox, tmp_path, "--files", str(tmp_path), era=era) as client:
        await a_client_meets(client)
        listing = tmp_path / "said.txt"
        listing.write_text("a text")
        sent = await client.call_tool(
            "run_action", {"action": "createFile", "inputs": {"purpose": "user_data", "file": {"path": str(listing)}}}
        )
        assert sent.is_error is False, sent.content
    assert (tmp_path / "content.bin").is_file()


@pytest.mark.slow
async def test_without_a_key_the_error_says_what_to_set(tmp_path: Path) -> None:
    """Tools can be listed; the call is an answer that names the missing credential."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "kosha_connector_openai.cli", "mcp", "--actions", "listModels", "--only"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    async with Client(command) as client:
        assert len((await client.list_tools()).tools) == 4
        answer = await client.call_tool("listModels", {})
    assert answer.is_error
    assert "OPENAI_API_KEY" in answer.content[0].text


async def test_over_the_gateway(sandbox: Offline) -> None:
    """Both eras over one gateway, with its token; without it nothing of the protocol is answered, and GET has no stream."""
    with whole(sandbox.url, key=sandbox.key) as gateway:
        for era in ERAS:
            async with over_http(gateway.url, era=era) as client:
                await a_client_meets(client)
        assert gateway.call("POST", "/mcp", "wrong", json={}).status_code == 401
        assert gateway.call("GET", "/mcp").status_code == 405
        assert "imagess" not in gateway.call("POST", "/mcp?groups=imagess", json={}).text
        assert gateway.call("POST", "/mcp?groups=imagess", json={}).status_code == 400
        async with over_http(gateway.url, query="?actions=deleteFile&only=on&search=off") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["deleteFile"]


WRONG = [
    ([], ""),
    ({"id": 1, "method": "tools/list"}, "/jsonrpc"),
    ({"jsonrpc": "2.0", "id": 1, "note": "my prompt"}, "/method"),
    ({"jsonrpc": "2.0", "id": True, "method": "tools/list"}, "/id"),
    ({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": ["my prompt"]}, "/params"),
    ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ["my prompt"]}}, None),
    ({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": {"my prompt": 1}}}, None),
    ({"jsonrpc": "2.0", "id": 1, "method": "my prompt", "params": {}}, None),
]


def test_a_wrong_message(sandbox: Offline) -> None:
    """Each is refused, in the shape that /openapi.json says, with its place where it is no message; nothing of it is repeated."""
    with whole(sandbox.url, key=sandbox.key) as gateway:
        accept = {"Accept": "application/json, text/event-stream"}
        for message, place in WRONG:
            answer = gateway.call("POST", "/mcp", json=message, headers=accept)
            assert "my prompt" not in answer.text, message
            if place is None:
                assert answer.status_code < 500
                assert '"error"' in answer.text, message
            else:
                assert (answer.status_code, answer.json()["error"]["detail"]["faults"][0]["pointer"]) == (400, place), answer.text


class Hanging:
    """An upstream that begins a stream, and tells when its client has gone."""

    def __init__(self) -> None:
        self.began, self.left = threading.Event(), threading.Event()

    def __call__(self, connection: socket.socket, _: Received) -> bool:
        data = b'data: {"choices": [{"delta": {"content": "wait"}}]}\n\n'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.began.set()
        connection.settimeout(20)
        with contextlib.suppress(OSError):
            if connection.recv(1) == b"":
                self.left.set()
        return False


async def cancelled(client: Client, upstream: Hanging) -> bool:
    call = asyncio.create_task(client.call_tool("createChatCompletion", {**CHAT, "stream": True}))
    assert await asyncio.to_thread(upstream.began.wait, 10)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    return await asyncio.to_thread(upstream.left.wait, 10)


@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_call_is_cancelled_upstream(tmp_path: Path, era: str) -> None:
    """Over the gateway: the upstream's connection is closed when the client gives up, in the way of its era."""
    hanging = Hanging()
    with Recorder(hanging) as upstream, whole(upstream.url) as gateway:
        async with over_http(gateway.url, era=era) as client:
            assert await cancelled(client, hanging)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_call_over_standard_input(tmp_path: Path, era: str) -> None:
    """The same over standard input."""
    hanging = Hanging()
    with Recorder(hanging) as upstream, offline() as sandbox:
        sandbox_like = type("Place", (), {"url": upstream.url, "key": sandbox.key})
        async with over_stdio(sandbox_like, tmp_path, era=era) as client:  # type: ignore[arg-type]
            assert await cancelled(client, hanging)


async def test_tenants_see_only_their_own() -> None:
    """Through tools as through any path: neither an id in an answer, nor a session, nor a file of another's."""
    made = {
        "id": "file-of-a-1",
        "object": "file",
        "purpose": "user_data",
        "filename": "a",
        "bytes": 1,
        "created_at": 1,
        "status": "processed",
    }
    listed = {"object": "list", "data": [made], "has_more": False}
    settings = {"token_hashes": (), "tokens": [entry("a"), entry("b")]}
    answers = (reply(200, made), reply(200, listed), reply(200, b"bytes", content_type="application/octet-stream"))
    with Recorder(*answers) as upstream, whole(upstream.url, settings=settings) as gateway:
        async with over_http(gateway.url, TOKENS["a"], "legacy") as a, over_http(gateway.url, TOKENS["b"], "legacy") as b:
            file = {"text": "a", "filename": "a"}
            one = await a.call_tool("run_action", {"action": "createFile", "inputs": {"purpose": "user_data", "file": file}})
            assert one.is_error is False, one.content
            page = await b.call_tool("run_action", {"action": "listFiles"})
            assert "file-of-a-1" not in str(page)
            link = (await a.call_tool("run_action", {"action": "downloadFile", "inputs": {"file_id": "file-of-a-1"}})).content[1]
            asked = len(upstream.requests)
            other = await b.call_tool("run_action", {"action": "downloadFile", "inputs": {"file_id": "file-of-a-1"}})
            assert other.is_error
            assert len(upstream.requests) == asked
            assert (await a.read_resource(link.uri)).contents
            with pytest.raises(MCPError):
                await b.read_resource(link.uri)


async def test_the_services_key_is_no_business_of_a_model() -> None:
    """A 401 of the upstream quotes the ends of the key; the answer says only that the operator is to be told."""
    with Recorder(reply(401, {"error": {"message": "Incorrect API key: sk-up...cdef"}})) as upstream, whole(upstream.url) as gateway:
        async with over_http(gateway.url) as client:
            answer = await client.call_tool("listModels", {})
    assert answer.is_error
    assert "cdef" not in str(answer)
    assert "operator" in answer.content[0].text


@pytest.mark.e2e
@pytest.mark.slow
def test_the_inspector_lists_and_calls(sandbox: Offline, tmp_path: Path) -> None:
    """The command of the protocol's own inspector, from npm."""
    inspector = Path(__file__).parent / "node" / "node_modules" / ".bin" / "mcp-inspector"
    if not inspector.exists():
        pytest.skip("the inspector is not installed: npm --prefix tests/integration/node install")
    environ = {"OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url, "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [inspector, "--cli", *(part for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL") for part in ("-e", f"{name}={environ[name]}"))]
    server = [sys.executable, "-m", "kosha_connector_openai.cli", "mcp"]
    for ask, wanted in (
        (["--method", "tools/list"], '"createImage"'),
        (["--method", "tools/call", "--tool-name", "ask", "--tool-arg", "question=hi"], "sandbox"),
    ):
        done = subprocess.run([*command, *server, *ask], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert wanted in done.stdout, done.stdout + done.stderr
