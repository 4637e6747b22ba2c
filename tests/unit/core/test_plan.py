"""The plan of a call, driven by hand: which steps it takes for which answers, with a clock that stands still until it is moved."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.core.call import Call, CallOptions, Head
from kosha_connector_openai.core.plan import plan
from kosha_connector_openai.core.reply import LiveStream, stream_error
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.request import build_request
from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.core.steps import Open, Read, Step, Wait
from kosha_connector_openai.core.transport.retry import RetryBudget
from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    ConnectorError,
    InputError,
    MalformedReplyError,
    NotSentError,
    OutcomeUnknownError,
    RedirectRefusedError,
    RejectedError,
    ReplyError,
    ReplyTooLargeError,
    SecretMissingError,
    SetupError,
    TruncatedReplyError,
    UnavailableError,
)
from kosha_connector_openai.flows.bulk import Pace
from kosha_connector_openai.http.engine import WireError
from kosha_connector_openai.secrets.secret import Secret

TINY = Path(__file__).parents[2] / "tiny_provider"
JSON = ("content-type", "application/json")
OK = Head(200, (JSON,))
BUSY = Head(503, (JSON,))
TOLD = Head(503, (JSON, ("retry-after", "2")))
WIDGET = {"name": "n", "owner": None}


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Driven:
    """A plan that was driven to its end: its steps, and its outcome or the error that it raised."""

    def __init__(self, call: Call, *answers: Any) -> None:
        """``answers`` are for the steps Open and Read, in turn: what they give, or what is thrown at them."""
        self.steps: list[Step] = []
        self.outcome: Any = None
        self.error: Exception | None = None
        self._answers = list(answers)
        self._clock = call.clock
        steps = plan(call)
        try:
            step = next(steps)
            while True:
                self.steps.append(step)
                answer = self._perform(step)
                step = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
        except StopIteration as done:
            self.outcome = done.value
        except ConnectorError as error:
            self.error = error

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Wait):
            self._clock.now += step.seconds  # type: ignore[attr-defined]
        if not isinstance(step, (Open, Read)):
            return None
        answer = self._answers.pop(0)
        if isinstance(step, Read) and step.sink and isinstance(answer, bytes):
            step.sink.write(answer)
        return answer

    @property
    def kinds(self) -> str:
        """The steps' names in a row."""
        return " ".join(type(step).__name__ for step in self.steps)

    @property
    def waits(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Wait)]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Connector(TINY).catalog


@pytest.fixture(scope="module")
def connection() -> Connection:
    return Connector(TINY).connection({"server_url": "https://tiny.example"}, environ={})


@pytest.fixture
def make(catalog: Catalog, connection: Connection) -> Any:
    """Makes a call of the pretend provider."""

    def made(
        action: str = "queryStyles", inputs: Mapping[str, Any] | None = None, *, connection: Connection = connection, **more: Any
    ) -> Call:
        chosen = catalog[action]
        request = build_request(chosen, inputs or {}, FilePolicy())
        options = CallOptions(**{name: more.pop(name) for name in list(more) if name in CallOptions.__dataclass_fields__})
        arguments = {"retry_budget": RetryBudget(), "clock": Clock(), "rand": lambda: 0.5, **more}
        return Call(chosen, request, connection, None, catalog.manifest, options, **arguments)

    return made


def wire(phase: Any) -> WireError:
    return WireError(phase, "Kind")


# What comes back


