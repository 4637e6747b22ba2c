"""The pace against an upstream that enforces its limits, on a clock of its own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from kosha_connector_openai.core import Attempt
from kosha_connector_openai.core.result import Result, parse_duration, read_limits
from kosha_connector_openai.errors import UnavailableError
from kosha_connector_openai.flows.bulk import Pace
from kosha_connector_openai.flows.bulk.in_flight import InFlight
from kosha_connector_openai.flows.bulk.pace import Granted
from kosha_connector_openai.flows.bulk.shared_pace import SharedPace, Turn

CALLERS, LATENCY = 120, 0.2


@dataclass
class Enforcing:
    """Buckets of requests and tokens a minute that hold ``depth`` seconds of them; each call uses a quarter of its bytes as tokens."""

    requests: float
    tokens: float
    depth: float
    headers: bool = True
    retry_after: float | None = 0.3
    is_honest: bool = False
    """Whether a refusal tells when the next request would be served."""
    change: Callable[[float], float] = lambda _: 1.0
    used: float = 0
    used_tokens: float = 0
    refused: int = 0
    early: int = 0
    told: float = 0.0
    levels: list[float] = field(default_factory=list)
    at: float = 0.0

    def answer(self, now: float, tokens: float) -> bool:
        rates = [self.requests / 60 * self.change(now), self.tokens / 60 * self.change(now)]
        depths = [max(1.0, rates[0] * self.depth), rates[1] * self.depth]
        self.levels = self.levels or depths
        passed, self.at = now - self.at, now
        self.levels = [min(depth, level + rate * passed) for depth, level, rate in zip(depths, self.levels, rates, strict=True)]
        needs = [1 - 1e-9, min(tokens, depths[1])]
        lacks = [(need - level) / rate for need, level, rate in zip(needs, self.levels, rates, strict=True)]
        if max(lacks) > 0:
            self.refused += 1
            self.retry_after = max(lacks) if self.is_honest else self.retry_after
            return False
        self.levels = [self.levels[0] - 1, self.levels[1] - tokens]
        self.used += 1
        self.used_tokens += tokens
        return True

    def limits(self, now: float) -> dict[str, float]:
        if not self.headers:
            return {}
        part = self.change(now)
        return {"limit_requests": self.requests * part, "limit_tokens": self.tokens * part}


def simulate(upstream: Enforcing, seconds: float, paces: int = 1, callers: int = CALLERS, **given: float) -> None:
    """So many callers who begin again at once, spread over so many paces."""
    now = 0.0
    chosen, order = random.Random(7), itertools.count()
    crowd = [Pace(share=1 / paces, clock=lambda: now, count=lambda usage: usage and usage["total"], **given) for _ in range(paces)]
    waiting: list[tuple[float, int, int, Attempt, str]] = []

    def begin(pace: int) -> None:
        heapq.heappush(waiting, (now, next(order), pace, Attempt("a", "m", chosen.randint(200, 1_800)), "ask"))

    for caller in range(callers):
        begin(caller % paces)
    while waiting:
        now, _, pace, attempt, what = heapq.heappop(waiting)
        if now > seconds:
            return
        if what == "ask":
            wait = crowd[pace].wait(attempt)
            if wait > 0:
                heapq.heappush(waiting, (now + wait, next(order), pace, attempt, "ask"))
                continue
            upstream.early += now < upstream.told - 1e-9
            good = upstream.answer(now, attempt.size / 4)
            if not good and upstream.retry_after is not None and paces == 1:
                attempt.action = "refused"
            heapq.heappush(waiting, (now + (LATENCY if good else 0.02), next(order), pace, attempt, "yes" if good else "no"))
            continue
        if what == "yes":
            result = Result("a", 200, "json", {}, usage={"total": attempt.size / 4})
            crowd[pace].answered(attempt, upstream.limits(now), result, None)
        else:
            error = UnavailableError("Slow.", status=429, category="rate_limit", retry_after=upstream.retry_after)
            if upstream.retry_after is not None and paces == 1:
                upstream.told = max(upstream.told, now + upstream.retry_after)
            crowd[pace].answered(attempt, upstream.limits(now), None, error)
        begin(pace)


CASES = [
    ("requests bind, depth 1 s", Enforcing(12_000, 1e7, 1.0), 1, 0.95),
    ("requests bind, depth 0.3 s", Enforcing(12_000, 1e7, 0.3), 1, 0.95),
    ("tokens bind, depth 1 s", Enforcing(60_000, 600_000, 1.0), 1, 0.95),
    ("tokens bind, depth 0.3 s", Enforcing(60_000, 600_000, 0.3), 1, 0.95),
    ("large limits of tokens", Enforcing(18_000, 40_000_000, 0.3), 1, 0.95),
    ("halved midway", Enforcing(12_000, 1e7, 0.3, change=lambda now: 1.0 if now < 10 else 0.5), 1, 0.95),
    ("four processes", Enforcing(12_000, 1e7, 0.3), 4, 0.95),
    ("no headers", Enforcing(12_000, 1e9, 0.3, headers=False, retry_after=0.1), 1, 0.85),
    ("no headers, no time told", Enforcing(12_000, 1e9, 1.0, headers=False, retry_after=None), 1, 0.85),
    ("no headers, four processes", Enforcing(12_000, 1e9, 1.0, headers=False, is_honest=True), 4, 0.85),
]


def test_what_is_allowed_is_used_and_little_is_refused() -> None:
    """95 % of the limit (85 % where no header tells it), at most 1 % refused, nothing before the time told."""
    wrong = []
    for what, upstream, paces, least in CASES:
        seconds = 20.0 if upstream.headers else 40.0
        simulate(upstream, seconds, paces)
        allowed = sum(upstream.change(moment / 10) for moment in range(int(seconds * 10))) / 10
        used = max(upstream.used / (upstream.requests / 60 * allowed), upstream.used_tokens / (upstream.tokens / 60 * allowed))
        refused = upstream.refused / (upstream.used + upstream.refused)
        if used < least or refused > 0.01 or upstream.early:
            wrong.append(f"{what}: used {used:.3f}, refused {refused:.4f}, early {upstream.early}")
    assert wrong == []


@pytest.mark.parametrize(("requests", "seconds"), [(60, 900.0), (600, 180.0), (6_000, 60.0)])
def test_few_requests_a_minute_are_found_with_few_refusals(requests: int, seconds: float) -> None:
    """60, 600 and 6,000 requests a minute: at most 1 % refused and 85 % used where nothing tells them, 95 % where headers do."""
    wrong = []
    halved = lambda now: 1.0 if now < seconds / 2 else 0.5  # noqa: E731
    for headers, depth, change in itertools.product((True, False), (1.0, 0.3), (lambda _: 1.0, halved)):
        if requests == 60 and not headers and change is halved:
            continue  # 700 requests in all, of which 1 % is less than two limits take to be found
        upstream = Enforcing(requests, 1e9, depth, headers=headers, is_honest=True, change=change)
        simulate(upstream, seconds, callers=4 + requests // 100)
        allowed = requests / 60 * seconds * (0.75 if change is halved else 1)
        used, refused = upstream.used / allowed, upstream.refused / (upstream.used + upstream.refused)
        if used < (0.95 if headers else 0.85) or refused > 0.01 or upstream.early:
            wrong.append(f"{headers}, {depth}, halved {change is halved}: used {used:.3f}, refused {refused:.4f}, early {upstream.early}")
    assert wrong == []


@pytest.mark.parametrize(("requests", "seconds", "headers"), [(60, 1_200.0, True), (600, 180.0, True), (600, 600.0, False)])
def test_processes_without_a_common_ledger_take_turns(requests: int, seconds: float, headers: bool) -> None:
    """Four share a limit of which the server lets one to ten requests come at once."""
    wrong = []
    for depth in (1.0, 0.3):
        upstream = Enforcing(requests, 1e9, depth, headers=headers, is_honest=True)
        simulate(upstream, seconds, 4, callers=12)
        used, refused = upstream.used / (requests / 60 * seconds), upstream.refused / (upstream.used + upstream.refused)
        if used < (0.95 if headers else 0.85) or refused > 0.01:
            wrong.append(f"{depth}: used {used:.3f}, refused {refused:.4f}")
    assert wrong == []


def test_told_limits_that_others_use_too_are_not_asked_for_again_and_again() -> None:
    """Half of 1,200 requests a minute goes to others of the same account; the headers tell 1,200 all the same."""
    upstream = Enforcing(1_200, 1e9, 1.0, is_honest=True, change=lambda _: 0.5)
    upstream.limits = lambda now: {"limit_requests": 1_200.0}  # type: ignore[method-assign]
    simulate(upstream, 240.0, callers=10)
    assert upstream.used / (600 / 60 * 240) > 0.85
    assert upstream.refused / (upstream.used + upstream.refused) < 0.02


def test_a_limit_that_nobody_tells_is_measured_between_two_refusals() -> None:
    """Half of what is promised to be refused at most, from 50 requests a second to 200, with half a minute's trials in it."""
    wrong = []
    for requests, retry_after in itertools.product((3_000, 12_000), (0.1, None)):
        upstream = Enforcing(requests, 1e9, 1.0, headers=False, retry_after=retry_after)
        simulate(upstream, 40.0)
        used, refused = upstream.used / (requests / 60 * 40), upstream.refused / (upstream.used + upstream.refused)
        if used < 0.9 or refused > 0.005:
            wrong.append(f"{requests}, {retry_after}: used {used:.3f}, refused {refused:.4f}")
    assert wrong == []


