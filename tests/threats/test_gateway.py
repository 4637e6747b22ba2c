"""Rows G2, G5-G11, F2, F6, P7 and U2 of the gateway: what hostile callers and upstreams send through it, as raw bytes where it matters."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from kosha_connector_openai.gateway.app import Gateway
from tests.canary import Canary
from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House, eventually
from tests.gateway import KEY, TOKEN, UNCHECKED, read_all, serving
from tests.recorder import Received, Recorder, Script, events, reply, silence

BODY = orjson.dumps(CHAT)
JSON = ("Content-Type: application/json", f"Content-Length: {len(BODY)}")


@pytest.fixture(scope="module")
def shared() -> Iterator[House]:
    with Recorder() as upstream, serving(upstream.url, limits={"header_seconds": 0.5, "body_idle": 0.5}) as gateway:
        yield House(upstream, gateway)


@pytest.fixture
def house(shared: House) -> House:
    shared.begin()
    return shared


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# G2

_PATHS = [
    "/v1/models", "//v1/models", "///v1/models", "/v1/%2e%2e/admin", "/v1/../v1/models", "/%76%31/models", "/V1/MODELS",
    "/v1/models/..;/x",
    "/v1\\models", "http://evil.example/v1/models", "/v1/models?/livez", "/v1/models#/livez", "/livez/../v1/models",
    "/livez%2f..%2fv1/models",
    "/docs/../v1/models", "*",
]  # fmt: skip
_HOSTS = ["127.0.0.1", "evil.example", "evil.example/x?", "127.0.0.1, evil.example", "", "127.0.0.1@evil.example", "LOCALHOST:1"]
_EXTRA = [
    [], ["X-HTTP-Method-Override: GET"], ["X-Original-URL: /livez"], ["X-Forwarded-Host: 127.0.0.1"], ["Host: 127.0.0.1"],
    ["Authorization: Basic eDp5"], ["Authorization: Bearer"], ["X-Real-IP: 127.0.0.1"],
]  # fmt: skip


def test_g2_no_way_of_writing_a_request_gets_past_the_token(house: House) -> None:
    """G2: path, Host and header mutations without a token: never a 2xx or 3xx, and nothing reaches the upstream."""
    for path, host, extra in itertools.product(_PATHS, _HOSTS, _EXTRA):
        request = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *extra, "Connection: close", "", ""]).encode("latin-1")
        answer = house.gateway.raw(request, wait=2)
        assert status(answer) >= 400, (path, host, extra, answer[:100])
    assert house.upstream.silent


def test_g2_a_missing_or_doubled_host_is_refused(house: House) -> None:
    """G2: with a token too."""
    for hosts in ([], ["Host: 127.0.0.1", "Host: evil.example"], ["Host: evil.example"]):
        lines = ["GET /v1/models HTTP/1.1", *hosts, f"Authorization: Bearer {TOKEN}", "Connection: close", "", ""]
        assert status(house.gateway.raw("\r\n".join(lines).encode())) in (400, 421)
    assert house.upstream.silent


# G5

_FIELDS = ["api_base", "base_url", "api_key", "extra_headers", "custom_llm_provider", "api_version", "azure_endpoint", "proxy"]
_CALLS = [(CHAT_PATH, CHAT), ("/v1/embeddings", {"model": "m", "input": "x"}), ("/v1/responses", {"model": "m", "input": "x"})]


@pytest.mark.parametrize("token", [TOKEN, UNCHECKED], ids=["checked", "unchecked"])
@pytest.mark.parametrize("field", _FIELDS)
def test_g5_a_field_that_chooses_the_upstream_is_refused_by_name(house: House, field: str, token: str) -> None:
    """G5: in any operation, checked or not; nothing is sent."""
    for path, body in _CALLS:
        answer = house.call("POST", path, json={**body, field: "https://evil.example"}, token=token)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
        assert "evil" not in answer.text
    assert house.upstream.silent


def test_g5_nor_in_other_spellings_or_places_of_a_body(house: House) -> None:
    """G5: an escaped name is the same name; a part of a form is a field."""
    escaped = BODY[:-1] + b',"api\\u005fbase":"https://evil.example"}'
    answer = house.chat(json=None, content=escaped, headers={"Content-Type": "application/json"}, token=UNCHECKED)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "api_base")
    files = {"file": ("a.txt", b"x"), "purpose": (None, b"batch"), "base_url": (None, b"https://evil.example")}
    answer = house.call("POST", "/v1/files", files=files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "base_url")
    assert house.upstream.silent


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=api_base",
        "form-data; name*=UTF-8''api_base",
        'form-data; name="api\\_base"',
        'form-data; name = "api_base"',
        'form-data; name="x"; name="api_base"',
        'form-data; filename="; name="x"; name="api_base"',
        'form-data; name="x"\r\nContent-Disposition: form-data; name="api_base"',
        'form-data; name="x"\r\nContent-Disposition : form-data; name="api_base"',
    ],
)
def test_g5_nor_in_any_spelling_of_a_parts_name(house: House, disposition: str) -> None:
    """G5: what two readers of a form could take for two names is refused; what is one name is known by it."""
    part = "--b\r\nContent-Disposition: {}\r\n\r\nhttps://evil.example\r\n"
    body = (
        part.format(disposition)
        + part.format('form-data; name="purpose"')
        + part.format('form-data; name="file"; filename="f"')
        + "--b--\r\n"
    )
    answer = house.call("POST", "/v1/files", content=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status_code, answer.json()["error"]["code"]) in ((400, "refused_field"), (400, "part_name"))
    assert house.upstream.silent


def test_g5_nor_where_a_body_is_not_checked_since_it_is_no_json(house: House) -> None:
    """G5: a name that comes twice, or a number that JSON lacks, is read by others all the same."""
    for bad in (b'"model":"m"', b'"n":NaN'):
        body = BODY[:-1] + b"," + bad + b',"api\\u005fbase":"https://evil.example"}'
        answer = house.chat(json=None, content=body, headers={"Content-Type": "application/json"}, token=UNCHECKED)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "api_base")
    assert house.upstream.silent


@pytest.mark.parametrize("header", ["x-api-base", "X-OpenAI-Base-Url", "x-azure-endpoint", "Base-Url", "x-upstream-url", "x-target-url"])
def test_g5_a_header_that_chooses_the_upstream_is_refused_by_name(house: House, header: str) -> None:
    """G5: the same for headers."""
    answer = house.chat(headers={header: "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, header.lower())
    assert house.upstream.silent


# G6 and P7

_PRIVATE = {
    "Authorization": None, "Cookie": "a=b", "Connection": "authorization, x-stainless-lang", "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil", "OpenAI-Organization": "org-evil", "OpenAI-Project": "proj-evil", "Api-Key": "evil", "x-api-key": "evil",
    "Via": "1.1 x", "Accept-Encoding": "gzip, br", "User-Agent": "evil", "Host ": None, "Content-MD5": "x", "X-Anything": "evil",
    "Idempotency-Key": "k1", "X-Stainless-Lang": "python", "OpenAI-Beta": "assistants=v2",
}  # fmt: skip


def test_g6_p7_the_upstream_gets_a_golden_set_of_headers(house: House) -> None:
    """G6, P7: exactly one of each of ours, what clients' libraries may say, and nothing else; in both cases of letters."""
    for change in (str, str.upper, str.lower):
        headers = {change(name): value for name, value in _PRIVATE.items() if value}
        assert house.chat(headers=headers).status_code == 200
        sent = [(name.lower(), value) for name, value in house.upstream.last.headers]
        host = house.upstream.url.removeprefix("http://")
        assert sorted(sent) == [
            ("accept", "*/*"),
            ("accept-encoding", "identity"),
            ("authorization", f"Bearer {KEY}"),
            ("content-length", str(len(BODY))),
            ("content-type", "application/json"),
            ("host", host),
            ("idempotency-key", "k1"),
            ("openai-beta", "assistants=v2"),
            ("user-agent", next(value for name, value in sent if name == "user-agent")),
            ("x-stainless-lang", "python"),
        ]
        assert "evil" not in dict(sent)["user-agent"]


