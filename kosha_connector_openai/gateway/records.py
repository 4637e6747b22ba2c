"""What the parts of the gateway hand to each other: who calls, why not, one of our own pages, and what came of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from kosha_connector_openai.connector import Connection
from kosha_connector_openai.gateway.access import Allowance

Validation = Literal["on", "warn", "off"]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_ID: Final = "kosha.request_id"
"""Where a request's own id stands in its ASGI scope; every reply carries it in ``x-kosha-request-id``."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for, and what it may do; ``connection`` names a Link."""

    name: str
    """The token's name, or the subject of a JSON Web Token: for logs and limits."""
    tenant: str
    connection: str
    validation: Validation
    allowance: Allowance
    actions: frozenset[str] | None = None
    groups: frozenset[str] | None = None

    def may(self, action: str, group: str) -> bool:
        """Whether the caller may call this action."""
        return (self.actions is None or action in self.actions) and (self.groups is None or group in self.groups)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further, as the caller is told it. ``type``, ``code`` and ``param`` are those of the error shape."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One way to the upstream, as the gateway uses it; ``retired``: its server still has the operations that were shut down."""

    connection: Connection
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it ended, told once. Times are in seconds, sizes in bytes of bodies; nothing here quotes a body.

    ``operation`` is an action's id, ``page:<path>`` for one of our own, "" where the path is unknown. ``outcome`` is "ok", "incomplete"
    (the upstream's reply was cut), "left" (the caller went away), "refused" (by us), or the code of an error.
    """

    request_id: str
    method: str
    operation: str
    caller: str
    tenant: str
    status: int
    outcome: str
    upstream_status: int | None = None
    upstream_request_id: str | None = None
    attempts: int = 0
    duration: float = 0.0
    first_byte: float | None = None
    received: int = 0
    sent: int = 0
    streamed: bool = False
    faults: int = 0
    """What validation found, where the request went on all the same."""
    refusal: str = ""
    """The code of our own refusal."""
    usage: Mapping[str, Any] | None = None
    """What the upstream says that it counted."""


Observe = Callable[[Exchange], None]
Authenticate = Callable[[Scope], Awaitable[Caller | Refusal]]


class Endpoint(Protocol):
    """Answers one of our own pages; ``caller`` is None only where the page is public and no token came."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """One of the service's own pages: its endpoints by method. A public one is answered without a token."""

    methods: Mapping[str, Endpoint]
    public: bool = False
    name: str = ""
    """What it is called in metrics and logs."""


class Pages(Protocol):
    """The service's own pages. They win over the provider's paths without their prefix, never over those with it."""

    def find(self, path: str) -> Page | None:
        """The page at a raw path without its query."""


class Owners(Protocol):
    """Which objects a caller may name: ids that came into being through the gateway belong to whom they were given."""

    def guards(self, caller: Caller) -> bool:
        """Whether the caller shares its connection, so that all it sends must be read."""

    def allows(self, caller: Caller, action: str, values: Mapping[str, str]) -> bool:
        """Whether the caller may name these objects; ``values`` are the path's, decoded."""

    def allows_body(self, caller: Caller, body: Any) -> bool:
        """The same for the ids in a request's JSON values."""

    def is_foreign(self, caller: Caller, value: str) -> bool:
        """Whether the text is an id of another tenant's."""

    def narrows(self, caller: Caller, action: str) -> bool:
        """Whether the reply is a list over the whole account."""

    def narrow(self, caller: Caller, action: str, value: Any) -> Any:
        """What of such a list the caller may see."""

    def listens(self, caller: Caller, action: str) -> bool:
        """Whether ``learn`` is to be told the reply."""

    def learn(self, caller: Caller, action: str, body: bytes, named: Collection[str] = ()) -> None:
        """Told a successful JSON reply before it is passed on; ``named`` are the ids that the request itself had."""

    def hearing(self, caller: Caller, action: str, send: Send, named: Collection[str] = ()) -> Send:
        """``send``, which also learns what an event stream says at its beginning."""
