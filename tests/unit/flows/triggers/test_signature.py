"""Deliveries of webhooks: what is signed, fresh and new is taken; everything else is refused, and no error shows a part of it."""

from __future__ import annotations

import base64
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import EventError, ReplayError, SetupError, SignatureError, StaleError, TriggerError
from kosha_connector_openai.flows.triggers import MemoryGuard, sample, sign, verify
from kosha_connector_openai.flows.triggers.signature import SigningKey, check_signature, read_keys
from kosha_connector_openai.manifest.parts.triggers import Delivery
from kosha_connector_openai.secrets.secret import Secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another-secret-of-32-bytes-here!").decode()
NOW = 1_750_757_000
BODY = json.dumps({"id": "evt_1", "object": "event", "type": "batch.completed", "created_at": NOW, "data": {"id": "batch_1"}}).encode()
HEADERS = sign("wh_1", NOW, BODY, SECRET)


def test_the_published_vector_holds() -> None:
    """The example of Standard Webhooks: its id, time, body and secret give its signature."""
    headers = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', SECRET)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    signed = check_signature(headers, b'{"test": 2432232314}', read_keys(SECRET), Delivery(), now=1614265330, tolerance=300)
    assert (signed.id, signed.timestamp) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)


def test_a_signed_delivery_is_an_event_with_the_action_that_goes_on(connector: Connector) -> None:
    """The event has its type, ids and data, the end of the job, and the action with inputs that fetches the job."""
    event = verify(connector, HEADERS, BODY, SECRET, now=NOW)
    assert (event.type, event.event_id, event.data, event.delivery) == ("batch.completed", "evt_1", {"id": "batch_1"}, "wh_1")
    assert (event.job, event.end, event.known) == ("batch", "success", True)
    assert event.fetch is not None
    assert (event.fetch.action, event.fetch.inputs) == ("retrieveBatch", {"batch_id": "batch_1"})


@pytest.mark.parametrize("place", range(0, len(BODY), 7))
def test_a_body_with_one_other_byte_is_refused(connector: Connector, place: int) -> None:
    """One flipped bit in the body breaks the signature."""
    body = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    with pytest.raises(SignatureError):
        verify(connector, HEADERS, body, SECRET, now=NOW)


@pytest.mark.parametrize("header", list(HEADERS))
def test_a_header_with_one_other_character_is_refused(connector: Connector, header: str) -> None:
    """Each character of the id, the time and the signature in turn."""
    value = HEADERS[header]
    for place in range(len(value)):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        with pytest.raises(SignatureError):
            verify(connector, HEADERS | {header: changed}, BODY, SECRET, now=NOW)


@pytest.mark.parametrize("change", [b"", b"{}", BODY[:-1], BODY + b" ", BODY + b"\n", b"\xef\xbb\xbf" + BODY])
def test_a_longer_or_shorter_body_is_refused(connector: Connector, change: bytes) -> None:
    """A cut body, an appended space or line break, and a byte order mark break the signature."""
    with pytest.raises(SignatureError):
        verify(connector, HEADERS, change, SECRET, now=NOW)


@pytest.mark.parametrize(("skew", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**9, False)])
def test_the_clock_may_differ_by_the_tolerance_both_ways(connector: Connector, skew: int, fresh: bool) -> None:
    """A time within 300 s of the clock, before or after it, is fresh; one second more is refused with 401."""
    if fresh:
        assert verify(connector, HEADERS, BODY, SECRET, now=NOW + skew).event_id == "evt_1"
        return
    with pytest.raises(StaleError) as stale:
        verify(connector, HEADERS, BODY, SECRET, now=NOW + skew)
    assert stale.value.status == 401


def test_a_clock_that_is_no_number_is_never_fresh(connector: Connector) -> None:
    """A clock that reads NaN makes every delivery stale."""
    with pytest.raises(StaleError):
        verify(connector, HEADERS, BODY, SECRET, now=float("nan"))


def test_several_signatures_and_other_versions_may_stand_together(connector: Connector) -> None:
    """One right signature of version 1 among others is enough."""
    others = f"v1a,xyz= {sign('wh_1', NOW, BODY, OTHER)['webhook-signature']} {HEADERS['webhook-signature']} v2,abc"
    assert verify(connector, HEADERS | {"webhook-signature": others}, BODY, SECRET, now=NOW).event_id == "evt_1"


@pytest.mark.parametrize("secrets", [[OTHER, SECRET], [SECRET, OTHER], (SECRET,), Secret(SECRET, reference="env:X")])
def test_two_secrets_hold_while_one_takes_the_place_of_the_other(connector: Connector, secrets: Any) -> None:
    """A delivery is taken when any of the given secrets signed it, in whatever order and form they are given."""
    assert verify(connector, HEADERS, BODY, secrets, now=NOW).event_id == "evt_1"


