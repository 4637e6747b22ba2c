"""Clients: which engine sends, over which sockets, and the one place where a credential joins a request.

A pool is shared by calls with the same tenant, origin and settings, and by no others.
"""

from __future__ import annotations

import ssl
import threading
import time
from functools import lru_cache, partial
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from kosha_connector_openai.core.connection import Connection, Credential, Options, RequestFacts, authorize, with_key
from kosha_connector_openai.core.request import BytesBody, Request
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.http import (
    AsyncEngine,
    AsyncReply,
    EgressPolicy,
    EngineSettings,
    HeaderList,
    Server,
    SyncEngine,
    SyncReply,
    WireError,
    WireRequest,
    check_addresses,
    join,
    tls_context,
)
from kosha_connector_openai.secrets import Secret, SecretReference
from kosha_connector_openai.secrets.stores import MOUNTS
from kosha_connector_openai.text import install

_UNSIGNED: Final = RequestFacts("", "")
"""For schemes that look at nothing of the request."""


class ResolveSecret(Protocol):
    """Gives the secret behind a reference; ``immediate`` says that it never waits."""

    @property
    def immediate(self) -> bool: ...

    def __call__(self, reference: SecretReference) -> Secret: ...


class Clients:
    """The engines of one connector, made when they are first needed and closed together."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._sync: dict[tuple[object, ...], SyncEngine] = {}
        self._async: WeakKeyDictionary[Any, dict[tuple[object, ...], AsyncEngine]] = WeakKeyDictionary()

    def open(
        self, request: Request, connection: Connection, credential: Credential | None, resolve: ResolveSecret, deadline: float
    ) -> SyncReply:
        """The reply once its headers are here; raises WireError, SetupError, or what the secret store raises."""
        with self._lock:
            engine = self._sync.get(connection.pool_key)
            if engine is None:
                engine = self._sync[connection.pool_key] = _sync_engine(connection, _settings(connection, _proxy_auth(connection, resolve)))
        reply = engine.open(self._write(request, connection, credential, resolve, deadline))
        if not is_final(reply.status):
            reply.close()
            raise WireError("protocol", "Status")
        return reply

    async def open_async(
        self, request: Request, connection: Connection, credential: Credential | None, resolve: ResolveSecret, deadline: float
    ) -> AsyncReply:
        """The same for asyncio; a secret store that may wait is asked in a thread."""
        import asyncio

        loop = asyncio.get_running_loop()
        engines = self._async.get(loop)
        if engines is None:
            engines = self._async[loop] = {}
        engine = engines.get(connection.pool_key)
        if engine is None:
            # A proxy's credential may have to be waited for; whoever comes second finds the first one's engine.
            auth = await asyncio.to_thread(_proxy_auth, connection, resolve) if connection.options.proxy_auth else None
            engine = engines.get(connection.pool_key) or _async_engine(connection, _settings(connection, auth))
            engines[connection.pool_key] = engine
        if credential is None or resolve.immediate:
            wire = self._write(request, connection, credential, resolve, deadline)
        else:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    wire = await asyncio.to_thread(self._write, request, connection, credential, resolve, deadline)
            except TimeoutError:
                raise WireError("connect", "TimeoutError") from None  # nothing was sent
        reply = await engine.open(wire)
        if not is_final(reply.status):
            await reply.close()
            raise WireError("protocol", "Status")
        return reply

    def headers(self, request: Request, connection: Connection) -> HeaderList:
        """All headers but the credential's and those that the body's length and the URL give."""
        given = (*request.headers, *connection.headers)
        named = any(name.lower() == "user-agent" for name, _ in given)
        agent = () if named else (("User-Agent", self._user_agent),)
        return (*agent, ("Accept-Encoding", "identity"), *given)

    def close(self) -> None:
        """Closes the engines of threads; those of an event loop are closed by ``close_async`` on that loop."""
        with self._lock:
            engines, self._sync = list(self._sync.values()), {}
        for engine in engines:
            engine.close()

    async def close_async(self) -> None:
        """Closes all engines of the running loop, and those of threads."""
        import asyncio

        for engine in self._async.pop(asyncio.get_running_loop(), {}).values():
            await engine.close()
        self.close()

    def _write(
        self, request: Request, connection: Connection, credential: Credential | None, resolve: ResolveSecret, deadline: float
    ) -> WireRequest:
        body, absolute = request.body, url(connection.server, request)
        # The credential is in no variable of this frame: only the wire request, whose text form hides it, holds it.
        return WireRequest(
            method=request.method,
            url=_with_key(absolute, connection, credential, resolve),
            headers=(*self.headers(request, connection), *_authorize(request, absolute, connection, credential, resolve)),
            body=body.content if isinstance(body, BytesBody) else body,
            timeouts=connection.wire_timeouts,
            deadline=deadline,
        )


def is_final(status: int) -> bool:
    """Whether a status ends an exchange: no interim one, no upgrade, and one of the classes that HTTP has (RFC 9110, section 15)."""
    return 200 <= status <= 599  # noqa: PLR2004


def url(server: Server, request: Request) -> str:
    """The absolute URL: segments in which the server's prefix ends and the described path begins are written once."""
    return f"{server}{request.target[_shared(server.prefix, request.template) :]}"


