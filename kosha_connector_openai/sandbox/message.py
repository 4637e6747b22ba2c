"""What passes between the HTTP server and the answers: Incoming and SandboxReply, Blob for bytes that may be large."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Blob:
    """Bytes from ``start`` to ``stop`` of a buffer that is in memory or, when large, in an unlinked file."""

    buffer: bytes | mmap.mmap
    start: int
    stop: int

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """All of ``data``."""
        return cls(data, 0, len(data))

    def __len__(self) -> int:
        return self.stop - self.start

    def __bytes__(self) -> bytes:
        return self.buffer[self.start : self.stop]

    def read(self) -> bytes:
        """All bytes; a value that can be read is a file to whoever checks inputs."""
        return bytes(self)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, at most 64 KiB at a time."""
        for position in range(self.start, self.stop, CHUNK):
            yield self.buffer[position : min(position + CHUNK, self.stop)]

    def find(self, text: bytes, start: int) -> int:
        """Where ``text`` stands in the buffer at or after ``start``, inside this blob; -1 where it does not."""
        return self.buffer.find(text, start, self.stop)


@dataclass(frozen=True)
class UploadedFile:
    """A file in a multipart body."""

    filename: str
    content_type: str
    blob: Blob

    def read(self) -> bytes:
        """The file's bytes."""
        return bytes(self.blob)


@dataclass(frozen=True)
class Incoming:
    """A request as it arrived: its target, its headers by lower-case name, its whole body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Blob
    digest: str = ""
    """SHA-256 of the body, in hexadecimal."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target's query without the question mark."""
        return self.target.partition("?")[2]


@dataclass
class SandboxReply:
    """An answer. A body whose length is unknown is sent in chunks as it is made (RFC 9112, section 7.1)."""

    status: int
    body: bytes | Blob | Iterable[bytes] = b""
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    wire: dict[str, float] = field(default_factory=dict)
    """Faults that the server makes while it sends the bytes: see ``fault_injection``."""

    def whole(self) -> bytes:
        """The body in one piece."""
        return bytes(self.body) if isinstance(self.body, (bytes, Blob)) else b"".join(self.body)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> SandboxReply:
        """A JSON answer."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode())
