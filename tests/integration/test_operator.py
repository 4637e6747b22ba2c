"""What an operator sets for a connection, over every engine: client certificates, authorities, proxies, headers."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from kosha_connector_openai import Connection
from kosha_connector_openai.core.record import LOGGER
from kosha_connector_openai.errors import NotSentError, OutcomeUnknownError, SecretMissingError, SetupError
from tests.canary import Canary
from tests.integration.conftest import Way
from tests.recorder import Recorder, reply
from tests.threats.certificates import Authority, SecureRecorder

PROMPT = {"model": "m", "prompt": "hi"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of this module."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command, which is not here")
    return Authority.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    """A client's certificate and key."""
    return authority.client("client")


def secure(way: Way, upstream: Recorder, authority: Authority, **options: Any) -> Connection:
    """A connection to a TLS server, tried once."""
    return way.connection(upstream.url, ca_file=authority.file, retries={"attempts": 1}, **options)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_client_certificate_is_shown(way: Way, authority: Authority, own: tuple[Path, Path], newest: ssl.TLSVersion) -> None:
    """A server that asks for one gets it, from two files and from one that holds both."""
    context = authority.demanding("good")
    context.maximum_version = newest
    with SecureRecorder(context, reply(body={"data": []})) as upstream:
        connection = secure(way, upstream, authority, client_cert=own[0], client_key=own[1])
        assert way.run(connection, "listModels", {}).status == 200
        assert way.run(secure(way, upstream, authority, client_cert=own[0].with_suffix(".chain")), "listModels", {}).status == 200
    assert len(upstream.requests) == 2


def test_without_a_certificate_the_server_gets_no_request(way: Way, authority: Authority) -> None:
    """TLS 1.2 refuses in the handshake: nothing was sent, the phase is tls, and it is not tried again."""
    context = authority.demanding("good")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with SecureRecorder(context) as upstream, pytest.raises(NotSentError) as caught:
        way.run(way.connection(upstream.url, ca_file=authority.file), "createCompletion", PROMPT)
    assert (caught.value.phase, caught.value.attempts, upstream.requests) == ("tls", 1, [])


def test_a_late_refusal_is_never_a_success(way: Way, authority: Authority) -> None:
    """TLS 1.3 refuses after the handshake: where the alert arrives it is told, and else the outcome is called unknown."""
    stranger = authority.client("client-of-a-stranger", signer="stranger")
    with SecureRecorder(authority.demanding("good")) as upstream:
        connection = secure(way, upstream, authority, client_cert=stranger[0], client_key=stranger[1])
        with pytest.raises((NotSentError, OutcomeUnknownError)) as caught:
            way.run(connection, "createCompletion", PROMPT)
    assert isinstance(caught.value, OutcomeUnknownError) or caught.value.phase == "tls"
    assert upstream.requests == []


def test_each_certificate_has_sockets_of_its_own(way: Way, authority: Authority, own: tuple[Path, Path]) -> None:
    """A connection without the certificate does not borrow the sockets of one with it."""
    with SecureRecorder(authority.context("good")) as upstream:
        one = secure(way, upstream, authority, client_cert=own[0], client_key=own[1])
        other = secure(way, upstream, authority)
        assert one.pool_key != other.pool_key
        way.run(one, "listModels", {})
        way.run(other, "listModels", {})
    assert upstream.connections == 2


