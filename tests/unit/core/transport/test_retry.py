"""The retry table, its clock-free parts and its budget."""

import threading
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.transport.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    decide,
    may_begin_again,
    may_have_run,
    parse_retry_after,
    retryable,
    turned_away,
)
from kosha_connector_openai.errors import (
    ApiError,
    IncompleteAnswerError,
    InputError,
    JobEndedError,
    JobPendingError,
    JobUnknownError,
    MalformedReplyError,
    NotSentError,
    OutcomeUnknownError,
    TruncatedReplyError,
    UnfitAnswerError,
    WorkflowError,
)

NOW = 1_700_000_000.0
POLICY = RetryPolicy()


def choose(failure, method="GET", *, policy=POLICY, idempotent=False, attempt=1, remaining=600.0, rand=0.5):
    return decide(
        policy,
        failure,
        method=method,
        idempotent=idempotent,
        attempt=attempt,
        now=NOW,
        remaining=remaining,
        rand=lambda: rand,
    )


def status(code, category=None, **headers):
    return Failure("status", status=code, category_retryable=category, headers={k.replace("_", "-"): v for k, v in headers.items()})


UNSENT = Failure("connect", nothing_sent=True)
RESET = Failure("read")


@pytest.mark.parametrize(
    ("failure", "get", "post", "delete"),
    [
        (UNSENT, "retry", "retry", "retry"),
        (Failure("pool", nothing_sent=True), "retry", "retry", "retry"),
        (Failure("tls", nothing_sent=True), "stop", "stop", "stop"),
        (Failure("write"), "retry", "stop", "stop"),
        (RESET, "retry", "stop", "stop"),
        (Failure("truncated", status=200), "retry", "stop", "stop"),
        (Failure("protocol"), "retry", "stop", "stop"),
        (Failure("deadline"), "stop", "stop", "stop"),
        (Failure("deadline", nothing_sent=True), "stop", "stop", "stop"),
        (status(400), "stop", "stop", "stop"),
        (status(401), "stop", "stop", "stop"),
        (status(404), "stop", "stop", "stop"),
        (status(408), "retry", "stop", "stop"),
        (status(409), "retry", "stop", "stop"),
        (status(422), "stop", "stop", "stop"),
        (status(425), "retry", "stop", "stop"),
        (status(425, True), "retry", "retry", "retry"),
        (status(429), "retry", "stop", "stop"),
        (status(429, True), "retry", "retry", "retry"),
        (status(429, False), "stop", "stop", "stop"),
        (status(500), "retry", "stop", "stop"),
        (status(500, True), "retry", "stop", "stop"),
        (status(501), "stop", "stop", "stop"),
        (status(502), "retry", "stop", "stop"),
        (status(503), "retry", "stop", "stop"),
        (status(503, retry_after="1"), "retry", "retry", "retry"),
        (status(503, retry_after="soon"), "retry", "stop", "stop"),
        (status(503, False, retry_after="1"), "stop", "stop", "stop"),
        (status(504), "retry", "stop", "stop"),
        (status(500, x_should_retry="false"), "stop", "stop", "stop"),
        (status(429, True, X_Should_Retry="false"), "stop", "stop", "stop"),
        (status(400, x_should_retry="true"), "retry", "stop", "stop"),
        (status(500, x_should_retry="true"), "retry", "stop", "stop"),
        (status(429, False, x_should_retry="true"), "stop", "stop", "stop"),
    ],
)
def test_the_table(failure, get, post, delete):
    """Each failure, for a GET, a paid POST and a DELETE: only what cannot have run is sent twice."""
    assert [choose(failure, method).action for method in ("GET", "POST", "DELETE")] == [get, post, delete]
    assert choose(failure, "head").action == get
    assert choose(failure, "PUT").action == delete


