"""What the client hands to an engine, what it gets back, and the one fault that an engine may raise."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

Phase = Literal["pool", "connect", "tls", "write", "head", "read", "truncated", "deadline", "protocol"]
NOT_SENT: frozenset[Phase] = frozenset({"pool", "connect", "tls"})
"""The phases in which no byte of the request has left."""

CONNECTED: Final[ContextVar[Callable[[], object]]] = ContextVar("kosha_connected", default=lambda: None)
"""What an engine of an event loop calls once the request has a connection, before its first byte leaves."""

HeaderList = Sequence[tuple[str, str]]
CheckAddresses = Callable[[str, Sequence[str]], Sequence[str]]
"""Host and its resolved addresses -> those that may be used; raises SetupError where none may."""


class WireBody(Protocol):
    """A request body: its length in bytes where known, and its bytes anew at each call of ``chunks``."""

    @property
    def length(self) -> int | None: ...

    def chunks(self) -> Iterator[bytes]: ...


@runtime_checkable
class LiveWireBody(Protocol):
    """A request body that arrives while it is sent; only engines of an event loop take one."""

    @property
    def length(self) -> int | None: ...

    @property
    def pieces(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class WireTimeouts:
    """Seconds for each step; where ``pool`` and ``head`` are infinite, the request's deadline alone bounds the waits for a free
    connection and for the reply's headers."""

    connect: float
    write: float
    pool: float = math.inf
    head: float = math.inf


@dataclass(slots=True)
class WireRequest:
    """One attempt, ready to be written. ``deadline`` is a time of ``time.monotonic``."""

    method: str
    url: str
    headers: HeaderList
    body: bytes | WireBody | LiveWireBody | None
    timeouts: WireTimeouts
    deadline: float

    def __repr__(self) -> str:
        return f"<WireRequest {self.method}>"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine is made with; everything comes from the connection, nothing from the environment."""

    connections: int
    keepalive: float
    header_bytes: int
    check_addresses: CheckAddresses
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    proxy_auth: Callable[[], str] | None = None
    """Gives ``user:password``; called only where the header is written."""


class WireError(Exception):
    """A step of the exchange failed. Holds no request and no cause: those hold the credential."""

    def __init__(self, phase: Phase, kind: str) -> None:
        super().__init__(f"{phase}: {kind}")
        self.phase = phase
        self.kind = kind
        """The name of the engine's own exception; for people only."""


class SyncReply(Protocol):
    """A reply whose body is read piece by piece; ``headers`` has lower-case names, as received."""

    status: int
    headers: HeaderList

    def chunks(self, idle: float, deadline: float) -> Iterator[bytes]:
        """The body as it arrives: each piece within ``idle`` seconds, all of them before ``deadline``."""

    def close(self) -> None:
        """Gives the connection back, or ends it where the body was not read to its end."""


class AsyncReply(Protocol):
    """The same for asyncio."""

    status: int
    headers: HeaderList

    def ready(self) -> bytes | None:
        """The whole body, where all of it has arrived and none was read; None where it has to be waited for."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""

    async def close(self) -> None:
        """Gives the connection back, or ends it where the body was not read to its end."""


class SyncEngine(Protocol):
    """Sends one request at a time for each thread; safe to share between threads."""

    def open(self, request: WireRequest) -> SyncReply:
        """Sends the request and waits for the head of its reply. Raises WireError."""

    def close(self) -> None:
        """Closes every connection."""


class AsyncEngine(Protocol):
    """Sends many requests at a time on one event loop."""

    async def open(self, request: WireRequest) -> AsyncReply:
        """Sends the request and waits for the head of its reply. Raises WireError."""

    async def close(self) -> None:
        """Closes every connection."""
