"""S14, S15: a connection that names another description: where it may come from, and that it cannot change under a running process."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.record import LOGGER
from kosha_connector_openai.errors import DocumentError, OriginError, SetupError
from kosha_connector_openai.plugin import folder
from tests.audit import audit
from tests.canary import Canary
from tests.recorder import Recorder, Script, raw, reply, silence
from tests.threats.certificates import Authority, SecureRecorder
from tests.threats.conftest import RecordingStore, document, failure
from tests.threats.test_transport import ADDRESSES, names

__all__ = ["names"]
HOST = "flip.example"


def described(prefix: str = "/v1", **more: Any) -> bytes:
    """A description of one new operation and one that we know, with texts of its own."""
    operations = {
        "/models": {"get": {"operationId": "listModels", "summary": "Their list", "responses": {"200": {"description": "d"}}}},
        "/audio/speech": {"post": {"operationId": "createSpeech", "summary": "Their speech", "responses": {"200": {"description": "d"}}}},
        "/news": {"get": {"operationId": "readNews", "summary": "Brand new", "responses": {"200": {"description": "d"}}}},
    }
    server = {"servers": [{"url": f"https://api.vendor.example{prefix}"}]}
    return json.dumps({**document(), **server, "paths": operations, "security": [{"ApiKeyAuth": []}], **more}).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of this module."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command, which is not here")
    return Authority.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def store() -> RecordingStore:
    """Where the key is."""
    return RecordingStore(Canary())


@pytest.fixture
def connector(store: RecordingStore) -> Iterator[Connector]:
    """Our connector, new for each test, since it remembers what it read."""
    with Connector(folder(), stores=[store]) as opened:
        yield opened


def connect(connector: Connector, spec: str | Path, url: str = "https://api.example.com", **options: Any) -> Any:
    """A connection that names a description."""
    return connector.connection({"server_url": url, "api_key": "test:key"}, environ={}, spec=str(spec), **options)


@pytest.fixture
def fetched(
    connector: Connector, authority: Authority, request: pytest.FixtureRequest
) -> Iterator[Callable[..., tuple[SecureRecorder, Any]]]:
    """Serves a description at a name in a listed network, and gives a connection that names its URL."""
    answers: dict[str, list[list[str]]] = request.getfixturevalue("names")
    opened: list[SecureRecorder] = []

    def serve(*scripts: Script, path: str = "/openapi.json", **options: Any) -> tuple[SecureRecorder, Any]:
        server = SecureRecorder(authority.context("good"), *scripts, host="127.0.0.2")
        opened.append(server)
        server.__enter__()
        answers.setdefault(HOST, [["127.0.0.2"]])
        given = {"spec_url": True, "networks": ["127.0.0.2/32"], "ca_file": authority.file, **options}
        return server, connect(connector, f"https://{HOST}:{server.port}{path}", **given)

    yield serve
    for server in opened:
        server.__exit__()


def test_a_file_of_a_new_release_works_at_once(connector: Connector, tmp_path: Path) -> None:
    """Its operations can be called, at the path of its own server, with its own texts; our overlay applies by operation id."""
    file = tmp_path / "new.json"
    file.write_bytes(described())
    with Recorder() as upstream:
        connection = connect(connector, file, upstream.url)
        connector.run("readNews", {}, connection)
        connector.run("listModels", {}, connection)
        targets = [request.target for request in upstream.requests]
    catalog = connector.catalog_of(connection)
    assert targets == ["/v1/news", "/v1/models"]
    assert (catalog["readNews"].title, catalog["listModels"].title, catalog["createSpeech"].title) == (
        "Brand new",
        "Their list",
        "Their speech",
    )
    assert catalog["createSpeech"].overlay == connector.manifest.actions["createSpeech"]
    assert list(catalog) == [action.id for action in connector.offered(connection)]
    assert "readNews" not in connector.catalog


def test_the_vendors_own_file_works(connector: Connector, specs: Path) -> None:
    """The published description, as it is: every operation of it is there, and a chat is checked and sent as with ours."""
    with Recorder() as upstream:
        connection = connect(connector, specs / "openai-2.3.0-oas31.json", upstream.url)
        catalog = connector.catalog_of(connection)
        inputs = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        connector.run("createChatCompletion", inputs, connection)
        sent = upstream.last
        connector.run("createChatCompletion", inputs, connect(connector, specs / "openai-2.3.0-oas31.json", f"{upstream.url}/v1"))
    assert (sent.target, upstream.last.target, sent.json()) == ("/v1/chat/completions", "/v1/chat/completions", inputs)
    assert len(catalog) == 288
    assert catalog.document.faults() == ()
    assert all(len(action.title) <= 100 for action in catalog.values())


@pytest.mark.parametrize(
    ("servers", "prefix"),
    [
        ([], ""),
        ([{"url": "/"}], ""),
        ([{"url": "/v2/"}], "/v2"),
        ([{"url": "https://{region}.evil.example/{version}", "variables": {"version": {"default": "v3"}}}], "/v3"),
        ([{"url": "http://169.254.169.254/v1"}], "/v1"),
        ("nonsense", ""),
    ],
)
def test_of_its_servers_only_a_path_is_taken(connector: Connector, tmp_path: Path, servers: Any, prefix: str) -> None:
    """A description does not say where the key goes: the connection's server is called."""
    file = tmp_path / "d.json"
    file.write_bytes(described(servers=servers))
    with Recorder() as upstream:
        connector.run("readNews", {}, connect(connector, file, upstream.url))
    assert upstream.last.target == f"{prefix}/news"


