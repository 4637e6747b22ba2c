"""Row B37: what a token may spend of calls, tokens and money in a minute and in a day, by every road, whatever a caller writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.spending import SpendingTicket, TokenBudgets
from kosha_connector_openai.gateway.budget_entries import BudgetEntry, BudgetsEntry, CapsEntry
from kosha_connector_openai.gateway.exchange.usage_scan import UsageFinder
from kosha_connector_openai.gateway.records import Allowance, Caller, SpentError
from kosha_connector_openai.gateway.settings import read_settings
from tests.recorder import Recorder, Script, events, reply, reset
from tests.threats.in_process import InProcess, entry, in_process

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 10}
USAGE = {"prompt_tokens": 30, "completion_tokens": 10, "total_tokens": 40}
CHOICE = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "x", "refusal": None}}
ANSWER: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
PRICES = "{date: 2026-11-01, models: {m: {input: 1, output: 2}, 'dear-*': {input: 100, output: 200, most_output: 1000}}}"


def answer(usage: Any = USAGE, **more: Any) -> Script:
    return reply(body={**ANSWER, **more, "usage": usage})


def spent(house: InProcess, token: str = "a", window: str = "day") -> tuple[int, int, float]:
    """Calls, tokens and cost that are counted for a token now."""
    store = house.service._spending.store  # type: ignore[union-attr]
    calls, tokens, cost = store.spent(token, window, house.service._spending.clock())[1]  # type: ignore[union-attr]
    return calls, tokens, cost / 1e9


async def chat(house: InProcess, token: str = "a", **more: Any) -> Any:
    return await house.call("POST", "/v1/chat/completions", token, json={**CHAT, **more})


async def run(house: InProcess, token: str = "a", **more: Any) -> Any:
    return await house.run("createChatCompletion", {**CHAT, **more}, token)


@pytest.mark.parametrize("window", ["minute", "day"])
@pytest.mark.parametrize(("cap", "number"), [("calls", 2), ("tokens", 180), ("cost", 0.00018)])
@pytest.mark.parametrize("way", [chat, run])
async def test_b37_a_call_that_a_budget_does_not_cover_is_not_sent(
    way: Callable[..., Any], cap: str, number: Any, window: str, tmp_path: Path
) -> None:
    """B37: 429 with the budget's name and the time until it begins anew; another token goes on."""
    (tmp_path / "prices").write_text(PRICES)
    tokens = [entry("a", budget={window: {cap: number}}), entry("b")]
    with Recorder(answer()) as upstream:
        async with in_process(upstream.url, tokens=tokens, budgets={"prices": tmp_path / "prices"}) as house:
            seen = [await way(house) for _ in range(4)]
            statuses = [each.status_code for each in seen]
            sent = len(upstream.requests)
            assert (statuses[0], statuses[-1], sent) == (200, 429, statuses.count(200)), seen[0].text
            told = seen[-1].json()["error"]
            assert told["code"] == "budget_exceeded"
            assert f"budget of {cap} in a {window}" in told["message"], told
            assert 0 < int(seen[-1].headers["retry-after"]) <= {"minute": 60, "day": 86_400}[window]
            assert (await way(house, "b")).status_code == 200
            numbers = (await house.call("GET", "/metrics", "b")).text
            assert f'kosha_gateway_budget_refused_total{{budget="{window} {cap}",token="a"}}' in numbers
            assert f'kosha_gateway_budget_spent_total{{kind="tokens",token="a"}} {40.0 * sent}' in numbers


COUNTED = {
    "whole": (answer(), 40),
    "a total that is less than its parts": (answer({**USAGE, "total_tokens": 1}), 40),
    "no count": (reply(body=ANSWER), None),
    "null": (answer(None), None),
    "less than nothing": (answer({"prompt_tokens": -9, "completion_tokens": -9, "total_tokens": -18}), None),
    "no number": (answer({"prompt_tokens": "1", "completion_tokens": True}), None),
    "a number without end": (answer({"total_tokens": 1e300}), None),
    "a count in what the request said": (answer(None, echo={"usage": {"total_tokens": 0}}), None),
    "the same after the true one": (reply(body={**ANSWER, "usage": USAGE, "echo": {"usage": {"total_tokens": 0}}}), 40),
    "refused": (reply(400, {"error": {"message": "no"}}), 0),
    "failed": (reply(500, {"error": {"message": "no"}}), None),
    "broken": (reset, None),
    "cut": (reply(body={**ANSWER, "usage": USAGE}, length=9_999), None),
}


