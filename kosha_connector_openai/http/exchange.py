"""One bounded exchange: a request goes out, the whole reply comes back before a deadline and under a size; no redirect, proxy or cookie."""

from __future__ import annotations

import math
import ssl
import time
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from typing import Final

from kosha_connector_openai.errors import ReplyTooLargeError
from kosha_connector_openai.http.content_coding import decoded
from kosha_connector_openai.http.engine import EngineSettings, HeaderList, SyncReply, WireError, WireRequest, WireTimeouts
from kosha_connector_openai.http.httpx_engine import SyncHttpx
from kosha_connector_openai.http.origin import EgressPolicy, check_addresses

ANYWHERE: Final = EgressPolicy((ip_network("0.0.0.0/0"), ip_network("::/0")))
"""For a server that the operator named; its plain http still leads to this machine alone."""
_HEADER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A reply that was read to its end. Its text form shows the status alone: what a server answers may hold a secret."""

    status: int
    headers: HeaderList = field(repr=False)
    body: bytes = field(repr=False)


def send_once(
    method: str,
    url: str,
    headers: HeaderList,
    body: bytes | None = None,
    *,
    deadline: float,
    limit: int,
    tls: ssl.SSLContext | None,
    policy: EgressPolicy,
) -> WholeReply:
    """Returns the reply to one request on a connection of its own, before ``deadline`` (of ``time.monotonic``), of ``limit`` bytes at most.

    Raises WireError, whose phase is "deadline" once that is over, ReplyTooLargeError, and OriginError for an address that ``policy``
    does not allow. Frames of these errors hold the request: a caller that sends a secret raises an error of its own in their place.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise WireError("deadline", "TimeoutError")
    settings = EngineSettings(1, 0, _HEADER_BYTES, partial(check_addresses, policy=policy), tls)
    own = (("Accept-Encoding", "identity"), ("Connection", "close"))
    engine = SyncHttpx("httpx", settings)
    try:
        request = WireRequest(method, url, (*headers, *own), body, WireTimeouts(left, left), deadline)
        return read_whole(engine.open(request), deadline, limit)
    except WireError as fault:
        failure = WireError("deadline" if time.monotonic() >= deadline else fault.phase, fault.kind)
    finally:
        engine.close()
    raise failure


def read_whole(reply: SyncReply, deadline: float, limit: int, idle: float = math.inf) -> WholeReply:
    """Returns the reply with its body, of ``limit`` bytes at most, each chunk within ``idle`` seconds, and closes it.

    Raises WireError and ReplyTooLargeError.
    """
    reply = decoded(reply)
    try:
        body = b""
        for chunk in reply.chunks(idle, deadline):
            body += chunk
            if len(body) > limit:
                raise ReplyTooLargeError(f"The reply is larger than {limit} bytes.", status=reply.status)
        return WholeReply(reply.status, reply.headers, body)
    finally:
        reply.close()
