"""Rows B1, B6, B12, B13, B19, B20, B24-B26, B29, B32, B33 and B38: what one client, or one reply, can do to the whole service."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows.picker_items import PickerItem, searched
from kosha_connector_openai.gateway.access import jwt
from kosha_connector_openai.gateway.observe.metrics import Metrics
from kosha_connector_openai.gateway.server import _metrics_app
from kosha_connector_openai.gateway.settings import JwtEntry, read_settings
from kosha_connector_openai.schema import validator
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.text import nearest
from kosha_connector_openai.text.search import LONGEST_QUERY, SearchEntry, _found, ranked, words
from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House, eventually
from tests.gateway import KEY, ROOT, TOKEN, read_all, serving
from tests.recorder import Received, Recorder, reply, silence
from tests.service import DIGEST, whole

BODY = orjson.dumps(CHAT)
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
LIMITS = {"header_seconds": 0.5, "body_idle": 0.5, "body_seconds": 2}


@pytest.fixture(scope="module")
def shared() -> Iterator[House]:
    with Recorder() as upstream, serving(upstream.url, limits=LIMITS) as gateway:
        yield House(upstream, gateway)


@pytest.fixture
def house(shared: House) -> House:
    shared.begin()
    return shared


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def send_until_cut(connection: socket.socket, piece: bytes, most: int) -> int:
    """How many bytes a peer takes before it breaks the connection; no more than ``most``."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


# B1 and B19: trailers


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("field", [f"Authorization: Bearer {TOKEN}", "OpenAI-Beta: late", "Idempotency-Key: late"])
def test_b19_a_trailer_is_no_header(house: House, field: str, later: bool) -> None:
    """B19: neither the caller's right nor a header for the upstream comes after the body."""
    known = not field.startswith("Authorization")
    head = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, CHUNKED, token=known)
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=2) as connection:
        connection.sendall(head + CHUNK)
        if later:
            time.sleep(0.1)
        connection.sendall(f"0\r\n{field}\r\n\r\n".encode())
        answer = connection.recv(65_536)
    assert status(answer) == (200 if known else 401)
    assert len(house.upstream.requests) == known
    assert not any(b"late" in request.raw.partition(b"\r\n\r\n")[0] for request in house.upstream.requests)


def test_b19_nor_is_a_host(house: House) -> None:
    """B19: a request without a Host is refused, whatever comes behind its body."""
    head = f"POST {CHAT_PATH} HTTP/1.1\r\n{JSON}\r\n{CHUNKED}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    answer = house.gateway.raw(head + CHUNK + f"0\r\nHost: 127.0.0.1:{house.gateway.port}\r\n\r\n".encode(), wait=2)
    assert status(answer) == 400
    assert house.upstream.silent


@pytest.mark.parametrize("token", [False, True], ids=["no token", "a token"])
@pytest.mark.parametrize(
    "piece", [b"a: b\r\n" * 5_000, b"a: " + b"x" * 65_536 + b"\r\n", b"x" * 65_536], ids=["small fields", "large fields", "one field"]
)
def test_b01_trailers_without_end_end(house: House, piece: bytes, token: bool) -> None:
    """B1: they count as a head does, and over the limit the connection ends; what is sent on until then is not kept."""
    head = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, CHUNKED, token=token)
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=10) as connection:
        connection.sendall(head + b"1\r\n{\r\n0\r\n" + (b"" if piece[:2] == b"a:" else b"a: "))
        began = time.monotonic()
        while time.monotonic() - began < 8 and send_until_cut(connection, piece, len(piece)):
            pass
        assert time.monotonic() - began < 8
    assert house.upstream.silent


@pytest.mark.parametrize("way", ["extension", "blank lines", "fields", "target", "many fields"])
def test_b01_all_that_is_no_body_is_bounded(house: House, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """B1: whatever the parser keeps, or waits for the end of; it is refused once, and nothing fails on the way."""
    request = {
        "extension": house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, CHUNKED) + b"1;" + b"x" * 200_000,
        "blank lines": b"\r\n" * 100_000,
        "fields": house.gateway.head("GET /v1/models HTTP/1.1")[:-2] + b"a: " + b"x" * 200_000,
        "target": b"GET /" + b"x" * 200_000,
        "many fields": house.gateway.head("GET /v1/models HTTP/1.1", *(f"x-{number}: 1" for number in range(500))),
    }[way]
    answer = house.gateway.raw(request, wait=4)
    assert status(answer) in (400, 431)
    assert house.upstream.silent
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_b01_a_head_behind_a_request_counts_as_well(house: House) -> None:
    """B1: requests that wait for the one before them are few; those that came whole are answered, and then the connection ends."""
    one = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, f"Content-Length: {len(BODY)}") + BODY
    answer = house.gateway.raw(one + house.gateway.head("GET /v1/none HTTP/1.1") * 2_000, wait=5)
    codes = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert codes[0] == 200
    assert set(codes[1:]) == {404}
    assert len(codes) < 100