@pytest.mark.parametrize("way", [chat, run])
@pytest.mark.parametrize("kind", COUNTED)
async def test_b37_what_is_counted(kind: str, way: Callable[..., Any]) -> None:
    """B37: the upstream's own count at its own place; where there is none to be counted on, what was set aside."""
    script, counted = COUNTED[kind]
    with Recorder(script) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 10_000}})]) as house:
            await way(house)
            size = len(upstream.requests[0].body)
            calls, tokens, _ = spent(house)
            attempts = 1 if kind not in ("failed", "broken") or way is chat else calls
            assert (calls, tokens) == (attempts, size + 10 if counted is None else counted)


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


PIECE = data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": None})
STREAMS = {
    "count at the end": ([PIECE, data({"choices": [], "usage": USAGE}), b"data: [DONE]\n\n"], 40),
    "count in a long last event": ([data({"response": {"text": "x" * 100_000, "usage": {"input_tokens": 1, "output_tokens": 2}}})], 3),
    "count in what the request said": ([data({"response": {"tools": [{"usage": {"total_tokens": 1}}]}}), PIECE * 200], None),
    "none, and long": ([PIECE * 200, b"data: [DONE]\n\n"], None),
}


@pytest.mark.parametrize("kind", STREAMS)
async def test_b37_streams_count_too(kind: str) -> None:
    """B37: by their last count; without one, no less than so many bytes can hold."""
    pieces, counted = STREAMS[kind]
    with Recorder(events(*pieces)) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 1_000_000}})], validation="off") as house:
            said = await chat(house, stream=True)
            assert said.status_code == 200
            assert spent(house)[1] == (len(said.content) // 4 if counted is None else counted)


async def test_b37_a_stream_that_breaks_counts_as_much_as_was_set_aside() -> None:
    """B37: a count in its middle is not its last."""
    with Recorder(events(data({"choices": [], "usage": {"total_tokens": 1}}), end=False)) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 1_000_000}})], validation="off") as house:
            with contextlib.suppress(AssertionError, httpx.HTTPError):  # what the client makes of a reply without an end
                await chat(house, stream=True)
            assert spent(house)[1] >= len(upstream.requests[0].body) + 10


async def test_b37_calls_under_way_hold_what_they_can_use() -> None:
    """B37: many calls at once do not pass a budget that each of them would fit in."""

    def slow(connection: Any, request: Any) -> bool:
        time.sleep(0.2)
        return answer()(connection, request)

    with Recorder(slow) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 300}})]) as house:
            seen = await asyncio.gather(*(way(house) for way in (chat, run) * 10))
            assert {each.status_code for each in seen} == {200, 429}
            assert len(upstream.requests) <= 3
            assert spent(house)[1] == 40 * len(upstream.requests)


EVADED = {
    "no limit of the answer": {"max_tokens": None},
    "a limit below nothing": {"max_tokens": -1},
    "many answers": {"n": 1_000},
    "a limit where the provider reads none": {"max_tokens": 900_000, "extra_body": {"max_tokens": 1}},
    "the other limit": {"max_completion_tokens": 900_000},
}


@pytest.mark.parametrize("kind", EVADED)
async def test_b37_no_number_of_a_caller_passes_it(kind: str) -> None:
    """B37: what bounds nothing counts as what is assumed; the budget is the operator's alone."""
    with Recorder(answer()) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 2_000}})], validation="off") as house:
            said = await chat(house, **EVADED[kind])
            assert (said.status_code, said.json()["error"]["code"]) == (429, "budget_exceeded"), said.text
            assert said.headers["x-should-retry"] == "false"
            for more in ({"budget": {"tokens": 10**9}}, {"options": {"budget": None}}):
                answered = await house.call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": CHAT, **more})
                assert answered.status_code == 400
        assert upstream.silent


async def test_b37_large_bodies_and_forms_are_measured_too() -> None:
    """B37: a body that another process checks, and a form, count by what they say."""
    long = [{"role": "user", "content": "x" * 100_000}]
    with Recorder(answer(None)) as upstream:
        tokens = [entry("a", budget={"day": {"tokens": 150_000}}), entry("b", budget={"day": {"tokens": 50_000}})]
        async with in_process(upstream.url, tokens=tokens) as house:
            assert (await chat(house, "b", messages=long)).status_code == 429
            assert (await chat(house, "a", messages=long)).status_code == 200
            assert spent(house)[1] == len(upstream.requests[0].body) + 10
            sound = {"model": (None, "m"), "file": ("a.wav", b"RIFF" * 10)}
            assert (await house.call("POST", "/v1/audio/transcriptions", "b", files=sound)).status_code == 200
            assert spent(house, "b")[1] == 2 * 16_384


