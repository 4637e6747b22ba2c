"""Rows U1 to U14: origins, redirects, environments, certificates, addresses, and what a hostile or broken upstream sends back."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import CallOptions, Connection, Connector
from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    MalformedReplyError,
    NotSentError,
    OriginError,
    RedirectRefusedError,
    ReplyError,
    ReplyTooLargeError,
    SetupError,
    TransportError,
    TruncatedReplyError,
)
from kosha_connector_openai.http.origin import parse_server
from kosha_connector_openai.plugin import folder
from tests.audit import audit
from tests.canary import Canary
from tests.cap import capped
from tests.integration.conftest import Way
from tests.recorder import Recorder, Script, events, raw, reply
from tests.threats.certificates import Authority, SecureRecorder
from tests.threats.conftest import CHAT, House, RecordingStore, failure

SEED = {"model": "m", "prompt": "p"}
MODES = ["httpx", "httpx-async", "aiohttp-async"]
"""One engine of each make, where httpx2 can do nothing else than httpx."""
STREAM = {**CHAT, "stream": True}


class Environment(RecordingStore):
    """The recording store in the place of the environment's."""

    scheme = "env"


BORROWED = [
    ("default", {"OPENAI_API_KEY": "set"}, {"server_url": "ATTACKER"}, {}),
    ("other-base", {"OPENAI_API_KEY": "set", "OPENAI_BASE_URL": "UPSTREAM"}, {"server_url": "ATTACKER"}, {}),
    ("with-path", {"OPENAI_API_KEY": "set", "OPENAI_BASE_URL": "UPSTREAM/v1"}, {"server_url": "ATTACKER/v1"}, {}),
    ("listed", {}, {"server_url": "ATTACKER", "api_key": "env:OPENAI_API_KEY"}, {"allowed_origins": ["UPSTREAM"]}),
    ("listed-environment", {"OPENAI_API_KEY": "set"}, {"server_url": "ATTACKER"}, {"allowed_origins": ["UPSTREAM"]}),
    ("api-key-style", {"OPENAI_API_KEY": "set"}, {"server_url": "ATTACKER", "auth_type": "API_KEY"}, {}),
]


@pytest.mark.parametrize(("environ", "values", "options"), [pytest.param(*case, id=f"U1-{name}") for name, *case in BORROWED])
def test_a_shared_key_goes_to_no_other_server(canary: Canary, way: Way, environ: Any, values: Any, options: Any) -> None:
    """U1: who names another server cannot use the environment's key with it: refused before the secret is read, and nobody is called."""
    store = Environment(canary)
    with Recorder() as upstream, Recorder() as attacker, Connector(folder(), stores=[store]) as connector:
        filled = [_filled(given, upstream, attacker) for given in (environ, values, options)]
        connection = connector.connection(filled[1], environ=filled[0], engine=way.engine, **filled[2])
        error = failure(lambda: Way(connector, way.engine, way.is_async).run(connection, "createCompletion", SEED))
        assert isinstance(error, OriginError)
        assert (store.reads, upstream.silent, attacker.silent) == (0, True, True)


def _filled(given: Any, upstream: Recorder, attacker: Recorder) -> Any:
    text = orjson.dumps(given).decode()
    return orjson.loads(text.replace("UPSTREAM", upstream.url).replace("ATTACKER", attacker.url))


def test_the_servers_own_key_is_used(canary: Canary) -> None:
    """U1: with a server and its key named together, or both from the environment, the call is made."""
    store = Environment(canary)
    with Recorder() as upstream, Connector(folder(), stores=[store]) as connector:
        together = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, environ={})
        inherited = connector.connection(environ={"OPENAI_API_KEY": "set", "OPENAI_BASE_URL": upstream.url})
        for connection in (together, inherited):
            connector.run("listModels", {}, connection)
    assert (store.reads, len(upstream.requests)) == (2, 2)


TARGETS = [
    ("other-port", "ATTACKER/steal"),
    ("other-name", "http://localhost:PORT/steal"),
    ("network-path", "//127.0.0.1:PORT/steal"),
    ("user", "http://u:p@127.0.0.1:PORT/"),
    ("relative", "/v1/other"),
    ("plain", "http://attacker.invalid/"),
    ("script", "javascript:alert(1)"),
    ("broken", "http://[::1"),
    ("port", "http://h:99999999/"),
    ("empty", ""),
    ("bytes", "http://\xff\xfe/"),
    ("long", "http://" + "a" * 9_000),
]

STATUSES = [300, 301, 302, 303, 304, 305, 307, 308, 399]


