"""The end of a connection whose client may still be sending: it has its last reply, and what comes is dropped (RFC 9112, section 9.6).

Closed at once, the client's next piece would be answered by a reset, and the client would lose the reply that it has not read yet.
"""

from __future__ import annotations

import asyncio
from typing import Final

from kosha_connector_openai.gateway.turned_flow import TurnedFlow

_PERIOD: Final = 1.0
_LEAST: Final = 64 * 1024
"""Seconds, and how many bytes must come in them for the wait to go on: whoever sends a few sends for ever."""
_BUFFER: Final = memoryview(bytearray(256 * 1024))
"""Where all that is dropped is read to, by all connections: nobody looks at it."""


class Discard(asyncio.BufferedProtocol):
    """Takes a transport over from its protocol, says that nothing more is written, and closes once the client does, or too late."""

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.Protocol, flow: TurnedFlow, periods: int) -> None:
        """``periods``: seconds to wait at most, while something comes. ``protocol`` learns of the end. Raises OSError: the client left."""
        transport.write_eof()
        self._transport = transport
        self._protocol = protocol
        self._flow = flow
        self._periods = periods
        self._came = 0
        self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._look)
        transport.set_protocol(self)
        flow.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The place for what is dropped."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Reads on when the others had their turn."""
        self._came += nbytes
        self._flow.pause_reading()
        self._flow.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read its reply."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client reads its reply."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._timer.cancel()
        self._protocol.connection_lost(exc)

    def _look(self) -> None:
        self._periods -= 1
        if self._periods and (self._came >= _LEAST or self._flow.waits):
            self._came = 0
            self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._look)
        elif self._transport.get_write_buffer_size():
            self._transport.close()  # what was written is sent first; who does not read it is stalled
        else:
            self._transport.abort()
