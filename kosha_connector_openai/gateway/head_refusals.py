"""The replies to what is no request that the application could see, by status: whole, with their heads, and each a connection's last."""

from __future__ import annotations

from typing import Final


def _reply(status: int, reason: str, message: str) -> bytes:
    body = f'{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}'
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return (head + body).encode()


REFUSALS: Final = {
    400: _reply(400, "Bad Request", "This is no valid HTTP request."),
    408: _reply(408, "Request Timeout", "The request's head did not arrive in time."),
    431: _reply(431, "Request Header Fields Too Large", "The request's line and headers are too large."),
    503: _reply(503, "Service Unavailable", "The service has as many connections as it can take."),
}
