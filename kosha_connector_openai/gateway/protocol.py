"""uvicorn's HTTP protocol with limits that it lacks: how long and how large a request's head may be, and how many connections there are."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kosha_connector_openai.gateway.app import ABORT
from kosha_connector_openai.gateway.head_buffer import HeadBuffer

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.settings import ServiceLimits

_UNREAD: Final = 32 * 1024
"""Bytes that wait for a client that does not read before reading from the upstream stops; one chunk comes on top."""
_REFUSALS: Final = {
    408: (b"Request Timeout", "The request's head did not arrive in time."),
    431: (b"Request Header Fields Too Large", "The request's line and headers are too large."),
    400: (b"Bad Request", "This is no valid HTTP request."),
    503: (b"Service Unavailable", "The service has as many connections as it can take."),
}


class GuardedProtocol(HttpToolsProtocol):
    """One connection. ``limits`` is set by ``guarded``."""

    limits: ServiceLimits
    _timer: asyncio.TimerHandle | None = None
    _head: int = 0
    _in_head: bool = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a head, or turns the connection away."""
        super().connection_made(transport)
        # asyncio does so only for sockets that name their protocol, which ready-made listeners do not: small replies would wait 40 ms.
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(_UNREAD)
        if len(self.connections) > self.limits.connections:
            self._refuse(503)
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of a head before they are parsed, so that a huge one is never held."""
        if self.transport.is_closing():
            return
        if self._in_head:
            room = max(0, self.limits.header_bytes - self._head)
            self._head += len(data)
            if len(data) > room and b"\r\n\r\n" not in data[:room]:
                self._refuse(431)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins; on a connection that was kept, its time begins now."""
        super().on_message_begin()
        cast("Any", self.scope)["state"][ABORT] = self.transport.abort
        self._in_head = True
        if self._timer is None:
            self._expect()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._stop()
        self._in_head = False
        self._head = 0
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # a reply that is a head alone
            self.cycle.transport = cast("Any", HeadBuffer(self.transport))

    def on_message_complete(self) -> None:
        """The next bytes are a head again."""
        super().on_message_complete()
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        """Refuses without the parser's message."""
        self._refuse(400)

    def _expect(self) -> None:
        self._timer = self.loop.call_later(self.limits.header_seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        # Whoever sent nothing at all gets nothing.
        if self._head:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        self._stop()
        reason, message = _REFUSALS[status]
        body = f'{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}'.encode()
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, reason, len(body)) + body)
        self.transport.close()


def guarded(limits: ServiceLimits) -> type[Any]:
    """The protocol with these limits, for ``uvicorn.Config(http=...)``."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})
