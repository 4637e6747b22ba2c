"""A delivery that may be acted on -> TriggerEvent, with the action that goes on with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import EventError, Fault, InputError, ReplayError
from kosha_connector_openai.flows.triggers.replay import ReplayGuard
from kosha_connector_openai.flows.triggers.signature import Given, Headers, check_signature, read_keys
from kosha_connector_openai.manifest.parts import EventKind, FollowUp, Triggers
from kosha_connector_openai.schema import SchemaValidator
from kosha_connector_openai.text import JsonLimits, JsonTextError, at, decode, nearest

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class NextCall:
    """An action, the inputs that the event gives it, and the names of those that it needs besides."""

    action: str
    inputs: Mapping[str, Any]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """One event. ``event_id`` is the API's; ``delivery`` names the delivery, which is the same when it is sent again.

    ``fetch`` gives the object that it is about; ``answers`` deal with what it offers. ``known`` is false for a type that the connector has
    no words for: it is passed on as it came.
    """

    type: str
    event_id: str
    data: Any = field(repr=False)
    created_at: int | None = None
    delivery: str = ""
    known: bool = True
    job: str | None = None
    end: str | None = None
    fetch: NextCall | None = None
    answers: tuple[NextCall, ...] = ()
    key: str = field(default="", repr=False)
    """What a ReplayGuard knows the delivery by."""

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-ready values."""
        return {
            "type": self.type,
            "event_id": self.event_id,
            "created_at": self.created_at,
            "data": self.data,
            "delivery": self.delivery,
            "known": self.known,
            "job": self.job,
            "end": self.end,
            "fetch": _call(self.fetch),
            "answers": [_call(answer) for answer in self.answers],
        }


def _call(call: NextCall | None) -> dict[str, Any] | None:
    return None if call is None else {"action": call.action, "inputs": dict(call.inputs), "needs": list(call.needs)}


def verify(
    connector: Connector,
    headers: Headers,
    body: bytes,
    secret: Given | None,
    *,
    guard: ReplayGuard | None = None,
    endpoint: str = "",
    now: float | None = None,
    tolerance: float | None = None,
) -> TriggerEvent:
    """The event in a delivery that is signed with one of the secrets, fresh, and new to ``guard``.

    A delivery is known by its id, whichever of the secrets signed it; ``endpoint`` tells apart the webhooks that share a guard.
    ``body`` is the body's bytes as they came; ``now`` and ``tolerance`` are in seconds, and it goes both ways. Raises SignatureError,
    StaleError, ReplayError or EventError, whose ``status`` is what to answer; SetupError for a secret that cannot be one.
    """
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise EventError(
            f"The body of the delivery is given as {type(body).__name__}: only its bytes, as they came, can be checked.",
            hint="Hand over the raw body of the request, before anything parses or decodes it.",
        )
    body = bytes(body)
    rules = connector.part("triggers", Triggers)
    moment = time.time() if now is None else now
    allowed = rules.delivery.tolerance if tolerance is None else tolerance
    signed = check_signature(headers, body, read_keys(secret), rules.delivery, now=moment, tolerance=allowed)
    key = f"{endpoint}:{signed.id}" if endpoint else signed.id
    event = read_event(connector, body, delivery=signed.id, key=key)
    if guard is not None and not guard.take(key, moment):
        raise ReplayError("The delivery came before.", hint="Answer 200, and do nothing.")
    return event


def read_event(connector: Connector, body: bytes | Mapping[str, Any], *, delivery: str = "", key: str = "") -> TriggerEvent:
    """The event in a body whose origin is known; raises EventError with every fault."""
    rules = connector.part("triggers", Triggers)
    value = _values(body, rules)
    name, event_id, created = at(value, rules.type), at(value, rules.id), at(value, rules.created)
    if not _is_word(name):
        raise _unreadable(rules.type)
    if not _is_word(event_id):
        raise _unreadable(rules.id)
    data = at(value, rules.data)
    when = created if isinstance(created, int) and not isinstance(created, bool) else None
    kind = rules.events.get(name)
    if kind is None:
        return TriggerEvent(name, event_id, data, when, delivery, known=False, key=key)
    _check(data, kind, rules)
    return TriggerEvent(
        type=name,
        event_id=event_id,
        data=data,
        created_at=when,
        delivery=delivery,
        job=kind.job,
        end=kind.end,
        fetch=_next(kind.fetch, value) if kind.fetch else None,
        answers=tuple(_next(rule, value) for rule in kind.answers),
        key=key,
    )


def _values(body: bytes | Mapping[str, Any], rules: Triggers) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    try:
        value = decode(body, JsonLimits(bytes=rules.delivery.largest))
    except JsonTextError as error:
        message = f"The body of the delivery {error}."
    else:
        if isinstance(value, Mapping):
            return value
        message = "The body of the delivery is no object."
    raise EventError(message)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def _unreadable(pointer: str) -> EventError:
    return EventError("The event lacks a name.", pointer=pointer, hint="Look whether the API has changed.")


def _check(data: Any, kind: EventKind, rules: Triggers) -> None:
    """What the event must have; more is let through."""
    report = SchemaValidator(rules.schemas[kind.data]).check(data)
    if report.faults:
        first = report.faults[0]
        raise EventError(
            f"The event's data {first.message}", pointer=f"{rules.data}{first.pointer}", hint="Look whether the API has changed."
        )


def _next(rule: FollowUp, value: Mapping[str, Any]) -> NextCall:
    return NextCall(rule.action, {name: at(value, pointer) for name, pointer in rule.inputs.items()}, rule.needs)


def list_events(connector: Connector) -> Mapping[str, EventKind]:
    """The types of events by name, in the manifest's order."""
    return connector.part("triggers", Triggers).events


def sample(connector: Connector, name: str) -> dict[str, Any]:
    """An event of this type as it could come; raises InputError, with the nearest name, where there is no such type."""
    events = list_events(connector)
    if name not in events:
        near = nearest(name, events)
        fix = f"Did you mean `{near}`?" if near else f"There is {', '.join(events) or 'none'}."
        raise InputError("No event has this type.", [Fault("", "unknown", "names no event.", fix, sorted(events))])
    return dict(events[name].sample)
