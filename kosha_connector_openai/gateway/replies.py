"""Our own replies, in the error shape that clients' libraries read, each with the request's id and none of the service's internals."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import (
    ConnectorError,
    Fault,
    InputError,
    NotSentError,
    OutcomeUnknownError,
    RedirectRefusedError,
    ReplyTooLargeError,
    SetupError,
    TruncatedReplyError,
)
from kosha_connector_openai.gateway.records import ErrorResponse, Send, SpentError
from kosha_connector_openai.text import essence, tokens

ID_HEADER: Final = b"x-kosha-request-id"
_MOST_FAULTS: Final = 20
_UPSTREAM: Final = "upstream_error"
_TOO_MANY: Final = 429
_LONG: Final = 60.0
_PLAIN_TEXT: Final = 500
"""Characters of an upstream's plain text that are passed on."""

NOT_FOUND: Final = ErrorResponse(404, "There is no such path here.", code="unknown_path")
FORBIDDEN: Final = ErrorResponse(403, "This token may not use this operation.", type="permission_error", code="action_not_allowed")
NO_CREDENTIAL: Final = ErrorResponse(
    403, "This service holds no credential for this operation. Ask its operator.", type="permission_error", code="no_credential"
)
HIDDEN: Final = ErrorResponse(404, "Nothing with this id exists.", code="not_found")
FULL: Final = ErrorResponse(
    429, "The service remembers as many of your objects as it may. Delete some.", type="rate_limit_error", code="too_many_objects"
)
UPSTREAM_KEY: Final = ErrorResponse(
    502, "The upstream does not accept this service's credential. Tell its operator.", type="upstream_error", code="upstream_credential"
)
"""The upstream's 401 is about the service's key; a caller would take it for one about its own token."""
UPGRADE: Final = ErrorResponse(
    400, "This service speaks plain HTTP alone; it passes no WebSocket or other upgrade on.", code="upgrade_refused"
)
COMPRESSED: Final = ErrorResponse(415, "Compressed requests are not taken. Send the body as it is.", code="content_encoding")
UNRECORDED: Final = ErrorResponse(
    503, "The service cannot keep its record, and does nothing without. Tell its operator.", type="overloaded", code="audit_unavailable"
)
FAILED: Final = ErrorResponse(500, "The service failed. Tell its operator this request's id.", type="server_error", code="internal_error")

# The first kind that an error is of: status, what the caller is told, code.
_ERRORS: Final[tuple[tuple[type[ConnectorError], int, str, str], ...]] = (
    (NotSentError, 502, "The upstream could not be reached; nothing was sent to it.", "upstream_unreachable"),
    (OutcomeUnknownError, 502, "The connection to the upstream broke; the call may have run.", "upstream_broken"),
    (TruncatedReplyError, 502, "The upstream's reply ended before its end; the call may have run.", "upstream_truncated"),
    (ReplyTooLargeError, 502, "The upstream's reply is too large.", "upstream_too_large"),
    (RedirectRefusedError, 502, "The upstream redirects to another address, and a credential never follows.", "upstream_redirect"),
    (SetupError, 500, "The service's connection to the upstream is not complete. Tell its operator.", "connection"),
    (ConnectorError, 502, "The upstream's reply cannot be understood; the call may have run.", "upstream_malformed"),
)
_LATE: Final = {
    "deadline": ErrorResponse(504, "The upstream did not answer in time; the call may have run.", type=_UPSTREAM, code="upstream_timeout"),
    "pool": ErrorResponse(
        503, "The service has no connection to the upstream left.", type="overloaded", code="overloaded", headers=(("retry-after", "1"),)
    ),
}


def method_not_allowed(methods: Iterable[str]) -> ErrorResponse:
    """405 with the methods of the path."""
    allowed = ", ".join(methods)
    return ErrorResponse(405, f"This path takes {allowed}.", code="method_not_allowed", headers=(("allow", allowed),))


def refused_field(name: str) -> ErrorResponse:
    """400 for a field or header by which the caller would choose the upstream."""
    text = f"`{name}` cannot be chosen by a caller: the service's own connection says where calls go and with which right. Leave it out."
    return ErrorResponse(400, text, code="refused_field", param=name)


def slash_fault(name: str) -> Fault:
    """The fault of a path's value that a server could take for more of the path."""
    return Fault(f"/{name}", "slash", "has a slash, a backslash, `?` or `#` in it.", "Give the plain id.")


