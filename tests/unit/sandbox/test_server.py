"""The server on the wire: framing, large bodies, many callers, faults, and the control endpoints."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kosha_connector_openai.sandbox import DEFAULT_KEY
from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.fault_injection import InjectedFault

HEAD = f"Host: 127.0.0.1\r\nAuthorization: Bearer {DEFAULT_KEY}\r\n"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Say one two three"}]}
BODY = json.dumps(CHAT).encode()


@pytest.fixture
def wire(server: Any) -> Iterator[socket.socket]:
    """A raw connection."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as connection:
        yield connection


def until(connection: socket.socket, end: bytes) -> bytes:
    """What arrives up to ``end``."""
    data = b""
    while end not in data and (piece := connection.recv(65_536)):
        data += piece
    return data


def to_end(connection: socket.socket) -> bytes:
    """What arrives until the server closes."""
    return until(connection, b"\0never\0")


def test_it_listens_on_loopback_only(server: Any) -> None:
    """Nobody else on the network can reach it."""
    assert server.server_address[0] == "127.0.0.1"


def test_chunked_bodies_are_read(wire: socket.socket) -> None:
    """In pieces, with an extension and a trailer (RFC 9112, section 7.1)."""
    first, rest = BODY[:7], BODY[7:]
    wire.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    wire.sendall(b"7;note=1\r\n%b\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (first, len(rest), rest))
    assert until(wire, b"}]").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_careful_caller_is_told_to_continue(wire: socket.socket) -> None:
    """100 Continue comes before the body is sent (RFC 9110, section 10.1.1)."""
    wire.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{HEAD}Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n".encode())
    assert until(wire, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(BODY)
    assert until(wire, b"}]").startswith(b"HTTP/1.1 200 OK\r\n")


def test_one_connection_carries_many_requests(server: Any) -> None:
    """Keep-alive, also after an error."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    seen = []
    for path in ("/v1/models", "/v1/nothing", "/v1/models"):
        connection.request("GET", path, headers={"authorization": f"Bearer {DEFAULT_KEY}"})
        reply = connection.getresponse()
        seen.append((reply.status, bool(reply.read()), connection.sock.getsockname() if connection.sock else None))
    connection.close()
    assert [entry[0] for entry in seen] == [200, 404, 200]
    assert seen[0][2] == seen[1][2] == seen[2][2] is not None


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "Content-Length: -1\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_doubtful_framing_is_refused(wire: socket.socket, framing: str) -> None:
    """400, and the connection is closed: nothing after it can be read as a second request."""
    wire.sendall(f"POST /v1/models HTTP/1.1\r\n{HEAD}{framing}GET /v1/models HTTP/1.1\r\n\r\n".encode())
    assert to_end(wire).count(b"HTTP/1.1 ") == 1


def test_a_body_beyond_the_limit_is_refused_at_once(wire: socket.socket) -> None:
    """413 before a byte of it is read."""
    wire.sendall(f"POST /v1/files HTTP/1.1\r\n{HEAD}Content-Length: 99999999999\r\n\r\n".encode())
    assert to_end(wire).startswith(b"HTTP/1.1 413 ")


@pytest.mark.slow
def test_a_hundred_megabytes_pass_through(server: Any) -> None:
    """A multipart upload of 100 MB is kept outside the process's own memory and comes back byte by byte."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    piece, count = b"0123456789abcdef" * 4096, 1600
    head = b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head += b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    tail = b"\r\n--B--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    headers = {"authorization": f"Bearer {DEFAULT_KEY}", "content-type": "multipart/form-data; boundary=B"}
    headers["content-length"] = str(len(head) + len(piece) * count + len(tail))
    connection.request("POST", "/v1/files", iter([head, *[piece] * count, tail]), headers)
    made = json.loads(connection.getresponse().read())
    assert made["bytes"] == len(piece) * count
    connection.request("GET", f"/v1/files/{made['id']}/content", headers={"authorization": headers["authorization"]})
    reply, digest = connection.getresponse(), hashlib.sha256()
    while part := reply.read(65_536):
        digest.update(part)
    connection.close()
    assert digest.digest() == hashlib.sha256(piece * count).digest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250 * 1024


def test_many_callers_at_once(call: Any) -> None:
    """64 connections, each with its own answer, all ids different."""
    with ThreadPoolExecutor(64) as pool:
        ids = list(pool.map(lambda number: call("POST", "/v1/chat/completions", CHAT).json["id"], range(192)))
    assert len(set(ids)) == 192


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("429", 429, "rate_limit_exceeded"), ("500", 500, None), ("503", 503, None), ("401", 401, "invalid_api_key"), ("418", 418, None)],
)
def test_error_faults(call: Any, fault: str, status: int, code: str | None) -> None:
    """The status asked for, in the vendor's shape; the operation is not carried out."""
    before = len(call("GET", "/v1/files?limit=100").json["data"])
    answer = call.form("/v1/files", {"purpose": "batch"}, {"file": ("a", b"x")}, x_kosha_fault=fault)
    assert (answer.status, answer.error["code"], answer.headers["x-kosha-sandbox"]) == (status, code, "1")
    assert len(call("GET", "/v1/files?limit=100").json["data"]) == before


