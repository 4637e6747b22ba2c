"""A transport that holds the head of a reply until its first chunk: one system call and one packet less for most replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

_CONTINUE: Final = b"HTTP/1.1 100 "
_CLOSE: Final = b"connection: close\r\n"


class Cycle(Protocol):
    """What uvicorn knows of a request: whether more of its body is to come, and whether the connection goes on after it."""

    more_body: bool
    keep_alive: bool


class HeadBuffer:
    """What uvicorn's cycle needs of a transport, for one reply; an empty chunk sends the head.

    A reply that begins before the request's body is whole is the last one: its head says so, and the rest of the body is not read.
    """

    __slots__ = ("_cycle", "_held", "_linger", "_transport", "_unread")

    def __init__(self, transport: asyncio.Transport, cycle: Cycle, linger: Callable[[], None]) -> None:
        """``linger`` closes the connection of a client that may still be sending."""
        self._transport = transport
        self._cycle: Cycle | None = cycle
        self._linger = linger
        self._held = b""
        self._unread = False

    def write(self, data: bytes) -> None:
        """Writes a head together with what follows it, everything else at once."""
        if self._cycle and not data.startswith(_CONTINUE):
            self._held, self._cycle = self._last(data, self._cycle) if self._cycle.more_body else data, None
            return
        if self._held:
            data, self._held = self._held + data, b""
        if data:
            self._transport.write(data)

    def close(self) -> None:
        """Closes after what is held has been written."""
        if self._held:
            self._transport.write(self._held)
            self._held = b""
        if self._unread:
            self._linger()
        else:
            self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is about to end."""
        return self._transport.is_closing()

    def end(self) -> None:
        """Lets the request go, which holds this buffer: the connection has ended."""
        self._cycle = None

    def _last(self, head: bytes, cycle: Cycle) -> bytes:
        """The head of the connection's last reply."""
        self._unread = True
        if not cycle.keep_alive:
            return head
        cycle.keep_alive = False
        return head[:-2] + _CLOSE + head[-2:]
