"""A delivery counts once, and a cap is passed by no number that a caller writes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connector
from kosha_connector_openai.errors import BudgetError, ReplayError
from kosha_connector_openai.flows.triggers import MemoryGuard, sample, sign, verify
from tests.recorder import Recorder, reply

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"
NOW = 1_800_000_000
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "x", "refusal": None}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


@pytest.mark.parametrize("first", [(OLD,), (NEW,), (OLD, NEW)])
@pytest.mark.parametrize("second", [(OLD,), (NEW,), (OLD, NEW)])
def test_b14_a_delivery_counts_once_while_a_secret_changes(connector: Connector, first: Any, second: Any) -> None:
    """Whichever of the two secrets, or both, signed it the first time and the second."""
    body, guard = json.dumps(sample(connector, "batch.completed")).encode(), MemoryGuard()
    verify(connector, sign("wh_1", NOW, body, first), body, (OLD, NEW), guard=guard, now=NOW)
    with pytest.raises(ReplayError):
        verify(connector, sign("wh_1", NOW + 5, body, second), body, (OLD, NEW), guard=guard, now=NOW)


@pytest.mark.parametrize("limit", [0, -1, -1_000_000])
@pytest.mark.parametrize("where", ["max_tokens", "max_completion_tokens"])
def test_b15_a_limit_below_one_passes_no_cap(connector: Connector, key: str, limit: int, where: str) -> None:
    """Under a cap the call is not sent, whatever a server would take the number for."""
    with Recorder(reply(body=ANSWER)) as upstream:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        budget = connector.outputs.budget(tokens=300)
        with pytest.raises(BudgetError):
            connector.run("createChatCompletion", {**CHAT, where: limit}, connection, CallOptions(budget=budget))
        assert not upstream.requests
        assert budget.spent["tokens"] == 0


def test_b15_a_call_under_way_makes_no_room(connector: Connector, key: str) -> None:
    """Where calls without a bound may pass, one with a negative limit takes nothing off what others hold."""
    budget = connector.outputs.budget(tokens=300, strict=False)
    held = budget.reserve("createChatCompletion", {**CHAT, "max_tokens": -1_000_000}, 80, paid=True)
    refused: list[BudgetError] = []

    def other() -> None:
        try:
            budget.reserve("createChatCompletion", {**CHAT, "max_tokens": 500_000}, 80, paid=True)
        except BudgetError as error:
            refused.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    held.settle(None, None)
    assert len(refused) == 1
