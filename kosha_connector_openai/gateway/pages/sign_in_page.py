"""The page on which a person gives a token, so that a browser can read what needs one. No script: a plain form.

The cookie is that of ``SignIn``. A form of another page signs nobody in: the browser itself must say that this very origin sends it
(Fetch metadata), and without that word it is refused.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.gateway.pages.html import HEADERS, document
from kosha_connector_openai.gateway.pages.kosha_api import LARGEST
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies
from kosha_connector_openai.gateway.records import ErrorResponse, Headers, ServicePage

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.sign_in import SignIn

_BEHIND: Final = ("/docs", "/studio", "/openapi.json")
"""Pages that a person may want to see, and where the form leads to; nowhere else."""
_NOT_TAKEN: Final = "This token does not count. Ask whoever runs the service for one."
_FOREIGN: Final = "The browser does not say that this page sent the form. Open this address yourself and try again."


class SignInPage:
    """The form, and what it is sent to."""

    def __init__(self, sign_in: SignIn, bodies: PageBodies, title: str) -> None:
        self._sign_in = sign_in
        self._bodies = bodies
        self._title = title

    async def show(self, request: Request, _: Any) -> Response:
        """The form."""
        return self._form(_onward(request.query_params.get("next", "")))

    async def take(self, request: Request, _: Any) -> Response:
        """303 to the page that was wanted, with the cookie; or the form again, with a reason."""
        if request.headers.get("sec-fetch-site") != "same-origin":
            return self._form("/docs", _FOREIGN, 403)
        async with self._bodies.whole(request, LARGEST) as data:
            given = parse_qs(data.decode("utf-8", "replace"), max_num_fields=8) if data.count(b"&") < 8 else {}  # noqa: PLR2004
        onward = _onward(given.get("next", [""])[0])
        cookie = await self._sign_in.cookie(
            given.get("token", [""])[0].strip(), secure=request.headers.get("origin", "").startswith("https://")
        )
        if cookie is None:
            return self._form(onward, _NOT_TAKEN, 401)
        return Response(status_code=303, headers={"location": onward, "set-cookie": cookie, "cache-control": "no-store"})

    def _form(self, onward: str, wrong: str = "", status: int = 200) -> Response:
        reason = f'<p class=wrong role="alert">{escape(wrong)}</p>' if wrong else ""
        body = document(
            f"Sign in: {self._title}",
            f"<h1>{escape(self._title)} connector</h1><p>This page needs a token of the service. It is not the provider's key.</p>{reason}",
            '<form method="post" action="/sign-in"><label for="token">Token</label>',
            '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>',
            f'<input type="hidden" name="next" value="{escape(onward, quote=True)}"> <button>Sign in</button></form>',
        )
        return Response(body, status, HEADERS)


def _onward(wanted: str) -> str:
    """Where to go on: one of our own pages, whatever was asked for."""
    return wanted if wanted in _BEHIND else "/docs"


def sign_in_first(page: ServicePage | None, method: str, headers: Headers) -> ErrorResponse | None:
    """303 to the form for a person who looks at one of these pages without a token; None for a program, which is told what it lacks."""
    accept = next((value for name, value in headers if name == b"accept"), b"")
    if page is None or page.name not in _BEHIND or method != "GET" or b"text/html" not in accept.lower():
        return None
    return ErrorResponse(303, "Sign in first.", code="sign_in", headers=(("location", f"/sign-in?next={quote(page.name)}"),))
