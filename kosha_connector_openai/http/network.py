"""A network backend for httpcore that keeps a call's deadline at each read and write, and checks the address it connects to.

httpx has timeouts for each step only, which start again with every byte; a peer that sends one byte a second never times out.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.http.engine import CheckAddresses, EngineSettings

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Resolve = Callable[[str, int], list[str]]
_LOOK_UPS = 8
"""Names that one engine looks up at once."""
_PIECE = 65_536
"""Bytes that are written at once."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class ThreadedResolver:
    """Looks names up in threads of its own: what holds up other threads holds up no look-up, and a slow look-up no other thread."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads: ThreadPoolExecutor | None = None

    async def find(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises OSError."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        if self._threads is None:
            self._threads = ThreadPoolExecutor(_LOOK_UPS, "kosha-dns")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, host, port)

    def close(self) -> None:
        """Ends the threads, each after its look-up."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def proxy_headers(settings: EngineSettings) -> dict[str, str] | None:
    """What the proxy alone is told: its credential (RFC 7617)."""
    if settings.proxy_auth is None:
        return None
    return {"Proxy-Authorization": f"Basic {base64.b64encode(settings.proxy_auth().encode()).decode('ascii')}"}


_LOST = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""A connection that went away in the middle of a handshake: no verdict about TLS."""
_CERTIFICATE = re.compile(r"ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|NO_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)")


def root(error: BaseException) -> BaseException:
    """Returns the error at the beginning of a chain; httpcore raises some "from None", which leaves the context alone."""
    while (link := error.__cause__ or error.__context__) is not None:
        error = link
    return error


def is_tls(error: BaseException, *, connected: bool) -> bool:
    """Whether TLS could not be agreed on: one side refused the other's certificate, version or ciphers.

    With TLS 1.3 the server's word about our certificate comes after the handshake (RFC 8446, section 4.4.2.4), when the connection is
    ``connected`` to us; no server reads a request before that.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, ssl.SSLError):
        link = link.__cause__ or link.__context__
    if link is None or isinstance(link, _LOST):
        return False
    return not connected or bool(_CERTIFICATE.search(str(link.reason or link)))


class Deadline(threading.local):
    """The time of ``time.monotonic`` at which the current thread's call ends."""

    at: float = float("inf")

    def left(self, timeout: float | None) -> float:
        """Seconds for the next step: the step's own timeout, or less where the call ends sooner."""
        remaining = self.at - time.monotonic()
        return remaining if timeout is None else min(timeout, remaining)


class DeadlineStream:
    """A network stream whose steps end with the call."""

    def __init__(self, core: Any, stream: Any, deadline: Deadline) -> None:
        self._core = core
        self._stream = stream
        self._deadline = deadline
        self.in_use = False
        """Whether a request was written whose reply has not been closed."""
        self._head = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most ``max_bytes``; b"" at the end."""
        left = self._deadline.left(timeout)
        if left <= 0:
            raise self._core.ReadTimeout
        data: bytes = self._stream.read(max_bytes, left)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of ``buffer``, in pieces, so that a slow reader cannot stretch the call.

        A request's head, its first write, waits for the second, and a short request leaves in one: to send costs more than to write it.
        There always is a second: httpcore writes the end of a body, were it empty.
        """
        if not self.in_use:
            self.in_use, self._head = True, buffer
            return
        head, self._head = self._head, b""
        if len(head) + len(buffer) <= _PIECE:
            self._send(head + buffer, timeout)
            return
        self._send(head, timeout)
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE):
            self._send(bytes(view[start : start + _PIECE]), timeout)

    def _send(self, piece: bytes, timeout: float | None) -> None:
        if not piece:
            return
        left = self._deadline.left(timeout)
        if left <= 0:
            raise self._core.WriteTimeout
        try:
            self._stream.write(piece, left)
        except self._core.WriteTimeout:
            if self._stream.get_extra_info("is_readable"):
                raise self._core.WriteError from None  # the server has answered and reads no more; its reply is read then
            raise

    def close(self) -> None:
        """Closes the socket."""
        self._stream.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> DeadlineStream:
        """The same stream, encrypted."""
        left = self._deadline.left(timeout)
        if left <= 0:
            raise self._core.ConnectTimeout
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return DeadlineStream(self._core, stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the socket knows of itself.

        The pool takes a readable idle connection for one that the server closed. It asks while another thread may just have sent a request:
        a reply that has come to it is no reason to close the connection, so the mark is looked at last.
        """
        found = self._stream.get_extra_info(info)
        return False if info == "is_readable" and self.in_use else found


class DeadlineBackend:
    """Connects to an address that the connection's rule allows, and to no other that the name may resolve to a moment later."""

    def __init__(self, core: Any, deadline: Deadline, check: CheckAddresses, resolve: Resolve = resolve) -> None:
        self._core = core
        self._inner = core.SyncBackend()
        self._deadline = deadline
        self._check = check
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> DeadlineStream:
        """A stream to the first allowed address that answers."""
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise self._core.ConnectError("name not found") from error
        failure: Exception = self._core.ConnectError("no address")
        for address in self._check(host, addresses):
            left = self._deadline.left(timeout)
            if left <= 0:
                raise self._core.ConnectTimeout
            try:
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
                return DeadlineStream(self._core, stream, self._deadline)
            except (self._core.ConnectError, self._core.ConnectTimeout) as error:
                failure = error
        raise failure

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)
