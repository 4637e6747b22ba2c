"""Signing a browser in: a token, or the code of the studio's address, in exchange for a cookie that no page can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.access import Sessions
from kosha_connector_openai.gateway.pages.kosha_api import LARGEST, JsonResponse
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies
from kosha_connector_openai.gateway.replies import error_shape
from kosha_connector_openai.text import loads_strict

_REFUSED: Final = JsonResponse(
    401,
    error_shape("This token or code does not count. Codes count once: start the studio again for a new address.", code="invalid_api_key"),
)
_MISSHAPEN: Final = JsonResponse(400, error_shape("The body is an object with `token` or with `code`, a text."))
_FOREIGN: Final = JsonResponse(403, error_shape("Pages of other origins begin and end no session.", code="host_or_origin"))
_NOT_JSON: Final = JsonResponse(415, error_shape("Send the token or the code as application/json."))


class SignIn:
    """The two ends of a session."""

    def __init__(self, sessions: Sessions | None = None, check: Callable[[str], Awaitable[bytes | None]] | None = None) -> None:
        """``check`` gives a caller's token as sessions keep it, and None for any other."""
        self._sessions = sessions or Sessions()
        self._check = check or _nobody

    async def start(self, bodies: PageBodies, request: Request, _: Any) -> Response | JsonResponse:
        """204 with the cookie, or a refusal. The type is asked for since forms of other pages cannot send it."""
        if self._sessions.foreign(request.scope["headers"]):
            return _FOREIGN
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _NOT_JSON
        async with bodies.whole(request, LARGEST) as data:
            try:
                body = loads_strict(data)
            except InputError:
                return _MISSHAPEN
        if not isinstance(body, dict) or len(body) != 1 or not isinstance(given := body.get("token", body.get("code")), str):
            return _MISSHAPEN
        token = await self._check(given) if "token" in body else self._sessions.redeem(given)
        if token is None:
            return _REFUSED
        # The browser tells its origin: behind a proxy that speaks TLS, the cookie is for TLS alone.
        secure = request.headers.get("origin", "").startswith("https://")
        return self._answer(self._sessions.start(token, secure=secure))

    async def cookie(self, token: str, *, secure: bool) -> str | None:
        """The Set-Cookie header's value for a caller's token, a session begun; None for any other text."""
        found = await self._check(token) if token else None
        return self._sessions.start(found, secure=secure) if found is not None else None

    async def end(self, request: Request, _: Any) -> Response | JsonResponse:
        """204; the cookie is gone."""
        if self._sessions.foreign(request.scope["headers"]):
            return _FOREIGN
        return self._answer(self._sessions.end(request.scope["headers"]))

    @staticmethod
    def _answer(cookie: str) -> Response:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store", "set-cookie": cookie})


async def _nobody(_: str) -> bytes | None:
    return None
