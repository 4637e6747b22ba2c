"""Fetches a description that the operator named by its URL: https, a checked address, no redirect, no credential, a bounded answer."""

from __future__ import annotations

import time
from typing import Final

from kosha_connector_openai.core.connection import Connection, Options
from kosha_connector_openai.core.request import Request
from kosha_connector_openai.core.transport.client import Clients
from kosha_connector_openai.errors import DocumentError, OriginError, ReplyTooLargeError, SetupError
from kosha_connector_openai.http import Server, WholeReply, WireError, parse_server, read_whole
from kosha_connector_openai.secrets import Secret, SecretReference

MAX_BYTES: Final = 10 * 1024 * 1024
SECONDS: Final = 30.0
"""The longest that it may take in all."""
_IDLE: Final = 10.0
_OK: Final = 200
_POINTER: Final = "/spec"


class _NoSecrets:
    """Fetching a description needs none."""

    immediate = True

    def __call__(self, reference: SecretReference) -> Secret:
        raise SetupError("A description is fetched without a credential.")


def fetch_document(clients: Clients, url: str, options: Options) -> bytes:
    """What is at the URL. Raises SetupError for a URL that may not be called, DocumentError where no description came.

    Of the operator's options only the authorities and the private networks count: this machine is never called, no proxy, no extra
    header and no client certificate goes along.
    """
    if not url.lower().startswith("https://"):
        raise SetupError("A description is fetched over https only.", hint="Write https://, or name a file.", pointer=_POINTER)
    server = parse_server(url, pointer=_POINTER)
    own = Options(networks=options.networks, loopback=False, ca_file=options.ca_file, tenant=options.tenant)
    request = Request("GET", server.prefix, server.prefix or "/", (("Accept", "application/json, application/yaml, text/*;q=0.5"),), None)
    end, kind = time.monotonic() + SECONDS, ""
    try:
        reply = clients.open(request, Connection(Server(server.origin), {}, options=own), None, _NoSecrets(), end)
        return _body(read_whole(reply, end, MAX_BYTES, _IDLE))
    except WireError as fault:
        kind = fault.phase
    except OriginError:
        kind = ""
    except ReplyTooLargeError:
        hint = "Save it, and name the file."
        raise DocumentError(f"The description is larger than {MAX_BYTES} bytes.", hint=hint, pointer=_POINTER) from None
    if not kind:
        hint = "Name a public server, one in a listed network, or a file."
        raise OriginError("The description's URL leads to no address that may be called.", hint=hint, pointer=_POINTER)
    raise DocumentError(f"The description could not be fetched ({kind}).", hint="Check the URL, or name a file.", pointer=_POINTER)


def _body(reply: WholeReply) -> bytes:
    headers = dict(reply.headers)
    if reply.status != _OK or headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        hint = "Redirects are not followed: name the final address."
        raise DocumentError(f"The description's server answered {reply.status} and no plain description.", hint=hint, pointer=_POINTER)
    return reply.body