async def test_b37_money_needs_a_price(tmp_path: Path) -> None:
    """B37: a call of a model without a price is not sent under a cap on cost, unless the operator says what to assume."""
    (tmp_path / "prices").write_text(PRICES)
    budget = {"day": {"cost": 1}}
    with Recorder(answer()) as upstream:
        for assumed, status in ((None, 403), (0.25, 200)):
            given = {"prices": tmp_path / "prices", **({"assumed_cost": assumed} if assumed else {})}
            async with in_process(upstream.url, tokens=[entry("a", budget=budget)], budgets=given) as house:
                said = await chat(house, model="new")
                assert said.status_code == status, said.text
                assert spent(house)[2] == (0.25 if assumed else 0)
                assert (await chat(house)).status_code == 200
                assert (await house.call("GET", "/v1/models")).status_code == 200
        assert [json.loads(each.body)["model"] for each in upstream.requests if each.body] == ["m", "new", "m"]


async def test_b37_a_budget_holds_no_action_whose_use_no_reply_tells() -> None:
    """B37: batches, training and agents need to be named; under a cap on calls alone they do not."""
    body = {"input_file_id": "file-abc123", "endpoint": "/v1/responses", "completion_window": "24h"}
    budget = {"day": {"tokens": 100_000}}
    tokens = [entry("a", budget=budget), entry("b", budget=budget, actions=["createBatch"]), entry("c", budget={"day": {"calls": 9}})]
    with Recorder(reply(body={"id": "batch_1", "object": "batch"})) as upstream:
        async with in_process(upstream.url, tokens=tokens, ownership="off") as house:
            statuses = [(await house.call("POST", "/v1/batches", name, json=body)).status_code for name in "abc"]
            assert statuses == [403, 200, 200]
            assert (await house.run("createBatch", body, "a")).status_code == 404
        assert len(upstream.requests) == 2


async def test_b37_pages_that_call_the_provider_count() -> None:
    """B37: the options of a field, and the test of the connection."""
    with Recorder(reply(body={"object": "list", "data": []})) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"calls": 2}})]) as house:
            path = "/kosha/v1/actions/createBatch/options/input_file_id"
            pages = (path, "/api/v1/specification/test", path, "/api/v1/specification/test")
            seen = [await house.call("POST", page, json={}) for page in pages]
            assert [each.status_code for each in seen][2:] == [429, 429]
            assert all(int(each.headers["retry-after"]) > 0 for each in seen[2:])
        assert len(upstream.requests) <= 2


async def test_b37_runs_with_events_and_each_call_of_a_flow_count() -> None:
    """B37: the studio's roads, jobs, tasks and workflows are no way round."""
    stream = events(
        PIECE,
        data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": USAGE}),
        b"data: [DONE]\n\n",
    )
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "x", "version": "1"},
        "sourceDescriptions": [{"name": "o", "url": "openapi.json", "type": "openapi"}],
        "workflows": [{"workflowId": "w", "steps": [{"stepId": f"s{n}", "operationId": "listModels"} for n in range(5)]}],
    }
    with Recorder(stream) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"tokens": 100_000}})], validation="off") as house:
            path = "/kosha/v1/actions/createChatCompletion/run"
            await house.call("POST", path, json={"inputs": CHAT}, headers={"accept": "text/event-stream"})
            assert spent(house)[:2] == (1, 40)
    with Recorder(reply(body={"object": "list", "data": []})) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"calls": 3}})]) as house:
            said = await house.call("POST", "/kosha/v1/workflows/run", json={"document": document})
            assert len(upstream.requests) == 3, said.text
            assert "budget of calls in a day" in said.text


async def test_b37_a_restart_begins_no_day_anew(tmp_path: Path) -> None:
    """B37: the file keeps it, also what calls had set aside that never ended; others may not read it."""
    file = tmp_path / "budgets"
    given: dict[str, Any] = {"tokens": [entry("a", budget={"day": {"calls": 3}})], "budgets": {"file": file}}
    with Recorder(answer()) as upstream:
        for _ in range(2):
            async with in_process(upstream.url, **given) as house:
                assert (await chat(house)).status_code == 200
        async with in_process(upstream.url, **given) as house:
            house.service._spending.of(_caller(BudgetEntry(day=CapsEntry(calls=3)))).set_aside(None)  # type: ignore[union-attr]
        async with in_process(upstream.url, **given) as house:
            assert (await chat(house)).status_code == 429
    assert file.stat().st_mode & 0o077 == 0
    file.chmod(0o666)
    with Recorder(answer()) as upstream, pytest.raises(SetupError, match="cannot be used"):
        async with in_process(upstream.url, **given):
            pass


