"""A multipart/form-data body (RFC 7578) that is written while it is sent, in constant memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from kosha_connector_openai.core.request.files import FileInput

_ESCAPES: Final = {ord(char): f"%{ord(char):02X}" for char in '"\\\x7f' + bytes(range(32)).decode()}
"""As browsers write names (WHATWG HTML, "multipart form data"), and what parsers take for an escape or refuse."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field. A file's own name and content type are used where none are given here."""

    name: str
    value: bytes | FileInput
    filename: str | None = None
    content_type: str | None = None

    @property
    def length(self) -> int | None:
        """Bytes of the value; None where a file cannot tell."""
        return len(self.value) if isinstance(self.value, bytes) else self.value.size

    def head(self) -> bytes:
        """The part's header lines and the empty line after them."""
        file = self.value if isinstance(self.value, FileInput) else None
        filename = self.filename or (file.name if file else None)
        content_type = self.content_type or (file.content_type if file else None)
        lines = f'Content-Disposition: form-data; name="{self.name.translate(_ESCAPES)}"'
        if filename:
            lines += f'; filename="{filename.translate(_ESCAPES)}"'
        if content_type:
            lines += f"\r\nContent-Type: {content_type.translate(_ESCAPES)}"
        return f"{lines}\r\n\r\n".encode()


def _boundary() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """The parts in their order. ``boundary`` is random; tests may give one."""

    parts: Sequence[FormPart]
    boundary: str = field(default_factory=_boundary)

    @property
    def content_type(self) -> str:
        """The value of the request's Content-Type header."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def length(self) -> int | None:
        """Bytes in all; None where a file's size is unknown, and the body has to be sent chunked."""
        total = len(self._end())
        for part in self.parts:
            if part.length is None:
                return None
            total += len(self._start(part)) + part.length + len(b"\r\n")
        return total

    @property
    def replayable(self) -> bool:
        """Whether :meth:`chunks` may be called again, for a retry."""
        return all(part.value.replayable for part in self.parts if isinstance(part.value, FileInput))

    def chunks(self) -> Iterator[bytes]:
        """The body, at most 64 KiB of a file at a time; :class:`InputError` where a file changed its size."""
        for part in self.parts:
            yield self._start(part)
            if isinstance(part.value, bytes):
                yield part.value
            else:
                yield from part.value.chunks()
            yield b"\r\n"
        yield self._end()

    def _start(self, part: FormPart) -> bytes:
        return f"--{self.boundary}\r\n".encode() + part.head()

    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()