def test_b01_connections_without_a_token_give_way() -> None:
    """B1, G8: however many are half open, a caller with a token gets in; one that has called is not turned out."""
    limits = {"connections": 40, "connections_anonymous": 20}
    with (
        Recorder() as upstream,
        serving(upstream.url, limits=limits) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as known,
    ):
        known.sendall(gateway.head("GET /v1/models HTTP/1.1"))
        assert status(known.recv(65_536)) == 200
        crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(60)]
        for connection in crowd:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nX: ")
        time.sleep(3.1)
        assert gateway.call("GET", "/v1/models").status_code == 200
        known.sendall(gateway.head("GET /v1/models HTTP/1.1"))
        assert status(known.recv(65_536)) == 200
        for connection in crowd:
            connection.close()


# B12: refused bodies, slow bodies


@pytest.mark.parametrize(("path", "token", "code"), [(CHAT_PATH, False, 401), ("/v1/nowhere", True, 404)])
def test_b12_a_refused_body_is_not_waited_for(house: House, path: str, token: bool, code: int) -> None:
    """B12: the reply says that the connection ends, and it does, however slowly the client goes on."""
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5) as connection:
        connection.sendall(house.gateway.head(f"POST {path} HTTP/1.1", JSON, "Content-Length: 1000000", token=token) + b"{")
        answer = connection.recv(65_536)
        assert status(answer) == code
        assert b"connection: close" in answer.lower()
        began = time.monotonic()
        while time.monotonic() - began < 8 and send_until_cut(connection, b" ", 1):
            time.sleep(0.2)
        assert time.monotonic() - began < 8
    assert house.upstream.silent


def test_b12_the_reply_to_a_large_refused_body_arrives(house: House) -> None:
    """B12: a client that sends everything first still reads why."""
    answer = house.gateway.call("POST", CHAT_PATH, token="kosha_no-such-token-0123456789abcdef", content=b"x" * 5_000_000)
    assert answer.status_code == 401


def test_b12_a_body_that_drips_ends_with_408(house: House) -> None:
    """B12: the time of a whole body is bounded, not only that between two pieces."""
    head = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, "Content-Length: 1000000")
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5) as connection:
        connection.sendall(head)
        began = time.monotonic()
        while time.monotonic() - began < 10 and send_until_cut(connection, b" ", 1):
            time.sleep(0.2)
        assert time.monotonic() - began < 10
        assert status(read_all(connection)) in (0, 408)
    assert house.upstream.silent


def test_b12_slow_bodies_take_no_places() -> None:
    """B12: a call takes its place once its body is here."""
    with Recorder() as upstream, serving(upstream.url, limits={"calls": 2, "calls_total": 2}) as gateway:
        slow = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(8)]
        for connection in slow:
            connection.sendall(gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, "Content-Length: 1000") + b"{")
        time.sleep(0.2)
        assert gateway.call("GET", "/v1/models").status_code == 200
        for connection in slow:
            connection.close()
        assert gateway.admission is not None
        taken = gateway.admission
        eventually(lambda: not any(taken.taken.values()))


# B33: the host of a target


@pytest.mark.parametrize("target", ["http://evil.example/v1/models", "https://evil.example:1/v1/models", "http://a@127.0.0.1/v1/models"])
def test_b33_the_host_of_an_absolute_target_counts(house: House, target: str) -> None:
    """B33: whatever the Host field says (RFC 9112, section 3.2.2)."""
    answer = house.gateway.raw(house.gateway.head(f"GET {target} HTTP/1.1", "Connection: close"), wait=2)
    assert status(answer) in (400, 421)
    assert house.upstream.silent


def test_b33_an_absolute_target_of_ours_is_served(house: House) -> None:
    """B33: as every server must."""
    port = house.gateway.port
    lines = (f"GET http://127.0.0.1:{port}/v1/models HTTP/1.1", "Host: evil.example", f"Authorization: Bearer {TOKEN}", "Connection: close")
    assert status(house.gateway.raw("\r\n".join((*lines, "", "")).encode(), wait=2)) == 200