def test_a_whole_answer(make: Any) -> None:
    """One opening, one reading under the JSON limit; the envelope says what the reply says, and how long it took."""
    call = make("createWidget", WIDGET)
    head = Head(201, (JSON, ("x-tiny-id", "t1"), ("x-tiny-left", "7"), ("x-other", "o")))
    done = Driven(call, head, b'{"maker":"m","cost":{"coins":1},"n":12345678901234567890}')
    assert done.steps == [Open(), Read(call.connection.limits.reply_json)]
    result: Result = done.outcome
    assert (result.action, result.status, result.kind, result.content_type) == ("createWidget", 201, "json", "application/json")
    assert result.value == {"maker": "m", "cost": {"coins": 1}, "n": 12345678901234567890}
    assert (result.request_id, result.model, result.usage, result.rate_limit) == ("t1", "m", {"coins": 1}, {"left": "7"})
    assert (result.attempts, result.duration, result.raw) == (1, 0.0, b'{"maker":"m","cost":{"coins":1},"n":12345678901234567890}')


@pytest.mark.parametrize(
    ("content_type", "limit", "kind"),
    [
        ("application/json", "reply_json", "json"),
        ("application/problem+json; charset=utf-8", "reply_json", "json"),
        ("text/plain", "download", "text"),
        ("audio/mpeg", "download", "bytes"),
        (None, "download", "bytes"),
    ],
)
def test_the_limit_goes_by_the_kind_of_answer(make: Any, content_type: str | None, limit: str, kind: str) -> None:
    """JSON, which is parsed in memory, has a limit of its own; what is only kept may be as large as a download."""
    call = make()
    done = Driven(call, Head(200, (("content-type", content_type),) if content_type else ()), b"1")
    assert done.steps[-1] == Read(getattr(call.connection.limits, limit))
    assert done.outcome.kind == kind


