"""A gate with TLS before a server that has none, as Temporal Cloud's: it reads the metadata of each RPC, and can let nobody in."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Final, Self

import hpack

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD: Final = 9
_HEADERS: Final = 1
_SETTINGS: Final = b"\0\0\0\x04\0\0\0\0\0"
_UNAUTHENTICATED: Final = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "16"), ("grpc-message", "no")]


class TlsGate:
    """Listens on 127.0.0.1; ``behind`` is the port of the server, or None to refuse each RPC. ``metadata`` is what all RPCs had."""

    def __init__(self, context: ssl.SSLContext, behind: int | None) -> None:
        self.metadata: set[tuple[str, str]] = set()
        self._context, self._behind = context, behind
        self._context.set_alpn_protocols(["h2"])
        self._socket = socket.create_server(("127.0.0.1", 0))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._socket.accept()[0],), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError), raw, self._context.wrap_socket(raw, server_side=True) as client:
            if self._behind is None:
                client.sendall(_SETTINGS)
                self._read(client, None)
                return
            with socket.create_connection(("127.0.0.1", self._behind)) as server:
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                try:
                    self._read(client, server)
                finally:
                    with suppress(OSError):
                        server.shutdown(socket.SHUT_RDWR)
                    back.join()

    def _read(self, client: ssl.SSLSocket, server: socket.socket | None) -> None:
        """Passes on what comes, and reads the frames with headers in it."""
        decoder, encoder, kept = hpack.Decoder(), hpack.Encoder(), b""
        while data := client.recv(65_536):
            if server is not None:
                server.sendall(data)
            kept = (kept + data).removeprefix(_PREFACE)
            while len(kept) >= _HEAD and len(kept) >= (size := _HEAD + int.from_bytes(kept[:3], "big")):
                kind, flags, stream, body, kept = kept[3], kept[4], kept[5:9], kept[_HEAD:size], kept[size:]
                if kind != _HEADERS:
                    continue
                body = body[5:] if flags & 0x20 else body  # with a priority before the block
                self.metadata |= {(str(name), str(value)) for name, value in decoder.decode(body)}
                if server is None:
                    block = encoder.encode(_UNAUTHENTICATED)
                    client.sendall(len(block).to_bytes(3, "big") + bytes([_HEADERS, 0x05]) + stream + block)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
