"""Large bodies are checked in other processes: with the same result as here, within a time, and without anything secret there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.gateway.exchange import check_processes
from kosha_connector_openai.gateway.exchange.check_processes import BodyQuestion, CheckProcesses
from kosha_connector_openai.gateway.exchange.validation import form_faults, refused_name
from kosha_connector_openai.gateway.routes import Route
from tests.gateway import ROOT

LIMIT = 64 * 1024 * 1024
JSON = "application/json"
BODIES: list[Any] = [
    {"model": "m", "input": "x" * 300_000},
    {"model": "m", "input": [1.5] * 50_000},
    {"model": 3, "input": {"deep": [1]}},
    {"model": "m", "input": "x", "api_base": "https://evil.example"},
    {"modell": "m", "input": "x"},
    [],
]


@pytest.fixture
async def processes() -> AsyncIterator[CheckProcesses]:
    made = CheckProcesses(ROOT)
    yield made
    await made.aclose()


def written(faults: tuple[Fault, ...]) -> bytes:
    return orjson.dumps([asdict(fault) for fault in faults])


def body(action: str = "createEmbedding", **more: Any) -> BodyQuestion:
    return BodyQuestion("body", action, LIMIT, JSON, **{"refused": ("api_base",), **more})


async def test_what_passes_here_passes_there(processes: CheckProcesses) -> None:
    """Nulls and new items of an answer that is given back, and what the connection's validation lets through, however large the body is."""
    known = {"role": "user", "content": "x" * 100_000}
    given_back = {
        "model": "m",
        "input": [known, {"type": "reasoning", "id": "r", "summary": [], "content": None}, {"type": "brand_new_call", "id": "b"}],
    }
    unlisted = {"model": "m", "input": "x" * 100_000, "service_tier": "on_demand"}
    wrong = {"model": "m", "input": "x" * 100_000, "temperature": "warm"}
    found = {}
    for validation in ("on", "open", "warn"):
        for name, value in (("given back", given_back), ("unlisted", unlisted), ("wrong", wrong)):
            relayed = await processes.ask(body("createResponse", validation=validation), orjson.dumps(value))
            question = BodyQuestion("inputs", "createResponse", LIMIT, validation=validation)
            run = await processes.ask(question, orjson.dumps({"inputs": value}))
            assert bool(relayed.faults) == bool(run.faults)
            found[validation, name] = not run.faults
    assert [key for key, passes in found.items() if not passes] == [("on", "unlisted"), ("on", "wrong"), ("open", "wrong")]


async def test_the_verdict_is_the_same_as_here(processes: CheckProcesses) -> None:
    """Faults, and the field by which a caller would choose the upstream."""
    with Connector(ROOT) as connector:
        form = Route(connector.catalog["createEmbedding"], connector.catalog).forms[JSON]
        for value in BODIES:
            answer = await processes.ask(body(), orjson.dumps(value))
            assert written(answer.faults) == written(form_faults(form, value))
            assert answer.refused == refused_name(value, frozenset(["api_base"]), form)
            assert not answer.unread
        inputs = {"model": "m", "input": "x", "inputs_": 1, "dimensions": "many"}
        answer = await processes.ask(BodyQuestion("inputs", "createEmbedding", LIMIT), orjson.dumps({"inputs": inputs}))
        with pytest.raises(InputError) as caught:
            connector.check("createEmbedding", inputs)
        assert written(answer.faults) == written(caught.value.faults)


@pytest.mark.parametrize("raw", [b"{", b'{"a":1,"a":2}', b"[" * 5_000, b"\xff", b'{"x":"api_base\\u005f","api_base":', b""])
async def test_what_is_no_json_is_told(processes: CheckProcesses, raw: bytes) -> None:
    """And the process goes on."""
    answer = await processes.ask(body(), raw)
    assert answer.unread
    assert answer.faults
    assert answer.refused == ("api_base" if b'"api_base"' in raw else None)
    assert not (await processes.ask(body(), orjson.dumps(BODIES[0]))).faults


async def test_all_texts_that_may_be_ids_come_back(processes: CheckProcesses) -> None:
    """However many there are, and only where they are wanted."""
    ids = {f"file-{number:08d}" for number in range(20_000)}
    value = {"model": "m", "input": sorted(ids)}
    found = (await processes.ask(body(texts=True), orjson.dumps({**value, "previous_response_id": "resp_1234"}))).texts
    assert found == {f"TEXT {text}" for text in ids} | {"OBJECT resp_1234"}
    assert (await processes.ask(body(), orjson.dumps(value))).texts == set()


async def test_b06_a_body_that_takes_too_long_ends_its_process(processes: CheckProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """B6: the caller is told, and the next body finds another process."""
    monkeypatch.setattr(check_processes, "_SECONDS", 0.01)
    with pytest.raises(InputError, match="cannot be checked"):
        await processes.ask(body(), orjson.dumps(BODIES[1]))
    monkeypatch.undo()
    assert not (await processes.ask(body(), orjson.dumps(BODIES[0]))).faults


async def test_the_process_gets_no_secret(processes: CheckProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is a list, and the key is not on it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
    await processes.ask(body(), b"{}")
    (process,) = processes._idle
    place = Path(f"/proc/{process.pid}/environ")
    if place.exists():
        assert b"sk-canary" not in place.read_bytes()
        assert b"PATH=" in place.read_bytes() or "PATH" not in os.environ


async def test_one_token_leaves_a_process_to_the_others(processes: CheckProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """B6, B13: however many bodies of one token wait, that of another is looked at."""
    asked: list[str] = []
    gate = asyncio.Event()

    async def exchange(_: object, question: BodyQuestion, __: bytes) -> check_processes.BodyAnswer:
        asked.append(question.action)
        if question.action == "greedy":
            await gate.wait()
        return check_processes.BodyAnswer()

    monkeypatch.setattr(check_processes, "_exchange", exchange)
    greedy = [asyncio.create_task(processes.ask(BodyQuestion("body", "greedy", LIMIT), b"", "a")) for _ in range(9)]
    await asyncio.sleep(0)
    await asyncio.wait_for(processes.ask(BodyQuestion("body", "other", LIMIT), b"", "b"), 30)
    assert asked.count("greedy") <= 2
    assert "other" in asked
    gate.set()
    await asyncio.gather(*greedy)
    assert len(asked) == 10
    assert not processes._own


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="This system has no such priorities.")
async def test_a_process_is_less_urgent_than_the_service(processes: CheckProcesses) -> None:
    """From its start on: it reads its own program at that priority already."""
    process = await processes._start()
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    finally:
        process.kill()
        await process.wait()