def test_an_answer_that_goes_to_a_file(make: Any, tmp_path: Path) -> None:
    """With ``out`` the body goes into the sink, whatever its type, and the result is the file."""
    done = Driven(make(out=tmp_path / "a.json"), OK, b"{}")
    assert (done.kinds, done.outcome.kind, done.outcome.value.path) == ("Open Read", "file", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == b"{}"


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(make: Any, tmp_path: Path) -> None:
    """The target is looked at before the first step."""
    done = Driven(make(out=tmp_path / "no" / "a"))
    assert (done.kinds, type(done.error)) == ("", InputError)


def test_a_download_that_breaks_is_begun_anew(make: Any, tmp_path: Path) -> None:
    """A second attempt writes the file from its start: nothing of the first one is in it."""
    call = make(out=tmp_path / "a.bin", attempts=2)
    steps = plan(call)
    next(steps)
    first = steps.send(OK)
    assert isinstance(first, Read)
    assert first.sink is not None
    first.sink.write(b"half")
    first.sink.discard()
    wait = steps.throw(wire("truncated"))
    assert isinstance(wait, Wait)
    steps.send(None)
    again = steps.send(OK)
    assert isinstance(again, Read)
    assert again.sink is not None
    again.sink.write(b"whole")
    with pytest.raises(StopIteration) as done:
        steps.send(b"")
    assert (done.value.value.value.size, (tmp_path / "a.bin").read_bytes()) == (5, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_an_error_answer_does_not_go_to_the_file(make: Any, tmp_path: Path) -> None:
    """What the upstream says about a failure is read for the error, and no file appears."""
    call = make("createWidget", WIDGET, out=tmp_path / "a")
    done = Driven(call, Head(404, (JSON,)), b'{"error":{"message":"none"}}')
    assert done.steps == [Open(), Read(call.connection.limits.reply_error)]
    assert isinstance(done.error, RejectedError)
    assert list(tmp_path.iterdir()) == []


# Streams


def test_an_event_stream_is_handed_over_unread(make: Any) -> None:
    """A stream is returned as soon as its headers are here; its events are counted by whoever reads it."""
    done = Driven(make("watchTicks"), Head(200, (("content-type", "Text/Event-Stream; charset=utf-8"), ("x-tiny-id", "t"))))
    live: LiveStream = done.outcome
    assert (done.kinds, live.facts.request_id) == ("Open", "t")
    assert [event.text for event in live.take(b'data: {"kind":"tick","word":"a"}\n\n')] == ["a"]
    assert [event.text for event in live.events] == ["a"]


@pytest.mark.parametrize(("timeout", "deadline"), [(None, 2_800.0), (5.0, 1_005.0), (2_000.0, 3_000.0)])
def test_a_stream_has_a_total_of_its_own(make: Any, timeout: float | None, deadline: float) -> None:
    """A stream may last 30 minutes where a call may last two; what the caller says counts before both."""
    call = make("watchTicks", timeout=timeout)
    Driven(call, Head(200, (("content-type", "text/event-stream"),)))
    assert call.deadline == deadline


def test_a_stream_keeps_a_longer_total_of_its_action(catalog: Catalog, make: Any, connection: Connection) -> None:
    """An action's own total is never cut by the one for streams."""
    short = replace(connection.timeouts, stream_total=10.0, total=60.0)
    limited = Connector(TINY).connection({"server_url": "https://tiny.example"}, environ={}, timeouts=short)
    call = make("watchTicks", connection=limited)
    Driven(call, Head(200, (("content-type", "text/event-stream"),)))
    assert call.deadline == 1_060.0


@pytest.mark.parametrize(("timeouts", "deadline"), [({"total": 60}, 1_060.0), ({"total": 60, "stream_total": 90}, 1_090.0), ({}, 2_800.0)])
def test_the_operators_total_bounds_streams_too(make: Any, timeouts: dict[str, float], deadline: float) -> None:
    """Unless they set one for streams; the standard one counts only where they set neither."""
    limited = Connector(TINY).connection({"server_url": "https://tiny.example"}, environ={}, timeouts=timeouts)
    call = make("watchTicks", connection=limited)
    Driven(call, Head(200, (("content-type", "text/event-stream"),)))
    assert call.deadline == deadline


def test_an_error_inside_a_stream(make: Any) -> None:
    """What an event says becomes the error that the manifest's table makes of it, after a 200."""
    call = make("watchTicks")
    live = Driven(call, Head(200, (("content-type", "text/event-stream"), ("x-tiny-id", "t")))).outcome
    list(live.take(b'data: {"kind":"crash","crash":{"code":"worn_out","message":"m"}}\n\n'))
    error = stream_error(call, live)
    assert (type(error), error.status, error.category, error.message, error.request_id) == (UnavailableError, 200, "overloaded", "m", "t")


# What is sent again


@pytest.mark.parametrize(("rand", "waits"), [(0.5, [0.5, 1.0]), (0.0, [0.0, 0.0]), (0.75, [0.75, 1.5])])
def test_a_get_is_tried_three_times_with_growing_waits(make: Any, rand: float, waits: list[float]) -> None:
    """Three attempts by default; full jitter up to one second, then two."""
    done = Driven(make(rand=lambda: rand), BUSY, b"", wire("read"), OK, b"{}")
    assert (done.kinds, done.waits) == ("Open Read Wait Open Wait Open Read", waits)
    assert (done.outcome.attempts, done.outcome.duration) == (3, sum(waits))


def test_the_last_error_is_raised_with_the_number_of_attempts(make: Any) -> None:
    """After the last attempt the upstream's error is raised, and says how often it was asked."""
    done = Driven(make(), BUSY, b"", BUSY, b"", BUSY, b'{"error":{"message":"busy"}}')
    assert done.kinds == "Open Read Wait Open Read Wait Open Read"
    assert isinstance(done.error, UnavailableError)
    assert (done.error.attempts, done.error.message) == (3, "busy")


@pytest.mark.parametrize(("attempts", "opened"), [(1, 1), (2, 2), (5, 5), (None, 3)])
def test_a_call_sets_its_number_of_attempts(make: Any, attempts: int | None, opened: int) -> None:
    """``attempts`` of the call counts before that of the connection."""
    done = Driven(make(attempts=attempts), *[wire("connect")] * opened)
    assert [type(step) for step in done.steps].count(Open) == opened
    assert isinstance(done.error, NotSentError)
    assert (done.error.attempts, done.error.phase, done.error.retryable) == (opened, "connect", True)


@pytest.mark.parametrize("phase", ["pool", "connect"])
def test_a_post_that_was_not_sent_is_tried_again(make: Any, phase: str) -> None:
    """No byte left, so nothing can be paid twice."""
    done = Driven(make("createWidget", WIDGET), wire(phase), OK, b"{}")
    assert (done.kinds, done.outcome.attempts) == ("Open Wait Open Read", 2)


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        ("write", OutcomeUnknownError),
        ("read", OutcomeUnknownError),
        ("truncated", TruncatedReplyError),
        ("protocol", MalformedReplyError),
    ],
)
def test_a_post_that_may_have_run_is_not_tried_again(make: Any, phase: str, kind: type[ConnectorError]) -> None:
    """R-1: the bytes left, so it ends with one attempt and the advice to look first."""
    done = Driven(make("createWidget", WIDGET), wire(phase))
    assert (done.kinds, type(done.error)) == ("Open", kind)
    assert done.error is not None
    assert done.error.retryable is None
    assert done.error.hint == "It may have run, and may have been charged: look before you run it again."


