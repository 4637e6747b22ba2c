"""What a page answers to an error or to a body of another shape: in the provider's shape, with all that the core says of it beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    BudgetError,
    ConnectorError,
    Fault,
    InputError,
    NotSentError,
    ReplyError,
    TransportError,
    UnknownActionError,
    WorkflowDocumentError,
    WorkflowLimitError,
)
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.records import SpentError
from kosha_connector_openai.gateway.replies import UPSTREAM_KEY, error_shape, spent

LONGEST: Final = 86_400
"""Seconds that a caller may give anything."""
_STATUS: Final[Mapping[type[BaseException], int]] = {
    UnknownActionError: HTTPStatus.NOT_FOUND,
    BudgetError: HTTPStatus.TOO_MANY_REQUESTS,
    InputError: HTTPStatus.BAD_REQUEST,
    WorkflowDocumentError: HTTPStatus.BAD_REQUEST,
    WorkflowLimitError: HTTPStatus.GATEWAY_TIMEOUT,
    NotSentError: HTTPStatus.SERVICE_UNAVAILABLE,
    TransportError: HTTPStatus.GATEWAY_TIMEOUT,
    ReplyError: HTTPStatus.BAD_GATEWAY,
    AccessError: HTTPStatus.BAD_GATEWAY,
    ConnectorError: HTTPStatus.BAD_GATEWAY,
}
"""What our answer's status is for an error; an answer of the upstream keeps its own, but for the upstream's word about *our* key."""


def is_seconds(value: Any) -> bool:
    """Whether a value is a time that something may take."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST


def is_object(value: Any, known: set[str], *, needed: str = "") -> bool:
    """Whether a body is an object with no other keys, and with the needed one."""
    return isinstance(value, Mapping) and value.keys() <= known and (not needed or needed in value)


def faults_of(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Faults as JSON-ready values."""
    return [asdict(fault) for fault in faults]


def misshapen(param: str, message: str) -> JsonResponse:
    """The answer to a body of another shape than is asked for."""
    return JsonResponse(400, error_shape(message, param=param or None))


NO_ROOM: Final = JsonResponse(503, error_shape("There is no room for files just now. Ask for `base64`, or try again later.", "overloaded"))


def failed(error: ConnectorError) -> JsonResponse:
    """The answer to an error: in the provider's shape, with all that the core says of it beside."""
    if isinstance(error, SpentError):
        refusal = spent(error)
        shape = error_shape(refusal.message, refusal.type, code=refusal.code, detail=error.to_dict())
        return JsonResponse(refusal.status, shape, refusal.headers)
    if isinstance(error, ApiError) and error.status == HTTPStatus.UNAUTHORIZED:
        detail = {"code": error.code, "status": error.status}
        return JsonResponse(
            UPSTREAM_KEY.status, error_shape(UPSTREAM_KEY.message, UPSTREAM_KEY.type, code=UPSTREAM_KEY.code, detail=detail)
        )
    status = _status(error)
    faults = getattr(error, "faults", ())
    param = faults[0].pointer.removeprefix("/").replace("/", ".") if faults else None
    kind = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004
    message = " ".join(part for part in (error.message, *(str(fault) for fault in faults), error.hint) if part)
    return JsonResponse(status, error_shape(message, kind, param, error.code, detail=error.to_dict()))


def _status(error: ConnectorError) -> int:
    if isinstance(error, ApiError) and not isinstance(error, AccessError) and error.status >= HTTPStatus.BAD_REQUEST:
        return error.status  # else it came inside a stream whose status was a good one
    return int(next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS))
