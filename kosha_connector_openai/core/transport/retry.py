"""May it be sent again, and when? The one place that decides it; pure: no clock, no sleep, no random source of its own."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from kosha_connector_openai.errors import (
    AnswerError,
    ApiError,
    BudgetError,
    ConnectorError,
    InputError,
    JobPendingError,
    JobUnknownError,
    OutcomeUnknownError,
    ReplyError,
    SetupError,
    WorkflowError,
)

Kind = Literal["pool", "connect", "tls", "write", "head", "read", "truncated", "protocol", "deadline", "status"]

_SAFE: Final = frozenset({"GET", "HEAD"})
_TOO_MANY: Final = 429
_NOT_RUN: Final = frozenset({425, _TOO_MANY})
"""Too Early, Too Many Requests: statuses by which a server says that it has not run what it may run later (RFC 8470, 5.2; RFC 6585, 4)."""
_UNAVAILABLE: Final = 503
_TURNED_AWAY, _SPENT = "rate_limit", "quota"
"""The categories of errors about calls that were counted and not run, and about an empty balance, which no wait fills."""
_SAFE_STATUSES: Final = frozenset({408, 409, *_NOT_RUN, *range(500, 600)}) - {501, 505}
_REFUSED, _FAILED = 400, 500
"""The first statuses by which a server says that it did not run the request, and that it failed in doing so (RFC 9110, 15.5, 15.6)."""
_DOUBTFUL: Final = frozenset({408, *range(500, 600)}) - {501, 505}
"""Statuses that a proxy, too, may give after the work was begun (RFC 9110, section 15.6)."""
_FINAL_KINDS: Final[frozenset[Kind]] = frozenset({"deadline", "tls"})
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_DATE: Final = re.compile(r"[A-Za-z]{3,9},? [0-9A-Za-z :,+-]+")
_ABSURD: Final = 1e9
"""Seconds, 31 years: a longer wait, in seconds or by a date, is no answer but a mistake."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently; waits in seconds.

    ``attempts`` counts all. The first wait is ``base`` on average and at most twice that, each next one
    ``factor`` times longer, none over ``cap``; a server that asks for more than ``retry_after_cap`` is not
    waited for. ``unsafe``: the user accepts that a request which may have run, and may have been paid for, is
    sent again.
    """

    attempts: int = 3
    base: float = 0.5
    factor: float = 2.0
    cap: float = 20.0
    retry_after_cap: float = 120.0
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended: where it stopped, whether no byte had left, what the upstream said, if anything.

    ``category_retryable`` comes from the manifest's error table: False for an empty balance, True for a rate
    limit that turns calls away before they run, None where the table is silent. ``category`` is the table's word.
    ``ran``: a part of the answer, or what it used, came with the error or before it.
    """

    kind: Kind
    nothing_sent: bool = False
    status: int | None = None
    category_retryable: bool | None = None
    category: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ran: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do. ``wait`` is in seconds; ``reason`` is a sentence for the log and the error."""

    action: Literal["retry", "stop"]
    wait: float
    reason: str


def decide(
    policy: RetryPolicy,
    failure: Failure,
    *,
    method: str,
    idempotent: bool,
    attempt: int,
    now: float,
    remaining: float,
    rand: Callable[[], float],
) -> Decision:
    """Whether attempt number ``attempt`` (the first is 1) is followed by another.

    ``idempotent``: the operation is declared to have no effect when repeated, as a GET has none; PUT and
    DELETE are not taken for that by their method alone. ``now`` is seconds since the epoch, ``remaining``
    seconds to the deadline, ``rand`` gives 0 <= x < 1. The wait is what the server asked for; where it asked for
    none, it is drawn evenly from zero to its ceiling (full jitter).
    """
    repeatable = policy.unsafe or idempotent or method.upper() in _SAFE
    asked = parse_retry_after(failure.headers, now)
    if refusal := _refusal(policy, failure, repeatable=repeatable, attempt=attempt, asked=asked):
        return Decision("stop", 0.0, refusal)
    if asked is not None and asked > policy.retry_after_cap:
        return Decision("stop", asked, f"The upstream asks to wait {asked:g} s, more than {policy.retry_after_cap:g} s.")
    ceiling = min(policy.cap, 2 * policy.base * policy.factor ** (attempt - 1))
    wait = asked or rand() * ceiling
    if wait >= remaining:
        return Decision("stop", wait, f"The next attempt is {wait:.3g} s away, past the deadline in {remaining:.3g} s.")
    return Decision("retry", wait, "Nothing was sent." if failure.nothing_sent else "It is safe to send again.")


def retryable(failure: Failure, *, method: str, idempotent: bool) -> bool | None:
    """Whether this very call may be sent again: True where that is safe and may help, False where it would not help, None where it may
    have run. The number of attempts, the deadline and what the user accepts do not count."""
    if failure.category_retryable is False:
        return False
    harmless = idempotent or method.upper() in _SAFE
    if failure.kind != "status":
        return True if failure.nothing_sent or harmless else None
    if failure.category_retryable is None:
        return None
    status = failure.status or _FAILED
    refused = _REFUSED <= status < _FAILED and status not in _DOUBTFUL and not failure.ran
    if not refused and not _may_repeat(failure, harmless, False, parse_retry_after(failure.headers, 0.0)):
        return None
    return {name.lower(): value for name, value in failure.headers.items()}.get("x-should-retry") != "false"


def is_doubtful(status: int, headers: Mapping[str, str], *, method: str, idempotent: bool) -> bool:
    """Whether a request that was answered with an error may have run all the same, so that sending it again could pay twice."""
    failure = Failure("status", status=status, category_retryable=True, headers=headers)
    return status in _DOUBTFUL and retryable(failure, method=method, idempotent=idempotent) is None


def turned_away(error: ConnectorError | None) -> bool:
    """Whether the upstream counted the call and refused it before it ran, so that it may be made again later."""
    if not isinstance(error, ApiError) or error.ran or error.category == _SPENT:
        return False
    refused = error.status == _TOO_MANY or (error.status == _UNAVAILABLE and error.retry_after is not None)
    return refused or error.category == _TURNED_AWAY


def may_have_run(error: ConnectorError) -> bool:
    """Whether the upstream may have done what was asked, and been paid for it, although no usable answer came."""
    if isinstance(error, ApiError):
        # An error in a 200 or inside a stream has the status of its head: the call had begun, unless the input or the key was refused.
        begun = error.ran or (error.status < 300 and error.retryable is not False)  # noqa: PLR2004
        return not turned_away(error) and (error.status in _DOUBTFUL or begun)
    if isinstance(error, WorkflowError):
        return error.retryable is None
    return isinstance(error, (OutcomeUnknownError, ReplyError, JobPendingError, JobUnknownError))


def was_paid(error: ConnectorError | None) -> bool:
    """Whether a call that ended so, None: with an answer, was or may have been run and paid for."""
    return error is None or isinstance(error, AnswerError) or may_have_run(error)


def note_paid(error: ConnectorError) -> None:
    """Notes in the error of a work of several calls that others of them were paid for: begun again, it would pay for them twice."""
    if error.retryable:
        error.retryable, error.hint = None, "Calls before it were made and paid for: look before you run all of it again."
    if isinstance(error, ApiError):
        error.ran = True


def may_begin_again(error: ConnectorError | None, *, harmless: bool, named: bool) -> bool:
    """Whether a flow whose author asks for it may begin the work again that ended with ``error``; None: with an answer that its author
    does not take.

    ``harmless``: it may run twice. ``named``: the author names the refusal's status, or what is wrong with the answer, and so does not
    only hope that it helps.
    """
    if isinstance(error, (BudgetError, InputError, SetupError)):
        return False  # nothing was sent, and the same would be refused here again
    if harmless or error is None:
        return harmless or named
    return not was_paid(error) and (named or bool(error.retryable))


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds by ``retry-after-ms`` or ``Retry-After`` (RFC 9110 section 10.2.3); None if unusable.

    A date is one of the server's clock: it counts from the reply's ``Date``, and from ``now`` only where there is none.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _number(given.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = given.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None or (until := _moment(text)) is None:
        return seconds
    sent = _moment(given.get("date", ""))
    wait = max(0.0, until - (now if sent is None else sent))
    return wait if wait < _ABSURD else None


class RetryBudget:
    """How many retries the calls of one connection may spend together, so that an outage is not made worse.

    A retry takes one of ``capacity`` tokens; a success gives ``refill`` of one back. Safe to share between
    threads.
    """

    def __init__(self, capacity: float = 10.0, refill: float = 0.1) -> None:
        self._capacity = capacity
        self._refill = refill
        self._tokens = capacity
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take a token for a retry; False where none is left and the call should end with its failure."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def succeeded(self) -> None:
        """Note that a call got through."""
        if self._tokens < self._capacity:  # none is missing after nearly every call
            with self._lock:
                self._tokens = min(self._capacity, self._tokens + self._refill)


def _refusal(policy: RetryPolicy, failure: Failure, *, repeatable: bool, attempt: int, asked: float | None) -> str | None:
    """Why not, in the order in which the reasons count; None where nothing speaks against it."""
    hint = failure.headers and {name.lower(): value for name, value in failure.headers.items()}.get("x-should-retry")
    rules = (
        (failure.kind in _FINAL_KINDS, "Another attempt would end the same way."),
        (failure.category_retryable is False, "The upstream's error says that trying again does not help."),
        (hint == "false", "The upstream asks not to try again."),
        (
            not _may_repeat(failure, repeatable, hint == "true", asked),
            "It may have run, or would fail again.",
        ),
        (attempt >= policy.attempts, f"That was attempt {attempt} of {policy.attempts}."),
    )
    return next((reason for applies, reason in rules if applies), None)


def _may_repeat(failure: Failure, repeatable: bool, asked_to: bool, asked: float | None) -> bool:
    """Whether the request is undone, or may run twice while the failure may pass."""
    if failure.nothing_sent:
        return True
    if failure.kind != "status" or failure.ran:
        return repeatable
    if failure.category_retryable and (failure.status in _NOT_RUN or failure.category == _TURNED_AWAY):
        return True
    if failure.status == _UNAVAILABLE and asked is not None:
        return True
    return repeatable and (asked_to or failure.status in _SAFE_STATUSES)


def _number(text: str) -> float | None:
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if value < _ABSURD else None


def _moment(text: str) -> float | None:
    """Seconds since the epoch by an HTTP date; None where it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        date = parsedate_to_datetime(text)
        # The asctime form of an HTTP date has no zone and means UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