@pytest.mark.parametrize("url", ["https://x/..", "/a/../b", "/a//b", "/a?b", "/%2e%2e", "/{x}", "https://[x/"])
def test_a_server_that_leads_elsewhere_is_refused(connector: Connector, tmp_path: Path, url: str) -> None:
    """Dot segments and what is no plain path end the reading, where they would have an effect."""
    file = tmp_path / "d.json"
    file.write_bytes(described(servers=[{"url": url, "variables": {"x": {"default": "../.."}}}]))
    if url == "/a?b":  # the query is no part of the path
        assert connector.catalog_of(connect(connector, file))["readNews"].operation.path == "/a/news"
        return
    with pytest.raises(DocumentError):
        connector.catalog_of(connect(connector, file))


def test_a_url_needs_the_operators_leave(connector: Connector) -> None:
    """Off by default: nothing is looked up, nothing connected to."""
    with audit():
        error = failure(lambda: connector.catalog_of(connect(connector, "https://example.com/openapi.json")))
    assert isinstance(error, SetupError)
    assert [fault.pointer for fault in error.faults] == ["/spec"]


URLS = [
    "http://example.com/d.json", "http://localhost/d.json", "ftp://example.com/d.json", "file:///etc/passwd", "https://localhost/d.json",
    "https://127.0.0.1/d.json", "https://[::1]/d.json", "https://169.254.169.254/d.json", "https://[::ffff:169.254.169.254]/d.json",
    "https://2130706433/d.json", "https://0x7f.1/d.json", "https://0177.0.0.1/d.json", "https://127.1/d.json",
    "https://localhost./d.json", "https://example.com./d.json", "https://user:w0rd@example.com/d.json", "https://example.com/a/../d.json",
    "https://example.com/d.json?token=x", "https://example.com/%2e%2e/d.json", "https://10.0.0.1/d.json", "https://192.168.0.1/d.json",
    "https://0.0.0.0/d.json", "https://[fd00:ec2::254]/d.json", "https://[fe80::1]/d.json",
]  # fmt: skip


@pytest.mark.parametrize("url", [pytest.param(url, id=f"S14-{url}") for url in URLS])
def test_a_doubtful_url_is_not_called(connector: Connector, store: RecordingStore, url: str) -> None:
    """S14: another scheme, this machine, a metadata service, a disguised number: refused before any connection."""
    with audit(hosts=["localhost"]):
        error = failure(lambda: connector.catalog_of(connect(connector, url, spec_url=True)))
    assert isinstance(error, SetupError)
    assert error.pointer == "/spec"
    assert (store.reads, "w0rd" in str(error)) == (0, False)