def test_given_limits_hold_from_the_first_call() -> None:
    """Under limits that the caller gave, the upstream refuses no request and at least 95 % of what it allows is used."""
    upstream = Enforcing(600, 1e9, 0.3, headers=False)
    simulate(upstream, 20.0, requests=600)
    assert upstream.refused == 0
    assert 0.95 <= upstream.used / 200 <= 1.01


def test_one_row_goes_ahead_alone() -> None:
    """Until the first answer tells the limits, or that there are none; a probe that fails lets the next one try."""
    now = 0.0
    pace = Pace(clock=lambda: now)
    first, second = Attempt("a", "m", 10), Attempt("a", "m", 10)
    assert (pace.wait(first), pace.wait(second) > 0, pace.wait(Attempt("a", "other", 1))) == (0, True, 0)
    pace.release(first)
    assert pace.wait(second) == 0
    pace.answered(second, {}, Result("a", 200, "json", {}), None)
    assert all(pace.wait(Attempt("a", "m", 10)) < 1 for _ in range(5))


def test_limits_of_a_day_are_told_by_how_slowly_they_refill() -> None:
    """10,000 requests a day, of which one takes 8.64 s to come back, are not 10,000 a minute."""
    now = 0.0
    pace = Pace(clock=lambda: now)
    first = Attempt("a", "m", 10)
    pace.wait(first)
    pace.answered(
        first, {"limit_requests": 10_000, "remaining_requests": 9_999, "reset_requests": 8.64}, Result("a", 200, "json", {}), None
    )
    left = []
    for _ in range(3):
        attempt = Attempt("a", "m", 10)
        while (wait := pace.wait(attempt)) > 0:
            now += wait
        left.append(now)
    assert left == pytest.approx([8.8, 17.6, 26.4], rel=0.02)


