"""One exchange with a secret server: HTTP/1.1 (RFC 9112) over the standard library, ended by a deadline and a size, never redirected.

Of our own, because the ready-made client would bring five packages, obey proxies of the environment, follow redirects, read without
limit and wait anew for every byte. One request on its own connection is all that is needed here.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.http import Origin, Server
from kosha_connector_openai.secrets.secret import Secret

LIMIT: Final = 1024 * 1024
"""Bytes of an answer's body; a whole entry, of which one field is wanted, may be large."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: a GET, or a POST of ``fields`` as a JSON object. Secrets in it stay opaque until they are sent."""

    path: str
    headers: Mapping[str, str | Secret]
    fields: Mapping[str, str | Secret] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, and a body that no frame or log shows."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoReply:
    """Why nothing usable came back, and what to do; ``retryable`` where the same may work later."""

    what: str
    fix: str = ""
    retryable: bool = True


_TOO_LARGE: Final = NoReply("sent more than 1 MiB.", "Keep the secret in an entry of its own.", retryable=False)
_FAILURES: Final[tuple[tuple[type[Exception], NoReply], ...]] = (
    (ssl.SSLCertVerificationError, NoReply("has a certificate that is not trusted.", "Check its CA file and host.", retryable=False)),
    (TimeoutError, NoReply("did not answer in time.")),
    (ssl.SSLError, NoReply("does not speak TLS 1.2 or newer.", "Check the address and its port.", retryable=False)),
    (socket.gaierror, NoReply("has a host that is not found.", "Check the address.")),
    (ConnectionRefusedError, NoReply("refuses connections.", "Check that it runs, and its address.")),
    (OSError, NoReply("broke the connection.")),
    (HTTPException, NoReply("answered with something that is not HTTP.", "Check the address.")),
)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer with every check on, trusting this CA file alone, or the public ones. Raises SetupError."""
    import certifi  # noqa: PLC0415 - only who speaks TLS needs the list

    # Made by hand: the ready-made context would write session keys to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(ca_file or certifi.where()))
    except OSError as error:
        reason = error.strerror or "no certificate"
        raise SetupError("The CA file cannot be loaded.", hint=f"Check it: {reason}.", pointer="/ca_file") from None
    return context


def exchange(server: Server, tls: ssl.SSLContext | None, ask: Ask, deadline: float) -> Reply | NoReply:
    """The server's reply before ``deadline`` (of ``time.monotonic``); never raises for what a network or a server does.

    So no secret is in a frame that an error reporter could show. Without ``tls`` only this machine is spoken to.
    """
    try:
        with closing(_connect(server.origin, tls, deadline)) as sock:
            return _converse(_Wire(sock, deadline), server, ask)
    except (OSError, HTTPException) as error:
        return next(failure for kind, failure in _FAILURES if isinstance(error, kind))


def _converse(wire: _Wire, server: Server, ask: Ask) -> Reply | NoReply:
    connection: Any = HTTPConnection(server.origin.host, server.origin.port)
    connection.sock = wire
    headers = {name: _plain(value) for name, value in ask.headers.items()}
    body = None if ask.fields is None else orjson.dumps({name: _plain(value) for name, value in ask.fields.items()})
    content = {} if body is None else {"Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", server.prefix + ask.path, body, {**headers, **content, "Connection": "close"})
    response = connection.getresponse()
    data = response.read(LIMIT + 1)
    return _TOO_LARGE if len(data) > LIMIT else Reply(response.status, data)


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _connect(origin: Origin, tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    sock = socket.create_connection((origin.host, origin.port), _left(deadline))
    try:
        if tls is not None:
            sock.settimeout(_left(deadline))
            return tls.wrap_socket(sock, server_hostname=origin.host)
        if not ip_address(sock.getpeername()[0]).is_loopback:
            raise ConnectionError
    except BaseException:
        sock.close()
        raise
    return sock


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class _Wire(io.RawIOBase):
    """A socket that is given less time at each step: the ready-made timeouts start again with every byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def close(self) -> None:
        """Left to whoever opened the socket: the client closes its side while the reader is still in use."""

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)
