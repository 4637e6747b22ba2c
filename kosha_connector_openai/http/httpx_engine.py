"""httpx, and its successor httpx2 with the same interface, used at their transport level.

A transport has no redirects, no cookies, no environment proxies and no default credentials, so none of them has to be switched off.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.http.engine import NOT_SENT, EngineSettings, HeaderList, LiveWireBody, Phase, WireBody, WireError, WireRequest
from kosha_connector_openai.http.network import Deadline, DeadlineBackend, is_tls, proxy_headers, root
from kosha_connector_openai.http.reply_logs import OURS, withhold

_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_CORES = {"httpx": "httpcore", "httpx2": "httpcore2"}

_SILENT = "Server disconnected"
"""How the text begins of an error about a connection that ended before the reply's head did: no reply came, where others are no HTTP."""

# By class name, so that one table serves both libraries.
_PHASES: dict[str, Phase] = {
    "PoolTimeout": "pool",
    "ConnectTimeout": "connect",
    "ConnectError": "connect",
    "ProxyError": "connect",
    "UnsupportedProtocol": "connect",
    "WriteTimeout": "write",
    "WriteError": "write",
    "LocalProtocolError": "write",
    "ReadTimeout": "read",
    "ReadError": "read",
    "RemoteProtocolError": "protocol",
}


class SyncHttpx:
    """Sends with httpx or httpx2 from threads."""

    def __init__(self, library: str, settings: EngineSettings) -> None:
        self._httpx = _load(library)
        core = import_module(_CORES[library])
        withhold(_CORES[library])
        self._header_bytes = settings.header_bytes
        self._deadline = Deadline()
        backend = DeadlineBackend(core, self._deadline, settings.check_addresses)
        self._transport = self._httpx.HTTPTransport(verify=_unused_context())
        # The transport builds its pool itself and takes no backend; a test fails if this attribute ever moves.
        self._transport._pool = _pool(core, settings, backend, "")

    def open(self, request: WireRequest) -> SyncHttpxReply:
        """The reply once its headers are here; raises WireError, which holds nothing of the request."""
        self._deadline.at = request.deadline
        token = OURS.set(True)
        try:
            reply = SyncHttpxReply(self._transport.handle_request(_to_httpx(self._httpx, request, _iterate)), self._deadline)
            if _size(reply.headers) <= self._header_bytes:
                return reply
            reply.close()
            failure: WireError | ConnectorError = _too_large()
        except Exception as error:
            failure = _translate(error)
        finally:
            OURS.reset(token)
        raise failure.with_traceback(None)

    def limit(self, deadline: float) -> None:
        """Sets another deadline to the exchange that the running thread is in."""
        self._deadline.at = deadline

    def close(self) -> None:
        """Closes every connection."""
        self._transport.close()


