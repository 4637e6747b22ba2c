"""A transport that holds the head of a reply until its first chunk: one system call and one packet less for most replies."""

from __future__ import annotations

import asyncio
from typing import Final

_CONTINUE: Final = b"HTTP/1.1 100 "


class HeadBuffer:
    """What uvicorn's cycle needs of a transport, for one reply; an empty chunk sends the head."""

    __slots__ = ("_held", "_transport", "_waits")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self._waits = True

    def write(self, data: bytes) -> None:
        """Writes a head together with what follows it, everything else at once."""
        if self._waits and not data.startswith(_CONTINUE):
            self._held, self._waits = data, False
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
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is about to end."""
        return self._transport.is_closing()