def _loose(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    key = Path(shutil.copy(own[1], folder / "loose.key"))
    key.chmod(0o640)
    return {"client_cert": own[0], "client_key": key}


def _loose_chain(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    chain = Path(shutil.copy(own[0].with_suffix(".chain"), folder / "loose.chain"))
    chain.chmod(0o604)
    return {"client_cert": chain}


def _writable_cert(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    cert = Path(shutil.copy(own[0], folder / "loose.crt"))
    cert.chmod(0o666)
    return {"client_cert": cert, "client_key": own[1]}


def _missing(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    return {"client_cert": own[0], "client_key": folder / "missing.key"}


def _foreign(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    return {"client_cert": own[0], "client_key": own[1].with_name("good.key")}


def _swapped(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    return {"client_cert": own[1], "client_key": own[0]}


def _no_pem(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    text = folder / "text.pem"
    text.write_text("no certificate")
    text.chmod(0o600)
    return {"client_cert": text}


def _folder(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    return {"client_cert": folder}


def _locked(own: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    import subprocess

    key = folder / "locked.key"
    subprocess.run(["openssl", "ec", "-in", own[1], "-aes128", "-passout", "pass:word", "-out", key], check=True, capture_output=True)
    key.chmod(0o600)
    return {"client_cert": own[0], "client_key": key}


@pytest.mark.parametrize(
    ("make", "pointer", "words"),
    [
        (_loose, "/client_key", "others than its owner"),
        (_loose_chain, "/client_cert", "others than its owner"),
        (_writable_cert, "/client_cert", "others than its owner"),
        (_missing, "/client_key", "cannot be read"),
        (_foreign, "/client_cert", "cannot be used"),
        (_swapped, "/client_cert", "cannot be used"),
        (_no_pem, "/client_cert", "cannot be used"),
        (_folder, "/client_cert", "cannot be read"),
        (_locked, "/client_key", "has a password"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_an_unfit_certificate_is_told(
    way: Way, authority: Authority, own: tuple[Path, Path], tmp_path: Path, make: Any, pointer: str, words: str
) -> None:
    """What is wrong is said of its option, before a secret is read or a connection made."""
    with SecureRecorder(authority.demanding("good")) as upstream:
        with pytest.raises(SetupError, match=words) as caught:
            way.run(secure(way, upstream, authority, **make(own, tmp_path)), "listModels", {})
        assert upstream.connections == 0
    assert caught.value.pointer == pointer
    assert "BEGIN" not in str(caught.value)


def test_a_key_needs_a_certificate(way: Way, own: tuple[Path, Path]) -> None:
    """A key alone is a mistake, and is told when the connection is made."""
    with pytest.raises(SetupError) as caught:
        way.connection("https://a.example", client_key=own[1])
    assert [fault.pointer for fault in caught.value.faults] == ["/client_cert"]


@pytest.mark.parametrize("name", ["unknown", "wrong-name", "expired"])
def test_what_tls_refuses_is_said_to_be_tls(way: Way, authority: Authority, name: str) -> None:
    """A bad certificate of the server ends in the phase tls, at once."""
    with SecureRecorder(authority.context(name)) as upstream, pytest.raises(NotSentError) as caught:
        way.run(way.connection(upstream.url, ca_file=authority.file), "createCompletion", PROMPT)
    assert (caught.value.phase, caught.value.attempts) == ("tls", 1)


def test_a_connection_lost_in_the_handshake_is_tried_again(way: Way, authority: Authority) -> None:
    """A server that hangs up says nothing about TLS: the phase is connect, and another attempt may do."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        connection = way.connection(url, ca_file=authority.file, retries={"base": 0.001, "cap": 0.001, "attempts": 2})
        with pytest.raises(NotSentError) as caught:
            way.run(connection, "createCompletion", PROMPT)
        server.shutdown(socket.SHUT_RDWR)
    assert (caught.value.phase, caught.value.attempts) == ("connect", 2)


class Tunnel:
    """A proxy that makes tunnels (RFC 9110, section 9.3.6), for everyone or for those who show this credential."""

    def __init__(self, credential: str = "") -> None:
        self.heads: list[str] = []
        self._wanted = base64.b64encode(credential.encode()).decode()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.heads.append(head.decode())
            if self._wanted and f"Basic {self._wanted}" not in self.heads[-1]:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = self.heads[-1].split(" ")[1].rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
                back.start()
                _pipe(client, server)
                back.join(5)


def _pipe(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def canary() -> Canary:
    """A proxy's password."""
    return Canary()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, LOGGER.name)
    return caplog


def test_calls_go_through_the_named_proxy(way: Way, authority: Authority, key: str) -> None:
    """The proxy sees the host and nothing else: the request goes through its tunnel, in TLS of our own."""
    with Tunnel() as proxy, SecureRecorder(authority.context("good"), reply(body={"data": []})) as upstream:
        result = way.run(secure(way, upstream, authority, proxy=proxy.url), "createCompletion", PROMPT)
        host = upstream.url.removeprefix("https://")
    assert (result.status, len(upstream.requests)) == (200, 1)
    assert [head.split("\r\n")[0] for head in proxy.heads] == [f"CONNECT {host} HTTP/1.1"]
    assert key not in "".join(proxy.heads)
    assert "uthorization" not in "".join(proxy.heads)


def test_a_client_certificate_goes_through_a_proxy(way: Way, authority: Authority, own: tuple[Path, Path]) -> None:
    """It is for the server behind the tunnel."""
    with Tunnel() as proxy, SecureRecorder(authority.demanding("good"), reply(body={"data": []})) as upstream:
        connection = secure(way, upstream, authority, proxy=proxy.url, client_cert=own[0], client_key=own[1])
        assert way.run(connection, "listModels", {}).status == 200


def test_a_proxys_credential_is_a_reference(
    way: Way, authority: Authority, canary: Canary, monkeypatch: pytest.MonkeyPatch, told: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """It is read late, goes to the proxy alone, and is in no log, no record and no text of the connection."""
    secret = tmp_path / "proxy"
    secret.write_text(f"user:{canary.key}\n")
    secret.chmod(0o600)
    monkeypatch.setattr("kosha_connector_openai.secrets.stores.defaults.MOUNTS", (tmp_path,))
    from kosha_connector_openai import open_connector

    with open_connector() as connector, Tunnel(f"user:{canary.key}") as proxy:
        inner = Way(connector, way.engine, way.is_async)
        with SecureRecorder(authority.context("good"), reply(body={"data": []})) as upstream:
            connection = secure(inner, upstream, authority, proxy=proxy.url, proxy_auth=f"file:{secret}")
            assert inner.run(connection, "listModels", {}).status == 200
    assert upstream.last.header("Proxy-Authorization") is None
    canary.scan(told.text, repr(connection), [vars(record) for record in told.records])


def test_a_refused_tunnel_is_not_sent(
    way: Way, authority: Authority, canary: Canary, monkeypatch: pytest.MonkeyPatch, told: pytest.LogCaptureFixture
) -> None:
    """A proxy that does not take the credential: nothing reached the server, and the error shows nothing of it."""
    monkeypatch.setenv("BEARER_TOKEN", f"user:{canary.key}")
    with Tunnel("user:other") as proxy, SecureRecorder(authority.context("good")) as upstream:
        connection = secure(way, upstream, authority, proxy=proxy.url, proxy_auth="env:BEARER_TOKEN")
        with pytest.raises(NotSentError) as caught:
            way.run(connection, "createCompletion", PROMPT)
    assert (caught.value.phase, upstream.requests) == ("connect", [])
    monkeypatch.delenv("BEARER_TOKEN")
    canary.scan(caught.value, str(caught.value), told.text)


def test_a_missing_credential_of_a_proxy_is_told(way: Way, authority: Authority) -> None:
    """It is a secret like any other: without it no connection is made."""
    with Tunnel() as proxy, SecureRecorder(authority.context("good")) as upstream:
        connection = secure(way, upstream, authority, proxy=proxy.url, proxy_auth="env:BEARER_TOKEN")
        with pytest.raises(SecretMissingError):
            way.run(connection, "listModels", {})
    assert (proxy.heads, upstream.connections) == ([], 0)


def test_a_server_on_this_machine_is_called_without_the_proxy(way: Way, key: str) -> None:
    """Without TLS a proxy would see the key."""
    with Tunnel() as proxy, Recorder() as upstream:
        way.run(way.connection(upstream.url, proxy=proxy.url), "listModels", {})
    assert (proxy.heads, upstream.last.header("Authorization")) == ([], f"Bearer {key}")


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"proxy": "http://user:word12345678@p.example:3128"}, "/proxy"),
        ({"proxy": "https://p.example"}, "/proxy"),
        ({"proxy": "socks5://p.example"}, "/proxy"),
        ({"proxy": "http://p.example/path"}, "/proxy"),
        ({"proxy": "http://p.example?x"}, "/proxy"),
        ({"proxy": "p.example:3128"}, "/proxy"),
        ({"proxy": ""}, "/proxy"),
        ({"proxy_auth": "env:P"}, "/proxy"),
        ({"proxy": "http://p.example", "proxy_auth": "sk-word1234567890123456"}, "/proxy_auth"),
        ({"headers": {"Authorization": "Basic word12345678"}}, "/headers/Authorization"),
        ({"headers": {"host": "word12345678"}}, "/headers/host"),
        ({"headers": {"Content-Length": "1"}}, "/headers/Content-Length"),
        ({"headers": {"a b": "c"}}, "/headers/a b"),
        ({"headers": {"X-A": "a\r\nX-B: word12345678"}}, "/headers/X-A"),
    ],
)
def test_a_doubtful_option_is_refused(way: Way, options: dict[str, Any], pointer: str) -> None:
    """A credential in a proxy's address, another kind of proxy, a header of the message itself: told by name, never repeated."""
    with pytest.raises(SetupError) as caught:
        way.connection("https://a.example", **options)
    found = {fault.pointer for fault in caught.value.faults}
    assert found == {pointer}
    assert "word12345678" not in str(caught.value)


def test_extra_headers_go_with_every_request(way: Way) -> None:
    """They are sent as the operator wrote them, beside the credential, with every call."""
    with Recorder() as upstream:
        connection = way.connection(upstream.url, headers={"X-Gateway-Team": "blue", "Helicone-Cache": "true"})
        way.run_all(connection, ("listModels", {}), ("createCompletion", PROMPT))
    assert len(upstream.requests) == 2
    for request in upstream.requests:
        assert (request.header("X-Gateway-Team"), request.header("Helicone-Cache")) == ("blue", "true")
        assert request.header("Authorization")


@pytest.mark.skipif(os.name != "posix", reason="modes of files are checked on POSIX alone")
def test_a_platforms_mount_may_be_readable(
    way: Way, authority: Authority, own: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the folders where Docker and Kubernetes put secrets, files that others can read are the platform's affair."""
    key = Path(shutil.copy(own[1], tmp_path / "tls.key"))
    key.chmod(0o644)
    monkeypatch.setattr("kosha_connector_openai.core.transport.client.MOUNTS", (tmp_path,))
    with SecureRecorder(authority.demanding("good"), reply(body={"data": []})) as upstream:
        assert way.run(secure(way, upstream, authority, client_cert=own[0], client_key=key), "listModels", {}).status == 200