class SyncHttpxReply:
    """A reply of httpx whose body has not been read."""

    def __init__(self, response: Any, deadline: Deadline) -> None:
        self.status: int = response.status_code
        self.headers: HeaderList = _headers(response)
        self._response = response
        self._deadline = deadline

    def chunks(self, idle: float, deadline: float) -> Iterator[bytes]:
        """The body as it arrives, not decoded; raises WireError."""
        source = iter(self._response.stream)
        while True:
            self._deadline.at = min(deadline, time.monotonic() + idle)
            try:
                chunk = next(source, None)
            except Exception as error:
                failure = _translate(error, "truncated")
            else:
                if chunk is None:
                    return
                yield chunk
                continue
            raise failure.with_traceback(None)

    def close(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end, or where more came than the body."""
        held = _held(self._response)
        # Before it goes back: from then on it may be carrying the next request, whose reply would be taken for bytes too many.
        if _is_poisoned(held):
            held.close()
        stream = getattr(_innermost(held), "_network_stream", None)
        if stream is not None:
            stream.in_use = False
        self._response.close()


class AsyncHttpx:
    """Sends with httpx or httpx2 on an event loop."""

    def __init__(self, library: str, settings: EngineSettings) -> None:
        self._httpx = _load(library)
        from kosha_connector_openai.http.async_network import AsyncCheckedBackend

        core = import_module(_CORES[library])
        withhold(_CORES[library])
        self._header_bytes = settings.header_bytes
        self._transport = self._httpx.AsyncHTTPTransport(verify=_unused_context())
        self._backend = AsyncCheckedBackend(core, settings.check_addresses)
        self._transport._pool = _pool(core, settings, self._backend, "Async")

    async def open(self, request: WireRequest) -> AsyncHttpxReply:
        """The reply once its headers are here; raises WireError, which holds nothing of the request."""
        token = OURS.set(True)
        try:
            reply = AsyncHttpxReply(await self._transport.handle_async_request(_to_httpx(self._httpx, request, _iterate_async)))
            if _size(reply.headers) <= self._header_bytes:
                return reply
            await reply.close()
            failure: WireError | ConnectorError = _too_large()
        except Exception as error:
            failure = _translate(error)
        finally:
            OURS.reset(token)
        raise failure.with_traceback(None)

    async def close(self) -> None:
        """Closes every connection."""
        await self._transport.aclose()
        self._backend.close()


class AsyncHttpxReply:
    """A reply of httpx whose body has not been read."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers: HeaderList = _headers(response)
        self._response = response

    def ready(self) -> bytes | None:
        """None: what has arrived is not told."""
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, not decoded; raises WireError."""
        source = aiter(self._response.stream)
        while True:
            try:
                chunk = await anext(source, None)
            except Exception as error:
                failure = _translate(error, "truncated")
            else:
                if chunk is None:
                    return
                yield chunk
                continue
            raise failure.with_traceback(None)

    async def close(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end, or where more came than the body."""
        held = _held(self._response)
        if _is_poisoned(held):
            await held.aclose()
        await self._response.aclose()


def _held(response: Any) -> Any:
    """The pool's connection behind a response. Private names: httpcore tells of no other way; a test fails if they move."""
    stream = getattr(response.stream, "_httpcore_stream", None)
    return getattr(getattr(stream, "_pool_request", None), "connection", None)


def _innermost(held: Any) -> Any:
    while hasattr(held, "_connection"):
        held = held._connection
    return held


def _is_poisoned(held: Any) -> bool:
    """Whether bytes came after the reply's end: httpcore would take them for the answer to the next request."""
    state = getattr(_innermost(held), "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


def _pool(core: ModuleType, settings: EngineSettings, backend: Any, prefix: str) -> Any:
    common = {
        "ssl_context": settings.tls or _unused_context(),
        "max_connections": settings.connections,
        "max_keepalive_connections": settings.connections,
        "keepalive_expiry": settings.keepalive,
        "network_backend": backend,
    }
    if settings.proxy:
        return getattr(core, f"{prefix}HTTPProxy")(proxy_url=settings.proxy, proxy_headers=proxy_headers(settings), **common)
    return getattr(core, f"{prefix}ConnectionPool")(**common)


def _unused_context() -> ssl.SSLContext:
    """A context that trusts nobody: for plain loopback, where no TLS is spoken, it saves loading the CA list."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _to_httpx(httpx: Any, request: WireRequest, stream: Callable[[Any], Any]) -> Any:
    timeouts, body = request.timeouts, request.body
    seconds = {"connect": timeouts.connect, "read": None, "write": timeouts.write, "pool": None}
    url, extensions = _url(httpx, request.url), {"timeout": seconds}
    if body is None or isinstance(body, bytes):
        # With a stream of its own, httpx adds no header and copies nothing: a tenth of the whole call.
        headers = [("Host", url.netloc.decode("ascii")), *request.headers]
        if body or request.method in _WITH_LENGTH:
            headers.append(("Content-Length", str(len(body or b""))))
        return httpx.Request(request.method, url, headers=headers, stream=httpx.ByteStream(body or b""), extensions=extensions)
    headers = [*request.headers]
    if body.length is not None:
        headers.append(("Content-Length", str(body.length)))
    return httpx.Request(request.method, url, headers=headers, content=stream(body), extensions=extensions)


@lru_cache(maxsize=256)
def _url(httpx: Any, url: str) -> Any:
    """A parsed URL; most calls of a workflow go to few of them. The module is part of the key."""
    return httpx.URL(url)


def _load(library: str) -> ModuleType:
    """The library without its command line, which it imports with rich and click only to offer it: half of its import time."""
    command_line = f"{library}._main"
    if library in sys.modules or command_line in sys.modules:
        return import_module(library)
    sys.modules[command_line] = None  # type: ignore[assignment]
    try:
        return import_module(library)
    finally:
        del sys.modules[command_line]


def _iterate(body: WireBody | LiveWireBody) -> Iterator[bytes]:
    if isinstance(body, LiveWireBody):
        raise TypeError("A body that arrives while it is sent needs an event loop.")
    yield from body.chunks()


async def _iterate_async(body: WireBody | LiveWireBody) -> AsyncIterator[bytes]:
    if isinstance(body, LiveWireBody):
        async for piece in body.pieces:
            yield piece
        return
    # Files are read in a thread: a slow disk must not hold up the other calls of the loop.
    import asyncio

    chunks = body.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _headers(response: Any) -> HeaderList:
    return [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in response.headers.raw]


def _size(headers: HeaderList) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _too_large() -> WireError:
    return WireError("protocol", "HeadersTooLarge")


def _translate(error: Exception, protocol: Phase = "protocol") -> WireError | ConnectorError:
    """The fault without its cause; a fault of our own, raised while a body was read, passes, but without the frames that it crossed."""
    if isinstance(error, ConnectorError):
        return error
    kind = type(error).__name__
    if kind == "RemoteProtocolError" and str(error).startswith(_SILENT):
        return WireError("read", kind)
    phase = "tls" if is_tls(error, connected=_PHASES.get(kind) != "connect") else _PHASES.get(kind, "read")
    return WireError(protocol if phase == "protocol" else phase, type(root(error)).__name__ if phase in NOT_SENT else kind)