@pytest.mark.parametrize("failure", [RESET, status(500), status(408), Failure("truncated")])
def test_idempotent_operations_and_a_willing_user_are_treated_like_a_get(failure):
    """A declared idempotent POST, or one whose user accepts paying twice, is sent again where a GET would be."""
    assert choose(failure, "POST", idempotent=True).action == "retry"
    assert choose(failure, "POST", policy=RetryPolicy(unsafe=True)).action == "retry"


@pytest.mark.parametrize(("attempt", "action"), [(1, "retry"), (2, "retry"), (3, "stop"), (4, "stop")])
def test_three_attempts_in_all(attempt, action):
    """The third failure ends the call, and the reason counts the attempts."""
    decision = choose(UNSENT, attempt=attempt)
    assert decision.action == action
    assert (f"attempt {attempt} of 3" in decision.reason) is (action == "stop")


@pytest.mark.parametrize(
    ("attempt", "rand", "wait"),
    [(1, 0.0, 0.0), (1, 0.5, 0.5), (2, 0.5, 1.0), (3, 0.5, 2.0), (9, 1.0, 20.0), (1000, 1.0, 20.0)],
)
def test_full_jitter_doubles_up_to_its_cap(attempt, rand, wait):
    """Half a second on average at first, twice that each time, never over 20 seconds."""
    assert choose(UNSENT, policy=RetryPolicy(attempts=2000), attempt=attempt, rand=rand).wait == wait


@pytest.mark.parametrize("rand", [0.0, 0.5, 0.99])
def test_the_servers_wait_is_waited_as_asked(rand):
    """Jitter is for our own waits alone: 50 ms are 50 ms, 7 s are 7 s. Asked for no wait, ours is taken."""
    assert choose(status(429, True, retry_after_ms="50", retry_after="7"), "POST", rand=rand).wait == 0.05
    assert choose(status(429, True, retry_after="7"), "POST", rand=rand).wait == 7.0
    assert choose(status(429, True, retry_after="0"), "POST", rand=rand).wait == rand


LIMIT = Failure("status", status=200, category_retryable=True, category="rate_limit")


@pytest.mark.parametrize(
    ("failure", "get", "post"),
    [
        (UNSENT, True, True),
        (Failure("pool", nothing_sent=True), True, True),
        (Failure("write"), True, None),
        (Failure("head"), True, None),
        (RESET, True, None),
        (Failure("truncated"), True, None),
        (Failure("deadline"), True, None),
        (status(400, False), False, False),
        (status(402, False), False, False),
        (status(408, True), True, None),
        (status(425, True), True, True),
        (status(429, True), True, True),
        (LIMIT, True, True),
        (status(500, True), True, None),
        (status(502, True), True, None),
        (status(503, True), True, None),
        (status(503, True, retry_after="3"), True, True),
        (status(504, True), True, None),
        (status(524, True), True, None),
        (status(529, True), True, None),
        (status(500), None, None),
    ],
)
def test_retryable_is_about_this_very_call(failure, get, post):
    """True only where sending it again is safe: a paid POST that a proxy gave up on may have run."""
    assert [retryable(failure, method=method, idempotent=False) for method in ("GET", "POST")] == [get, post]
    assert retryable(failure, method="POST", idempotent=True) is get


@settings(deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(["pool", "connect", "write", "head", "read", "truncated", "protocol", "status"]),
    code=st.integers(400, 599),
    category=st.sampled_from([None, True, False]),
    asked=st.booleans(),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
)
def test_what_is_sent_again_is_retryable(kind, code, category, asked, method):
    """No call is sent again that its error, where it is raised, would call doubtful or hopeless; but a status that no rule knows."""
    headers = {"retry-after": "1"} if asked else {}
    fault = Failure(
        kind, kind in ("pool", "connect"), code if kind == "status" else None, category if kind == "status" else None, "", headers
    )
    again = choose(fault, method).action == "retry"
    assert not again or retryable(fault, method=method, idempotent=False) or (kind == "status" and category is None)


