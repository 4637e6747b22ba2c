"""aiohttp, for work with many calls in flight: measured at a fifth of the CPU of httpx's own pool (`make bench`)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.http.engine import (
    CONNECTED,
    EngineSettings,
    HeaderList,
    LiveWireBody,
    Phase,
    WireBody,
    WireError,
    WireRequest,
)
from kosha_connector_openai.http.network import Resolve, ThreadedResolver, is_tls, proxy_headers, resolve

_UNREAD = 16_384
"""Bytes of a reply; once twice as many wait for a slow reader, aiohttp reads no more of it."""

# The first class that fits. A connection that breaks after it was made is never in the connect phase: its request may have run.
_PHASES: tuple[tuple[type[Exception], Phase], ...] = (
    (aiohttp.ConnectionTimeoutError, "connect"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientHttpProxyError, "connect"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientResponseError, "protocol"),
    (aiohttp.ServerDisconnectedError, "read"),
    (asyncio.TimeoutError, "read"),
    (aiohttp.ClientOSError, "read"),
)
_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""The headers that aiohttp would add."""
_WHOLE: Final = 256 * 1024
"""Bytes of a body that are given to the connection at once: of a larger one it would copy all that the socket does not take, and the event
loop would stand still meanwhile."""


class AsyncAiohttp:
    """Sends with aiohttp on an event loop; made on the first call, on the loop that makes it.

    With its connector, requests and responses, and without its session: what that adds (cookies, redirects, a second attempt by itself,
    headers of its own) a call must not have.
    """

    def __init__(self, settings: EngineSettings, resolve: Resolve = resolve) -> None:
        self._settings = settings
        self._resolve = resolve
        self._connector: aiohttp.TCPConnector | None = None

    async def open(self, request: WireRequest) -> AsyncAiohttpReply:
        """The reply once its headers are here; raises WireError, which holds nothing of the request."""
        try:
            return AsyncAiohttpReply(await self._send(request))
        except asyncio.CancelledError as cancelled:
            failure: BaseException = cancelled  # its frames hold the headers, and a timeout of the caller's shows them
        except Exception as error:
            failure = _translate(error)
        raise failure.with_traceback(None)

    async def _send(self, request: WireRequest) -> aiohttp.ClientResponse:
        connector, settings = self._connector or self._start(), self._settings
        written = _Request(
            request.method,
            URL(request.url, encoded=True),
            headers=_headers(request),
            skip_auto_headers=_AUTOMATIC,
            data=_data(request.body),
            proxy=URL(settings.proxy) if settings.proxy else None,
            proxy_headers=proxy_headers(settings),
        )
        try:
            connection = await connector.connect(written, [], _timeout(request.timeouts.connect))
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            return await _answered(written, connection, settings.header_bytes)
        except BaseException:
            connection.close()
            raise

    def _start(self) -> aiohttp.TCPConnector:
        settings = self._settings
        self._connector = aiohttp.TCPConnector(
            limit=settings.connections,
            keepalive_timeout=settings.keepalive,
            resolver=_CheckedResolver(settings, self._resolve),
            use_dns_cache=False,
            ssl=settings.tls if settings.tls is not None else True,
        )
        return self._connector

    async def close(self) -> None:
        """Closes every connection."""
        if self._connector:
            await self._connector.close()


async def _answered(request: _Request, connection: aiohttp.connector.Connection, header_bytes: int) -> aiohttp.ClientResponse:
    """Writes the request; the response once its headers are here."""
    CONNECTED.get()()
    assert connection.protocol is not None
    connection.protocol.set_response_params(
        skip_payload=request.method == "HEAD",
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=_UNREAD,
        max_line_size=header_bytes,
        max_field_size=header_bytes,
    )
    response = await request.send(connection)
    try:
        return await response.start(connection)
    except BaseException:
        response.close()
        raise


class AsyncAiohttpReply:
    """A reply of aiohttp whose body has not been read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: HeaderList = [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in response.raw_headers]
        self._response = response

    def ready(self) -> bytes | None:
        """The whole body of a short reply: it comes with its head."""
        content = self._response.content
        return content.read_nowait() if content.is_eof() and content.exception() is None else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, not decoded; raises WireError."""
        content = self._response.content
        while True:
            try:
                chunk = await content.readany()
            except Exception as error:
                failure = _translate(error)
            else:
                if not chunk:
                    return
                yield chunk
                continue
            raise failure.with_traceback(None)

    async def close(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end, or not all of the request was sent."""
        connection = self._response.connection
        if connection is not None and connection.transport is not None and connection.transport.get_write_buffer_size():
            connection.transport.abort()  # closed, it would wait for a server that has answered and takes no more
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _Request(aiohttp.ClientRequest):
    """Looks for headers to leave out only where it lacks one."""

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Adds none: each of them is given, or left out."""
        if not all(map(self.headers.__contains__, _AUTOMATIC)):
            super().update_auto_headers(skip_auto_headers)


class _CheckedResolver(AbstractResolver):
    """Gives aiohttp only addresses that the connection's rule allows; aiohttp then connects to just these."""

    def __init__(self, settings: EngineSettings, resolve: Resolve) -> None:
        self._settings = settings
        self._resolver = ThreadedResolver(resolve)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        addresses = await self._resolver.find(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._settings.check_addresses(host, addresses)
        ]

    async def close(self) -> None:
        """Ends the threads that look names up."""
        self._resolver.close()


@lru_cache(maxsize=64)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=2 * connect, sock_connect=connect)  # twice: the connection and its TLS


def _headers(request: WireRequest) -> list[tuple[str, str]]:
    headers = [*request.headers]
    body = request.body
    if body is None or isinstance(body, bytes):
        if body is None and request.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", "0"))
        elif body is not None and len(body) > _WHOLE:
            headers.append(("Content-Length", str(len(body))))
    elif body.length is not None:
        headers.append(("Content-Length", str(body.length)))
    return headers


def _data(body: bytes | WireBody | LiveWireBody | None) -> Any:
    if body is None:
        return None
    if isinstance(body, bytes):
        return aiohttp.BytesPayload(body) if len(body) <= _WHOLE else _pieces(body)
    return body.pieces if isinstance(body, LiveWireBody) else _iterate(body)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _WHOLE):
        yield body[start : start + _WHOLE]


async def _iterate(body: WireBody) -> AsyncIterator[bytes]:
    chunks = body.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _translate(error: Exception) -> WireError | ConnectorError:
    """The fault without its cause; one of our own, raised while a body was read or an address checked, passes as it is."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ConnectorError):
            return link
        link = link.__cause__
    fitting: list[Phase] = [phase for known, phase in _PHASES if isinstance(error, known)]
    if is_tls(error, connected=fitting[:1] != ["connect"]):
        return WireError("tls", type(error).__name__)
    return WireError(fitting[0] if fitting else "read", type(error).__name__)
