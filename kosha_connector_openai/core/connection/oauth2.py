"""OAuth 2.0 access tokens as a credential; ``renewal`` asks for new ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from kosha_connector_openai.core.connection.scheme import AuthScheme, Headers, RequestFacts
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.http import parse_server
from kosha_connector_openai.secrets import Secret

_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class OAuth2(AuthScheme):
    """``Authorization: Bearer ...`` (RFC 6750, section 2.1) of an access token."""

    parts = ("token",)
    settings = ("token_url", "client_id", "expires_at")
    optional = ("refresh_token", "client_secret", "client_id", "expires_at")

    def check(self, settings: Mapping[str, str]) -> None:
        """Takes a moment that can be read, and a token server that is an https address."""
        expiry(settings)
        if url := settings.get("token_url"):
            parse_server(url, pointer="/token_url")

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """The one header."""
        return [("Authorization", f"Bearer {secrets['token'].reveal()}")]


def expiry(settings: Mapping[str, str]) -> float:
    """When the access token ends, in seconds of ``time.time``; infinity where ``expires_at`` is not given.

    It is written as such a number or as a moment of ISO 8601, which without a zone is UTC; raises SetupError for anything else.
    """
    text = settings.get("expires_at", "")
    if not text:
        return math.inf
    try:
        if _SECONDS.fullmatch(text):
            return float(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        hint = "Write it like 2030-01-31T12:00:00+00:00, or in seconds since 1970."
        raise SetupError("The end of the access token is no moment.", hint=hint, pointer="/expires_at") from None
