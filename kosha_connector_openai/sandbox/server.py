"""The HTTP/1.1 server: reads requests whole, into memory or an unlinked file, and writes replies, wire faults included."""

from __future__ import annotations

import hashlib
import mmap
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, Protocol

from kosha_connector_openai.sandbox.message import CHUNK, Blob, Incoming, SandboxReply

_IN_MEMORY = 1024 * 1024
_MOST = 1024 * 1024 * 1024
_LINE = 8 * 1024
_IDLE = 120.0
_DRAIN = 5.0
_BODILESS = (204, 304)
_ENDING = frozenset({"cut", "cut-stream", "longer"})
_EARLY = "early-413"
"""The fault that is answered before the body was read."""
_TOO_LARGE = b'{"error":{"message":"The body is larger than this server takes.","code":"request_too_large"}}'
_SAYS_SO = {"x-kosha-sandbox": "1"}


class Responder(Protocol):
    """An application that answers requests."""

    def answer(self, request: Incoming) -> SandboxReply:
        """The reply to a request; never raises."""


class SandboxServer(ThreadingHTTPServer):
    """Serves an App on 127.0.0.1 alone, with a thread for each connection; ``url`` is its origin."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, app: Responder, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.app = app
        self._busy = 0
        self._idle = threading.Condition()

    @property
    def url(self) -> str:
        """The server's origin."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Counts one request as being answered."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def drain(self) -> None:
        """Waits a few seconds for the requests being answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, _DRAIN)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves is nothing to report; what else goes wrong is."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _TooLarge(Exception):
    pass


class _Malformed(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: SandboxServer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method: the description decides
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Writes no log: the last requests can be read at the control endpoint."""

    def _serve(self) -> None:
        with self.server.at_work():
            if self.headers.get("x-kosha-fault", "").strip() == _EARLY:
                self._write(SandboxReply(413, _TOO_LARGE, headers=dict(_SAYS_SO)), close=True)
                return
            try:
                body, digest = self._body()
            except _TooLarge:
                self._write(SandboxReply(413, b"", None, _SAYS_SO), close=True)
                return
            except (_Malformed, ValueError):
                self._write(SandboxReply(400, b"", None, _SAYS_SO), close=True)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = self.server.app.answer(Incoming(self.command, self.path, headers, body, digest))
            with suppress(ConnectionError, TimeoutError):
                self._write(reply, close=False)

    def _body(self) -> tuple[Blob, str]:
        encoding = self.headers.get("transfer-encoding", "").strip().lower()
        lengths = set(self.headers.get_all("content-length") or ())
        if (encoding and (encoding != "chunked" or lengths)) or len(lengths) > 1:
            raise _Malformed
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            store = _Spool(file)
            if encoding:
                self._read_chunks(store)
            elif lengths:
                self._read_exactly(_decimal(lengths.pop()), store)
            return store.blob(), store.digest.hexdigest()

    def _read_chunks(self, store: _Spool) -> None:
        while size := int(self.rfile.readline(_LINE).partition(b";")[0], 16):
            self._read_exactly(size, store)
            if self.rfile.read(2) != b"\r\n":
                raise _Malformed
        while self.rfile.readline(_LINE) not in (b"\r\n", b""):
            pass

    def _read_exactly(self, size: int, store: _Spool) -> None:
        if size < 0 or size + store.size > _MOST:
            raise _TooLarge
        while size:
            piece = self.rfile.read(min(size, CHUNK))
            if not piece:
                raise _Malformed
            store.write(piece)
            size -= len(piece)

    def _write(self, reply: SandboxReply, *, close: bool) -> None:
        wire = reply.wire
        time.sleep(wire.get("slow", 0))
        if "reset" in wire:
            self._reset()
            return
        body = reply.body
        length = len(body) if isinstance(body, (bytes, Blob)) else None
        bodiless = self.command == "HEAD" or reply.status in _BODILESS
        self.close_connection = self.close_connection or close or not wire.keys().isdisjoint(_ENDING)
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length + int(wire.get("longer", 0)))}
        headers = {
            "Date": self.date_time_string(),
            **reply.headers,
            **({"Content-Type": reply.content_type} if reply.content_type else {}),
            **(framing if reply.status not in _BODILESS else {}),
            **({"Connection": "close"} if self.close_connection else {}),
        }
        phrase = self.responses.get(reply.status, ("Sandbox", ""))[0]
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        head = "\r\n".join(lines).encode("latin-1", "replace")
        pieces = [body] if isinstance(body, bytes) else body.chunks() if isinstance(body, Blob) else body
        self._send(
            head,
            _on_wire([] if bodiless else pieces, wire),
            chunked=length is None and not bodiless,
            ends="cut" not in wire and "cut-stream" not in wire,
        )

    def _send(self, head: bytes, pieces: Iterator[bytes], *, chunked: bool, ends: bool) -> None:
        for piece in pieces:
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
            self.wfile.write(head + framed)
            head = b""
        self.wfile.write(head + (b"0\r\n\r\n" if chunked and ends else b""))

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


class _Spool:
    """Collects a body: in memory while it is small, else in a file that has no name."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, piece: bytes) -> None:
        """Adds a piece."""
        self.size += len(piece)
        self.digest.update(piece)
        self._file.write(piece)

    def blob(self) -> Blob:
        """What was written; it outlives the file."""
        self._file.seek(0)
        if self.size <= _IN_MEMORY:
            return Blob.of(self._file.read())
        self._file.flush()
        return Blob(mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ), 0, self.size)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _Malformed
    return int(text)


def _on_wire(pieces: Iterable[bytes], wire: dict[str, float]) -> Iterator[bytes]:
    """The pieces with the wire's faults: the first ``cut`` bytes, the first ``cut-stream`` pieces, byte by byte with pauses."""
    left, events = wire.get("cut", -1), wire.get("cut-stream", -1)
    for number, piece in enumerate(pieces):
        if number == events or left == 0:
            return
        part = piece if left < 0 else piece[: int(left)]
        left = left - len(part) if left > 0 else left
        if "drip" not in wire:
            if part:
                yield part
            continue
        for position in range(len(part)):
            yield part[position : position + 1]
            time.sleep(wire["drip"])