def test_another_secret_does_not_hold(connector: Connector) -> None:
    """A delivery that another secret signed is refused with 401."""
    with pytest.raises(SignatureError) as refusal:
        verify(connector, HEADERS, BODY, OTHER, now=NOW)
    assert refusal.value.status == 401


def test_header_names_have_any_case_and_pairs_will_do(connector: Connector) -> None:
    """Headers are found whatever the case of their names, also in a list of pairs."""
    assert verify(connector, [(name.title(), value) for name, value in HEADERS.items()], BODY, SECRET, now=NOW).event_id == "evt_1"


MALFORMED: list[tuple[str, Callable[[dict[str, str]], Any]]] = [
    ("no headers", lambda headers: {}),
    ("no id", lambda headers: {k: v for k, v in headers.items() if k != "webhook-id"}),
    ("no time", lambda headers: {k: v for k, v in headers.items() if k != "webhook-timestamp"}),
    ("no signature", lambda headers: {k: v for k, v in headers.items() if k != "webhook-signature"}),
    ("id twice", lambda headers: [*headers.items(), ("Webhook-Id", "wh_1")]),
    ("signature twice", lambda headers: [*headers.items(), ("webhook-signature", headers["webhook-signature"])]),
    ("empty id", lambda headers: headers | {"webhook-id": ""}),
    ("id with a full stop", lambda headers: headers | {"webhook-id": "wh.1"}),
    ("id with a line break", lambda headers: headers | {"webhook-id": "wh_1\n"}),
    ("long id", lambda headers: headers | {"webhook-id": "w" * 257}),
    ("time with a sign", lambda headers: headers | {"webhook-timestamp": f"+{NOW}"}),
    ("time with a fraction", lambda headers: headers | {"webhook-timestamp": f"{NOW}.0"}),
    ("other digits", lambda headers: headers | {"webhook-timestamp": "\u0661" + str(NOW)[1:]}),
    ("long time", lambda headers: headers | {"webhook-timestamp": "1" * 13}),
    ("endless time", lambda headers: headers | {"webhook-timestamp": "1" * 100_000}),
    ("empty signature", lambda headers: headers | {"webhook-signature": ""}),
    ("no version", lambda headers: headers | {"webhook-signature": headers["webhook-signature"][3:]}),
    ("another version", lambda headers: headers | {"webhook-signature": "v2" + headers["webhook-signature"][2:]}),
    ("no base64", lambda headers: headers | {"webhook-signature": "v1,%%%%"}),
    ("short signature", lambda headers: headers | {"webhook-signature": "v1,AAAA"}),
    ("not ASCII", lambda headers: headers | {"webhook-signature": "v1,é"}),
    ("many signatures", lambda headers: headers | {"webhook-signature": " ".join([headers["webhook-signature"]] * 17)}),
    ("endless signature", lambda headers: headers | {"webhook-signature": "v1," + "A" * 1_000_000}),
]


@pytest.mark.parametrize(("what", "change"), MALFORMED, ids=[what for what, _ in MALFORMED])
def test_malformed_headers_are_refused(connector: Connector, what: str, change: Callable[[dict[str, str]], Any]) -> None:
    """An absent, repeated, overlong or ill-formed header is refused with 401."""
    with pytest.raises(SignatureError) as refusal:
        verify(connector, change(dict(HEADERS)), BODY, SECRET, now=NOW)
    assert refusal.value.status == 401


def test_a_huge_body_is_refused_before_it_is_read(connector: Connector) -> None:
    """A body of over 1 MiB is refused with 413 before its signature is checked."""
    with pytest.raises(EventError) as refusal:
        verify(connector, HEADERS, b"x" * (1024 * 1024 + 1), SECRET, now=NOW)
    assert refusal.value.status == 413


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_AAAA", "short", [], [SECRET] * 9])
def test_a_secret_that_cannot_be_one_is_refused(connector: Connector, secret: Any) -> None:
    """A secret that is empty, too short or no base64, no secret at all, and more than eight are faults of the setup."""
    with pytest.raises(SetupError):
        verify(connector, HEADERS, BODY, secret, now=NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"nothing", b"[]", b'"text"', b"{", b"\xff", b"[" * 5_000, b"{}", b'{"type": 1, "id": "e"}', b'{"type": "batch.completed"}'],
)
def test_a_signed_body_that_is_no_event_is_refused(connector: Connector, body: bytes) -> None:
    """A right signature does not make an event of a body that is no JSON object with a type and an id."""
    with pytest.raises(EventError):
        verify(connector, sign("wh_2", NOW, body, SECRET), body, SECRET, now=NOW)


