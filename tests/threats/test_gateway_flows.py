"""Rows B3, B9 and B37 for what takes more than one call: tasks, workflows, jobs and MCP are no way round."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.canary import Canary
from tests.recorder import Recorder, Script, events, reply, silence
from tests.service import whole
from tests.threats.in_process import TOKENS, InProcess, entry, in_process

SAID = [{"role": "user", "content": "x"}]
VIDEO: dict[str, Any] = {"id": "video_a1b2c3d4e5f6", "object": "video", "status": "queued", "model": "sora-2", "created_at": 1}
MCP = {"Accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
STREAM = {"accept": "text/event-stream"}


def document(*steps: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow of these steps, whose output is the last one's answer."""
    source = {"name": "o", "url": "openapi.json", "type": "openapi"}
    found = [{"stepId": f"s{number}", "outputs": {"all": "$response.body"}, **step} for number, step in enumerate(steps)]
    flow = {"workflowId": "w", "steps": found, "outputs": {"all": f"$steps.s{len(steps) - 1}.outputs.all"}}
    return {"arazzo": "1.0.1", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [source], "workflows": [flow]}


CHAT = {
    "operationId": "createChatCompletion",
    "requestBody": {"contentType": "application/json", "payload": {"model": "m", "messages": SAID}},
}


async def tool(client: httpx.AsyncClient, name: str, arguments: Mapping[str, Any], token: str = "a") -> httpx.Response:
    """The answer to one call of a tool, in a session of its own."""
    head = {**MCP, "Authorization": f"Bearer {TOKENS[token]}"}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, headers=head)
    head["mcp-session-id"] = opened.headers["mcp-session-id"]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return await client.post("/mcp", json=message, headers=head)


def echo(key: str) -> dict[str, Script]:
    """Where an upstream may put the key so that a flow goes on, or ends in its words."""
    code = base64.b64encode(key.encode()).decode()
    head = [("x-request-id", key)]
    answer = {
        "id": key,
        "object": "chat.completion",
        "created": 1,
        "model": key,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Bearer {key} {code}"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    piece = json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": f"Bearer {key} {code}"}}]}
    )
    cut = [f"data: {piece}\n\n".encode()[at : at + 3] for at in range(0, len(piece) + 8, 3)]
    return {
        "answer": reply(200, answer, headers=head),
        "error": reply(400, {"error": {"message": f"{key} {code}", "code": key, "param": key}}, headers=head),
        "page": reply(500, f"<html>{key}</html>".encode(), content_type="text/html"),
        "job": reply(200, {**VIDEO, "status": "failed", "error": {"code": key, "message": key}}, headers=head),
        "stream": events(*cut, b"data: [DONE]\n\n"),
    }


@pytest.mark.parametrize("kind", echo("x"))
async def test_b09_no_flow_gives_the_key_back(kind: str) -> None:
    """Tasks, workflows and jobs, as an answer and as events, and tools of MCP: whatever the upstream echoes."""
    key, told = Canary().key.replace('"', "-"), []
    settings, once = {"tokens": [entry("a")]}, {"retries": {"attempts": 1}}
    with Recorder(echo(key)[kind]) as upstream, whole(upstream.url, key=key, settings=settings, options=once) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client:
            for more in ({}, STREAM):
                head = {**more, "Authorization": f"Bearer {TOKENS['a']}"}

                async def call(path: str, body: Any, head: Mapping[str, str] = head) -> httpx.Response:
                    told.append(await client.post(f"/kosha/v1/{path}", json=body, headers=head))
                    return told[-1]

                await call("tasks/ask/run", {"inputs": {"question": "x"}})
                await call("tasks/extract/run", {"inputs": {"text": "x", "schema": {"type": "object"}}})
                await call("workflows/run", {"document": document(CHAT, CHAT)})
                await call("workflows/run", {"document": document(CHAT), "file": "link"})
                started = await call("jobs/start", {"action": "createVideo", "inputs": {"prompt": "x", "model": "sora-2"}})
                handle = started.json().get("handle") if not more else None
                for verb in ("status", "wait", "cancel", "fetch") if handle else ():
                    await call(f"jobs/{verb}", {"handle": handle, **({"timeout": 1} if verb == "wait" else {})})
            told.append(await tool(client, "createChatCompletion", {"model": "m", "messages": SAID}))
            told.append(await tool(client, "ask", {"question": "x"}))
            told.append(await tool(client, "run_action", {"action": "listModels"}))
        assert len(upstream.requests) > 10
        left = gateway.log.read_text()
    forms = {key, base64.b64encode(key.encode()).decode(), *(key[i : i + 8] for i in range(3, len(key) - 8))}
    for answer in told:
        assert not [form for form in forms if form in answer.text or form in str(answer.headers)], (answer.request.url, answer.text[:300])
    assert not [form for form in forms if form in left]


