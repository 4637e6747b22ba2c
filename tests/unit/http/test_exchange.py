"""One bounded exchange: what is sent, and how it ends in time and size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import OriginError, ReplyTooLargeError
from kosha_connector_openai.http import ANYWHERE, EgressPolicy, WholeReply, WireError, send_once, tls_context
from tests.recorder import Recorder, Script, raw, reply, silence
from tests.threats.certificates import Authority, SecureRecorder


def _get(server: Recorder, **more: Any) -> WholeReply:
    given = {"deadline": time.monotonic() + 5, "limit": 100, "tls": None, "policy": ANYWHERE, **more}
    return send_once("GET", f"{server.url}/keys", (("Accept", "text/plain"),), **given)


def test_one_request_asks_for_plain_bytes_and_no_second() -> None:
    """The caller's headers go out with two of our own; status, headers and body come back, and no text form shows the body."""
    with Recorder(reply(201, b"found", headers=[("X-Of", "server")])) as server:
        found = _get(server)
    assert (found.status, found.body, dict(found.headers)["x-of"]) == (201, b"found", "server")
    assert [server.last.header(name) for name in ("Accept", "Accept-Encoding", "Connection")] == ["text/plain", "identity", "close"]
    assert repr(found) == "WholeReply(status=201)"


def test_a_redirect_is_an_answer_like_any_other() -> None:
    """Nothing follows it."""
    with Recorder(reply(302, headers=[("Location", "/other")])) as server:
        assert _get(server).status == 302
    assert len(server.requests) == 1


def test_a_body_over_the_limit_is_refused() -> None:
    """The limit counts bytes of the body."""
    with Recorder(reply(200, b"x" * 101)) as server, pytest.raises(ReplyTooLargeError):
        _get(server)


@pytest.mark.parametrize("script", [silence(20), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" " * 99, pause=0.05, size=1)])
def test_the_deadline_holds_for_the_whole_reply(script: Script) -> None:
    """Neither silence nor a dripping body stretches it; a deadline that is over sends nothing."""
    with Recorder(script) as server, pytest.raises(WireError) as caught:
        _get(server, deadline=time.monotonic() + 0.2)
    assert caught.value.phase == "deadline"
    with Recorder() as server, pytest.raises(WireError):
        _get(server, deadline=time.monotonic())
    assert server.silent


def test_an_address_that_the_policy_does_not_allow_is_not_called() -> None:
    """The check is of the address that is connected to."""
    with Recorder() as server, pytest.raises(OriginError):
        _get(server, policy=EgressPolicy(loopback=False))
    assert server.silent


def test_a_certificate_that_is_not_trusted_is_told_by_its_kind(tmp_path: Path) -> None:
    """With the authority's file the server is trusted; with the public authorities it is not, and gets no request."""
    authority = Authority.make(tmp_path)
    with SecureRecorder(authority.context("good"), reply(200, b"found")) as server:
        assert _get(server, tls=tls_context(authority.file)).body == b"found"
        with pytest.raises(WireError) as caught:
            _get(server, tls=tls_context())
    assert (caught.value.phase, caught.value.kind) == ("tls", "SSLCertVerificationError")
    assert len(server.requests) == 1
