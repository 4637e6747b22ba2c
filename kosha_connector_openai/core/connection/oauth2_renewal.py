"""Renewing OAuth 2.0 access tokens (RFC 6749, section 6), once for all calls that need it.

A renewed token lives in the memory of this process only: what was given, in a variable or a store, is not overwritten.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode

from kosha_connector_openai.core.connection.auth import Credential
from kosha_connector_openai.core.connection.oauth2 import expiry
from kosha_connector_openai.errors import SecretError, SecretRefusedError, SecretStoreError
from kosha_connector_openai.http import WholeReply, parse_server
from kosha_connector_openai.secrets import Secret, SecretCache, SecretContext, SecretReference, SecretResolver, SecretStores, check_secret
from kosha_connector_openai.text import JsonTextError, decode

_EARLY: Final = 30.0
"""Seconds before its end at which a token is no longer used: a call takes time."""
_OK: Final = 200
_BUSY: Final = 500
_WORDS: Final = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)
"""What a token server may say (RFC 6749, section 5.2); other words are not repeated."""


class RefreshForm:
    """The body of a refresh request; its text is made when it is sent."""

    content_type: Final = "application/x-www-form-urlencoded"
    replayable: Final = False

    def __init__(self, refresh_token: Secret, client_id: str) -> None:
        """``client_id`` is for a client without a secret (RFC 6749, section 3.2.1); "" leaves it out."""
        self._refresh_token = refresh_token
        self._client = {"client_id": client_id} if client_id else {}

    @property
    def length(self) -> int:
        """Bytes in all."""
        return sum(map(len, self.chunks()))

    def chunks(self) -> Iterator[bytes]:
        """The text in one piece."""
        yield urlencode({"grant_type": "refresh_token", "refresh_token": self._refresh_token.reveal(), **self._client}).encode()


Exchange = Callable[[str, Credential | None, RefreshForm, SecretResolver], WholeReply]
"""Sends the form to this URL, with this credential of the client; raises SecretStoreError where no answer came."""


@dataclass(eq=False)
class Grant:
    """What is remembered of one credential: what its token server gave, and the token that the upstream refused last."""

    lock: Lock = field(default_factory=Lock)
    token: Secret | None = None
    refresh_token: Secret | None = None
    expires: float = math.inf
    refused: Secret | None = None


class TokenResolver(SecretResolver):
    """Resolves like any other, but for an access token that has ended or was refused it gives a renewed one.

    Of many calls that find the token ended, one renews it and the others wait for that.
    """

    def __init__(
        self, stores: SecretStores, cache: SecretCache, context: SecretContext, credential: Credential, grant: Grant, exchange: Exchange
    ) -> None:
        super().__init__(stores, cache, context, credential.every_reference)
        self._plain = SecretResolver(stores, cache, context, credential.every_reference)
        self._plain.used = self.used
        self._credential = credential
        self._grant = grant
        self._exchange = exchange
        self._sent: Secret | None = None

    @property
    def renewable(self) -> bool:
        """Whether there is a refresh token, and a server to take it to."""
        return "refresh_token" in self._credential.references and bool(self._credential.settings.get("token_url"))

    @property
    def immediate(self) -> bool:
        """Never where a token server may have to be asked."""
        return super().immediate and not self.renewable

    def __call__(self, reference: SecretReference) -> Secret:
        """The secret; raises SecretError, for an access token that has ended and cannot be renewed too."""
        if reference != self._credential.references["token"]:
            return self._plain(reference)
        with self._grant.lock:
            if not self._usable(reference):
                self._renew()
            assert self._sent is not None
            return self._sent

    def refresh(self) -> bool:
        """Notes that the upstream refused the token, so that the next one is a new one; False where there can be none."""
        if not self.renewable:
            return super().refresh()
        self._grant.refused = self._sent
        return True

    def _usable(self, reference: SecretReference) -> bool:
        """Whether the renewed token, or else the given one, can still be used; if so, it is the one that is sent."""
        grant, now = self._grant, time.time() + _EARLY
        if grant.token is not None:
            self._sent, ends = grant.token, grant.expires
            self.used.append(grant.token)
        else:
            self._sent, ends = self._plain(reference), expiry(self._credential.settings)
        return now < ends and self._sent != grant.refused

    def _renew(self) -> None:
        settings, references, grant = self._credential.settings, self._credential.references, self._grant
        if not self.renewable:
            hint = "Sign in again and give the new token; or give a refresh token, and the option token_url."
            raise SecretRefusedError("The access token has ended.", hint=hint, pointer="/expires_at")
        refresh_token = grant.refresh_token or self._plain(references["refresh_token"])
        client = _client(settings, references)
        form = RefreshForm(refresh_token, "" if client else settings.get("client_id", ""))
        found = _read(self._exchange(settings["token_url"], client, form, self._plain))
        grant.token = self._sent = _secret(found, "access_token")
        grant.expires = time.time() + _seconds(found)
        grant.refresh_token = _secret(found, "refresh_token") if found.get("refresh_token") else refresh_token
        self.used += [grant.token, grant.refresh_token]


def _client(settings: Mapping[str, str], references: Mapping[str, SecretReference]) -> Credential | None:
    """The client's own credential for the token server (RFC 6749, section 2.3.1); None for a client without a secret."""
    if "client_secret" not in references:
        return None
    origins = frozenset({parse_server(settings["token_url"]).origin})
    return Credential("basic", {"username": settings.get("client_id", "")}, {"password": references["client_secret"]}, origins)


def _read(answer: WholeReply) -> Mapping[str, Any]:
    """The values of a good answer (RFC 6749, section 5.1); raises SecretError for any other, which repeats none of it."""
    try:
        found = decode(answer.body)
    except JsonTextError:
        found = None
    values: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if answer.status >= _BUSY:
        raise SecretStoreError(f"The token server answered {answer.status}.", hint="Try again.")
    if answer.status != _OK:
        word = values.get("error")
        reason = f" ({word})" if word in _WORDS else ""
        hint = "Sign in again and give the new tokens, or correct the client's id and secret."
        raise SecretRefusedError(f"The token server refused to renew the access token{reason}.", hint=hint, pointer="/refresh_token")
    if str(values.get("token_type", "")).lower() != "bearer":
        raise _unusable()
    return values


def _secret(values: Mapping[str, Any], name: str) -> Secret:
    text = values.get(name)
    if not isinstance(text, str):
        raise _unusable()
    return check_secret(text, f"token server: {name}")


def _seconds(values: Mapping[str, Any]) -> float:
    given = values.get("expires_in")
    return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) and given > 0 else math.inf


def _unusable() -> SecretError:
    error = SecretStoreError("The token server's answer holds no bearer token.", hint="Check the option token_url.")
    error.retryable = False
    return error
