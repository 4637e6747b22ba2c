"""A request's body: read whole where it is checked, streamed where it may be large, within the limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from kosha_connector_openai.core.transport import IdleTimer
from kosha_connector_openai.errors import ConnectorError, Fault
from kosha_connector_openai.gateway.access import UploadScan
from kosha_connector_openai.gateway.exchange.multipart_scan import CUT, Parts
from kosha_connector_openai.gateway.records import ErrorResponse, Receive
from kosha_connector_openai.gateway.replies import COMPRESSED, HIDDEN, bad_fields, shed
from kosha_connector_openai.gateway.settings import ServiceLimits

_RATE: Final = 16 * 1024
"""Bytes that give a body another second."""
_SMALL: Final = 256 * 1024
"""Bytes; a smaller upload is looked at whole before anything is sent."""
_JOINED: Final = 1024 * 1024
"""Bytes; pieces of more are put together in a thread, as Python does that without holding the interpreter."""
SLOW: Final = ErrorResponse(408, "The body did not arrive in time.", code="body_timeout")
FULL: Final = shed(503, "The service holds as many large bodies as it can.", 1)
OWN_FULL: Final = shed(429, "This token's large bodies take as much room as one token may.", 1)
BAD_LENGTH: Final = ErrorResponse(400, "The Content-Length is no number.", code="content_length")


class ClientLeft(Exception):
    """The client went away before its request was whole."""


class BodyRefused(ConnectorError):
    """A body must not go on; ``refusal`` says why, None where the client has gone."""

    code = "body"

    def __init__(self, refusal: ErrorResponse | None) -> None:
        super().__init__("The request's body was refused.")
        self.refusal = refusal


def too_large(limit: int, name: str = "", advice: str = "") -> ErrorResponse:
    """413 with the limit, the setting's name and another way, where there is one."""
    text = f"The body is larger than {limit} bytes" + (f", the service's `limits.{name}`." if name else ".")
    return ErrorResponse(413, f"{text} {advice}".rstrip(), code="body_too_large")


def declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    """Returns the Content-Length of a request; None for a chunked one. Raises BodyRefused for a compressed body or a bad number."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise BodyRefused(COMPRESSED)
    text = headers.get(b"content-length")
    if text is None:
        return None if b"transfer-encoding" in headers else 0
    if not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - digits of any length that exists
        raise BodyRefused(BAD_LENGTH)
    return int(text)


class BodyBudget:
    """A limit on the bytes of bodies for all calls together, in memory or on disk: each alone may be allowed, and all be too much.

    One token has half of it at most, or one body where that is more: so that it cannot take the room of all the others.
    """

    def __init__(self, most: int, largest: int = 0) -> None:
        """``largest``: bytes of one body."""
        self._most = most
        self._share = max(most // 2, largest)
        self._held: dict[str, int] = {}
        self.used = 0

    def take(self, size: int, token: str = "") -> None:
        """Reserves bytes for a token's body; raises BodyRefused where there are too many."""
        if self.used + size > self._most:
            raise BodyRefused(FULL)
        held = self._held.get(token, 0) + size
        if token and held > self._share:
            raise BodyRefused(OWN_FULL)
        self._held[token] = held
        self.used += size

    def give_back(self, size: int, token: str = "") -> None:
        """Frees them."""
        self.used -= size
        left = self._held.get(token, 0) - size
        if left > 0:
            self._held[token] = left
        else:
            self._held.pop(token, None)