def test_a_post_whose_body_breaks_off_is_not_tried_again(make: Any) -> None:
    """Also where the reply's headers had arrived."""
    done = Driven(make("createWidget", WIDGET), OK, wire("truncated"))
    assert (done.kinds, type(done.error)) == ("Open Read", TruncatedReplyError)


def test_a_post_that_was_turned_away_with_a_time_is_tried_again(make: Any) -> None:
    """503 with Retry-After says that it did not run; the wait is never shorter than asked."""
    done = Driven(make("createWidget", WIDGET), TOLD, b"", OK, b"{}")
    assert (done.kinds, done.waits) == ("Open Read Wait Open Read", [2.0])


@pytest.mark.parametrize(
    ("of_connection", "of_call", "again"),
    [(False, None, False), (True, None, True), (False, True, True), (True, False, False)],
)
def test_unsafe_retries_are_a_choice(make: Any, of_connection: bool, of_call: bool | None, again: bool) -> None:
    """Only whoever says so pays twice; the call's word counts before the connection's."""
    values = {"server_url": "https://tiny.example"}
    connection = Connector(TINY).connection(values, environ={}, retries={"unsafe": of_connection})
    done = Driven(make("createWidget", WIDGET, connection=connection, unsafe_retries=of_call), wire("read"), OK, b"{}")
    assert (done.kinds == "Open Wait Open Read") is again


def test_a_get_whose_outcome_is_unknown_may_be_repeated(make: Any) -> None:
    """For what changes nothing the error says that asking again is safe."""
    done = Driven(make(attempts=1), wire("read"))
    assert isinstance(done.error, OutcomeUnknownError)
    assert (done.error.retryable, done.error.hint) == (True, "Nothing is changed by asking again.")


def test_a_failed_handshake_is_final(make: Any) -> None:
    """A certificate does not become right by asking again."""
    done = Driven(make(), wire("tls"))
    assert (done.kinds, type(done.error)) == ("Open", NotSentError)


def test_a_body_that_is_gone_is_not_sent_again(make: Any) -> None:
    """A stream that was read once cannot be written twice, not even where nothing was sent, nor after a refused key."""
    inputs = {"picture": io.BufferedReader(Pipe(b"x"))}
    assert not make("uploadPicture", inputs).request.replayable
    unsent = Driven(make("uploadPicture", inputs), wire("connect"))
    refused = Driven(make("uploadPicture", inputs, refresh=lambda: True), Head(401, (JSON,)), b"{}")
    assert (unsent.kinds, refused.kinds) == ("Open", "Open Read")
    assert isinstance(refused.error, AccessError)