def test_an_event_without_what_it_is_about_is_refused_with_the_pointer(connector: Connector) -> None:
    """The refusal points at the field of the event that should name the job."""
    body = b'{"id": "evt", "type": "batch.completed", "data": {"id": 7}}'
    with pytest.raises(EventError) as refusal:
        verify(connector, sign("wh_2", NOW, body, SECRET), body, SECRET, now=NOW)
    assert refusal.value.pointer == "/data/id"


def test_an_unknown_event_is_passed_on(connector: Connector) -> None:
    """The API may add types before its description does."""
    body = b'{"id": "evt", "type": "container.full", "data": [1], "more": true}'
    event = verify(connector, sign("wh_2", NOW, body, SECRET), body, SECRET, now=NOW)
    assert (event.type, event.data, event.known, event.fetch) == ("container.full", [1], False, None)


def test_a_delivery_is_taken_once_and_again_where_it_was_given_back(connector: Connector) -> None:
    """A repeated id is a replay, also when signed anew an hour later, until the guard is told to forget it."""
    guard = MemoryGuard()
    event = verify(connector, HEADERS, BODY, SECRET, now=NOW, guard=guard)
    with pytest.raises(ReplayError) as replay:
        verify(connector, HEADERS, BODY, SECRET, now=NOW + 1, guard=guard)
    assert replay.value.status == 200
    # sent again later: the same id, signed anew
    again = sign("wh_1", NOW + 3_600, BODY, SECRET)
    with pytest.raises(ReplayError):
        verify(connector, again, BODY, SECRET, now=NOW + 3_600, guard=guard)
    guard.forget(event.key)
    assert verify(connector, again, BODY, SECRET, now=NOW + 3_600, guard=guard).event_id == "evt_1"


def test_a_forged_delivery_takes_no_place_in_the_guard(connector: Connector) -> None:
    """The guard keeps no id of a delivery whose signature is wrong, so the right one is still taken."""
    guard = MemoryGuard()
    with pytest.raises(SignatureError):
        verify(connector, HEADERS, BODY + b" ", SECRET, now=NOW, guard=guard)
    assert len(guard) == 0
    assert verify(connector, HEADERS, BODY, SECRET, now=NOW, guard=guard).event_id == "evt_1"


def test_the_same_id_at_two_endpoints_is_two_deliveries(connector: Connector) -> None:
    """Webhooks that share a guard say which of them they are."""
    guard = MemoryGuard()
    for endpoint, secret in (("a", SECRET), ("b", OTHER)):
        event = verify(connector, sign("wh_1", NOW, BODY, secret), BODY, secret, now=NOW, guard=guard, endpoint=endpoint)
        assert (event.event_id, event.key) == ("evt_1", f"{endpoint}:wh_1")


def test_b14_a_delivery_is_the_same_whichever_secret_signed_it(connector: Connector) -> None:
    """While a secret is changed, none of the signatures of a delivery makes it a new one."""
    guard, both = MemoryGuard(), sign("wh_1", NOW, BODY, [OTHER, SECRET])
    first, second = both["webhook-signature"].split(" ")
    assert verify(connector, both, BODY, [OTHER, SECRET], now=NOW, guard=guard).key == "wh_1"
    late = sign("wh_1", NOW + 5, BODY, SECRET)
    for headers in (both, {**both, "webhook-signature": first}, {**both, "webhook-signature": second}, late):
        with pytest.raises(ReplayError):
            verify(connector, headers, BODY, [OTHER, SECRET], now=NOW, guard=guard)


def test_the_guard_is_bounded_and_forgets_no_fresh_delivery() -> None:
    """A guard full of fresh deliveries refuses another with 503; it makes room of those that are stale, the oldest first."""
    guard = MemoryGuard(most=3, keep=1_000, fresh=100)
    assert [guard.take(name, now=0) for name in "abc"] == [True] * 3
    with pytest.raises(TriggerError) as full:
        guard.take("d", now=50)
    assert (full.value.status, full.value.retryable) == (503, True)
    assert not guard.take("a", now=50)
    assert guard.take("d", now=101)
    assert len(guard) == 3
    assert not guard.take("d", now=1_100)
    assert guard.take("b", now=1_102)


