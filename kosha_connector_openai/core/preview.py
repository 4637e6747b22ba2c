"""What an action would send, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from kosha_connector_openai.core.request.request import Request


@dataclass(frozen=True, slots=True)
class Preview:
    """The request that an action would send: the method, the whole URL, the headers (the credential's values masked), the body."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    request: Request

    def body(self) -> bytes:
        """The body's bytes, read into memory."""
        body = self.request.body
        return b"".join(body.chunks()) if body is not None and hasattr(body, "chunks") else b""
