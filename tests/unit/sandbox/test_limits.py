"""Limits that are enforced: what is let through, what a refusal says, and that headers tell the truth."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.limits import EnforcedLimits, LimitRules
from kosha_connector_openai.sandbox.message import SandboxReply
from tests.unit.sandbox.test_resources import started, statuses

SAID = {"model": "m", "prompt": "Say one"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def limits(**rules: Any) -> tuple[EnforcedLimits, Clock]:
    clock = Clock()
    made = EnforcedLimits(clock=clock)
    made.set(LimitRules.read(rules))
    return made, clock


def refusal(made: EnforcedLimits) -> Any:
    with pytest.raises(RequestFailure) as caught:
        made.admit()
    return caught.value.facts["headers"]


def test_requests_fill_up_again_with_time() -> None:
    """Two a second with a depth of a second: two at once, the third after half a second, and the refusal says so."""
    made, clock = limits(requests=120)
    made.admit()
    made.admit()
    assert refusal(made)["retry-after-ms"] == "501"
    clock.now += 0.5
    made.admit()
    assert refusal(made)["x-ratelimit-remaining-requests"] == "0"
    assert made.set(LimitRules())["refused"] == 2


def test_tokens_are_what_answers_used() -> None:
    """An answer may use more than there is; the next request then waits until that has come back."""
    made, clock = limits(tokens=600)
    made.admit()
    reply = made.count(SandboxReply.json({"usage": {"total_tokens": 30}}))
    assert reply.headers["x-ratelimit-limit-tokens"] == "600"
    assert refusal(made)["retry-after-ms"] == "2001"
    clock.now += 2.0
    made.admit()


def test_calls_are_limited_and_questions_are_not(call: Any) -> None:
    """The limit is of what costs, not of lists; the answer's headers have what is left; a batch's lines do not count."""
    assert call("POST", "/__sandbox__/limits", {"requests": 60}).json["requests"] == 60
    first, second = call("POST", "/v1/completions", SAID), call("POST", "/v1/completions", SAID)
    assert (first.status, first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == (200, "60", "0")
    assert (second.status, second.error["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(second.headers["retry-after-ms"]) <= 1001
    assert call("GET", "/v1/models").status == 200
    assert call("POST", "/__sandbox__/limits", {}).json["refused"] == 1
    assert call("POST", "/v1/completions", SAID).headers["x-ratelimit-limit-requests"] == "10000"


def test_the_queue_of_batches_has_an_end(call: Any) -> None:
    """The second batch does not fit while the first one waits; a third does, once that has ended."""
    call("POST", "/__sandbox__/limits", {"enqueued_tokens": 60})
    first, second = started(call, ["a", "b"]), started(call, ["c", "d"])
    assert statuses(call, first, 1) == ["in_progress"]
    assert statuses(call, second, 1) == ["failed"]
    assert call("GET", second).json["errors"]["data"][0]["code"] == "token_limit_exceeded"
    assert statuses(call, first, 1) == ["completed"]
    third = started(call, ["c", "d"])
    assert statuses(call, third, 2) == ["in_progress", "completed"]
    call("POST", "/__sandbox__/limits", {})


@pytest.mark.parametrize("rules", [{"requests": -1}, {"other": 1}, {"depth": "x"}, []])
def test_rules_that_are_none_are_refused(call: Any, rules: Any) -> None:
    """A rule out of its bounds, of a wrong type or of no known name is answered with 400."""
    assert call("POST", "/__sandbox__/limits", rules).status == 400