def test_durations_are_read_in_the_forms_that_servers_send() -> None:
    """Durations with units and bare seconds become seconds; whatever else stands there, an HTTP date included, is no duration."""
    read = {"6ms": 0.006, "1s": 1, "6m0s": 360, "1h2m3.5s": 3723.5, "1d": 86_400, "12": 12, "0.25": 0.25, "7.66s": 7.66, "1m30ms": 60.03}
    assert {text: parse_duration(text) for text in read} == pytest.approx(read)
    assert [parse_duration(text) for text in ("", "s", "-1", "1e9", "nan", "1 s", "9" * 20, "99999999999d", "Mon, 01 Jan")] == [None] * 9
    assert read_limits({"limit_tokens": "10000", "reset_tokens": "1m2s", "remaining_tokens": "x"}) == {
        "limit_tokens": 10_000,
        "reset_tokens": 62,
    }


def test_rows_under_way_grow_with_answers_and_shrink_when_busy() -> None:
    """Answers raise the number of rows in flight up to its cap; refusals within one second lower it once, to 0.7 of it; a part is a cap."""
    flight = InFlight(100)
    for _ in range(200):
        flight.answered()
    assert flight.size == 100
    flight.busy(10.0)
    flight.busy(10.5)
    assert flight.size == 70
    for _ in range(71):
        flight.answered()
    assert 70 < flight.size <= 72
    flight.allow(0.5)
    assert (flight.size, flight.answered()) == (50, False)
    flight.allow(1.0)
    assert flight.size > 70


