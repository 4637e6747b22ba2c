"""Replies in gzip or deflate (RFC 9110, section 8.4.1), which some servers send unasked, read piece by piece: a small reply cannot
become a large one in memory, since whoever reads it stops at a limit of its own."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from kosha_connector_openai.http.engine import AsyncReply, HeaderList, SyncReply, WireError

_PIECE: Final = 65_536
"""Bytes of one decoded piece."""
_TAKEN: Final = 4_096
"""Bytes that are given to zlib at once."""
_GZIP: Final = zlib.MAX_WBITS | 16
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
_ABOUT_CODING: Final = frozenset({"content-encoding", "content-length"})


class ContentDecoder:
    """Bytes of one coding in, pieces of at most 64 KiB out; raises WireError where they are not of that coding, or cut."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflate = zlib.decompressobj(window)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The pieces that ``chunk`` completes."""
        # Each call copies what it leaves unread: of a large chunk those copies would fragment the heap to many times the body.
        for start in range(0, len(chunk), _TAKEN):
            yield from self._feed(chunk[start : start + _TAKEN])

    def _feed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk := self._next_member(chunk):
            try:
                piece = self._inflate.decompress(chunk, _PIECE)
            except zlib.error as error:
                piece = self._raw(chunk, error)
            self._begun = True
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece

    def end(self) -> Iterator[bytes]:
        """What is left; an empty body is no body, and not a cut one."""
        while self._begun and not self._inflate.eof:
            piece = self._inflate.decompress(self._inflate.unconsumed_tail, _PIECE)
            if not piece:
                raise WireError("truncated", "ContentCoding")
            yield piece

    def _next_member(self, chunk: bytes) -> bytes:
        """Begins another member where one has ended (RFC 1952, section 2.2); zeros that follow the last one are dropped."""
        if not self._inflate.eof:
            return chunk
        if not chunk.strip(b"\0"):
            return b""
        if self._window != _GZIP:
            raise WireError("protocol", "ContentCoding")
        self._inflate = zlib.decompressobj(self._window)
        return chunk

    def _raw(self, chunk: bytes, error: zlib.error) -> bytes:
        """Some servers send deflate without its frame (RFC 9110, section 8.4.1.2)."""
        if self._window == zlib.MAX_WBITS and not self._begun:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                return self._inflate.decompress(chunk, _PIECE)
            except zlib.error:
                pass
        raise WireError("protocol", type(error).__name__) from None


def _decoder(headers: HeaderList) -> ContentDecoder | None:
    """The decoder for a reply; None where it has no coding, or one that is not known here."""
    codings = [value.strip().lower() for name, value in headers if name == "content-encoding"]
    window = _WINDOWS.get(codings[0]) if len(codings) == 1 else None
    return None if window is None else ContentDecoder(window)


class _Decoded:
    """The status and the headers of a decoded reply: those about the coding are gone."""

    def __init__(self, reply: SyncReply | AsyncReply, decoder: ContentDecoder) -> None:
        self.status = reply.status
        self.headers: HeaderList = [(name, value) for name, value in reply.headers if name not in _ABOUT_CODING]
        self._decoder = decoder


class DecodedReply(_Decoded):
    """A reply whose body is decoded while it is read."""

    def __init__(self, reply: SyncReply, decoder: ContentDecoder) -> None:
        super().__init__(reply, decoder)
        self._reply = reply

    def chunks(self, idle: float, deadline: float) -> Iterator[bytes]:
        """The decoded body; raises WireError."""
        for chunk in self._reply.chunks(idle, deadline):
            yield from self._decoder.feed(chunk)
        yield from self._decoder.end()

    def close(self) -> None:
        """Closes the reply."""
        self._reply.close()


class AsyncDecodedReply(_Decoded):
    """The same for asyncio."""

    def __init__(self, reply: AsyncReply, decoder: ContentDecoder) -> None:
        super().__init__(reply, decoder)
        self._reply = reply

    def ready(self) -> bytes | None:
        """None: the body is decoded piece by piece."""
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The decoded body; raises WireError."""
        async for chunk in self._reply.chunks():
            for piece in self._decoder.feed(chunk):
                yield piece
        for piece in self._decoder.end():
            yield piece

    async def close(self) -> None:
        """Closes the reply."""
        await self._reply.close()


def decoded(reply: SyncReply) -> SyncReply:
    """The reply, its body decoded where it came in a coding that is known here."""
    decoder = _decoder(reply.headers)
    return reply if decoder is None else DecodedReply(reply, decoder)


def adecoded(reply: AsyncReply) -> AsyncReply:
    """The same for asyncio."""
    decoder = _decoder(reply.headers)
    return reply if decoder is None else AsyncDecodedReply(reply, decoder)
