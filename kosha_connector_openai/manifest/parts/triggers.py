"""The part ``triggers``: what an API tells by webhook, how such a delivery is signed, and which lists tell the same when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from kosha_connector_openai.manifest.part import Constraint, Field, Part
from kosha_connector_openai.manifest.parts.jobs import End, Name, Pointer

Line = Annotated[str, Constraint(min_length=1, max_length=2_000)]
Header = Annotated[str, Constraint(pattern=r"^[a-z0-9-]{1,100}$")]


class Delivery(Part):
    """How a delivery is signed: the headers of Standard Webhooks 1.0. ``tolerance`` is in seconds, both ways; ``largest`` in bytes."""

    id: Header = "webhook-id"
    timestamp: Header = "webhook-timestamp"
    signature: Header = "webhook-signature"
    tolerance: int = Field(default=300, ge=1, le=86_400)
    largest: int = Field(default=1024 * 1024, ge=1)


class FollowUp(Part):
    """An action that goes on with an event. ``inputs`` are pointers into the event; ``needs`` are inputs that it does not hold."""

    action: Name
    inputs: Mapping[Name, Pointer]
    needs: tuple[Name, ...] = ()


class EventKind(Part):
    """One type of event. ``data`` names a schema among ``schemas``; ``job`` a kind of job, and ``end`` how it has ended."""

    title: Line
    summary: Line
    data: Name
    job: Name | None = None
    end: End | None = None
    fetch: FollowUp | None = Field(default=None, description="The action that gives the object that the event is about.")
    answers: tuple[FollowUp, ...] = Field(default=(), description="Actions that deal with what the event offers.")
    sample: Mapping[str, Any]


class PollRule(Part):
    """A list that tells which jobs have ended. ``events`` says which event a state is; ``created`` is a time in seconds.

    ``needs`` are inputs of the list that the caller gives. The newest items come first, unless ``sorted`` is false.
    """

    list: Name
    needs: tuple[Name, ...] = ()
    inputs: Mapping[Name, Any] = Field(default_factory=dict)
    id: Pointer = "/id"
    created: Pointer = "/created_at"
    sorted: bool = True
    events: Mapping[Name, Name] = Field(default_factory=dict)


class EndpointRules(Part):
    """The actions that make, list and remove the addresses to which events are sent, and what their fields are called."""

    create: Name
    url: Name = "url"
    name: Name = "name"
    types: Name = Field(default="event_types", description="The input of ``create`` that lists the types of events.")
    id: Pointer = "/id"
    secret: Pointer = Field(default="/signing_secret", description="Where the answer of ``create`` has the signing secret.")
    list: Name
    remove: Name
    remove_id: Name = Field(default="id", description="The input of ``remove`` that names the endpoint.")


class Triggers(Part):
    """A whole ``triggers.yaml``. ``polls`` has a rule for kinds of jobs by their names in ``jobs.yaml``."""

    delivery: Delivery = Field(default_factory=Delivery)
    type: Pointer = "/type"
    id: Pointer = "/id"
    created: Pointer = "/created_at"
    data: Pointer = "/data"
    schemas: Mapping[Name, Mapping[str, Any]] = Field(default_factory=dict)
    events: Mapping[Name, EventKind] = Field(default_factory=dict)
    endpoints: EndpointRules | None = None
    polls: Mapping[Name, PollRule] = Field(default_factory=dict)