@pytest.mark.parametrize("target", [pytest.param(url, id=f"U2-{name}") for name, url in TARGETS])
def test_a_redirect_is_not_followed(house: House, target: str) -> None:
    """U2: whatever the status and the target, it is a typed error that shows a host at most; no second request is made to anyone."""
    with Recorder() as attacker:
        location = target.replace("ATTACKER", attacker.url).replace("PORT", attacker.url.rpartition(":")[2])
        house.upstream.scripts = [reply(status=status, body=b"", headers=[("Location", location)]) for status in STATUSES]
        errors = [failure(lambda: house.run("createCompletion", SEED)) for _ in STATUSES]
        assert attacker.silent
    assert {type(error) for error in errors} == {RedirectRefusedError}
    assert [error.status for error in errors] == STATUSES  # type: ignore[attr-defined]
    assert len(house.upstream.requests) == len(STATUSES)
    assert max(len(str(error)) for error in errors) < 400
    assert "steal" not in str(errors)


@pytest.mark.parametrize("style", ["BEARER_TOKEN", "API_KEY"])
def test_no_style_of_credential_follows_a_redirect(house: House, way: Way, style: str) -> None:
    """U2: neither the bearer nor a key in a header of its own, nor the organization, reaches the target of a redirect."""
    with Recorder() as attacker:
        house.upstream.scripts = [reply(status=307, body=b"", headers=[("Location", attacker.url)])]
        house.values = {"auth_type": style, "organization": "org-1", "project": "p-1"}
        error = failure(lambda: way.run(house.connection(engine=way.engine), "createCompletion", SEED))
        assert attacker.silent
    assert isinstance(error, RedirectRefusedError)
    assert house.canary.key in str(house.upstream.last.headers)


SERVERS = [
    ("U3", "user", "https://user:pw@api.openai.com/v1"),
    ("U3", "user-only", "https://user@api.openai.com"),
    ("U3", "at", "https://api.openai.com@attacker.invalid"),
    ("U3", "empty-user", "https://@attacker.invalid"),
    ("U3", "colon-user", "https://:@attacker.invalid"),
    ("U3", "encoded-at", "https://api.openai.com%40attacker.invalid"),
    ("U3", "query", "https://api.openai.com?x=1"),
    ("U3", "fragment", "https://api.openai.com#@attacker.invalid"),
    ("U3", "semicolon-user", "https://api.openai.com;@attacker.invalid"),
    ("U4", "cyrillic", "https://\u0430pi.openai.com"),
    ("U4", "full-width", "https://api\uff0eopenai\uff0ecom"),
    ("U4", "dotless", "https://ap\u0131.openai.com"),
    ("U4", "soft-hyphen", "https://api\u00ad.openai.com"),
    ("U4", "joiner", "https://api\u200d.openai.com"),
    ("U4", "backslash", "https://api.openai.com\\@attacker.invalid"),
    ("U4", "backslashes", "https:\\\\attacker.invalid"),
    ("U4", "tab", "https://api.open\tai.com"),
    ("U4", "line-break", "https://api.openai.com\n.attacker.invalid"),
    ("U4", "nul", "https://api.openai.com\x00.attacker.invalid"),
    ("U4", "blank", "https://api.openai.com .attacker.invalid"),
    ("U4", "trailing-dot", "https://api.openai.com./v1"),
    ("U4", "port-zero", "https://api.openai.com:0"),
    ("U4", "port-empty", "https://api.openai.com:"),
    ("U4", "port-high", "https://api.openai.com:65536"),
    ("U4", "port-signed", "https://api.openai.com:+443"),
    ("U4", "port-other-digits", "https://api.openai.com:\u0664\u0664\u0663"),
    ("U4", "encoded", "https://api%2eopenai.com"),
    ("U4", "decimal", "https://2130706433"),
    ("U4", "octal", "https://0177.0.0.1"),
    ("U4", "hex", "https://0x7f.0.0.1"),
    ("U4", "short", "https://127.1"),
    ("U4", "mapped", "https://[::ffff:169.254.169.254]"),
    ("U4", "zone", "https://[fe80::1%25eth0]"),
    ("U4", "no-bracket", "https://::1"),
    ("U4", "open-bracket", "https://[::1"),
    ("U4", "underscore", "https://api_openai.com"),
    ("U4", "hyphen", "https://-api.openai.com"),
    ("U4", "empty-label", "https://api..openai.com"),
    ("U4", "long", "https://" + "a." * 127 + "com"),
    ("U4", "dot-segment", "https://api.openai.com/v1/../x"),
    ("U4", "double-slash", "https://api.openai.com//attacker.invalid"),
    ("U6", "http", "http://api.openai.com"),
    ("U6", "http-private", "http://10.0.0.1"),
    ("U6", "http-localhost-name", "http://localhost.attacker.invalid"),
    ("U6", "http-any", "http://0.0.0.0"),
    ("U6", "file", "file:///etc/passwd"),
    ("U6", "ftp", "ftp://api.openai.com"),
    ("U6", "unix", "unix:///var/run/docker.sock"),
    ("U6", "ws", "wss://api.openai.com"),
    ("U6", "none", "api.openai.com"),
    ("U6", "network-path", "//api.openai.com"),
]