async def jobs(house: InProcess, verb: str, handle: Mapping[str, Any], token: str) -> httpx.Response:
    more = {"timeout": 1} if verb in ("wait", "resume") else {}
    return await house.call("POST", f"/kosha/v1/jobs/{verb}", token, json={"handle": handle, **more})


async def test_b03_a_job_answers_whoever_started_it() -> None:
    """Neither another tenant's handle nor a forged one asks, cancels or fetches anything."""
    with Recorder(reply(200, VIDEO)) as upstream:
        async with in_process(upstream.url) as house:
            body = {"action": "createVideo", "inputs": {"prompt": "x", "model": "sora-2"}}
            handle = (await house.call("POST", "/kosha/v1/jobs/start", "a", json=body)).json()["handle"]
            assert (await jobs(house, "status", handle, "a")).status_code == 200
            sent, name = len(upstream.requests), next(iter(handle["ids"]))
            forged = [
                handle,
                {**handle, "ids": {}},
                {**handle, "ids": {name: "video_unknown000"}},
                {**handle, "ids": {name: f"{VIDEO['id']}/content"}},
                {**handle, "action": "listAuditLogs"},
                {**handle, "connection": "other"},
                {**handle, "kind": "batch", "ids": {"batch_id": "batch_of_somebody"}},
                {**handle, "origin": "http://127.0.0.1:9"},
            ]
            for each in forged:
                for verb in ("status", "wait", "resume", "cancel", "fetch"):
                    answer = await jobs(house, verb, each, "b")
                    assert answer.status_code >= 400, (verb, each, answer.text)
            assert len(upstream.requests) == sent


async def test_b03_a_job_whose_start_was_lost_is_looked_for_among_ones_own() -> None:
    """A handle that says so is searched by its mark in the account's list, and another tenant's job is not in that."""
    name = "batch-20260101000000-0123abcd"
    batch = {"id": "batch_a1b2c3d4", "object": "batch", "status": "in_progress", "metadata": {"kosha_job": name}}
    with Recorder(reply(200, {"object": "list", "data": [batch], "has_more": False})) as upstream:
        async with in_process(upstream.url) as house:
            handle = {
                "name": name, "connector": "openai", "kind": "batch", "action": "createBatch", "created": "x", "origin": upstream.url,
                "phase": "sending", "marked": True,
            }  # fmt: skip
            for verb in ("status", "resume", "cancel", "fetch"):
                answer = await jobs(house, verb, handle, "b")
                assert answer.status_code >= 400, answer.text
                assert batch["id"] not in answer.text
        assert {(each.method, each.target.partition("?")[0]) for each in upstream.requests} == {("GET", "/v1/batches")}


async def test_b03_a_run_is_cancelled_by_whoever_began_it() -> None:
    """To another tenant its id is unknown."""
    with Recorder(silence(20)) as upstream:
        async with in_process(upstream.url) as house:
            body = {"document": document(CHAT), "run": "run-of-tenant-a"}
            run = asyncio.create_task(house.call("POST", "/kosha/v1/workflows/run", "a", json=body))
            while not upstream.requests:
                await asyncio.sleep(0.01)
            path = f"/kosha/v1/workflows/runs/{body['run']}/cancel"
            assert (await house.call("POST", path, "b")).status_code == 404
            assert not run.done()
            assert (await house.call("POST", path, "a")).json() == {"run": body["run"], "cancelled": True}
            assert (await run).json()["error"]["code"] == "cancelled"


async def test_b37_each_call_of_a_tool_and_of_a_task_counts() -> None:
    """A budget of calls ends a task in its midst, and tools as well."""
    chat = {"id": "c", "object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "no JSON"}}]}
    settings = {"tokens": [entry("a", budget={"day": {"calls": 3}})]}
    with Recorder(reply(200, chat)) as upstream, whole(upstream.url, settings=settings) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client:
            answers = [await tool(client, "createChatCompletion", {"model": "m", "messages": SAID}) for _ in range(2)]
            answers += [await tool(client, "ask", {"question": "x"}) for _ in range(2)]
            head = {"Authorization": f"Bearer {TOKENS['a']}"}
            task = await client.post("/kosha/v1/tasks/ask/run", json={"inputs": {"question": "x"}}, headers=head)
        assert len(upstream.requests) == 3
        assert "budget of calls in a day" in answers[-1].text
        assert task.status_code == 429
