"""Row B6: whatever a page is sent, what reads a large body is no part of the process in which all others wait."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.tasks import find_task
from kosha_connector_openai.gateway.exchange import PAGE_LIMITS, QUICK
from kosha_connector_openai.gateway.pages import page_bodies
from kosha_connector_openai.gateway.pages.catalog_api import CatalogApi
from kosha_connector_openai.gateway.rounds import ANSWERED, Rounds
from kosha_connector_openai.gateway.turned_requests import PROBES
from kosha_connector_openai.mcp import answers, server
from kosha_connector_openai.text import did_you_mean, loads_strict
from tests.gateway import ROOT
from tests.recorder import Recorder, reply
from tests.service import whole
from tests.threats.in_process import in_process

MCP = {"Accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
NAMES = {f"name{number}": number for number in range(5_000)}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x" * 100_000}]}
ANSWER = {"id": "c", "object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "hello"}}]}


def rpc(client: httpx.Client, method: str, params: Any, **headers: str) -> httpx.Response:
    """One message to the page."""
    return client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers={**MCP, **headers})


def session(client: httpx.Client) -> dict[str, str]:
    """The header of a session that was opened."""
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = {"mcp-session-id": rpc(client, "initialize", params).headers["mcp-session-id"]}
    client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers={**MCP, **opened})
    return opened


def told(answer: httpx.Response) -> dict[str, Any]:
    """The message in a reply of events."""
    found: dict[str, Any] = json.loads(next(line[6:] for line in answer.text.splitlines() if line.startswith("data: {")))
    return found


def test_b6_large_json_of_a_page_is_read_in_another_process(monkeypatch: pytest.MonkeyPatch):
    """Actions, tasks, jobs, workflows and MCP alike: here only what was found good is read, in one quick step."""
    read: list[int] = []
    monkeypatch.setattr(
        page_bodies, "loads_strict", lambda raw, *more, **kinds: (read.append(len(raw)), loads_strict(raw, *more, **kinds))[1]
    )
    chat, document = "/kosha/v1/actions/createChatCompletion", {"arazzo": "1.0.1", **NAMES}
    with Recorder(*[reply(200, ANSWER)] * 3) as upstream, whole(upstream.url) as gateway, gateway.client(timeout=60) as client:
        assert client.post(f"{chat}/run", json={"inputs": CHAT}).status_code == 200
        assert client.post(f"{chat}/validate", json={"inputs": CHAT}).json()["valid"]
        assert client.post("/kosha/v1/tasks/ask/run", json={"inputs": {"question": "x" * 100_000}}).status_code == 200
        assert client.post("/kosha/v1/tasks/ask/validate", json={"inputs": {"question": "x", **NAMES}}).json()["valid"] is False
        assert client.post("/kosha/v1/workflows/check", json={"document": document}).json()["valid"] is False
        assert client.post("/kosha/v1/workflows/run", json={"document": document}).status_code == 400
        assert client.post("/kosha/v1/jobs/start", json={"action": "createVideo", "inputs": {"prompt": 1, **NAMES}}).status_code == 400
        opened = session(client)
        found = told(rpc(client, "tools/call", {"name": "createChatCompletion", "arguments": CHAT}, **opened))
        assert found["result"]["structuredContent"]["result"]["text"] == "hello"
        assert upstream.requests[-1].json()["messages"] == CHAT["messages"]
    assert read
    assert max(read) <= QUICK


@pytest.mark.parametrize("verb", ["status", "wait", "resume", "cancel", "fetch"])
def test_b6_a_handle_is_small(verb: str):
    """5,000 names in one were a fault each, made on the event loop: seconds in which nobody was answered."""
    with Recorder() as upstream, whole(upstream.url) as gateway, gateway.client(timeout=60) as client:
        answer = client.post(f"/kosha/v1/jobs/{verb}", json={"handle": NAMES})
    assert answer.status_code == 413


def test_b6_a_message_is_small_without_the_arguments_of_its_tool():
    """The protocol's package reads messages on the event loop: names, ids and capabilities have no need of more."""
    big = "x" * 20_000
    with Recorder() as upstream, whole(upstream.url) as gateway, gateway.client(timeout=60) as client:
        opened = session(client)
        answers = {
            "tool": rpc(client, "tools/call", {"name": big, "arguments": {}}, **opened),
            "resource": rpc(client, "resources/read", {"uri": f"kosha://files/{big}"}, **opened),
            "capabilities": rpc(client, "initialize", {"capabilities": {"experimental": NAMES}}),
            "list": rpc(client, "tools/call", {"name": "ask", "arguments": [big]}, **opened),
        }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 400)


