"""What the parts of the gateway hand to each other: who calls, its limits, a refusal and a page of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from kosha_connector_openai.errors import BudgetError

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.budget_entries import BudgetEntry

REQUEST: Final = "kosha.request"
"""The key in the scope's state of the request's id, for the pages."""
CALLER: Final = "kosha.caller"
"""The same of the token's name."""
Headers = list[tuple[bytes, bytes]]
"""Header fields as ASGI gives them: names in lower case."""
Validation = Literal["on", "warn", "off"]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def mark(scope: Scope, request_id: str, token: str) -> None:
    """Notes for the pages whose request it is."""
    scope.setdefault("state", {}).update({REQUEST: request_id, CALLER: token})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one token may take; ``calls_per_minute`` 0 sets no limit."""

    calls: int
    streams: int
    calls_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for, and what it may do; ``connection`` names one of the settings."""

    name: str
    """The token's name, or the subject of a JSON Web Token: for logs and limits."""
    tenant: str
    connection: str
    validation: Validation
    allowance: Allowance
    actions: frozenset[str] | None = None
    """All that it may call; None for everything."""
    budget: BudgetEntry | None = None
    """What it may spend."""

    def may(self, action: str) -> bool:
        """Whether the caller may call this action."""
        return self.actions is None or action in self.actions


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """Why a request goes no further, as the caller is told it. ``type``, ``code`` and ``param`` are those of the error shape."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class SpentError(BudgetError):
    """A budget of the token's does not cover the call. ``retry_after`` is in seconds, None where waiting does not help."""

    def __init__(self, message: str, *, cap: str, status: int, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, cap=cap)
        self.status = status
        self.reason = code
        self.retry_after = retry_after


Authenticate = Callable[[Scope], Awaitable[Caller | ErrorResponse]]


class Endpoint(Protocol):
    """Answers one of our own pages; ``caller`` is None only where the page is public and no token came."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller | None) -> None: ...


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One of the service's own pages: its endpoints by method. A public one is answered without a token."""

    methods: Mapping[str, Endpoint]
    public: bool = False
    name: str = ""
    """What it is called in metrics and logs."""