class Pipe(io.RawIOBase):
    """A source that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return 0


def test_a_wait_that_is_too_long_is_not_waited(make: Any) -> None:
    """R-3: above the cap the call stops at once and tells the time."""
    done = Driven(make(), Head(429, (JSON, ("retry-after", "121"))), b"")
    assert (done.kinds, getattr(done.error, "retry_after", None)) == ("Open Read", 121.0)


def test_the_budget_ends_retries(make: Any) -> None:
    """R-4: a connection whose budget is spent tries nothing again."""
    budget = RetryBudget(capacity=1)
    assert Driven(make(retry_budget=budget), BUSY, b"", BUSY, b"").kinds == "Open Read Wait Open Read"
    assert Driven(make(retry_budget=budget), BUSY, b"").kinds == "Open Read"


def test_a_success_gives_back_to_the_budget(make: Any) -> None:
    """Calls that get through earn retries for others."""
    budget = RetryBudget(capacity=1, refill=1)
    Driven(make(retry_budget=budget), BUSY, b"", OK, b"{}")
    assert budget.spend()


def test_an_error_of_the_setup_is_no_attempt_to_repeat(make: Any) -> None:
    """A missing secret is raised as it is."""
    error = SecretMissingError("none")
    done = Driven(make(), error)
    assert (done.kinds, done.error) == ("Open", error)


@pytest.mark.parametrize(("action", "inputs", "again"), [("queryStyles", {}, True), ("createWidget", WIDGET, False)])
def test_where_the_manifest_is_silent_the_method_and_the_status_decide(
    make: Any, action: str, inputs: Mapping[str, Any], again: bool
) -> None:
    """A 502 that no rule names is not taken for final: a GET is repeated, a POST may have run."""
    done = Driven(make(action, inputs), Head(502, ()), b"", OK, b"{}")
    assert (done.kinds == "Open Read Wait Open Read") is again


# A refused key


def test_a_refused_key_is_read_anew_exactly_once(make: Any) -> None:
    """R19: one refresh and one resend without a wait, since a 401 was not executed; the second 401 is the answer."""
    asked: list[int] = []
    call = make("createWidget", WIDGET, refresh=lambda: not asked.append(1))
    done = Driven(call, Head(401, (JSON,)), Head(401, (JSON,)), b"{}")
    assert (done.kinds, asked, type(done.error)) == ("Open Drop Open Read", [1], AccessError)
    assert call.attempts == 2


def test_a_fresh_key_saves_the_call(make: Any) -> None:
    """After a rotation the caller sees a result, and two attempts."""
    done = Driven(make("createWidget", WIDGET, refresh=lambda: True), Head(401, (JSON,)), OK, b"{}")
    assert (done.kinds, done.outcome.attempts) == ("Open Drop Open Read", 2)


def test_a_fresh_key_leaves_in_the_slot_of_the_refused_one(make: Any) -> None:
    """A pace lets one attempt go ahead alone until it is told its answer; the resend is the same attempt, and waits for no other."""
    clock = Clock()
    call = make("createWidget", WIDGET, refresh=lambda: True, clock=clock, pace=Pace(clock=clock))
    done = Driven(call, Head(401, (JSON,)), OK, b"{}")
    assert (done.kinds, done.outcome.attempts) == ("Open Drop Open Read", 2)


def test_a_key_that_cannot_be_another_is_not_tried_again(make: Any) -> None:
    """Where no secret was remembered, asking the store again gives the same: the first 401 is the answer."""
    done = Driven(make(refresh=lambda: False), Head(401, (JSON,)), b"{}")
    assert (done.kinds, type(done.error)) == ("Open Read", AccessError)


def test_without_stores_a_401_is_the_answer(make: Any) -> None:
    """A call without a credential has nothing to refresh."""
    assert Driven(make(), Head(401, (JSON,)), b"{}").kinds == "Open Read"


# What is refused


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://elsewhere.example/v1?key=secret", "'elsewhere.example'"),
        ("https://user:secret@elsewhere.example:8443/", "'elsewhere.example'"),
        ("https://b\u00fccher.example/", r"'b\xfccher.example'"),
        ("/other?secret", "the same host"),
        ("http://[::1", "the same host"),
        ("", "the same host"),
    ],
)
def test_a_redirect_is_refused(make: Any, status: int, location: str, where: str) -> None:
    """U2: the reply is dropped unread; the error names the target's host and nothing else of it."""
    done = Driven(make(), Head(status, (("location", location), ("x-tiny-id", "t"))))
    assert (done.kinds, type(done.error)) == ("Open Drop", RedirectRefusedError)
    assert isinstance(done.error, RedirectRefusedError)
    assert done.error.message == f"The server redirects to {where}, and a credential never follows."
    assert (done.error.status, done.error.request_id) == (status, "t")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP ", "br", "gzip, gzip", "identity, gzip"])
