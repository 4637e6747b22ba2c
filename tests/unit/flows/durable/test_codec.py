"""What a step was given and what came back, as another process reads it."""

from __future__ import annotations

import pytest

from kosha_connector_openai.errors import ConnectorError, Fault, InputError, OutcomeUnknownError, RejectedError
from kosha_connector_openai.flows.durable.codec import dump, load
from kosha_connector_openai.flows.workflows import StepReply


def test_values_come_back_as_they_were() -> None:
    """Bytes, no body at all, maps that look like our own marks, errors with their kind and facts."""
    values = [None, 1.5, "a", {"b": [1, {"$kosha": "bytes", "value": "x"}]}, b"\0\xff", StepReply(), StepReply(200, {"a": "b"}, b"x")]
    assert load(dump(values)) == values
    error = load(dump(InputError("Wrong.", [Fault("/a", "type", "is no text.", "Give one.", ("x",))], hint="Look.")))
    assert isinstance(error, InputError)
    assert error.faults == (Fault("/a", "type", "is no text.", "Give one.", ("x",)),)
    assert str(error) == str(InputError("Wrong.", [Fault("/a", "type", "is no text.", "Give one.", ("x",))], hint="Look."))
    reply = load(dump(StepReply(error=OutcomeUnknownError("Lost.", phase="read"))))
    assert isinstance(reply.error, OutcomeUnknownError)
    assert reply.error.phase == "read"


def test_only_errors_of_ours_are_made() -> None:
    """A kept error names its class; no other name makes anything but the tree's root."""
    for name in ("Fault", "Exception", "__builtins__", "annotations"):
        data = dump(RejectedError.__new__(RejectedError, "x")).replace(b"RejectedError", name.encode())
        assert type(load(data)) is ConnectorError


def test_what_cannot_be_kept_is_told() -> None:
    """A value of a type that has no form in JSON is refused, and the error names its type."""
    with pytest.raises(InputError, match="has a value of type object"):
        dump(object())