def test_tokens_are_learned_of_the_size_that_they_are_estimated_from() -> None:
    """A row is claimed by its own bytes and its request has more: the second row sets aside what the first one used, not a part of it."""
    now = 0.0
    pace = Pace(tokens=6_000, count=lambda usage: usage and usage["total_tokens"], clock=lambda: now)
    for moment in (0.0, 10.0):
        now = moment
        row = Attempt("a", "m", 20)
        assert pace.wait(row) == 0
        granted, request = Granted(pace, row), Attempt("a", "m", 400)
        granted.wait(request)
        taken = request.taken.tokens
        granted.answered(request, {}, Result("a", 200, "json", {}, usage={"total_tokens": 50}), None)
    assert (request.size, taken) == (20, 50.0)


class Common:
    """The common state of some processes, as their ledger has it."""

    def __init__(self) -> None:
        self.state = b"null"

    def pace(self, **given: Any) -> SharedPace:
        return SharedPace(self.state, self.held, **given)

    def held(self, take: Callable[[bytes], Turn]) -> Turn:
        turn = take(self.state)
        self.state = turn.after
        return turn

    def commit(self, pace: SharedPace, *attempts: Attempt) -> list[float]:
        """Takes a turn as a commit does: of the state that was seen, else of the one that is held."""
        turn = pace.take(attempts)
        if turn.before != self.state:
            pace.lost(turn)
            turn = pace.take(attempts, self.state)
        self.state = turn.after
        pace.kept(turn)
        return turn.waits


@pytest.mark.parametrize("common", [False, True])
def test_a_turn_that_is_given_back_is_the_next_ones(common: bool) -> None:
    """One attempt of a model goes ahead alone; where it never leaves another does, in other processes too: the common state is told."""
    state = Common()
    pace: Pace = state.pace() if common else Pace()
    first, second = Attempt("a", "m", 20), Attempt("a", "m", 20)
    assert pace.wait(first) == 0
    assert pace.wait(second) > 0
    pace.release(first)
    assert (state.pace() if common else pace).wait(second) == (0 if not common else pytest.approx(0.02))
    if isinstance(pace, SharedPace):
        assert pace.news
        assert state.commit(pace, second) == [0.0]
        assert not pace.news


def test_processes_that_share_a_pace_take_turns_in_one_state() -> None:
    """Whoever was second to the common state takes its turn again in what the first left: no slot is given twice, no refusal is lost."""
    now = [1_000.0]
    state = Common()
    paces = [state.pace(requests=600, clock=lambda: now[0]) for _ in range(2)]
    taken = [[Attempt("a", "m", 20) for _ in range(4)] for _ in paces]
    for pace, attempts in zip(paces, taken, strict=True):
        assert state.commit(pace, *attempts) == [0.0] * 4
    slots = sorted(attempt.taken.at for attempts in taken for attempt in attempts)
    assert [round(later - before, 3) for before, later in itertools.pairwise(slots)][2:] == [pytest.approx(0.102, abs=0.001)] * 5
    refused = UnavailableError("slow", status=429, category="rate_limited", retry_after=7.0)
    paces[0].answered(taken[0][0], {}, None, refused)
    state.commit(paces[1], Attempt("a", "m", 20))
    state.commit(paces[0])
    assert state.commit(paces[1], Attempt("a", "m", 20)) == [pytest.approx(7.1)]
    assert [pace.refused for pace in paces] == [1, 0]
    assert not paces[1].is_alone
    for _ in range(4):
        state.commit(paces[1])
    assert paces[1].is_alone
