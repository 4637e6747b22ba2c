"""Rows B1, B6, B12, B13, B19, B20, B24-B26, B29, B32, B33 and B38: what one client, or one reply, can do to the whole service."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import orjson
import pytest

from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House, eventually
from tests.gateway import TOKEN, read_all, serving
from tests.recorder import Recorder

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
def test_b01_all_that_is_no_body_is_bounded(house: House, way: str) -> None:
    """B1: whatever the parser keeps, or waits for the end of."""
    request = {
        "extension": house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", JSON, CHUNKED) + b"1;" + b"x" * 200_000,
        "blank lines": b"\r\n" * 100_000,
        "fields": house.gateway.head("GET /v1/models HTTP/1.1")[:-2] + b"a: " + b"x" * 200_000,
        "target": b"GET /" + b"x" * 200_000,
        "many fields": house.gateway.head("GET /v1/models HTTP/1.1", *(f"x-{number}: 1" for number in range(500))),
    }[way]
    answer = house.gateway.raw(request, wait=4)
    assert status(answer) in (0, 400, 431)  # 0: the reset came before the answer was read
    assert house.upstream.silent


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
        time.sleep(1.1)
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