# B24 and B32: replies


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/json", "text/event-stream"])
def test_b24_no_relayed_reply_runs_in_a_browser(house: House, kind: str) -> None:
    """B24: no type is guessed, and a page has no origin and no script; what the upstream says of this does not count."""
    headers = [("content-security-policy", "default-src *"), ("x-content-type-options", "sniff")]
    house.upstream.scripts[:] = [reply(200, b"<script>steal()</script>", headers, content_type=kind)]
    answer = house.gateway.call("GET", "/v1/models")
    assert answer.headers.get_list("content-security-policy") == ["sandbox; default-src 'none'"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize("path", ["/v1/models", CHAT_PATH])
@pytest.mark.parametrize("line", [b"101 Switching Protocols", b"999 Odd", b"600 Odd", b"000 Odd", b"199 Odd"])
def test_b32_a_status_that_is_none_is_502(house: House, line: bytes, path: str) -> None:
    """B32: no upgrade and no odd class is passed on, and the connection is not just broken."""

    def odd(connection: socket.socket, _: Received) -> bool:
        connection.sendall(b"HTTP/1.1 " + line + b"\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}")
        return False

    house.upstream.scripts[:] = [odd]
    method = "GET" if path == "/v1/models" else "POST"
    answer = house.gateway.call(method, path, json=CHAT if method == "POST" else None)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"].startswith("upstream_")


@pytest.mark.parametrize("value", [b"a\x1b[31mb", b"a\x7fb", b"\x01"])
def test_b32_a_header_that_no_server_may_send_is_dropped(house: House, value: bytes) -> None:
    """B32: the reply arrives without it."""

    def odd(connection: socket.socket, _: Received) -> bool:
        head = (
            b"HTTP/1.1 200 OK\r\nx-ratelimit-limit-requests: " + value + b"\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
        )
        connection.sendall(head + b"{}")
        return False

    house.upstream.scripts[:] = [odd]
    answer = house.gateway.call("GET", "/v1/models")
    assert answer.status_code in (200, 502)  # a client library may refuse the whole head
    assert "x-ratelimit-limit-requests" not in answer.headers


# B25: names


@pytest.mark.parametrize("settings", [{"hosts": ["*"]}, {"hosts": ["*", "gateway.example"]}])
def test_b25_without_tokens_not_every_name_is_taken(settings: dict[str, Any]) -> None:
    """B25: a page in a browser could point a name of its own at the service."""
    with pytest.raises(SetupError) as caught:
        read_settings(settings, environ={})
    assert any("hosts" in fault.pointer for fault in caught.value.faults)
    assert read_settings({**settings, "token_hashes": (DIGEST,)}, environ={}).hosts


async def test_b25_the_port_of_numbers_checks_the_name_too() -> None:
    """B25: a rebound name gets no numbers."""
    app = _metrics_app(Metrics())
    for host, code in ((b"127.0.0.1:9", 200), (b"localhost", 200), (b"evil.example", 421)):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        await app({"type": "http", "method": "GET", "path": "/metrics", "headers": [(b"host", host)]}, None, send)
        assert sent[0]["status"] == code


# B6: unknown names


def test_b06_many_unknown_names_cost_little_more_than_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """B6: each is compared with all known ones, so only the first twenty are; a near one among them is still a fault."""
    compared: list[str] = []
    monkeypatch.setattr(validator, "nearest", lambda name, names: compared.append(name) or nearest(name, names))
    value = {"known_name_numbre_7": 1, **{f"some_other_name_{number}": number for number in range(20_000)}}
    known = frozenset(f"known_name_number_{number}" for number in range(100))
    report = validator.SchemaValidator({"type": "object"}, known=known).check(value)
    assert [fault.pointer for fault in report.faults] == ["/known_name_numbre_7"]
    assert len(report.warnings) <= 20
    assert len(compared) <= 20


def test_b06_nor_in_closed_objects_further_in() -> None:
    """B6: the same where the schema itself refuses the names."""
    schema = {"type": "object", "properties": {"in": {"type": "object", "properties": {"name": {}}, "additionalProperties": False}}}
    report = validator.SchemaValidator(schema, known=frozenset(["in"])).check({"in": {f"other{number}": 1 for number in range(20_000)}})
    assert len(report.faults) + len(report.warnings) <= 40


@pytest.mark.parametrize("engine", ["aiohttp", "httpx"])
async def test_b06_a_full_pool_of_threads_holds_up_no_look_up(engine: str) -> None:
    """B6: names are looked up in threads of their own."""
    free = threading.Event()
    loop = asyncio.get_running_loop()
    busy = [loop.run_in_executor(None, free.wait, 20) for _ in range(64)]
    try:
        with Recorder() as upstream, Connector(ROOT, stores=[EnvironmentStore(["K"], {"K": KEY})]) as connector:
            url = upstream.url.replace("127.0.0.1", "localhost")
            connection = connector.connection({"server_url": url, "api_key": "env:K"}, environ={}, engine=engine, retries={"attempts": 1})
            result = await asyncio.wait_for(connector.arun("listModels", {}, connection), 10)
            assert result.status == 200
            await connector.aclose()
    finally:
        free.set()
        await asyncio.gather(*busy)


# B13 and B26: runs


def test_b13_bodies_of_runs_count_like_relayed_ones() -> None:
    """B13: in memory what is JSON, on disk what is a form; what is given back can be taken again."""
    limits = {"bodies_total": 1_000_000, "disk_total": 1_000_000}
    run = "/kosha/v1/actions/createEmbedding/run"
    with Recorder() as upstream, whole(upstream.url, settings={"limits": limits}) as gateway:
        for path in (run, "/kosha/v1/actions/createEmbedding/validate", "/v1/embeddings"):
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as held:
                held.sendall(gateway.head(f"POST {run} HTTP/1.1", JSON, "Content-Length: 900000") + b" " * 800_000)
                time.sleep(0.3)
                answer = gateway.call("POST", path, content=b" " * 600_000, headers={"Content-Type": "application/json"})
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
            eventually(
                lambda path=path: (  # type: ignore[misc]
                    gateway.call("POST", path, content=b" " * 600_000, headers={"Content-Type": "application/json"}).status_code == 400
                )
            )
        form = {"file": ("a", b"x" * 1_500_000)}
        assert gateway.call("POST", "/kosha/v1/actions/createFile/run", files=form).status_code == 503


@pytest.mark.parametrize(("own", "asked"), [(1, 30), (30, 1)])
def test_b26_a_run_may_shorten_the_operators_time_and_not_lengthen_it(own: float, asked: float) -> None:
    """B26: the smaller of the two counts."""
    options = {"timeouts": {"total": own}, "retries": {"attempts": 1}}
    with Recorder() as upstream, whole(upstream.url, options=options) as gateway:
        upstream.scripts[:] = [silence(20)]
        began = time.monotonic()
        answer = gateway.call("POST", "/kosha/v1/actions/listModels/run", json={"timeout": asked})
        assert answer.status_code >= 500
        assert time.monotonic() - began < 8


# B20: keys of an issuer


async def test_b20_keys_that_cannot_be_fetched_anew_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """B20: for a while the last ones count, and then none, until the issuer answers again."""
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(jwt, "time", clock)
    keys = jwt._Keys(JwtEntry(issuer="i", audience="a", jwks="https://keys.example/jwks", refresh=600, keys_age=5_000))
    answers: list[Any] = [(SimpleNamespace(key_type="RSA", key_id="one"),)]
    monkeypatch.setattr(keys, "_fetch", lambda: answers[0])
    now = 1_000.0
    assert await keys.find("one", "RS256") is not None
    kept, answers[0] = answers[0], ()
    for later, counts in ((1_601.0, True), (5_900.0, True), (6_001.0, False), (90_000.0, False)):
        now = later
        assert (await keys.find("one", "RS256") is not None) is counts
    answers[0] = kept
    now += 60
    assert await keys.find("one", "RS256") is not None


async def test_b06_a_search_looks_at_so_many_words() -> None:
    """B6: a query of any length costs what one of 300 characters costs, in the catalog as in the options of a field."""
    asked: list[str] = []
    long = " ".join(f"word{number}" for number in range(20_000))

    def points(term: str, entry: SearchEntry) -> float:
        asked.append(term)
        return 1.0

    entries = [SearchEntry(("createThing", "Create a thing"))] * 10
    ranked(long, entries)
    _found(words(long[:LONGEST_QUERY]), "", entries, points)
    assert len(asked) <= 10 * LONGEST_QUERY / 2
    many = [PickerItem(str(number), "a") for number in range(1_000)]
    assert len(searched(many, "a " * 100_000)) == 1_000
    assert not searched(many, "b")