@lru_cache(maxsize=1_024)
def _shared(prefix: str, path: str) -> int:
    """How many characters of the path are the prefix's end."""
    return len(prefix) + len(path) - len(join(prefix, path))


def facts(request: Request, absolute: str) -> RequestFacts:
    """What a credential that signs looks at."""
    body = request.body
    content = body.content if isinstance(body, BytesBody) else None if body else b""
    return RequestFacts(request.method, absolute, body.content_type if body else None, content)


def _with_key(absolute: str, connection: Connection, credential: Credential | None, resolve: ResolveSecret) -> str:
    if credential is None or not credential.in_query:
        return absolute
    return with_key(absolute, credential, connection.server.origin, resolve)


def _authorize(
    request: Request, absolute: str, connection: Connection, credential: Credential | None, resolve: ResolveSecret
) -> HeaderList:
    if credential is None:
        return ()
    signed = facts(request, absolute) if credential.signs else _UNSIGNED
    return authorize(credential, connection.server.origin, resolve, signed)


def _sync_engine(connection: Connection, settings: EngineSettings) -> SyncEngine:
    from kosha_connector_openai.http import SyncHttpx, SyncPool

    name = connection.options.engine
    if name == "httpx2":
        _need(name)
    return SyncPool(SyncHttpx(name if name == "httpx2" else "httpx", settings), settings.connections)


def _need(library: str) -> None:
    if not find_spec(library):
        raise SetupError(f"The engine {library} is not installed.", hint=install(library))


def load_async_engine(connection: Connection) -> None:
    """Imports what the first call of an event loop would import; a service does it before it listens."""
    _async_engine(connection, _settings(connection, None))


def _async_engine(connection: Connection, settings: EngineSettings) -> AsyncEngine:
    from kosha_connector_openai.http import AsyncPool

    name = connection.options.engine
    if name != "auto":
        _need(name)
    if name == "aiohttp" or (name == "auto" and find_spec("aiohttp")):
        from kosha_connector_openai.http import AsyncAiohttp

        return AsyncPool(AsyncAiohttp(settings), settings.connections)
    from kosha_connector_openai.http import AsyncHttpx

    return AsyncPool(AsyncHttpx("httpx" if name == "auto" else name, settings), settings.connections)


def _proxy_auth(connection: Connection, resolve: ResolveSecret) -> Secret | None:
    reference = connection.options.proxy_auth
    return resolve(SecretReference.parse(reference)) if reference and _proxy(connection) else None


def _proxy(connection: Connection) -> str | None:
    """The proxy for this server. One without TLS is on this machine: through a proxy its key would be on the wire, in the clear."""
    return connection.options.proxy if connection.server.origin.scheme == "https" else None


def _settings(connection: Connection, proxy_auth: Secret | None) -> EngineSettings:
    options, origin = connection.options, connection.server.origin
    networks = tuple(ip_network(str(network)) for network in options.networks)
    check = partial(check_addresses, policy=EgressPolicy(networks, options.loopback, plain=origin.scheme == "http"))

    if _is_address(origin.host):  # a numeric host is never looked up, so the engine would not ask
        check(origin.host, [origin.host])
    return EngineSettings(
        connections=connection.limits.connections,
        keepalive=connection.limits.keepalive,
        header_bytes=connection.limits.reply_headers,
        check_addresses=check,
        tls=tls_of(options) if origin.scheme == "https" else None,
        proxy=_proxy(connection),
        proxy_auth=proxy_auth.reveal if proxy_auth else None,
    )


def tls_of(options: Options) -> ssl.SSLContext:
    """Returns the TLS context that the operator's options describe; raises SetupError for a file that cannot be used."""
    return tls_context(options.ca_file, options.client_cert, options.client_key, mounts=MOUNTS)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