def test_no_error_shows_the_secret_or_the_body(connector: Connector) -> None:
    """No message, traceback, context or field of an error holds the secret or text of the body; a key cannot be pickled."""
    canary = "prompt-canary-4711"
    secret = "whsec_" + base64.b64encode(b"secret-canary-0815-secret-canary").decode()
    body = json.dumps({"type": "batch.completed", "id": canary, "data": {"id": [canary]}}).encode()
    attempts: list[tuple[Any, bytes, Any, float]] = [
        (HEADERS, body, secret, NOW),
        (sign("wh", NOW, body, secret), body, secret, NOW + 999),
        (sign("wh", NOW, body, secret), body, secret, NOW),
        (HEADERS, body, "whsec_%" + secret, NOW),
        (HEADERS | {"webhook-id": canary + "."}, body, secret, NOW),
    ]
    for headers, content, secrets, now in attempts:
        with pytest.raises((TriggerError, SetupError)) as refusal:
            verify(connector, headers, content, secrets, now=now)
        error = refusal.value
        shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.to_dict()) + repr(error.__context__)
        assert canary not in shown
        assert secret[6:30] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(SigningKey(b"x" * 32))
    assert "secret" not in repr(read_keys(secret))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5), st.binary(max_size=200))
def test_whatever_comes_only_declared_errors_leave(headers: dict[str, str], body: bytes) -> None:
    """Any headers and any bytes that are not signed raise a TriggerError and nothing else."""
    with pytest.raises(TriggerError):
        check_signature(headers | HEADERS, body, read_keys(OTHER), Delivery(), now=NOW, tolerance=300)
    with pytest.raises(TriggerError):
        check_signature(headers, body, read_keys(OTHER), Delivery(), now=NOW, tolerance=300)


def test_every_event_has_a_sample_that_is_one_and_an_action_that_is_there(connector: Connector) -> None:
    """The sample of each event is read as that event, and its actions exist and take the inputs that the rule gives."""
    from kosha_connector_openai.flows.triggers import list_events, read_event
    from kosha_connector_openai.manifest.parts.jobs import JobsPart

    jobs = connector.part("jobs", JobsPart).kinds
    for name, kind in list_events(connector).items():
        event = read_event(connector, json.dumps(sample(connector, name)).encode())
        assert (event.type, event.known) == (name, True)
        assert kind.job is None or (kind.job in jobs and jobs[kind.job].status == event.fetch.action)  # type: ignore[union-attr]
        for call in [*([event.fetch] if event.fetch else []), *event.answers]:
            inputs = connector.catalog[call.action].inputs
            assert set(inputs.required) == {*call.inputs, *call.needs} & set(inputs.required)
            assert {*call.inputs, *call.needs} <= set(inputs.fields)
            assert None not in call.inputs.values()


def test_the_events_of_the_published_description_are_known(connector: Connector, specs: Any) -> None:
    """Each of them, with the fields that its data must have; newer ones come from the client."""
    from kosha_connector_openai.manifest.parts.triggers import Triggers

    document = json.loads((specs / "openai-2.3.0-oas31.json").read_bytes())
    schemas, ours = document["components"]["schemas"], connector.part("triggers", Triggers)
    published = {}
    for item in document["webhooks"].values():
        name = item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        properties = schemas[name]["properties"]
        published[properties["type"]["enum"][0]] = set(properties["data"]["required"])
    assert published == {name: set(ours.schemas[ours.events[name].data]["required"]) for name in published}


@pytest.mark.parametrize("body", [BODY.decode(), json.loads(BODY), None])
def test_a_body_that_is_not_the_bytes_that_came_is_said_in_a_sentence(connector: Connector, body: Any) -> None:
    """A framework's text or parsed JSON is never what was signed."""
    with pytest.raises(EventError, match=f"given as {type(body).__name__}") as caught:
        verify(connector, sign("wh_1", NOW, BODY, SECRET), body, SECRET, now=NOW)
    assert "raw body" in caught.value.hint


def test_a_secret_without_its_prefix_gets_a_hint(connector: Connector) -> None:
    """Its own bytes are a key, so it may be right; where it does not fit, that is the likeliest reason."""
    headers = sign("wh_1", NOW, BODY, SECRET)
    with pytest.raises(SignatureError) as caught:
        verify(connector, headers, BODY, SECRET.removeprefix("whsec_"), now=NOW)
    assert "whsec_" in caught.value.hint
    assert SECRET[6:] not in str(caught.value)
    with pytest.raises(SignatureError) as caught:
        verify(connector, headers, BODY, "whsec_" + "QUFB" * 10, now=NOW)
    assert "whsec_" not in caught.value.hint


def test_what_a_server_hands_over_as_it_came_is_taken(connector: Connector) -> None:
    """Headers as pairs of bytes, as ASGI has them; a secret that is not set is a fault of the setup."""
    headers = sign("wh_1", NOW, BODY, SECRET)
    pairs = [(name.upper().encode(), value.encode()) for name, value in headers.items()]
    assert verify(connector, pairs, BODY, SECRET, now=NOW).delivery == "wh_1"
    with pytest.raises(SetupError, match="It is missing"):
        verify(connector, headers, BODY, None, now=NOW)
