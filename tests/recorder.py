"""REC: a loopback upstream that keeps the raw bytes of each request and answers by script."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import orjson


@dataclass
class Received:
    """One request as it came over the wire."""

    raw: bytes
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def json(self) -> object:
        return orjson.loads(self.body)


Script = Callable[[socket.socket, Received], bool]
"""Answers one request; False closes the connection afterwards."""


def reply(
    status: int = 200,
    body: bytes | object = b"{}",
    headers: Sequence[tuple[str, str]] = (),
    content_type: str | None = "application/json",
    length: int | None = None,
) -> Script:
    """A plain answer; ``length`` lies about the body's length."""

    def script(connection: socket.socket, _: Received) -> bool:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(data) if length is None else length}"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        lines += [f"{name}: {value}" for name, value in headers]
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data)
        return length is None or length == len(data)

    return script


def events(*chunks: bytes, end: bool = True, pause: float = 0.0) -> Script:
    """An event stream sent chunk by chunk; ``end=False`` breaks the connection instead of closing the stream."""

    def script(connection: socket.socket, _: Received) -> bool:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: req_stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        for chunk in chunks:
            if chunk:
                connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            if pause:
                time.sleep(pause)
        if end:
            connection.sendall(b"0\r\n\r\n")
        return end

    return script


def raw(data: bytes, *, pause: float = 0.0, size: int = 0) -> Script:
    """Exactly these bytes, then the connection closes; with ``size`` in pieces of it, with a pause between them."""

    def script(connection: socket.socket, _: Received) -> bool:
        step = size or max(1, len(data))
        for start in range(0, len(data), step):
            connection.sendall(data[start : start + step])
            time.sleep(pause)
        return False

    return script


def reset(connection: socket.socket, _: Received) -> bool:
    """Resets the connection once the request is read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    return False


def silence(seconds: float) -> Script:
    """Answers nothing for a while, then closes."""

    def script(connection: socket.socket, _: Received) -> bool:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass
        return False

    return script


@dataclass
class Recorder:
    """``with Recorder(script, ...) as upstream``: the scripts answer in turn, the last one for all that follow."""

    scripts: list[Script] = field(default_factory=lambda: [reply()])
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts) or [reply()]
        self.requests = []
        self.connections = 0
        self.closed_early = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._stopping = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def silent(self) -> bool:
        """Whether nobody has connected at all."""
        return self.connections == 0 and not self.requests

    @property
    def last(self) -> Received:
        return self.requests[-1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (request := _read(connection)) is not None:
                with self._lock:
                    self.requests.append(request)
                    script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                if not script(connection, request):
                    break
        except OSError:
            self.closed_early.set()
        finally:
            connection.close()


def _read(connection: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in lines]
    given = {name.lower(): value for name, value in headers}
    if "chunked" in given.get("transfer-encoding", ""):
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        wire, body = body, _dechunk(body)
    else:
        length = int(given.get("content-length", "0"))
        while len(body) < length:
            piece = connection.recv(1 << 20)
            if not piece:
                break
            body += piece
        wire = body
    return Received(head + b"\r\n\r\n" + wire, method, target, headers, body)


def _dechunk(data: bytes) -> bytes:
    out = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        count = int(size, 16)
        out, data = out + rest[:count], rest[count + 2 :]
        if count == 0:
            break
    return out