def test_b6_a_large_file_is_no_resource(monkeypatch: pytest.MonkeyPatch):
    """It is fetched by its page, in pieces, and not as one text of base64."""
    monkeypatch.setattr(server, "INLINE", 10)
    monkeypatch.setattr(answers, "INLINE", 10)
    speech = reply(body=b"x" * 50, content_type="audio/mpeg")
    with Recorder(speech) as upstream, whole(upstream.url) as gateway, gateway.client(timeout=60) as client:
        opened = session(client)
        inputs = {"model": "tts-1", "input": "hi", "voice": "alloy"}
        made = told(rpc(client, "tools/call", {"name": "run_action", "arguments": {"action": "createSpeech", "inputs": inputs}}, **opened))
        uri = next(part["uri"] for part in made["result"]["content"] if part["type"] == "resource_link")
        refused = told(rpc(client, "resources/read", {"uri": uri}, **opened))
        place = refused["error"]["message"].rpartition(" ")[2].rstrip(".")
        assert client.get(place).content == b"x" * 50


@pytest.mark.parametrize(
    "text", [b"[" * 2**20, b"]" * 2**20, b'""' * 2**19, b"," * 2**20, b'[{"a":1}' * 2**17], ids=lambda text: text[:3].decode()
)
def test_b6_the_count_of_a_text_comes_before_its_depth(text: bytes):
    """What cannot be within the limits costs a count of its characters, no walk over them."""
    with pytest.raises(InputError) as caught:
        loads_strict(text, PAGE_LIMITS)
    assert [fault.rule for fault in caught.value.faults] == ["nodes"]


def test_b6_a_long_name_is_near_no_other(monkeypatch: pytest.MonkeyPatch):
    """It is not even spelled out: twenty names of 100,000 letters took a tenth of a second."""
    monkeypatch.setattr(did_you_mean, "_letters", None)
    assert did_you_mean.nearest("k" * 100_000, ["key"]) is None


def test_b6_of_the_unknown_names_of_a_task_twenty_count(connector):
    """And each known field is still checked."""
    with pytest.raises(InputError) as caught:
        find_task(connector, "ask").form.check({**NAMES, "question": 1})
    assert len(caught.value.faults) == 21
    assert "/question" in {fault.pointer for fault in caught.value.faults}


async def test_b6_lists_of_actions_are_made_one_after_the_other(monkeypatch: pytest.MonkeyPatch):
    """In threads that would take turns with the event loop, however many callers search."""
    under_way, most = 0, 0
    made = CatalogApi.actions

    def counted(self: CatalogApi, caller: Any, **asked: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        found = made(self, caller, **asked)
        under_way -= 1
        return found

    monkeypatch.setattr(CatalogApi, "actions", counted)
    async with in_process("http://127.0.0.1:9") as house:
        answers = await asyncio.gather(*(house.call("GET", f"/kosha/v1/actions?search=word{number}") for number in range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert most == 1


@pytest.mark.parametrize("host", [b"127.0.0.1", b"evil.example"])
async def test_b6_the_answer_to_a_probe_waits_for_nothing(host: bytes):
    """The whole service gives it in one step, also while it stops and under a name that is not ours."""
    statuses = list[int]()

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async with in_process("http://127.0.0.1:9") as gateway:
        for _ in range(2):
            for path in sorted(PROBES):
                scope = {"type": "http", "method": "GET", "path": path.decode(), "raw_path": path, "query_string": b"", "state": {}}
                with pytest.raises(StopIteration):
                    gateway.service.app({**scope, "headers": [(b"host", host)]}, None, send).send(None)
            gateway.service.stop()
    assert statuses == ([200, 200, 200, 200, 200, 503] if host == b"127.0.0.1" else [421] * 6)


async def test_b6_calls_whose_upstream_answered_go_on_in_turns(monkeypatch: pytest.MonkeyPatch):
    """Each takes one of its own before its reply; many upstreams may answer in the same moment."""
    took, turn = list[int](), Rounds.turn

    async def counted(self: Rounds) -> None:
        took.append(self._most)
        await turn(self)

    monkeypatch.setattr(Rounds, "turn", counted)
    with Recorder(*[reply(200, ANSWER)] * 5) as upstream:
        async with in_process(upstream.url) as gateway:
            answers = await asyncio.gather(*(gateway.call("POST", "/v1/chat/completions", json={**CHAT, "n": 1}) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert took == [ANSWERED] * 5


def test_b6_no_first_call_imports_on_the_loop():
    """In a fresh process: what a first call needs was loaded before, and the protocol's package for MCP is imported in a thread."""
    command = [sys.executable, "-m", "tests.threats.first_calls"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert found[-1:] == [""]
    assert found[:-1] == ["200", "200", "200", "400", "200", "200"]
