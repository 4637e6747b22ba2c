"""The network backend of an event loop, its own module, since a thread's call need not load asyncio.

It checks the address that it connects to, and listens while it writes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from typing import Any, Final

from kosha_connector_openai.http.engine import CONNECTED, CheckAddresses
from kosha_connector_openai.http.network import Resolve, ThreadedResolver, resolve

_SILENT: Final = 1
"""Writes after which a stream listens, too: that of a head alone is over at once."""
_EARLY: Final = 65_536
_LAST: Final = 0.05
"""Seconds to listen for once no more can be written."""
_INTERIM: Final = re.compile(rb"(?>HTTP/1\.[01] 1(?>.*?\r\n\r\n))*+", re.DOTALL)
"""Interim replies (RFC 9110, section 15.2): the request is wanted whole."""
_GO_ON: Final = (b"HTTP/1.1 1", b"HTTP/1.0 1")


class ListeningStream:
    """A stream of an event loop that listens while much is written: a reply that comes before the request's end, such as 413, is kept.

    httpcore reads once it has written, and by then a server that closes its connection has taken its reply with it.
    """

    def __init__(self, core: Any, stream: Any) -> None:
        self._core = core
        self._stream = stream
        self._writes = 0
        self._early: asyncio.Task[bytes] | None = None
        self._heard = b""
        """What came while it wrote, without interim replies, and was not read yet."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most ``max_bytes``; b"" at the end."""
        self._writes = 0
        if self._heard:
            heard, self._heard = self._heard, b""
            return heard
        early = self._early
        if early is None:
            data: bytes = await self._stream.read(max_bytes, timeout)
            return data
        if not early.done():
            await asyncio.wait([early], timeout=timeout)
            if not early.done():
                raise self._core.ReadTimeout
        self._early = None
        return early.result()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of ``buffer``; raises the library's WriteError once a reply is there, so that it is read."""
        if not self._writes:
            CONNECTED.get()()
        self._writes += 1
        if self._writes > _SILENT and self._early is None:
            self._early = asyncio.ensure_future(self._stream.read(_EARLY))
        if self._early is not None:
            await asyncio.sleep(0)
            self._stop_where_answered()
        try:
            await self._stream.write(buffer, timeout)
        except (self._core.WriteError, self._core.WriteTimeout):
            early = None
            while self._early is not None and self._early is not early:  # what is heard may be an interim reply, and the answer behind it
                early = self._early
                await asyncio.wait([early], timeout=_LAST)
                self._stop_where_answered()
            raise

    def _stop_where_answered(self) -> None:
        early = self._early
        if early is None or not early.done() or early.exception() is not None:
            return
        if early.result():
            self._early, self._heard = None, _INTERIM.sub(b"", self._heard + early.result(), count=1)
            if len(self._heard) < len(_GO_ON[0]) or self._heard.startswith(_GO_ON):
                self._early = asyncio.ensure_future(self._stream.read(_EARLY))
                return
        raise self._core.WriteError

    async def aclose(self) -> None:
        """Closes the socket."""
        early, self._early = self._early, None
        if early is not None and not early.done():
            early.cancel()
            await asyncio.wait([early])
        elif early is not None:
            early.cancelled() or early.exception()  # taken, so that asyncio does not tell of it
        await self._stream.aclose()

    async def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        """The same stream, encrypted."""
        return ListeningStream(self._core, await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What the socket knows of itself."""
        return self._stream.get_extra_info(info)


class AsyncCheckedBackend:
    """The same check for asyncio; the deadline is kept by the caller."""

    def __init__(self, core: Any, check: CheckAddresses, resolve: Resolve = resolve) -> None:
        self._core = core
        self._inner = core.AnyIOBackend()
        self._check = check
        self._resolver = ThreadedResolver(resolve)

    def close(self) -> None:
        """Ends the threads that look names up."""
        self._resolver.close()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """A stream to the first allowed address that answers."""
        try:
            addresses = await self._resolver.find(host, port)
        except OSError as error:
            raise self._core.ConnectError("name not found") from error
        failure: Exception = self._core.ConnectError("no address")
        for address in self._check(host, addresses):
            try:
                stream = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                return ListeningStream(self._core, stream)
            except (self._core.ConnectError, self._core.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)