@pytest.mark.parametrize("address", [pytest.param(address, id=f"S14-{address}") for address in ADDRESSES])
def test_a_name_that_leads_inside_is_not_called(connector: Connector, names: dict[str, list[list[str]]], address: str) -> None:
    """S14: a name that resolves inside, alone or beside a public address, even where the connection itself may call this machine."""
    names["inside.example"] = [[address], ["93.184.216.34", address]]
    for _ in range(2):
        with audit():
            error = failure(lambda: connector.catalog_of(connect(connector, "https://inside.example/d.json", spec_url=True)))
        assert isinstance(error, OriginError)


def test_a_url_is_fetched_without_a_credential(fetched: Callable[..., Any], connector: Connector, store: RecordingStore) -> None:
    """S14: no key, no extra header, no cookie goes along; what came is used at once."""
    server, connection = fetched(reply(body=described()), path="/specs/openapi.json", headers={"X-Team": "blue"})
    assert connector.catalog_of(connection)["readNews"].title == "Brand new"
    assert (server.last.method, server.last.target) == ("GET", "/specs/openapi.json")
    assert {name.lower() for name, _ in server.last.headers} == {"host", "user-agent", "accept", "accept-encoding"}
    assert store.reads == 0


def test_the_checked_address_is_the_one_that_is_called(
    fetched: Callable[..., Any], connector: Connector, authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    """S14: a name that leads elsewhere when it is asked again gets no second chance."""
    names[HOST] = [["127.0.0.2"], ["127.0.0.3"]]
    server, connection = fetched(reply(body=described()))
    with SecureRecorder(authority.context("good"), host="127.0.0.3", port=server.port) as other:
        assert "readNews" in connector.catalog_of(connection)
        assert other.silent


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(reply(status=302, headers=[("Location", "https://169.254.169.254/d.json")]), id="S14-redirect"),
        pytest.param(reply(status=301, headers=[("Location", "/other.json")]), id="S14-redirect-near"),
        pytest.param(reply(status=404), id="S14-missing"),
        pytest.param(reply(status=401), id="S14-refused"),
        pytest.param(reply(body=described(), headers=[("Content-Encoding", "gzip")]), id="S14-compressed"),
        pytest.param(reply(body=b"<html>sign in</html>", content_type="text/html"), id="S14-page"),
        pytest.param(reply(body=b"{}"), id="S14-empty"),
        pytest.param(reply(body=b'{"openapi": "3.1.0", "openapi": "3.1.0", "paths": {}}'), id="S14-twice"),
        pytest.param(reply(body=described(), length=10_000), id="S14-cut"),
        pytest.param(raw(b"nonsense"), id="S14-no-http"),
        pytest.param(reply(body=b"[" * 200_000), id="S14-deep"),
        pytest.param(reply(body=b" " * (10 * 1024 * 1024 + 1)), id="S14-large"),
    ],
)
def test_what_is_no_description_is_refused(fetched: Callable[..., Any], connector: Connector, script: Script) -> None:
    """S14: no redirect is followed, nothing is unpacked, and ten mebibytes are the most."""
    server, connection = fetched(script)
    assert isinstance(failure(lambda: connector.catalog_of(connection)), DocumentError)
    assert len(server.requests) == 1


