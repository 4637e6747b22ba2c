"""A signature of the request in place of a secret (HMAC-SHA-512, as the password of Basic): the secret key itself is never sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from kosha_connector_openai.core.connection.scheme import AuthScheme, Headers, RequestFacts
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.secrets import Secret
from kosha_connector_openai.text import essence

_KEY: Final = re.compile(r"[!-9;-~]{1,200}")
_FORM: Final = "application/x-www-form-urlencoded"
_NO_HEADERS: Final = hashlib.sha512(b"").hexdigest()
"""The hash that stands for further headers in the signature: there are none."""


class Hmac(AuthScheme):
    """``Authorization: Basic base64(integration_key:signature)`` and the ``Date`` (RFC 5322, section 3.3) that was signed.

    The signature is HMAC-SHA-512 (RFC 2104), in hexadecimal, over these lines: date, method, host without its port, path, and the sorted
    parameters of the query and of a form body. A body that is no form adds its SHA-512 and that of no further headers.
    """

    parts = ("secret_key",)
    settings = ("integration_key",)
    signs = True

    def check(self, settings: Mapping[str, str]) -> None:
        """Needs an integration key without colon, blanks and characters outside ASCII."""
        if not _KEY.fullmatch(settings.get("integration_key", "")):
            raise SetupError("The integration key is missing, or has a colon or a blank.", pointer="/integration_key")

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """Both headers. Raises SetupError for a body that is sent in pieces: it cannot be hashed beforehand."""
        date = formatdate()
        signed = canonical(date, request).encode()
        signature = hmac.new(secrets["secret_key"].reveal().encode(), signed, hashlib.sha512).hexdigest()
        written = base64.b64encode(f"{settings['integration_key']}:{signature}".encode()).decode("ascii")
        return [("Date", date), ("Authorization", f"Basic {written}")]


def canonical(date: str, request: RequestFacts) -> str:
    """The text that is signed. Raises SetupError for a body that is not in memory."""
    if request.body is None:
        raise SetupError("A signed request cannot carry files.", hint="Use an action that takes text.", pointer="/auth_type")
    url = urlsplit(request.url)
    is_form = essence(request.content_type or "") == _FORM
    pairs = parse_qsl(url.query, keep_blank_values=True)
    if is_form:
        pairs += parse_qsl(request.body.decode(), keep_blank_values=True)
    lines = [date, request.method.upper(), url.hostname or "", url.path, _written(pairs)]
    if request.body and not is_form:
        lines += [hashlib.sha512(request.body).hexdigest(), _NO_HEADERS]
    return "\n".join(lines)


def _written(pairs: list[tuple[str, str]]) -> str:
    """The pairs in order of name and value, encoded down to the unreserved characters (RFC 3986, section 2.3)."""
    return "&".join("=".join(pair) for pair in sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs))
