"""What all pages of the catalog have in common: a query of known names, a tag by which an answer need not come again, compression."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import error_shape
from kosha_connector_openai.text import nearest

_SMALLEST: Final = 1_024
"""Bytes from which on an answer is compressed."""
_KEPT: Final = 256
"""Compressed answers that are kept."""
_LEVEL: Final = 5
_FLAGS: Final = ("true", "false")

Handler = Callable[..., Awaitable[Any]]


class CatalogReplies:
    """Wraps the handlers of the catalog's pages."""

    def __init__(self) -> None:
        self._compressed: OrderedDict[str, bytes] = OrderedDict()

    def of(self, method: str, operation: Mapping[str, Any], handler: Handler) -> Handler:
        """The handler of an operation of service.yaml, behind a check of the query; what a GET answers has a tag."""
        known = {each["name"]: _values(each["schema"]) for each in operation.get("parameters", ()) if each["in"] == "query"}

        async def handle(request: Request, caller: Caller, **values: str) -> Any:
            wrong = _wrong(request, known)
            if wrong is not None:
                return wrong
            answer = await handler(request, caller, **values)
            fresh = method == "GET" and isinstance(answer, JsonResponse) and answer.status == 200  # noqa: PLR2004
            return self._reply(request, answer) if fresh else answer

        return handle

    def _reply(self, request: Request, answer: JsonResponse) -> Response:
        """RFC 9110: a weak entity tag (8.8.3), 304 where the caller has the answer already (13.1.2), gzip where it is taken (12.5.3)."""
        body = answer.body()
        tag = blake2b(body, digest_size=16).hexdigest()
        headers = {
            "content-type": "application/json",
            "cache-control": "private, no-cache",
            "etag": f'W/"{tag}"',
            "vary": "authorization, cookie, accept-encoding",
            "x-content-type-options": "nosniff",
        }
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(b"", 304, {name: value for name, value in headers.items() if name != "content-type"})
        if len(body) >= _SMALLEST and _takes_gzip(request.headers.get("accept-encoding", "")):
            body, headers["content-encoding"] = self._gzip(tag, body), "gzip"
        return Response(body, 200, headers)

    def _gzip(self, tag: str, body: bytes) -> bytes:
        if tag not in self._compressed:
            self._compressed[tag] = gzip.compress(body, _LEVEL, mtime=0)
        self._compressed.move_to_end(tag)
        if len(self._compressed) > _KEPT:
            self._compressed.popitem(last=False)
        return self._compressed[tag]


def _values(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The values that a parameter takes; None for any."""
    return _FLAGS if schema.get("type") == "boolean" else tuple(schema["enum"]) if "enum" in schema else None


def _wrong(request: Request, known: Mapping[str, tuple[str, ...] | None]) -> JsonResponse | None:
    """400 for a parameter or a value that the page does not have, with the nearest that it has."""
    for name, value in request.query_params.multi_items():
        listed = known.get(name)
        if name not in known:
            message = f"`{_safe(name)}` is no parameter of this page.{_instead(name, known)}"
        elif listed is not None and value not in listed:
            message = f"`{name}` is not `{_safe(value)}`.{_instead(value, listed)}"
        else:
            continue
        return JsonResponse(400, error_shape(message, param=_safe(name), code="query"))
    return None


def _instead(given: str, known: Any) -> str:
    near = nearest(given, known, shortest=3)
    return f" Did you mean `{near}`?" if near else f" There is {', '.join(known)}." if known else " It takes none."


def _safe(text: str) -> str:
    return "".join(char for char in text[:60] if char.isprintable())


def _has(given: str, tag: str) -> bool:
    tags = {part.strip().removeprefix("W/").strip('"') for part in given.split(",")}
    return tag in tags or "*" in tags


def _takes_gzip(given: str) -> bool:
    for part in given.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