class BodyReader:
    """Receives a body's pieces within its limits: its size, the time between two pieces, and the time for all of them.

    Only the time that is spent waiting for the client counts.
    """

    def __init__(
        self, receive: Receive, limit: int, limits: ServiceLimits, large: ErrorResponse | None = None, timer: IdleTimer | None = None
    ) -> None:
        """``limit``: bytes of this body; ``limits``: how long it may take; ``large``: the answer to a larger one; ``timer``: the task's
        own, for a body that no other task reads."""
        self._receive = receive
        self._large = large or too_large(limit)
        self._limit = limit
        self._idle = limits.body_idle
        self._seconds = limits.body_seconds
        self._waited = 0.0
        self._patience = timer or IdleTimer()
        self._own = timer is None
        self.received = 0

    async def next(self) -> MutableMapping[str, Any]:
        """The next message. Raises BodyRefused."""
        began = time.monotonic()
        left = min(self._idle, self._seconds + self.received / _RATE - self._waited)
        try:
            message = await self._patience.wait(self._receive(), began + max(0.0, left))
        except TimeoutError:
            raise BodyRefused(SLOW) from None
        self._waited += time.monotonic() - began
        self.received += len(message.get("body", b""))
        if self.received > self._limit:
            raise BodyRefused(self._large)
        return message

    async def whole(self, take: Callable[[int], None]) -> bytes:
        """The whole body; the size of each piece is passed to ``take`` before it is kept. Raises BodyRefused and ClientLeft."""
        pieces: list[bytes] = []
        try:
            while True:
                message = await self.next()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                take(len(piece))
                pieces.append(piece)
                if not message.get("more_body", False):
                    return await _joined(pieces, self.received)
        finally:
            self.close()

    def close(self) -> None:
        """Takes the timer back, where it is this reader's own."""
        if self._own:
            self._patience.close()


async def _joined(pieces: list[bytes], size: int) -> bytes:
    if len(pieces) == 1:
        return pieces[0]
    return await asyncio.to_thread(b"".join, pieces) if size > _JOINED else b"".join(pieces)


class UploadStream:
    """A body that is streamed to the upstream while it arrives; the task that sends it asks for the next chunk."""

    def __init__(
        self,
        reader: BodyReader,
        parts: Parts | None = None,
        required: Iterable[str] = (),
        scan: UploadScan | None = None,
    ) -> None:
        """``required``: names that some part must have; ``scan`` reads every chunk."""
        self._reader = reader
        self._parts = parts
        self._required = tuple(required)
        self._scan = scan
        self._stopped = False
        self._begun: list[bytes] = []
        self.over = asyncio.Event()
        """Set once nothing more is read of it."""
        self.refusal: ErrorResponse | None = None
        self.left = False
        """Whether the client went away before the body was whole."""

    @property
    def received(self) -> int:
        """Bytes so far."""
        return self._reader.received

    async def begin(self) -> bytes | None:
        """Returns the whole body where it is small; else None, and ``pieces`` yields it. Raises BodyRefused."""
        more = True
        try:
            while more and self.received <= _SMALL:
                piece, more = await self._next()
                self._begun.append(piece)
        except BaseException:
            self._end()
            raise
        if more:
            return None
        self._end()
        return b"".join(self._begun)

    def stop(self) -> None:
        """Ends the upload: the reply is complete, or nobody waits for it."""
        self._stopped = True

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields the body's chunks. Raises BodyRefused, after which the upstream has no whole request and its connection is closed."""
        more = True
        try:
            while self._begun:
                yield self._begun.pop(0)
            while more:
                piece, more = await self._next()
                if piece:
                    yield piece
        finally:
            self._end()

    async def _next(self) -> tuple[bytes, bool]:
        try:
            message = await self._reader.next()
        except BodyRefused as error:
            self.refusal = error.refusal
            raise
        if message["type"] == "http.disconnect" or self._stopped:
            self.left = not self._stopped
            raise BodyRefused(None)
        piece, more = message.get("body", b""), message.get("more_body", False)
        if self._scan is not None and self._scan.feed(piece):
            raise self._refused(HIDDEN)
        refusal = self._look(self._parts, piece, last=not more) if self._parts is not None else None
        if refusal is not None:
            raise self._refused(refusal)
        return piece, more

    def _look(self, parts: Parts, piece: bytes, *, last: bool) -> ErrorResponse | None:
        refusal = parts.feed(piece)
        if refusal is not None or not last:
            return refusal
        if not parts.closed:
            return CUT
        lacking = parts.lacking(self._required)
        return bad_fields(Fault(f"/{name}", "required", "is missing.", f"Add `{name}`.") for name in lacking) if lacking else None

    def _refused(self, refusal: ErrorResponse) -> BodyRefused:
        self.refusal = refusal
        return BodyRefused(refusal)

    def _end(self) -> None:
        self._reader.close()
        self.over.set()