def api(status, category="server", retry_after=None):
    refused = category in ("invalid_input", "quota", "conflict")
    verdict = False if refused else True if status in (425, 429) else None
    return ApiError("m", status=status, category=category, retryable=verdict, retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (api(400, "invalid_input"), False),
        (api(402, "quota"), False),
        (api(408, "timeout"), True),
        (api(409, "conflict"), False),
        (api(413, "invalid_input"), False),
        (api(425, "overloaded"), False),
        (api(429, "rate_limit"), False),
        (api(500), True),
        (api(501), False),
        (api(503), True),
        (api(503, retry_after=1.0), False),
        (api(524), True),
        (api(200), True),
        (api(200, "invalid_input"), False),
        (api(200, "quota"), False),
        (api(200, "rate_limit"), False),
        (NotSentError("m", phase="pool"), False),
        (OutcomeUnknownError("m", phase="read"), True),
        (TruncatedReplyError("m"), True),
        (MalformedReplyError("m"), True),
        (InputError("m"), False),
        (JobPendingError("m", handle={}), True),
        (JobUnknownError("m", handle={}), True),
        (JobEndedError("m", handle={}, state="failed", end="failed"), False),
        (WorkflowError("m", pointer="", workflow="w", cause=OutcomeUnknownError("m", phase="read")), True),
        (WorkflowError("m", pointer="", workflow="w", cause=NotSentError("m", phase="connect")), False),
    ],
)
def test_what_may_have_run(error, may):
    """The same word for workflows and jobs: an error after which the work may be done, and a started job, are not begun again."""
    assert may_have_run(error) is may


@pytest.mark.parametrize(("category", "code"), [("rate_limit", 200), ("rate_limit", 429), ("overloaded", 503), ("quota", 200)])
def test_what_surely_ran_was_not_turned_away(category, code):
    """An error that came with or after a part of the answer: the call ran, whatever the category says of others."""
    error = api(code, category, retry_after=1.0)
    error.ran = True
    assert (turned_away(error), may_have_run(error)) == (False, True)
    assert not may_begin_again(error, harmless=False, named=True)
    failure = Failure("status", status=code, category_retryable=True, category=category, headers={"retry-after": "1"}, ran=True)
    assert (retryable(failure, method="POST", idempotent=False), retryable(failure, method="GET", idempotent=False)) == (None, True)
    assert choose(failure, "POST").action == "stop"


@pytest.mark.parametrize(
    ("error", "plain", "named", "harmless"),
    [
        (None, False, True, True),
        (IncompleteAnswerError("m"), False, False, True),
        (UnfitAnswerError("m"), False, False, True),
        (JobEndedError("m", handle={}, state="failed", end="failure"), False, True, True),
        (api(409, "conflict"), False, True, True),
        (api(429, "rate_limit"), True, True, True),
        (api(500), False, False, True),
        (OutcomeUnknownError("m", phase="read"), False, False, True),
        (NotSentError("m", phase="pool"), True, True, True),
        (InputError("m"), False, False, False),
    ],
)
def test_what_a_flow_may_begin_again(error, plain, named, harmless):
    """An answer was paid for: only an author who names what is wrong with it gets another, and none where the policy made it an error."""
    assert may_begin_again(error, harmless=False, named=False) is plain
    assert may_begin_again(error, harmless=False, named=True) is named
    assert may_begin_again(error, harmless=True, named=False) is harmless


@pytest.mark.parametrize(("asked", "remaining"), [("121", 600.0), ("3600", 7200.0)])
def test_too_long_a_retry_after_stops_and_tells_the_time(asked, remaining):
    """Over the cap the call ends at once; the reason names the wait."""
    decision = choose(status(429, True, retry_after=asked), remaining=remaining)
    assert (decision.action, decision.wait) == ("stop", float(asked))
    assert f"{asked} s" in decision.reason