async def test_b37_a_count_that_cannot_be_kept_refuses(tmp_path: Path) -> None:
    """B37: while another process holds the file nothing is sent."""
    file = tmp_path / "budgets"
    with Recorder(answer()) as upstream:
        async with in_process(upstream.url, tokens=[entry("a", budget={"day": {"calls": 3}})], budgets={"file": file}) as house:
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            said = await chat(house)
            other.execute("ROLLBACK")
            other.close()
            assert (said.status_code, said.json()["error"]["code"]) == (503, "budget_unavailable")
            assert upstream.silent
            assert (await chat(house)).status_code == 200


def _caller(budget: BudgetEntry, name: str = "a") -> Caller:
    return Caller(name, name, "default", "on", Allowance(1, 1), None, budget)


def _spending(connector: Connector, now: list[float]) -> TokenBudgets:
    return TokenBudgets(BudgetsEntry(), connector.outputs.part, None, clock=lambda: now[0])


def _take(spending: TokenBudgets, budget: BudgetEntry, name: str = "a") -> SpendingTicket:
    found = spending.of(_caller(budget, name))
    assert found is not None
    return found.set_aside(None)


def test_b37_windows_begin_anew_and_a_clock_set_back_opens_none(connector: Connector) -> None:
    """B37: a minute and a day of UTC; each token has its own."""
    now, budget = [86_400.0 * 100 + 59], BudgetEntry(minute=CapsEntry(calls=1), day=CapsEntry(calls=2))
    spending = _spending(connector, now)
    _take(spending, budget)
    with pytest.raises(SpentError) as minute:
        _take(spending, budget)
    assert (minute.value.cap, minute.value.retry_after) == ("minute calls", 1)
    _take(spending, budget, "b")
    now[0] += 1
    _take(spending, budget)
    for passed in (60, -7_200, -86_400 * 3):
        now[0] += passed
        with pytest.raises(SpentError):
            _take(spending, budget)
    now[0] = 86_400.0 * 101
    _take(spending, budget)


def test_b37_a_call_that_ends_in_another_window(connector: Connector) -> None:
    """B37: what it used above what was set aside counts there; nothing is given back to a window that it did not begin in."""
    now, budget = [86_400.0 * 100], BudgetEntry(day=CapsEntry(tokens=100_000))
    spending = _spending(connector, now)
    held = spending.of(_caller(budget))
    assert held is not None
    less, more = (held.reserve("createChatCompletion", CHAT, 80, paid=True) for _ in range(2))
    now[0] += 86_400
    less.ended({"total_tokens": 1}, whole=True)
    assert spending.store.spent("a", "day", now[0])[1] == (0, 0, 0)
    more.ended({"total_tokens": 100}, whole=True)
    assert spending.store.spent("a", "day", now[0])[1] == (0, 10, 0)
    more.ended({"total_tokens": 5_000}, whole=True)
    assert spending.store.spent("a", "day", now[0])[1] == (0, 10, 0), "a ticket is settled once"


def test_b37_the_settings_are_checked(tmp_path: Path) -> None:
    """B37: a cap on cost without prices, a path that is none, a misspelled cap: none of them starts."""
    wrong: list[dict[str, Any]] = [
        {"tokens": [entry("a", budget={"day": {"cost": 1}})]},
        {"budgets": {"default": {"minute": {"cost": 1}}}},
        {"budgets": {"file": "budgets"}},
        {"tokens": [entry("a", budget={"hour": {"calls": 1}})]},
        {"tokens": [entry("a", budget={"day": {"calls": -1}})]},
        {"tokens": [entry("a", budget={"day": {"token": 1}})]},
    ]
    for given in wrong:
        with pytest.raises(SetupError) as refused:
            read_settings(given, environ={})
        assert len(refused.value.faults) == 1, refused.value.faults


def test_b37_a_count_at_the_end_of_a_large_reply() -> None:
    """B37: it counts only where it is the last thing of the whole."""
    finder = UsageFinder(["/usage", "/response/usage"])
    assert finder.at_end(b'0.5]}], "usage": {"total_tokens": 7}}\n') == {"total_tokens": 7}
    assert finder.at_end(b'"usage": {"total_tokens": 7}, "x": 1}') is None
    assert finder.at_end(b'{"echo": {"usage": {"total_tokens": 7}}}') is None
    assert finder.at_end(b'"usage": {"total_tokens": 7') is None