def test_a_compressed_answer_is_refused(make: Any, encoding: str) -> None:
    """U8: it was not asked for, and is dropped unread."""
    done = Driven(make(), Head(200, (JSON, ("content-encoding", encoding))))
    assert (done.kinds, type(done.error)) == ("Open Drop", MalformedReplyError)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_an_answer_that_says_it_is_plain_is_read(make: Any, encoding: str) -> None:
    """``identity`` is no compression."""
    assert Driven(make(), Head(200, (JSON, ("content-encoding", encoding))), b"{}").kinds == "Open Read"


def test_a_compressed_error_still_says_its_status(make: Any) -> None:
    """A busy server that compresses is told from a broken one, and is asked again."""
    head = Head(503, (JSON, ("content-encoding", "gzip")))
    done = Driven(make(), head, OK, b"{}")
    assert done.kinds == "Open Drop Wait Open Read"


@pytest.mark.parametrize("failure", [wire("truncated"), wire("read"), ReplyTooLargeError("large"), ReplyError("x")])
def test_an_error_whose_body_cannot_be_read_still_says_its_status(make: Any, failure: Exception) -> None:
    """The status alone says enough."""
    done = Driven(make("createWidget", WIDGET), Head(401, (JSON,)), failure)
    assert isinstance(done.error, AccessError)
    assert (done.error.message, done.error.hint) == ("The server answered 401.", "The key is wrong.")


def test_what_is_not_json_although_promised_is_told(make: Any) -> None:
    """A sign-in page is no result; the secret in it is not shown."""
    call = make("createWidget", WIDGET, secrets=[Secret("tiny-key-0123456789")])
    done = Driven(call, OK, b"<html>tiny-key-0123456789</html>")
    assert isinstance(done.error, MalformedReplyError)
    assert done.error.excerpt == "<html>***</html>"


@pytest.mark.parametrize(("action", "inputs", "again"), [("createWidget", WIDGET, None), ("queryStyles", {}, True)])
def test_an_answer_that_cannot_be_read_may_be_asked_for_again_where_that_is_harmless(
    make: Any, action: str, inputs: Any, again: Any
) -> None:
    """A paid call has run, or may have."""
    done = Driven(make(action, inputs), OK, b'{"half": ')
    assert (type(done.error), done.error.retryable) == (MalformedReplyError, again)


def test_an_error_does_not_repeat_a_secret(make: Any) -> None:
    """U14: what the upstream echoes is scrubbed."""
    call = make("createWidget", WIDGET, secrets=[Secret("tiny-key-0123456789")])
    done = Driven(call, Head(401, (JSON,)), b'{"error":{"message":"tiny-key-0123456789 is wrong"}}')
    assert isinstance(done.error, ApiError)
    assert done.error.message == "*** is wrong"


