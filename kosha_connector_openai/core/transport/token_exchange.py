"""Asks a token server for a new access token, over the same engines and under the same rules as any call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from kosha_connector_openai.core.connection import Connection, Credential, Exchange, RefreshForm
from kosha_connector_openai.core.request import Request
from kosha_connector_openai.core.transport.client import Clients
from kosha_connector_openai.errors import ReplyTooLargeError, SecretStoreError
from kosha_connector_openai.http import WholeReply, WireError, parse_server, read_whole
from kosha_connector_openai.secrets import SecretResolver

_LIMIT = 64 * 1024
"""Bytes of an answer."""
_SECONDS = 30.0
"""The longest that a token server is waited for."""


def exchange_token(clients: Clients, connection: Connection, deadline: Callable[[], float]) -> Exchange:
    """An exchange for calls of this connection, within the ``deadline`` (of ``time.monotonic``) of the call that needs the token."""

    def exchange(url: str, client: Credential | None, form: RefreshForm, resolve: SecretResolver) -> WholeReply:
        server = parse_server(url, pointer="/token_url")
        # The path as it was given: to some servers a slash at its end matters.
        path = server.prefix + ("/" if url.endswith("/") or not server.prefix else "")
        headers = (("Accept", "application/json"), ("Content-Type", form.content_type))
        request = Request("POST", path, path, headers, form)
        to = replace(connection, server=replace(server, prefix=""), credentials={}, headers=())
        end = min(deadline(), time.monotonic() + _SECONDS)
        try:
            return read_whole(clients.open(request, to, client, resolve, end), end, _LIMIT, to.timeouts.read)
        except WireError:
            failure = SecretStoreError("The token server did not answer.", hint="Check the option token_url and the network.")
        except ReplyTooLargeError:
            failure = SecretStoreError("The token server's answer is too large.", hint="Check the option token_url.")
        raise failure

    return exchange