# G7

_CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLING = {
    "length and chunks": (["Content-Type: application/json", f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"], _CHUNKED),
    "chunks and length": (["Content-Type: application/json", "Transfer-Encoding: chunked", "Content-Length: 3"], _CHUNKED),
    "two lengths": (["Content-Type: application/json", f"Content-Length: {len(BODY)}", "Content-Length: 3"], BODY),
    "a list of lengths": (["Content-Type: application/json", f"Content-Length: {len(BODY)}, {len(BODY)}"], BODY),
    "a blank before the colon": (["Content-Type: application/json", "Transfer-Encoding : chunked"], _CHUNKED),
    "an unknown coding": (["Content-Type: application/json", "Transfer-Encoding: xchunked"], _CHUNKED),
    "two codings": (["Content-Type: application/json", "Transfer-Encoding: chunked, identity"], _CHUNKED),
    "a negative length": (["Content-Type: application/json", "Content-Length: -1"], BODY),
    "a signed length": (["Content-Type: application/json", f"Content-Length: +{len(BODY)}"], BODY),
    "a length in hex": (["Content-Type: application/json", "Content-Length: 0x10"], BODY),
    "a folded header": (["Content-Type: application/json", "Transfer-Encoding:\r\n chunked", "Content-Length: 3"], _CHUNKED),
    "a bare line feed": (["Content-Type: application/json", f"Content-Length: {len(BODY)}\nTransfer-Encoding: chunked"], _CHUNKED),
    "a bad chunk end": (["Content-Type: application/json", "Transfer-Encoding: chunked"], b"3\r\n{}xx\r\n0\r\n\r\n"),
    "a bad chunk size": (["Content-Type: application/json", "Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"),
    "a null in a value": (["Content-Type: application/json\x00", f"Content-Length: {len(BODY)}"], BODY),
}
_SECOND = b"GET /v1/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("way", SMUGGLING)
def test_g7_what_two_parsers_could_read_in_two_ways_is_400(house: House, way: str) -> None:
    """G7: the connection is closed, and what was hidden after the body is never taken for a request."""
    lines, body = SMUGGLING[way]
    answer = house.gateway.raw(house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", *lines) + body + _SECOND, wait=2)
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(house.upstream.requests) == 0


def test_g7_requests_in_a_row_are_answered_in_a_row(house: House) -> None:
    """G7: honest pipelining stays in order."""
    one = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", *JSON) + BODY
    answer = house.gateway.raw(
        one + house.gateway.head("GET /v1/none HTTP/1.1") + house.gateway.head("PATCH /v1/models HTTP/1.1", "Connection: close")
    )
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 405]


# G8


@pytest.mark.parametrize(
    "sent", [b"", b"GET /v1/models HT", b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "], ids=["nothing", "a line", "a header"]
)
def test_g8_a_head_that_does_not_come_is_not_waited_for(house: House, sent: bytes) -> None:
    """G8: ten seconds by default, half of one here."""
    started = time.monotonic()
    answer = house.gateway.raw(sent, wait=5)
    assert status(answer) in (0, 408)
    assert time.monotonic() - started < 3


def test_g8_a_head_that_drips_is_not_waited_for(house: House) -> None:
    """G8: the time is for the whole head, not for each byte."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", house.gateway.port)) as connection:
        try:
            for byte in house.gateway.head("GET /v1/models HTTP/1.1"):
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - started < 4
    assert house.upstream.silent


@pytest.mark.parametrize("path", [CHAT_PATH, "/v1/files"])
def test_g8_a_body_that_stops_is_408(house: House, path: str) -> None:
    """G8: thirty seconds between two pieces by default, half of one here; the upstream never gets a whole request."""
    kind = "application/json" if path == CHAT_PATH else "multipart/form-data; boundary=x"
    start = b"{" if path == CHAT_PATH else b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"a" * 600_000
    answer = house.gateway.raw(
        house.gateway.head(f"POST {path} HTTP/1.1", f"Content-Type: {kind}", "Content-Length: 900000") + start, wait=4
    )
    assert status(answer) == 408
    assert len(house.upstream.requests) == 0 or len(house.upstream.last.body) < 900_000


def test_g8_a_large_head_is_431(house: House) -> None:
    """G8: 32 KiB in all, and a megabyte is never held."""
    for size in (40_000, 1_000_000):
        answer = house.gateway.raw(house.gateway.head("GET /v1/models HTTP/1.1", f"X-Large: {'a' * size}"), wait=3)
        assert status(answer) == 431
    assert house.upstream.silent


def test_g8_idle_connections_do_not_slow_others_down(house: House) -> None:
    """G8: with many half-open connections, a call is still quick."""
    farm = [socket.create_connection(("127.0.0.1", house.gateway.port)) for _ in range(300)]
    try:
        for connection in farm:
            connection.sendall(b"GET /v1/mod")
        started = time.monotonic()
        assert house.chat().status_code == 200
        assert time.monotonic() - started < 3  # milliseconds, on a machine that has nothing else to do
    finally:
        for connection in farm:
            connection.close()


# G9 and F2


def test_g9_a_body_beyond_the_limit_is_413_early() -> None:
    """G9: by what it announces, before a byte of it is read; and by its size where it announces nothing."""
    limits = {"body": 100_000, "body_json": 10_000}
    with Recorder() as upstream, serving(upstream.url, limits=limits) as gateway:
        for kind, path, size in (("application/json", CHAT_PATH, 10_001), ("multipart/form-data; boundary=x", "/v1/files", 100_001)):
            answer = gateway.raw(
                gateway.head(f"POST {path} HTTP/1.1", f"Content-Type: {kind}", f"Content-Length: {size}", "Expect: 100-continue"), wait=0.5
            )
            assert status(answer) == 413
            assert b"100 Continue" not in answer
            pieces = (b"x" * 1_000 for _ in range(size // 1_000 + 2))
            refused = gateway.call("POST", path, content=pieces, headers={"Content-Type": kind})
            assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")
        assert not upstream.requests


BOMBS: dict[str, tuple[bytes, int]] = {
    "parts": (b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(100_000)) + b"--x--\r\n", 413),
    "part heads": (b"--x\r\n" + b"X-Y: z\r\n" * 100_000 + b"\r\n\r\n--x--\r\n", 413),
    "no end": (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc', 400),
    "no parts": (b"", 400),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_g9_multipart_bombs_are_refused(house: House, bomb: str) -> None:
    """G9: their parts and heads are counted while they pass."""
    body, expected = BOMBS[bomb]
    answer = house.call("POST", "/v1/files", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=30)
    assert answer.status_code == expected, answer.text
    assert not house.upstream.requests


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a\\"b"',
        f"multipart/form-data; boundary={'x' * 71}",
    ],
)
def test_g9_a_bad_boundary_is_400(house: House, kind: str) -> None:
    """G9: and nothing is sent."""
    assert house.call("POST", "/v1/files", content=b"--x--\r\n", headers={"Content-Type": kind}).status_code == 400
    assert house.upstream.silent


@pytest.mark.parametrize("token", [TOKEN, UNCHECKED], ids=["checked", "unchecked"])
@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions", "/v1/images/variations", "/v1/uploads/u_1/parts"])
def test_f2_json_never_stands_in_for_an_upload(house: House, path: str, token: str) -> None:
    """F2: 415, whether calls are checked or not."""
    answer = house.call("POST", path, json={"file": {"filepath": "/etc/passwd"}, "purpose": "batch"}, token=token)
    assert answer.status_code == 415
    assert house.upstream.silent


# G10


def test_g10_clients_that_leave_at_any_moment_leave_nothing_behind(house: House) -> None:
    """G10, R8: many aborts at random moments; every call ends, every place is free, and the next client is served."""
    house.answers(events(*[b"data: 1\n\n"] * 200, pause=0.01))
    chance = random.Random(7)
    request = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", *JSON) + BODY

    def leave() -> None:
        with socket.create_connection(("127.0.0.1", house.gateway.port)) as connection:
            connection.sendall(request[: chance.randrange(1, len(request) + 400)])
            connection.settimeout(chance.random() * 0.4)
            with contextlib.suppress(OSError):
                connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    threads = [threading.Thread(target=lambda: [leave() for _ in range(5)]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    admission, loop = house.gateway.admission, house.gateway.loop
    assert admission is not None
    assert loop is not None
    eventually(lambda: admission.taken == {"call": 0, "stream": 0}, seconds=3)
    eventually(lambda: len(asyncio.all_tasks(loop)) <= 3, seconds=3)
    assert {exchange.outcome for exchange in house.gateway.exchanges} <= {"left", "refused"}
    house.answers(reply())
    assert house.chat().status_code == 200


def test_g8_a_reader_that_stalls_between_replies_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """G8: requests in a row whose replies nobody reads: few are taken, the connection is broken, and the place is free again."""
    monkeypatch.setattr("kosha_connector_openai.gateway.exchange.response._STALLED", 0.5)
    with Recorder(reply(body={"data": "x" * 250_000})) as upstream, serving(upstream.url) as gateway, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", gateway.port))
        reader.sendall(gateway.head("GET /v1/models HTTP/1.1") * 100)
        eventually(lambda: gateway.exchanges)
        assert gateway.admission is not None
        eventually(lambda: gateway.admission is not None and gateway.admission.taken["call"] == 0)
        assert len(gateway.exchanges) < 100
        assert len(read_all(reader)) < 100 * 250_000


def test_g10_a_client_that_leaves_an_upload_leaves_no_call(house: House) -> None:
    """G10: the upstream connection is closed before the request is whole."""
    house.answers(silence(5))
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"a" * 600_000
    head = house.gateway.head("POST /v1/files HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 9000000")
    with socket.create_connection(("127.0.0.1", house.gateway.port)) as connection:
        connection.sendall(head + start)
        time.sleep(0.3)
    assert house.exchange().outcome == "left"
    assert all(len(request.body) < 9_000_000 for request in house.upstream.requests)


# G11


def test_g11_an_error_of_our_own_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """G11: a fault in the gateway is 500 with the request's id; its text, its frames and the token are nowhere."""
    canary = Canary()

    def broken(app: Gateway) -> None:
        def fail(_: str) -> Any:
            raise ValueError(f"in {__file__}: {canary.key}")

        app._routes.find = fail  # type: ignore[method-assign]

    with Recorder() as upstream, serving(upstream.url, change=broken) as gateway:
        answer = gateway.call("POST", CHAT_PATH, json=CHAT)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["request_id"]) == (500, "internal_error", answer.headers["x-kosha-request-id"])
        eventually(lambda: gateway.exchanges)
        assert gateway.exchanges[-1].outcome == "internal_error"
    canary.scan(answer.text, str(answer.headers), caplog.text, str(gateway.exchanges))
    for word in ("ValueError", ".py", "kosha_connector", "Traceback"):
        assert word not in answer.text
    assert error["request_id"] in caplog.text


def test_g11_numbers_of_an_upstream_that_cannot_be_read_lose_no_reply(house: House) -> None:
    """G11: what it says of its usage may be nested or long without end; the reply was paid for and goes through."""
    for usage in (b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}", b'{"prompt_tokens":' + b"9" * 4_000 + b"}"):
        house.upstream.scripts[:] = [reply(body=b'{"id":"x","usage":' + usage + b"}")]
        assert house.chat().status_code == 200


# U2


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("style", ["BEARER_TOKEN", "API_KEY"])
def test_u2_a_redirect_carries_no_key_away(code: int, style: str) -> None:
    """U2: by the gateway as by the library; the other address is neither called nor told."""
    with Recorder() as attacker, Recorder(reply(code, b"", headers=[("Location", f"{attacker.url}/v1/x")])) as upstream:
        with serving(upstream.url, values={"auth_type": style}) as gateway:
            answer = gateway.call("POST", CHAT_PATH, json=CHAT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_redirect")
        assert attacker.silent
        assert attacker.url.rpartition(":")[2] not in answer.text + str(answer.headers)


# U14


@pytest.mark.parametrize("size", [1, 7, len(KEY) - 1])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "audio/mpeg"])
def test_u14_an_echo_of_the_key_is_starred_out_across_the_borders_of_pieces(house: House, kind: str, size: int) -> None:
    """U14: an upstream that sends our key back in pieces shows it to no caller; the rest of the reply is as it was, and as long."""
    body = b'data: {"a": "' + KEY.encode() + b'"}\n\ndata: ' + KEY.encode()[:-1] + b"\n\n"
    house.upstream.scripts[:] = [_in_pieces(body, kind, size)]
    assert house.chat().content == body.replace(KEY.encode(), b"*" * len(KEY))


def _in_pieces(body: bytes, kind: str, size: int) -> Script:
    def script(connection: socket.socket, _: Received) -> bool:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            time.sleep(0.002)
        connection.sendall(b"0\r\n\r\n")
        return True

    return script


# F6 and back-pressure


def test_f6_uploads_side_by_side_are_not_held_in_memory(house: House) -> None:
    """F6: eight uploads of 24 MB at once, to an upstream that reads slowly: the process grows by less than one of them."""
    import resource

    size, count = 24 * 1024 * 1024, 8
    received: list[int] = []

    def drain(connection: socket.socket) -> None:
        data, total = b"", 0
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        total = len(data.partition(b"\r\n\r\n")[2])
        while total < size:
            total += len(connection.recv(262_144))
            time.sleep(0.001)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        received.append(total)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for _ in range(count):
                threading.Thread(target=drain, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        with serving(f"http://127.0.0.1:{listener.getsockname()[1]}") as gateway:
            assert gateway.call("GET", "/v1/none").status_code == 404
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            threads = [threading.Thread(target=_upload, args=(gateway.port, gateway.head, size)) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert len(received) == count
    assert grown < size


def _upload(port: int, head: Any, size: int) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b'
    first = part % (b"purpose", b"", b"batch\r\n") + part % (b"file", b'; filename="a"', b"")
    last = b"\r\n--x--\r\n"
    piece = b"a" * 65_536
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            head("POST /v1/files HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", f"Content-Length: {size}", "Connection: close")
        )
        connection.sendall(first)
        left = size - len(first) - len(last)
        while left:
            left -= connection.send(piece[: min(left, len(piece))])
        connection.sendall(last)
        assert b" 200 " in read_all(connection)[:20]


def test_g8_readers_that_stall_hold_the_upstream_back() -> None:
    """G8, R7: a client that reads nothing stops the upstream; little is kept for it, and others are served."""
    sent = []
    piece = b"data: " + b"x" * 4_000 + b"\n\n"

    def endless(connection: socket.socket, _: Any) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        total = 0
        connection.settimeout(1)
        try:
            while total < 50_000_000:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                total += len(piece)
        finally:
            sent.append(total)
        return False

    with Recorder(*[endless] * 5, reply()) as upstream, serving(upstream.url) as gateway:
        stalled = []
        for _ in range(5):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            connection.connect(("127.0.0.1", gateway.port))
            connection.sendall(gateway.head(f"POST {CHAT_PATH} HTTP/1.1", *JSON) + BODY)
            stalled.append(connection)
        eventually(lambda: len(sent) == 5, seconds=15)
        assert gateway.call("POST", CHAT_PATH, json=CHAT).status_code == 200
        for connection in stalled:
            connection.close()
    assert max(sent) < 20_000_000  # what the buffers of four sockets may grow to, and not the stream of 50 MB