def test_a_rate_limit_says_when_to_come_back(call: Any) -> None:
    """Retry-After in seconds."""
    assert call("GET", "/v1/models", x_kosha_fault="429").headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "start"),
    [
        ("html", 502, "text/html; charset=utf-8", b"<!doctype html>"),
        ("html=200", 200, "text/html; charset=utf-8", b"<!doctype html>"),
        ("empty", 200, "application/json", b""),
        ("huge=200000", 200, "application/json", b'{"padding":"xxx'),
    ],
)
def test_wrong_bodies(call: Any, fault: str, status: int, content_type: str, start: bytes) -> None:
    """A page, nothing, or far too much where JSON should be."""
    answer = call("GET", "/v1/models", x_kosha_fault=fault)
    assert (answer.status, answer.headers["content-type"], answer.body[: len(start)]) == (status, content_type, start)
    assert len(answer.body) == {"empty": 0, "huge=200000": 200_014}.get(fault, len(answer.body))


def test_bad_json_is_half_of_good_json(call: Any) -> None:
    """It starts well, and its length is right."""
    whole, half = call("GET", "/v1/models").body, call("GET", "/v1/models", x_kosha_fault="badjson").body
    assert whole.startswith(half)
    assert len(half) == len(whole) // 2


def test_gzip_that_nobody_asked_for(call: Any) -> None:
    """The body is packed, and the header says so."""
    answer = call("GET", "/v1/models", x_kosha_fault="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["object"] == "list"


def test_redirects(call: Any) -> None:
    """307 to the address asked for."""
    answer = call("GET", "/v1/models", x_kosha_fault="redirect=http://127.0.0.1:1/x")
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/x")


def ask(wire: socket.socket, fault: str, body: bytes = BODY) -> None:
    """Sends a chat request with a fault."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{HEAD}X-Kosha-Fault: {fault}\r\nContent-Length: {len(body)}\r\n\r\n"
    wire.sendall(head.encode() + body)


def test_a_cut_body_ends_early(wire: socket.socket) -> None:
    """Ten bytes of the promised ones, then the end of the connection."""
    ask(wire, "cut=10")
    head, _, body = to_end(wire).partition(b"\r\n\r\n")
    assert b"Content-Length: " in head
    assert len(body) == 10


def test_a_wrong_length_promises_too_much(wire: socket.socket) -> None:
    """Ten bytes more than come."""
    ask(wire, "wrong-length")
    head, _, body = to_end(wire).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body) + 10}\r\n".encode() in head + b"\r\n"


def test_a_cut_stream_ends_between_events(wire: socket.socket) -> None:
    """Two whole events, no last chunk, the end of the connection."""
    ask(wire, "cut-stream=2", json.dumps({**CHAT, "stream": True}).encode())
    data = to_end(wire)
    assert (data.count(b"data: "), data.endswith(b"\n\n\r\n"), b"[DONE]" in data) == (2, True, False)


def test_a_reset_gives_nothing(wire: socket.socket) -> None:
    """The operation is carried out, and the connection is torn down."""
    ask(wire, "reset")
    with pytest.raises(ConnectionResetError):
        to_end(wire)


def test_a_slow_answer_comes_late(call: Any) -> None:
    """Not before the seconds asked for."""
    started = time.monotonic()
    assert call("GET", "/v1/models", x_kosha_fault="slow=0.3").status == 200
    assert time.monotonic() - started >= 0.3


def test_a_dripping_answer_comes_byte_by_byte(wire: socket.socket) -> None:
    """Whole in the end, after a pause for each byte."""
    started = time.monotonic()
    ask(wire, "drip=0.001")
    assert until(wire, b'"total_tokens": ')
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("text", ["", "nothing", "slow=soon", "cut=-1", "redirect=a\r\nX: 1", "99", "600"])
def test_unknown_faults_are_refused(text: str) -> None:
    """A misspelt fault is an error of its own."""
    with pytest.raises(ValueError):
        InjectedFault.parse(text)


def test_planned_faults_hit_the_next_requests(call: Any) -> None:
    """As many times as asked, only the operation named; none is left afterwards."""
    planned = call("POST", "/__sandbox__/faults", {"fault": "503", "times": 2, "operation": "listModels"})
    assert planned.json == [{"fault": "503", "operation": "listModels"}] * 2
    assert call("GET", "/v1/files").status == 200
    assert [call("GET", "/v1/models").status for _ in range(3)] == [503, 503, 200]
    assert call("GET", "/__sandbox__/faults").json == []


def test_planned_faults_can_be_forgotten(call: Any) -> None:
    """``times`` 0 takes back what waits."""
    call("POST", "/__sandbox__/faults", {"fault": "reset", "times": 5})
    assert call("POST", "/__sandbox__/faults", {"fault": "reset", "times": 0}).json == []


@pytest.mark.parametrize("body", [b"{", {"fault": "nonsense"}, {"fault": "slow", "times": "x"}, ["429"]])
def test_bad_plans_are_refused(call: Any, body: Any) -> None:
    """400, and nothing is planned."""
    assert call("POST", "/__sandbox__/faults", body).status == 400
    assert call("GET", "/__sandbox__/faults").json == []


def test_the_last_requests_can_be_read(call: Any) -> None:
    """Method, target, masked key, size, digest and text of the body; not the requests for the log itself."""
    call("DELETE", "/__sandbox__/requests")
    call("POST", "/v1/chat/completions?x=1", BODY)
    call.upload(b"\xff\xfe")
    chat, upload = call("GET", "/__sandbox__/requests").json
    assert (chat["method"], chat["target"], chat["status"], chat["body"]) == ("POST", "/v1/chat/completions?x=1", 200, BODY.decode())
    assert (chat["sha256"], chat["size"]) == (hashlib.sha256(BODY).hexdigest(), len(BODY))
    assert chat["headers"]["authorization"] == "Bearer san****6789"
    assert "body" not in upload


def test_control_needs_the_key(call: Any) -> None:
    """Without it nothing is told or planned."""
    paths = [("GET", ""), ("GET", "/requests"), ("DELETE", "/requests"), ("GET", "/faults"), ("POST", "/faults")]
    assert [call(method, f"/__sandbox__{path}", authorization="").status for method, path in paths] == [401] * 5


def test_it_says_what_it_is(call: Any, app: App) -> None:
    """The sandbox, of which connector, with how many operations."""
    about = call("GET", "/__sandbox__").json
    assert (about["sandbox"], about["connector"], about["operations"]) == (True, "openai", len(app.actions))


def test_requests_being_answered_are_waited_for(server: Any) -> None:
    """Draining ends when the last one does."""
    order: list[str] = []
    begun = threading.Event()

    def work() -> None:
        with server.at_work():
            begun.set()
            time.sleep(0.1)
            order.append("answered")

    worker = threading.Thread(target=work)
    worker.start()
    begun.wait(5)
    server.drain()
    order.append("drained")
    worker.join()
    assert order == ["answered", "drained"]