@pytest.mark.parametrize("failure", [status(429, True, retry_after="30"), UNSENT])
def test_no_wait_past_the_deadline(failure):
    """A wait that would end after the deadline stops the call with both times told."""
    decision = choose(failure, remaining=0.25)
    assert decision.action == "stop"
    assert "deadline in 0.25 s" in decision.reason


@settings(deadline=None, max_examples=200)
@given(
    seconds=st.floats(0, 120),
    attempt=st.integers(1, 2),
    rand=st.floats(0, 1, exclude_max=True),
    method=st.sampled_from(["GET", "POST"]),
)
def test_never_earlier_than_asked(seconds, attempt, rand, method):
    """Whatever the jitter, a retry waits at least as long as Retry-After says."""
    decision = choose(status(429, True, retry_after=f"{seconds:.6f}"), method, attempt=attempt, rand=rand)
    assert decision.action == "retry"
    assert decision.wait >= float(f"{seconds:.6f}")


@settings(deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(["write", "read", "truncated", "protocol", "deadline", "status"]),
    code=st.integers(100, 599),
    hint=st.sampled_from(["", "true", "TRUE", "1"]),
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
)
def test_a_post_that_may_have_run_is_never_sent_again(kind, code, hint, method):
    """Without a rate-limit category or Retry-After no failure after the first byte makes a second request."""
    failure = Failure(kind, status=code, headers={"x-should-retry": hint})
    assert choose(failure, method).action == "stop"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"Retry-After": " 5 "}, 5.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250.5", "retry-after": "9"}, 0.2505),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tuesday, 14-Nov-23 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tue Nov 14 22:13:30 2023"}, 10.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0),
        ({"date": formatdate(NOW - 3600, usegmt=True), "retry-after": formatdate(NOW - 3570, usegmt=True)}, 30.0),
        ({"Date": formatdate(NOW + 86400, usegmt=True), "Retry-After": formatdate(NOW + 86430, usegmt=True)}, 30.0),
        ({"date": "yesterday", "retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": "5, 10"}, None),
        ({"retry-after": "5 10"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Infinity"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "+5"}, None),
        ({"retry-after": "1e20"}, None),
        ({"retry-after": "1" + "0" * 20}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "\u0665"}, None),
        ({"retry-after": "5s"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Tue, 99 Nov 2023 22:13:30 GMT"}, None),
        ({"retry-after": "Tue, 14 Nov 99999 22:13:30 GMT"}, None),
        ({"retry-after": "Fri, 14 Nov 2121 22:13:30 GMT"}, None),
    ],
)
def test_retry_after_in_every_spelling(headers, seconds):
    """Milliseconds first, then seconds or any of the three HTTP dates; everything odd counts as absent."""
    assert parse_retry_after(headers, NOW) == seconds


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_header_text_gives_seconds_or_none(milliseconds, seconds):
    """No header text raises, and what comes back is a finite wait."""
    found = parse_retry_after({"retry-after-ms": milliseconds, "retry-after": seconds}, NOW)
    assert found is None or 0 <= found < 1e12


def test_an_outage_spends_the_budget_once():
    """While nothing succeeds, a thousand calls make ten retries: less than 1.2 requests a call."""
    budget = RetryBudget()
    assert sum(budget.spend() for _ in range(1000)) == 10


def test_successes_refill_up_to_the_capacity():
    """Ten successes pay for one retry, and no number of them for more than the capacity."""
    budget = RetryBudget(capacity=2, refill=0.125)
    assert [budget.spend(), budget.spend(), budget.spend()] == [True, True, False]
    [budget.succeeded() for _ in range(8)]
    assert [budget.spend(), budget.spend()] == [True, False]
    [budget.succeeded() for _ in range(1000)]
    assert sum(budget.spend() for _ in range(10)) == 2


def test_threads_share_the_budget():
    """Eight threads together get no more tokens than there are."""
    budget, taken = RetryBudget(capacity=100), []
    threads = [threading.Thread(target=lambda: taken.extend(budget.spend() for _ in range(100))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sum(taken) == 100