def shed(status: int, reason: str, retry_after: float) -> ErrorResponse:
    """429 or 503, with the time after which to try again."""
    kind, code = ("rate_limit_error", "rate_limit_exceeded") if status == _TOO_MANY else ("overloaded", "overloaded")
    return ErrorResponse(status, reason, type=kind, code=code, headers=(("retry-after", str(max(1, ceil(retry_after)))),))


def spent(error: SpentError, hint: str | None = None) -> ErrorResponse:
    """429 for a budget that does not cover the call, with the time after which it begins anew. ``hint`` names the header that tells
    clients whether to try again: not where waiting does not help, or takes longer than a minute."""
    kind = {429: "rate_limit_error", 503: "overloaded"}.get(error.status, "permission_error")
    wait = error.retry_after
    headers = (("retry-after", str(max(1, ceil(wait)))),) if wait is not None else ()
    more = ((hint, "false"),) if hint and (wait is None or wait > _LONG) else ()
    return ErrorResponse(error.status, error.message, type=kind, code=error.reason, headers=(*headers, *more))


def bad_input(error: InputError) -> ErrorResponse:
    """400 for a request that cannot be passed on."""
    return bad_fields(error.faults) if error.faults else ErrorResponse(400, error.message, code=error.code)


def bad_fields(faults: Iterable[Fault], status: int = 400) -> ErrorResponse:
    """400 with every fault in its message, the first one's field as ``param`` and its rule as ``code``."""
    found = list(faults)
    lines = [f"{_param(fault.pointer) or 'The body'} {fault.message}" + (f" {fault.fix}" if fault.fix else "") for fault in found]
    more = f" And {len(found) - _MOST_FAULTS} more." if len(found) > _MOST_FAULTS else ""
    text = " ".join(lines[:_MOST_FAULTS])
    return ErrorResponse(status, f"{text}{more}", code=found[0].rule, param=_param(found[0].pointer) or None)


def of_error(error: ConnectorError, *, repeatable: bool, hint: str | None) -> ErrorResponse:
    """The reply to the caller where the upstream gave none. ``hint`` names the header that tells clients whether to try again."""
    late = _LATE.get(getattr(error, "phase", ""))
    if late is not None:
        refusal = late
    else:
        status, text, code = next((status, text, code) for kind, status, text, code in _ERRORS if isinstance(error, kind))
        refusal = ErrorResponse(status, text, type="server_error" if isinstance(error, SetupError) else _UPSTREAM, code=code)
    if hint is None:
        return refusal
    again = isinstance(error, NotSentError) or (repeatable and not isinstance(error, SetupError))
    headers = (*refusal.headers, (hint, "true" if again else "false"))
    return ErrorResponse(refusal.status, refusal.message, refusal.type, refusal.code, None, headers)


def wrapped(status: int, content_type: str, body: bytes) -> bytes:
    """An upstream's error that is not JSON, in the error shape: its plain text, cut; for an HTML page, only that it was one."""
    kind = essence(content_type)
    text = body[: 4 * _PLAIN_TEXT].decode("utf-8", "replace").strip() if kind == "text/plain" else ""
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text[:_PLAIN_TEXT])
    message = text or f"The upstream answered {status}" + (f" with {kind}." if kind.isascii() and kind.isprintable() and kind else ".")
    return orjson.dumps(error_shape(message, _UPSTREAM))


def error_body(refusal: ErrorResponse, request_id: str) -> bytes:
    """The JSON of a refusal."""
    return orjson.dumps(error_shape(refusal.message, refusal.type, refusal.param, refusal.code, request_id=request_id))


def error_shape(message: str, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None, **more: Any) -> Any:
    """An error as clients' libraries read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}


async def send_refusal(send: Send, refusal: ErrorResponse, request_id: str, more: Iterable[tuple[bytes, bytes]] = ()) -> int:
    """Sends the refusal and returns the size of its body in bytes."""
    body = error_body(refusal, request_id)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (ID_HEADER, request_id.encode())]
    headers += [(name.encode(), value.encode()) for name, value in refusal.headers]
    # The standard's name too: clients' libraries show it with the error.
    headers.append((b"x-request-id", request_id.encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})
    return len(body)


def _param(pointer: str) -> str:
    """A JSON Pointer as the error shape writes places: ``messages[0].role``."""
    text = ""
    for name in tokens(pointer):
        text += f"[{name}]" if name.isdecimal() and text else f".{name}" if text else name
    return text[:200]