def test_a_description_without_end_ends(fetched: Callable[..., Any], connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """S14: fetching has a total time."""
    monkeypatch.setattr("kosha_connector_openai.core.transport.fetch_description.SECONDS", 0.5)
    _, connection = fetched(silence(30))
    started = time.monotonic()
    assert isinstance(failure(lambda: connector.catalog_of(connection)), DocumentError)
    assert time.monotonic() - started < 2


def test_a_bad_certificate_ends_it(connector: Connector, authority: Authority, names: dict[str, list[list[str]]]) -> None:
    """S14: whom the authority does not know is not listened to."""
    with SecureRecorder(authority.context("unknown"), reply(body=described()), host="127.0.0.2") as server:
        names[HOST] = [["127.0.0.2"]]
        url = f"https://{HOST}:{server.port}/d.json"
        connection = connect(connector, url, spec_url=True, networks=["127.0.0.2/32"], ca_file=authority.file)
        assert isinstance(failure(lambda: connector.catalog_of(connection)), DocumentError)
    assert server.requests == []


def test_a_pin_is_held(fetched: Callable[..., Any], connector: Connector, tmp_path: Path) -> None:
    """S15: with a digest it must be exactly that description; the error names the digest that was found."""
    data, other = described(), described(info={"title": "swapped", "version": "2"})
    _, connection = fetched(reply(body=other), spec_sha256=sha256(data).hexdigest())
    error = failure(lambda: connector.catalog_of(connection))
    assert (error.pointer, sha256(other).hexdigest() in str(error)) == ("/spec_sha256", True)
    file = tmp_path / "d.json"
    file.write_bytes(other)
    pinned = connect(connector, file, spec_sha256=sha256(data).hexdigest())
    assert isinstance(failure(lambda: connector.run("readNews", {}, pinned)), DocumentError)
    file.write_bytes(data)
    assert "readNews" in connector.catalog_of(pinned)


def test_nothing_is_swapped_under_a_running_process(
    fetched: Callable[..., Any], connector: Connector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S15: what was read first is used until the connector is closed, and its digest is in every record."""
    caplog.set_level(logging.INFO, LOGGER.name)
    data = described()
    server, remote = fetched(reply(body=data), reply(body=described(info={"title": "swapped", "version": "2"})))
    file = tmp_path / "d.json"
    file.write_bytes(data)
    with Recorder() as upstream:
        local = connect(connector, file, upstream.url)
        connector.run("readNews", {}, local)
        file.write_bytes(b"{}")
        connector.run("readNews", {}, local)
        connector.catalog_of(remote)
        assert connector.catalog_of(remote).document.digest == sha256(data).hexdigest()
        connector.run("listModels", {}, connector.connection({"server_url": upstream.url, "api_key": "test:key"}, environ={}))
    assert len(server.requests) == 1
    digests = [json.loads(record.message)["spec_digest"] for record in caplog.records if record.name == LOGGER.name]
    assert digests == [sha256(data).hexdigest()] * 2 + [connector.catalog.document.digest]


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: __import__("os").mkfifo(path), lambda path: None])
def test_what_is_no_file_is_told(connector: Connector, tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A folder, a pipe that would never end, and a missing file are errors of the option, at once."""
    make(tmp_path / "d.json")
    error = failure(lambda: connector.catalog_of(connect(connector, tmp_path / "d.json")))
    assert isinstance(error, DocumentError)


def test_an_event_loop_is_not_held_up(fetched: Callable[..., Any], connector: Connector) -> None:
    """While one call waits for its description, others of the loop go on; two that need it fetch it once."""
    slow = raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + described(), pause=0.05, size=100)

    async def both(connection: Any) -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        clock = asyncio.create_task(tick())
        calls = [connector.arun("noSuchAction", {}, connection) for _ in range(2)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        clock.cancel()
        await connector.aclose()
        assert {type(error).__name__ for error in found} == {"_Unknown"}
        return ticks

    server, connection = fetched(slow)
    assert asyncio.run(both(connection)) >= 10
    assert len(server.requests) == 1


def test_a_faulty_option_is_told(connector: Connector, tmp_path: Path) -> None:
    """A digest that is none, and an empty name."""
    for name, value in (("spec_sha256", "abc"), ("spec", "")):
        error = failure(lambda name=name, value=value: connector.connection({"api_key": "test:key"}, environ={}, **{name: value}))  # type: ignore[misc]
        assert [fault.pointer for fault in error.faults] == [f"/{name}"]