@pytest.mark.parametrize("status", [200, 404])
def test_headers_do_not_repeat_a_secret(make: Any, status: int) -> None:
    """R17: an upstream that echoes the key in its request id or its media type puts it into no result, error or record."""
    head = Head(status, (("content-type", "text/tiny-key-0123456789"), ("x-tiny-id", "id-tiny-key-0123456789"), ("x-tiny-left", "7")))
    done = Driven(make(secrets=[Secret("tiny-key-0123456789")]), head, b"x")
    found = done.outcome or done.error
    assert (found.request_id, found.headers) == ("id-***", {"x-tiny-id": "id-***", "x-tiny-left": "7"})
    assert "tiny-key" not in repr(found)


# Time


@pytest.mark.parametrize(
    ("action", "inputs", "timeout", "total"),
    [("queryStyles", {}, None, 120), ("createWidget", WIDGET, None, 30), ("createWidget", WIDGET, 7, 7), ("queryStyles", {}, 7, 7)],
)
def test_the_total_is_the_calls_else_the_actions_else_the_connections(
    make: Any, action: str, inputs: Mapping[str, Any], timeout: float | None, total: float
) -> None:
    """The nearest word counts."""
    call = make(action, inputs, timeout=timeout)
    assert (call.started, call.deadline) == (1_000.0, 1_000.0 + total)


def test_a_wait_past_the_end_is_not_begun(make: Any) -> None:
    """R15: where the next attempt would come too late, the call ends at once with what it knows."""
    done = Driven(make(timeout=1.9), TOLD, b"")
    assert (done.kinds, type(done.error)) == ("Open Read", UnavailableError)


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        ("connect", NotSentError),
        ("read", OutcomeUnknownError),
        ("write", OutcomeUnknownError),
        ("truncated", OutcomeUnknownError),
        ("protocol", OutcomeUnknownError),
    ],
)
def test_what_breaks_at_the_end_of_its_time_is_out_of_time(make: Any, phase: str, kind: type[ConnectorError]) -> None:
    """The total is named as the reason, and the call is not tried again, whatever broke."""
    clock = Clock()
    call = make(clock=clock)
    clock.now = call.deadline
    done = Driven(call, wire(phase))
    assert (done.kinds, type(done.error), getattr(done.error, "phase", "")) == ("Open", kind, "deadline")
    assert done.error is not None
    assert done.error.message == "The call did not end within its total time."


@settings(max_examples=100, deadline=None)
@given(
    phases=st.lists(st.sampled_from(["connect", "pool", "read", "write", "truncated", 500, 502, 429, 408]), min_size=12, max_size=12),
    attempts=st.integers(1, 10),
    timeout=st.floats(0.1, 100),
    rand=st.floats(0, 0.999),
)
def test_no_call_outlives_its_time_or_its_attempts(catalog: Catalog, phases: list[Any], attempts: int, timeout: float, rand: float) -> None:
    """R12, R15: whatever goes wrong in whatever order, the waits end before the total, and the attempts are counted."""
    connection = Connector(TINY).connection({"server_url": "https://tiny.example"}, environ={})
    action = catalog["queryStyles"]
    request = build_request(action, {}, FilePolicy())
    options = CallOptions(attempts=attempts, timeout=timeout)
    call = Call(action, request, connection, None, catalog.manifest, options, RetryBudget(), clock=Clock(), rand=lambda: rand)
    answers = [answer for phase in phases for answer in ([Head(phase, ()), b""] if isinstance(phase, int) else [wire(phase)])]
    done = Driven(call, *answers)
    assert done.error is not None
    assert call.attempts <= attempts
    assert call.clock() <= call.deadline


@pytest.mark.parametrize(
    ("options", "pointer"), [({"timeout": 0}, "/timeout"), ({"timeout": -1}, "/timeout"), ({"attempts": 0}, "/attempts")]
)
def test_options_out_of_range_are_refused(options: dict[str, float], pointer: str) -> None:
    """A call's own options are checked when they are made, naming the option."""
    with pytest.raises(SetupError) as caught:
        CallOptions(**options)  # type: ignore[arg-type]
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
