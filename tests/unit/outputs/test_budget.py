"""Budgets: what a call can use is set aside before it is sent, counted afterwards, and never passed, by any number of threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpx import HTTPXMock

from kosha_connector_openai import CallOptions, Connection, Connector, open_connector
from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.errors import BudgetError, NotSentError, OutcomeUnknownError, RejectedError, SetupError
from kosha_connector_openai.manifest.parts.outputs import Bound, OutputsPart
from kosha_connector_openai.outputs.budget import Budget
from kosha_connector_openai.outputs.prices import Price, Prices

RULES = OutputsPart(
    usage={"input": ("/in",), "output": ("/out",), "total": ("/all",)},
    bounds={"say": Bound(output=("/most",), times=("/n",), each=("/prompt/*",), elsewhere=("/file",)), "read": Bound(no_output=True)},
)
PRICES = Prices(
    date=date(2026, 11, 1), models={"m": Price(input=Decimal(1), output=Decimal(10)), "big": Price(output=Decimal(1), most_output=100)}
)
CHAT = {"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 20}


FUNCTION = {"type": "function", "name": "f", "parameters": {}, "strict": True}


def used(**usage: int) -> Result:
    return Result(action="say", status=200, kind="json", value={}, usage=usage)


@pytest.mark.parametrize("limit", [0, -1, -1_000_000, 2.5, float("nan"), float("inf"), "10", True, [10]])
def test_b15_a_limit_that_is_no_limit_is_unknown(limit: object) -> None:
    """Below 1 it means "no end" to some servers: a cap refuses the call, and where it may pass nothing is set aside below 0."""
    with pytest.raises(BudgetError):
        Budget(RULES, tokens=300).reserve("say", {"most": limit}, 10, paid=True)
    budget = Budget(RULES, tokens=300, strict=False)
    ticket = budget.reserve("say", {"most": limit}, 10, paid=True)
    assert (ticket.need.tokens, min(ticket.held.values())) == (None, Decimal(0))
    with pytest.raises(BudgetError):
        budget.reserve("say", {"most": 500_000}, 10, paid=True)


@pytest.mark.parametrize(
    ("inputs", "size", "tokens"),
    [
        ({"most": 10}, 100, 110),
        ({"most": 10, "n": 3}, 100, 130),
        ({"most": 10, "n": 2, "prompt": ["a", "b", "c"]}, 100, 160),
        ({"extra_body": {"most": 7}}, 1, 8),
        ({"most": 10, "n": True}, 100, 110),
        ({"most": 10.0}, 100, 110),
        ({"most": 10, "n": -5}, 100, 110),
        ({}, 100, None),
        ({"most": 10, "file": "f"}, 100, None),
        ({"most": 10, "extra_body": {"file": "f"}}, 100, None),
        ({"most": 10}, None, None),
        ({"model": "big"}, 1, 101),
    ],
)
def test_the_most_that_a_call_can_use(inputs: Mapping[str, Any], size: int | None, tokens: int | None) -> None:
    """Bytes of the body and the limit of the answer, times the answers; nothing where either has no end."""
    budget = Budget(RULES, tokens=10_000, prices=PRICES, strict=False)
    assert budget.reserve("say", inputs, size, paid=True).need.tokens == tokens


def test_a_call_that_may_be_paid_twice_counts_twice() -> None:
    """With unsafe retries every attempt is set aside."""
    assert Budget(RULES, tokens=10_000).reserve("say", {"most": 10}, 5, paid=True, times=3).need.tokens == 45


@pytest.mark.parametrize(
    ("caps", "inputs", "cap"),
    [
        ({"calls": 0}, {"most": 1}, "calls"),
        ({"tokens": 10}, {"most": 6}, "tokens"),
        ({"tokens": 10}, {}, "tokens"),
        ({"cost": "0.00001", "prices": PRICES}, {"most": 6, "model": "m"}, "cost"),
        ({"cost": 1, "prices": PRICES}, {"most": 6, "model": "unknown"}, "cost"),
    ],
)
def test_a_refusal_names_the_cap(caps: Any, inputs: Any, cap: str) -> None:
    """Which cap, what is left, what to do; a cap that cannot be kept is refused too. Nothing is counted."""
    budget = Budget(RULES, **caps)
    with pytest.raises(BudgetError) as caught:
        budget.reserve("say", inputs, 5, paid=True)
    assert (caught.value.cap, caught.value.to_dict()["cap"], bool(caught.value.hint)) == (cap, cap, True)
    assert cap in str(caught.value)
    assert budget.spent["calls"] == 0


def test_calls_without_a_limit_by_request() -> None:
    """Not strict: such a call runs while anything is left, and what it used is counted."""
    budget = Budget(RULES, tokens=10, strict=False)
    budget.reserve("say", {}, 5, paid=True).settle(used(all=12), None)
    assert budget.spent["tokens"] == 12
    with pytest.raises(BudgetError, match="0 are left"):
        budget.reserve("say", {}, 5, paid=True)


def test_what_costs_nothing_uses_no_tokens() -> None:
    """An action that is not paid counts as a call alone."""
    budget = Budget(RULES, tokens=0, calls=2)
    budget.reserve("list", {}, None, paid=False).settle(None, None)
    assert budget.spent["calls"] == 1


@pytest.mark.parametrize(
    ("result", "error", "calls", "tokens"),
    [
        (used(all=7), None, 1, 7),
        (used(**{"in": 3, "out": 2}), None, 1, 5),
        (Result(action="say", status=200, kind="text", value=""), None, 1, 15),
        (None, None, 1, 15),
        (None, NotSentError("x", phase="connect"), 0, 0),
        (None, SetupError("x"), 0, 0),
        (None, RejectedError("x", status=400, category="c"), 1, 0),
        (None, OutcomeUnknownError("x", phase="read"), 1, 15),
    ],
)
def test_what_is_counted_afterwards(result: Any, error: Any, calls: int, tokens: int) -> None:
    """What was used; nothing where it surely did not run; all that was set aside where nobody knows."""
    budget = Budget(RULES, tokens=100)
    ticket = budget.reserve("say", {"most": 10}, 5, paid=True)
    ticket.settle(result, error)
    ticket.settle(used(all=99), None)  # a second time does nothing
    assert (budget.spent["calls"], budget.spent["tokens"]) == (calls, tokens)
    budget.reserve("say", {"most": 95 - tokens}, 5, paid=True)  # what was set aside is free again
    with pytest.raises(BudgetError):
        budget.reserve("say", {"most": 1}, 0, paid=True)


def test_cost_is_counted_by_the_model_that_answered() -> None:
    """Tokens become money by the price file; a model that it does not know keeps what was set aside."""
    budget = Budget(RULES, cost=1, prices=PRICES)
    known = budget.reserve("say", {"most": 10, "model": "m"}, 5, paid=True)
    known.settle(used(**{"in": 1_000, "out": 100}), None)
    assert budget.spent["cost"] == 0.002
    assert budget.spent["currency"] == "USD"


@pytest.mark.parametrize(
    ("caps", "pointer"),
    [({"calls": -1}, "/calls"), ({"tokens": -5}, "/tokens"), ({"cost": 1}, "/prices"), ({"cost": "nan", "prices": PRICES}, "/cost")],
)
def test_a_wrong_budget(caps: Any, pointer: str) -> None:
    """Negative caps, and a cap on cost without prices, are refused with their place."""
    with pytest.raises(SetupError) as caught:
        Budget(RULES, **caps)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_threads_never_pass_the_cap_together() -> None:
    """Fifty threads at once: what all admitted calls set aside never passes the cap, and none is lost."""
    budget = Budget(RULES, tokens=1_000)
    admitted, refused, gate = [], [], threading.Barrier(50)

    def work() -> None:
        gate.wait()
        for _ in range(10):
            try:
                admitted.append(budget.reserve("say", {"most": 10}, 15, paid=True))
            except BudgetError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), len(refused)) == (40, 460)
    for ticket in admitted:
        ticket.settle(used(all=25), None)
    assert budget.spent == {"calls": 40, "tokens": 1000, "cost": None, "currency": None, "unknown": 0}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans()), max_size=30))
def test_honest_calls_never_pass_a_cap(calls: list[tuple[int, int, bool]]) -> None:
    """Whatever is asked for, in whatever order it ends: answers within their limits never pass the cap."""
    budget, open_calls = Budget(RULES, tokens=200), []
    for most, size, now in calls:
        try:
            ticket = budget.reserve("say", {"most": most}, size, paid=True)
        except BudgetError:
            continue
        open_calls.append((ticket, most + size))
        if now:
            done, use = open_calls.pop(0)
            done.settle(used(all=use), None)
        assert budget.spent["tokens"] <= 200
    for ticket, use in open_calls:
        ticket.settle(used(all=use), None)
    assert budget.spent["tokens"] <= 200


# Through the facade


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    return connector.connection(engine="httpx")


def test_a_call_beyond_the_budget_is_not_sent(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The first call is sent and counted; the second, which could pass the cap, never leaves."""
    httpx_mock.add_response(json={"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 29}})
    budget = connector.outputs.budget(tokens=130)
    options = CallOptions(budget=budget)
    connector.run("createChatCompletion", CHAT, connection, options)
    assert budget.spent["tokens"] == 29
    with pytest.raises(BudgetError) as caught:
        connector.run("createChatCompletion", CHAT | {"max_completion_tokens": 40}, connection, options)
    assert caught.value.cap == "tokens"
    assert len(httpx_mock.get_requests()) == 1


def test_a_refused_call_frees_what_it_set_aside(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A 400 is not paid for."""
    httpx_mock.add_response(status_code=400, json={"error": {"message": "no"}})
    budget = connector.outputs.budget(tokens=130)
    with pytest.raises(RejectedError):
        connector.run("createChatCompletion", CHAT, connection, CallOptions(budget=budget))
    assert budget.spent["tokens"] == 0
    assert budget.spent["calls"] == 1


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("createChatCompletion", {k: v for k, v in CHAT.items() if k != "max_completion_tokens"}),
        (
            "createChatCompletion",
            CHAT | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
        ),
        ("createResponse", {"model": "m", "input": "i", "max_output_tokens": 16, "previous_response_id": "r"}),
        ("createResponse", {"model": "m", "input": "i", "max_output_tokens": 16, "tools": [{"type": "web_search"}]}),
        ("createTranscription", {"model": "m", "file": ("a.mp3", b"x")}),
        ("createImage", {"prompt": "p"}),
        ("createSpeech", {"model": "m", "input": "i", "voice": "alloy"}),
        ("createBatch", {"input_file_id": "f", "endpoint": "/v1/embeddings", "completion_window": "24h"}),
    ],
)
def test_what_has_no_bound_is_refused_under_a_cap_on_tokens(connector: Connector, connection: Connection, action: str, inputs: Any) -> None:
    """Pictures, earlier answers, the provider's own tools, recordings: nobody can tell, so a strict budget refuses; nothing is sent."""
    with pytest.raises(BudgetError, match="nobody can tell"):
        connector.run(action, inputs, connection, CallOptions(budget=connector.outputs.budget(tokens=10_000_000)))


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("createCompletion", {"model": "m", "prompt": ["a", "b"], "best_of": 2}),
        ("createResponse", {"model": "m", "input": "i", "max_output_tokens": 16, "tools": [FUNCTION]}),
        ("createEmbedding", {"model": "m", "input": ["a", "b"]}),
        ("listModels", {}),
    ],
)
def test_what_has_a_bound_is_sent(connector: Connector, connection: Connection, httpx_mock: HTTPXMock, action: str, inputs: Any) -> None:
    """The same cap lets through what the inputs limit."""
    httpx_mock.add_response(json={})
    connector.run(action, inputs, connection, CallOptions(budget=connector.outputs.budget(tokens=10_000_000)))


def test_the_bound_holds_for_any_text() -> None:
    """A token stands for a byte of the text or more, so the body's bytes are never fewer than the input's tokens; here, never fewer
    than its characters either."""
    connector = open_connector()
    texts = ["a", "\u00e9" * 10, "\U0001f600" * 10, "\n" * 10]
    for text in texts:
        preview = connector.preview(
            "createEmbedding", {"model": "m", "input": text}, connector.connection({"api_key": "env:OPENAI_API_KEY"})
        )
        assert len(preview.body()) >= len(text.encode())


def test_a_budget_goes_on_in_another_process_by_its_terms() -> None:
    """All caps and prices come through as JSON; what others have spent is noticed, and a call that then leaves not costs nothing."""
    with open_connector() as connector:
        first = connector.outputs.budget(calls=3, cost="0.000123456789", prices=PRICES, strict=False)
        other = connector.outputs.budget_of(json.loads(json.dumps(first.terms)))
        assert other.terms == first.terms
        assert other.spent == first.spent
        assert connector.outputs.budget_of(connector.outputs.budget(tokens=5).terms).terms["prices"] is None
    ticket = other.reserve("createCompletion", {"model": "m", "max_tokens": 1}, 1, paid=True)
    other.confirm()
    other.go_on({"calls": "3"})
    with pytest.raises(BudgetError, match="cap on calls is used up by its other processes") as over:
        other.confirm()
    ticket.settle(None, over.value)
    assert other.spent["calls"] == 3