@pytest.mark.parametrize("url", [pytest.param(url, id=f"{row}-{name}") for row, name, url in SERVERS])
def test_a_doubtful_server_is_refused(ours: Connector, url: str) -> None:
    """U3, U4, U6: users, queries, other spellings of a host, numbers in disguise and unprotected addresses make no connection at all."""
    with audit():
        error = failure(lambda: ours.connection({"server_url": url, "api_key": "test:key"}, environ={}))
    assert isinstance(error, SetupError)
    assert [fault.pointer for fault in error.faults] == ["/server_url"]
    assert url not in str(error)


@settings(deadline=None, max_examples=500)
@given(st.from_regex(r"(?:https?:)?[/\\]{1,3}[a-z0-9.:@\[\]%\\?#/\u0430 -]{1,24}", fullmatch=True))
def test_all_parsers_see_the_same_server(url: str) -> None:
    """U4: where our parse accepts a URL, two others read the same scheme, host and port in it."""
    try:
        server = parse_server(url)
    except SetupError:
        return
    standard, client = urlsplit(url), httpx.URL(url)
    expected = (server.origin.scheme, server.origin.host)
    assert (standard.scheme, standard.hostname) == expected
    assert (client.scheme, client.host) == expected
    assert {standard.port or server.origin.port, client.port or server.origin.port} == {server.origin.port}
    assert not standard.username
    assert not client.userinfo


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "NETRC", "REQUESTS_CA_BUNDLE"]
)
def test_the_environment_does_not_reroute(house: House, way: Way, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """U5: a proxy, an exception list and a netrc file of the environment change nothing about the request."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login evil password evil\n")
    netrc.chmod(0o600)
    with Recorder() as proxy:
        monkeypatch.setenv(name, str(netrc) if name == "NETRC" else "" if name == "NO_PROXY" else proxy.url)
        monkeypatch.setenv("HOME", str(tmp_path))
        way.run(house.connection(engine=way.engine), "listModels", {})
        assert proxy.silent
    assert house.upstream.last.target == "/v1/models"
    assert house.upstream.last.header("Authorization") == f"Bearer {house.canary.key}"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of this run."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command, which is not here")
    return Authority.make(tmp_path_factory.mktemp("certificates"))


def secure(connector: Connector, url: str, **options: Any) -> Connection:
    """A connection to a TLS server, tried once."""
    return connector.connection({"server_url": url, "api_key": "test:key"}, environ={}, retries={"attempts": 1}, **options)


def test_a_listed_authority_is_trusted(way: Way, authority: Authority) -> None:
    """U6: with the operator's CA file the call is made, in TLS 1.2 or newer."""
    with SecureRecorder(authority.context("good"), reply(body={"data": []})) as upstream:
        result = way.run(secure(way.connector, upstream.url, engine=way.engine, ca_file=authority.file), "listModels", {})
    assert (result.status, len(upstream.requests)) == (200, 1)


@pytest.mark.parametrize("name", [pytest.param(name, id=f"U6-{name}") for name in ("own", "unknown", "wrong-name", "no-name", "expired")])
def test_a_bad_certificate_is_refused(way: Way, authority: Authority, name: str) -> None:
    """U6: self-signed, of an unknown authority, for another name, for none, or expired: nothing is sent, and that is known."""
    with SecureRecorder(authority.context(name)) as upstream:
        connection = secure(way.connector, upstream.url, engine=way.engine, ca_file=authority.file)
        assert isinstance(failure(lambda: way.run(connection, "createCompletion", SEED)), NotSentError)
    assert upstream.requests == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_adds_no_authority(way: Way, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """U5, U6: an authority that only the environment names is not trusted."""
    monkeypatch.setenv(name, str(authority.folder if name.endswith("DIR") else authority.file))
    with SecureRecorder(authority.context("good")) as upstream:
        error = failure(lambda: way.run(secure(way.connector, upstream.url, engine=way.engine), "listModels", {}))
    assert isinstance(error, NotSentError)
    assert upstream.requests == []


def test_session_keys_are_not_written(way: Way, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """U5: SSLKEYLOGFILE would let whoever reads the wire read the key."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with SecureRecorder(authority.context("good")) as upstream:
        way.run(secure(way.connector, upstream.url, engine=way.engine, ca_file=authority.file), "listModels", {})
    assert not (tmp_path / "keys").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(way: Way, authority: Authority) -> None:
    """U6: a server that speaks TLS 1.1 at most is not spoken to."""
    context = authority.context("good")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with SecureRecorder(context) as upstream:
        connection = secure(way.connector, upstream.url, engine=way.engine, ca_file=authority.file)
        assert isinstance(failure(lambda: way.run(connection, "createCompletion", SEED)), NotSentError)
    assert upstream.requests == []


@pytest.mark.parametrize("name", ["missing.pem", "good.key", "good.ext"])
def test_a_bad_authority_file_is_a_setup_error(house: House, authority: Authority, name: str) -> None:
    """U6: it is told before anything is read or sent, and never means "trust everyone"."""
    connection = secure(house.connector, "https://api.example.com", ca_file=authority.folder / name)
    before = house.store.reads
    assert isinstance(failure(lambda: house.connector.run("listModels", {}, connection)), SetupError)
    assert house.store.reads == before


ADDRESSES = [
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "0.0.0.0", "224.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1", "192.0.0.192", "fd20:ce::254",
]  # fmt: skip


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A name service: for a host the answers in turn, the last one for all that follow; numbers are resolved as ever."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in answers:
            return real(host, port, *rest, **more)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in address], socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return answers


@pytest.mark.parametrize("way", MODES, indirect=True)
@pytest.mark.parametrize("address", [pytest.param(address, id=f"U7-{address}") for address in ADDRESSES])
def test_a_name_that_leads_inside_is_refused(way: Way, names: dict[str, list[list[str]]], address: str) -> None:
    """U7: no connection is made to it, nor where a public address stands beside it."""
    names["inside.example"] = [[address], ["93.184.216.34", address]]
    connection = secure(way.connector, "https://inside.example", engine=way.engine)
    for _ in range(2):
        with audit():
            assert isinstance(failure(lambda: way.run(connection, "createCompletion", SEED)), OriginError)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "10.0.0.1", "192.168.1.1", "0.0.0.0", "fe80::1", "2001:db8::1", "100.64.0.1"]
)
def test_an_address_inside_is_refused_before_the_key_is_read(house: House, way: Way, address: str) -> None:
    """U7: the same for a server that is written as an address."""
    written = f"[{address}]" if ":" in address else address
    connection = secure(way.connector, f"https://{written}", engine=way.engine)
    before = house.store.reads
    with audit():
        assert isinstance(failure(lambda: way.run(connection, "createCompletion", SEED)), OriginError)
    assert house.store.reads == before


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254"])
def test_metadata_is_out_of_reach_even_in_a_listed_network(house: House, address: str) -> None:
    """U7: where clouds keep a machine's own credentials is never called."""
    written = f"[{address}]" if ":" in address else address
    connection = secure(house.connector, f"https://{written}", networks=["169.254.0.0/16", "fd00::/8"])
    with audit():
        assert isinstance(failure(lambda: house.connector.run("listModels", {}, connection)), OriginError)


def test_loopback_can_be_closed(house: House, way: Way) -> None:
    """U7: where tenants name servers, this machine is closed too."""
    connection = house.connection(engine=way.engine, loopback=False)
    assert isinstance(failure(lambda: way.run(connection, "listModels", {})), OriginError)
    assert house.upstream.silent


def test_the_address_that_was_checked_is_the_one_that_is_called(way: Way, authority: Authority, names: dict[str, list[list[str]]]) -> None:
    """U7: a name that leads elsewhere when it is asked again gets no second chance: it is looked up once for each connection."""
    listed = SecureRecorder(authority.context("good"), host="127.0.0.2")
    other = SecureRecorder(authority.context("good"), host="127.0.0.3", port=listed.port)
    names["flip.example"] = [["127.0.0.2"], ["127.0.0.3"]]
    url = f"https://flip.example:{listed.port}"
    with listed, other:
        connection = secure(way.connector, url, engine=way.engine, ca_file=authority.file, networks=["127.0.0.2/32"])
        assert way.run(connection, "listModels", {}).status == 200
        assert other.silent
    assert len(listed.requests) == 1


BOMBS = """
import gzip
from kosha_connector_openai import ConnectorError, Connector
from kosha_connector_openai.plugin import folder
from tests.canary import Canary
from tests.integration.conftest import Way
from tests.recorder import Recorder, reply
from tests.threats.conftest import CHAT, RecordingStore
inner = gzip.compress(bytes(200 << 20), 1)
layers = {"gzip": inner, "gzip, gzip": gzip.compress(inner), "deflate": inner, "br": inner, "zstd": inner, "x-gzip": inner, "GZIP": inner}
connector = Connector(folder(), stores=[RecordingStore(Canary())])
for coding, body in layers.items():
    for status, kind in ((200, "application/json"), (401, "application/json"), (200, "text/event-stream"), (200, "audio/mpeg")):
        with Recorder(reply(status=status, body=body, headers=[("Content-Encoding", coding)], content_type=kind)) as upstream:
            connection = connector.connection({"server_url": upstream.url, "api_key": "test:key"}, environ={}, engine=engine)
            try:
                Way(connector, engine, engine == "aiohttp").run(connection, "createChatCompletion", CHAT)
            except ConnectorError as error:
                print(type(error).__name__)
"""


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("httpx", id="U8-httpx"),
        pytest.param("httpx2", id="U8-httpx2", marks=pytest.mark.slow),
        pytest.param("aiohttp", id="U8-aiohttp"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_bomb_is_not_unpacked(engine: str) -> None:
    """U8: a compressed reply of 200 MB is read under the limits of a plain one: JSON, events are too large; other codings are refused."""
    done = capped(BOMBS, memory=2048, engine=engine)
    told = Counter(done.output.split())
    assert told["AccessError"] == 7
    assert told["ReplyTooLargeError"] >= 6
    assert told["MalformedReplyError"] >= 9
    assert done.peak < 700  # what is allowed to be this large, a sound, is held whole: three times its 200 MB, and the process


def flood(head: bytes, piece: bytes, times: int = 20_000) -> Script:
    """Sends a head and then one piece over and over, as fast as it is read."""

    def script(connection: socket.socket, _: object) -> bool:
        connection.sendall(head)
        for _number in range(times):
            connection.sendall(piece)
        return False

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = [
    ("headers", flood(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000)),
    ("header", flood(b"HTTP/1.1 200 OK\r\nX-Big: ", b"a" * 65_536)),
    ("header-name", flood(b"HTTP/1.1 200 OK\r\n", b"a" * 65_536)),
    ("status-line", flood(b"HTTP/1.1 200 ", b"a" * 65_536)),
    ("continue", flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    ("early-hints", flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000)),
    ("blank-lines", flood(b"", b"\r\n" * 1000)),
    ("chunk-extension", flood(CHUNKED + b"1;", b"a" * 65_536)),
    ("chunk-size", flood(CHUNKED, b"0" * 65_536)),
    ("trailers", flood(CHUNKED + b"1\r\n1\r\n0\r\n", b"X-A: b\r\n" * 1000)),
    ("tiny-chunks", flood(CHUNKED, b"1\r\n \r\n" * 1000)),
    ("body", flood(OK + b"Content-Length: 99999999999\r\n\r\n", b" " * 65_536)),
    ("no-length", flood(OK + b"Connection: close\r\n\r\n", b" " * 65_536)),
    ("drip", raw(OK + b"Content-Length: 999\r\n\r\n" + b" " * 999, pause=0.05, size=1)),
    ("header-drip", raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 99, pause=0.05, size=1)),
]


@pytest.mark.parametrize("script", [pytest.param(script, id=f"U9-{name}") for name, script in ENDLESS])
def test_a_reply_without_end_ends(house: House, way: Way, script: Script) -> None:
    """U9, R15: at a limit or at the call's total time, with a typed error, and it does end."""
    house.upstream.scripts = [script]
    connection = house.connection(engine=way.engine, limits={"reply_json": 1 << 20}, retries={"attempts": 1})
    started = time.monotonic()
    error = failure(lambda: way.run(connection, "createCompletion", SEED, timeout=0.4))
    assert time.monotonic() - started < 10  # it would never end; how soon is for a calm machine to say
    assert isinstance(error, (ReplyError, TransportError))


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_error_without_end_is_still_that_error(house: House, way: Way, status: int) -> None:
    """U9, U14: the status of an error counts, whatever its body does."""
    house.upstream.scripts = [flood(f"HTTP/1.1 {status} No\r\nContent-Length: 99999999999\r\n\r\n".encode(), b"x" * 65_536)]
    connection = house.connection(engine=way.engine, retries={"attempts": 1})
    error = failure(lambda: way.run(connection, "createCompletion", SEED, timeout=2))
    assert isinstance(error, ApiError)
    assert error.status == status


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ENDLESS_EVENTS = [
    ("line", flood(EVENTS, b"x" * 65_536)),
    ("data", flood(EVENTS + b"data: ", b"x" * 65_536)),
    ("lines", flood(EVENTS, b"data:\n" * 10_000)),
    ("comments", flood(EVENTS, b": ping\n" * 10_000)),
    ("blank", flood(EVENTS, b"\n" * 60_000)),
    ("names", flood(EVENTS, b"event: a\n" * 10_000)),
    ("unknown", flood(EVENTS, b"x: y\n" * 10_000)),
    ("numbers", flood(EVENTS, b"id: 1\nretry: 1\n" * 10_000)),
    ("tiny", flood(EVENTS, b"data: 1\n\n" * 7_000)),
]


@pytest.mark.parametrize("way", MODES, indirect=True)
@pytest.mark.parametrize("script", [pytest.param(script, id=f"U10-{name}") for name, script in ENDLESS_EVENTS])
def test_a_stream_without_end_ends(house: House, way: Way, script: Script) -> None:
    """U10: a line, an event or a stream that passes its limit is an error, and the upstream connection is closed."""
    house.upstream.scripts = [script]
    connection = house.connection(engine=way.engine, limits={"stream_event": 1 << 17, "stream": 1 << 18})
    assert isinstance(failure(lambda: way.run(connection, "createChatCompletion", STREAM)), ReplyTooLargeError)
    assert house.upstream.closed_early.wait(3)


FLOODED = """
from kosha_connector_openai import Connector, ConnectorError
from kosha_connector_openai.plugin import folder
from tests.canary import Canary
from tests.recorder import Recorder
from tests.threats.conftest import CHAT, RecordingStore
from tests.threats.test_transport import EVENTS, flood
connector = Connector(folder(), stores=[RecordingStore(Canary())])
for head, piece in ((EVENTS, b"data: 1\\n\\n" * 7_000), (EVENTS + b"data: ", b"x" * 65_536), (EVENTS, b"data:\\n" * 10_000)):
    with Recorder(flood(head, piece)) as upstream:
        connection = connector.connection({"server_url": upstream.url, "api_key": "test:key"}, environ={})
        try:
            connector.run("createChatCompletion", {**CHAT, "stream": True}, connection)
        except ConnectorError as error:
            print(type(error).__name__)
"""


@pytest.mark.slow
def test_streams_do_not_fill_the_memory() -> None:
    """U10: the same with the limits that a connection has by itself: millions of tiny events, one long event, one line after another."""
    done = capped(FLOODED, memory=1024)
    assert done.output == "ReplyTooLargeError\n" * 3
    assert done.peak < 350


GOLDEN = (
    b"\xef\xbb\xbf: hello\r\n\r\nevent: message\r\nid: 1\r\ndata: "
    + '{"choices":[{"delta":{"content":"a\u2028b\u0085c"}}]}'.encode()
    + b'\r\rdata: {\ndata: "choices":[{"delta":{"content":"\xe2\x82\xac"}}]}\n\nretry: 5\ndata:[DONE]\n\n'
)
TEXT = "a\u2028b\u0085c\u20ac"


def test_a_stream_may_be_cut_anywhere(house: House) -> None:
    """U11: lines end at CR, LF and CRLF alone; the BOM counts once; whichever byte two pieces part at, the text is the same."""
    connection = house.connection()
    for cut in range(len(GOLDEN) + 1):
        house.upstream.scripts = [events(GOLDEN[:cut], GOLDEN[cut:])]
        result = house.connector.run("createChatCompletion", STREAM, connection)
        assert (result.text, result.incomplete) == (TEXT, None)


def test_a_stream_may_come_byte_by_byte(house: House, way: Way) -> None:
    """U11: the same through each engine, with every byte on its own."""
    house.upstream.scripts = [events(*[GOLDEN[at : at + 1] for at in range(len(GOLDEN))])]
    result = way.run(house.connection(engine=way.engine), "createChatCompletion", STREAM)
    assert (result.text, result.incomplete) == (TEXT, None)


PARTS = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % number for number in range(4)]
PARTS += [b'data: {"choices":[],"usage":{"total_tokens":4}}\n\n', b"data: [DONE]\n\n"]


@pytest.mark.parametrize("way", MODES, indirect=True)
@pytest.mark.parametrize("clean", [True, False], ids=["closed", "broken"])
@pytest.mark.parametrize("count", [pytest.param(count, id=f"U12-{count}") for count in range(len(PARTS))])
def test_a_stream_cut_between_events_is_incomplete(house: House, way: Way, count: int, clean: bool) -> None:
    """U12: wherever it ends before its last event, what came is kept and the result says that it is cut."""
    house.upstream.scripts = [events(*PARTS[:count], end=clean)]
    result = way.run(house.connection(engine=way.engine), "createChatCompletion", STREAM)
    assert (result.text, len(result.value)) == ("0123"[:count], count)
    assert result.incomplete


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_stream_cut_inside_an_event_drops_that_event(house: House, cut: int) -> None:
    """U12: half an event is none; one that lacks its empty line alone is one, and the stream is cut all the same."""
    half = PARTS[1][: min(cut, len(PARTS[1]) - 1)]
    house.upstream.scripts = [events(PARTS[0], half)]
    result = house.run("createChatCompletion", STREAM)
    assert (result.text, bool(result.incomplete)) == ("01" if half.rstrip() == PARTS[1].rstrip() else "0", True)


@pytest.mark.parametrize(
    "last", [b'data: {"error":{"message":"boom"}}\n\n', b'event: error\ndata: {"type":"error","error":{"message":"boom"}}\n\n']
)
def test_an_error_in_a_stream_is_an_error(house: House, way: Way, last: bytes) -> None:
    """U12: also after text, also where the stream goes on to its usual end."""
    house.upstream.scripts = [events(PARTS[0], last, PARTS[-1])]
    error = failure(lambda: way.run(house.connection(engine=way.engine), "createChatCompletion", STREAM))
    assert isinstance(error, ApiError)
    assert "boom" in str(error)


HTML = b"<html><title>Sign in</title>\x1b[31m\xe2\x80\xae</html>"
ID = [("x-request-id", "req_9")]
WRONG = [
    ("html", reply(body=HTML, content_type="text/html; charset=utf-8", headers=ID)),
    ("html-as-json", reply(body=HTML, headers=ID)),
    ("empty", reply(body=b"", headers=ID)),
    ("blank", reply(body=b" \n", headers=ID)),
    ("half", reply(body=b'{"a":', headers=ID)),
    ("two", reply(body=b"{}{}", headers=ID)),
    ("nan", reply(body=b'{"a":NaN}', headers=ID)),
    ("deep", reply(body=b"[" * 5000 + b"]" * 5000, headers=ID)),
    ("utf-8", reply(body=b'{"a":"\xff"}', headers=ID)),
    ("surrogate", reply(body=b'{"a":"\\ud800"}', headers=ID)),
    ("utf-16", reply(body='{"a":1}'.encode("utf-16"), headers=ID)),
    ("digits", reply(body=b"1" * 5000, headers=ID)),
    ("overflow", reply(body=b"1e999", headers=ID)),
]


@pytest.mark.parametrize("script", [pytest.param(script, id=f"U13-{name}") for name, script in WRONG])
def test_a_body_that_is_not_what_it_should_be_is_an_error(house: House, way: Way, script: Script) -> None:
    """U13: with the status, the request id and at most 200 safe characters; a sign-in page is no answer."""
    house.upstream.scripts = [script]
    error = failure(lambda: way.run(house.connection(engine=way.engine), "createCompletion", SEED))
    assert isinstance(error, MalformedReplyError)
    assert (error.status, error.request_id) == (200, "req_9")
    assert len(error.excerpt) <= 200
    assert error.excerpt.isprintable()


LENGTHS = [
    ("long", reply(body=b'{"a":1}', length=99), TruncatedReplyError),
    ("two", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}"), ReplyError),
    ("negative", raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"), ReplyError),
    ("words", raw(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}"), ReplyError),
    ("chunk-size", raw(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), ReplyError),
    ("chunk-cut", raw(CHUNKED + b"5\r\n{}"), TruncatedReplyError),
    ("no-http", raw(b"\x16\x03\x01 SSH-2.0\r\n\r\n"), ReplyError),
    ("empty", raw(b""), (ReplyError, TransportError)),
    ("status", raw(b"HTTP/1.1 99999 X\r\n\r\n"), ReplyError),
]


@pytest.mark.parametrize(("script", "kind"), [pytest.param(script, kind, id=f"U13-{name}") for name, script, kind in LENGTHS])
def test_a_length_that_is_wrong_is_an_error(house: House, way: Way, script: Script, kind: Any) -> None:
    """U13: too few bytes, lengths that contradict each other and what is not HTTP are typed errors, never a shorter result."""
    house.upstream.scripts = [script]
    connection = house.connection(engine=way.engine, retries={"attempts": 1})
    assert isinstance(failure(lambda: way.run(connection, "createCompletion", SEED, timeout=3)), kind)


def test_no_content_has_no_content(house: House, way: Way) -> None:
    """U13: bytes after a 204 are not its body."""
    house.upstream.scripts = [raw(b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nevil!")]
    values = []
    with suppress(MalformedReplyError):
        values.append(way.run(house.connection(engine=way.engine), "deleteFile", {"file_id": "f"}).value)
    assert values in ([None], [])


def test_text_that_is_not_utf_8_is_marked(house: House, way: Way) -> None:
    """U13: a byte that is no character becomes U+FFFD; the raw bytes are kept."""
    house.upstream.scripts = [reply(body=b"a\xffb", content_type="text/plain")]
    result = way.run(house.connection(engine=way.engine), "createCompletion", SEED)
    assert (result.value, result.raw) == ("a\ufffdb", b"a\xffb")


def echoes(key: str) -> Iterator[tuple[str, bytes, str]]:
    """Ways in which an upstream repeats a key: name, body, media type."""
    plain, escaped = key.encode(), orjson.dumps(key)[1:-1]
    yield "message", b'{"error":{"message":"Incorrect API key provided: ' + escaped + b'."}}', "application/json"
    yield (
        "code",
        b'{"error":{"message":"m","code":"' + escaped + b'","type":"' + escaped + b'","param":"' + escaped + b'"}}',
        "application/json",
    )
    yield "deep", b'{"error":{"message":"m","inner":{"a":["x ' + escaped + b'"]},"' + escaped + b'":1}}', "application/json"
    yield "detail", b'{"detail":"' + escaped + b'"}', "application/json"
    yield "list", b'["' + escaped + b'"]', "application/json"
    yield "string", b'"' + escaped + b'"', "application/json"
    yield "text", b"key " + plain, "text/plain"
    yield "html", b"<p>" + plain + b"</p>", "text/html"
    yield "split", b'{"error":{"message":"' + escaped[:12] + b"\\u200b\\u001b[31m" + escaped[12:] + b'"}}', "application/json"
    yield "cut", b"x" * 65_500 + plain, "text/plain"
    yield "not-json", b'{"error": ' + plain, "application/json"


ECHOES = [name for name, _, _ in echoes("k" * 20)]


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
@pytest.mark.parametrize("name", [pytest.param(name, id=f"U14-{name}") for name in ECHOES])
def test_an_echo_of_the_key_goes_no_further(house: House, name: str, status: int) -> None:
    """U14: whatever an upstream repeats, no error, no frame of ours and no header that is kept shows it."""
    body, kind = next((body, kind) for known, body, kind in echoes(house.canary.key) if known == name)
    headers = [("x-request-id", house.canary.key), ("openai-organization", house.canary.key), ("Location", f"https://h/{house.canary.key}")]
    house.upstream.scripts = [reply(status=status, body=body + b" " * (status == 200), content_type=kind, headers=headers)]
    connection = house.connection(retries={"attempts": 1})
    try:
        house.connector.run("createCompletion", SEED, connection)
    except (ApiError, ReplyError) as error:
        house.canary.scan(error, str(error.to_dict()))
    else:
        assert status == 200


def test_an_echo_inside_a_stream_goes_no_further(house: House, way: Way) -> None:
    """U14: the same for an error that comes as an event, through each engine."""
    escaped = orjson.dumps(house.canary.key)[1:-1]
    house.upstream.scripts = [events(PARTS[0], b'data: {"error":{"message":"key ' + escaped + b'","code":"' + escaped + b'"}}\n\n')]
    error = failure(lambda: way.run(house.connection(engine=way.engine), "createChatCompletion", STREAM))
    assert isinstance(error, ApiError)
    house.canary.scan(error, str(error.to_dict()))


def test_the_text_of_an_error_is_safe_to_show(house: House) -> None:
    """U14: no control, colour or direction characters, in one line, cut; ten megabytes are not read."""
    message = "\x1b[2J\x1b]0;owned\x07red\u202egnp\r\nX: y\x00\u2028end" + "A" * 5000
    house.upstream.scripts = [
        reply(status=401, body={"error": {"message": message, "code": "\x1b[31m"}}),
        reply(status=400, body=b"y" * (10 << 20)),
    ]
    first, second = (failure(lambda: house.run("createCompletion", SEED)) for _ in range(2))
    assert isinstance(first, AccessError)
    assert first.message.startswith("redgnp X: y")
    assert first.message.isprintable()
    assert len(first.message) <= 1000
    assert isinstance(second, ApiError)
    assert second.status == 400
    assert len(str(second)) < 2500


def test_a_retry_is_told_by_one_record(house: House) -> None:
    """U14, C14: what an upstream writes into its request id starts no second line of the log."""
    records: list[str] = []
    house.upstream.scripts = [reply(headers=[("x-request-id", 'a\x85b" tenant=admin')])]
    with Connector(folder(), stores=[house.store], record=lambda record: records.append(record.to_json())) as connector:
        connector.run("listModels", {}, house.connection(), CallOptions())
    assert len(records) == 1
    assert records[0].splitlines() == records
    assert orjson.loads(records[0])["action"] == "listModels"
