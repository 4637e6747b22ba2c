"""Replies come back as the upstream gave them (T16-T29, T39): the defects of the service before this one, as tests."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time

import httpx
import pytest

from kosha_connector_openai.text.json_text import loads_strict
from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House, eventually
from tests.gateway import KEY, serving
from tests.recorder import Received, Recorder, Script, events, raw, reply, reset, silence

STREAM = {**CHAT, "stream": True}


def stepwise(go_on: threading.Event, *chunks: bytes) -> Script:
    """An event stream whose second piece waits for ``go_on``."""

    def script(connection: socket.socket, _: Received) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, chunk in enumerate(chunks):
            if number == 1:
                go_on.wait(5)
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
        return True

    return script


def test_t16_events_are_relayed_as_they_arrive(house: House) -> None:
    """T16: the first event is here before the upstream has written the second; all arrive to the byte, [DONE] included."""
    go_on = threading.Event()
    chunks = [b'data: {"n":1}\r\n\r\n', b": ping\n\nevent: x\ndata: \xe2\x80\xa8\n\n", b"data: [DONE]\n\n"]
    house.answers(stepwise(go_on, *chunks))
    with house.gateway.client() as client, client.stream("POST", CHAT_PATH, json=STREAM) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_raw()
        first = next(pieces)
        assert first == chunks[0]
        assert not go_on.is_set()
        go_on.set()
        assert first + b"".join(pieces) == b"".join(chunks)
    assert house.exchange().streamed


def test_t16_the_head_of_a_stream_comes_before_its_first_event(house: House) -> None:
    """T16: a client that waits long for the first event knows at once that it was heard."""
    go_on = threading.Event()
    house.answers(stepwise(go_on, b": \n\n", b"data: [DONE]\n\n"))
    with house.gateway.client(timeout=2) as client, client.stream("POST", CHAT_PATH, json=STREAM) as answer:
        assert answer.status_code == 200
        go_on.set()
        answer.read()


FILES = [
    (b'{"a":1}\n{"a":2}\n', "application/octet-stream"),
    (b'{"b":2,  "a":1}', "application/jsonl"),
    (bytes(range(256)) * 3_000, "application/octet-stream"),
    (b"42", "text/plain; charset=utf-8"),
    (b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", "application/x-subrip"),
    (b"WEBVTT\n", "text/vtt"),
    (b"ID3\x04\x00", "audio/mpeg"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xef\xbb\xbf{}", "application/json"),
    (b"not json", "application/json"),
    (b"", "application/json"),
]


@pytest.mark.parametrize(("body", "content_type"), FILES)
def test_t17_t18_t19_t21_any_body_comes_back_to_the_byte(house: House, body: bytes, content_type: str) -> None:
    """T17, T18, T19, T21: whatever it is, with its type and its file name."""
    house.answers(reply(200, body, content_type=content_type, headers=[("Content-Disposition", 'attachment; filename="a.x"')]))
    answer = house.call("GET", "/v1/files/file-1/content")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == 'attachment; filename="a.x"'
    assert answer.headers["content-length"] == str(len(body))


def test_t20_a_compressed_reply_is_decoded(house: House) -> None:
    """T20: nothing but identity is asked for; what is compressed all the same is decoded, so that it can be looked at."""
    body = b'{"data":[]}'
    house.answers(reply(200, gzip.compress(body), headers=[("Content-Encoding", "gzip")]))
    with house.gateway.client() as client, client.stream("GET", "/v1/models", headers={"Accept-Encoding": "gzip"}) as answer:
        assert b"".join(answer.iter_raw()) == body
        assert "content-encoding" not in answer.headers
    assert house.upstream.last.header("accept-encoding") == "identity"


@pytest.mark.parametrize(
    ("status", "body", "content_type", "message"),
    [
        (502, b"<html><body>nginx/1.2 inside.example</body></html>", "text/html", "The upstream answered 502 with text/html."),
        (403, b"no such right", "text/plain", "no such right"),
        (503, b"", None, "The upstream answered 503."),
        (404, b"\xff\x00\x1b[31m", "text/plain", "\ufffd  [31m"),
    ],
)
def test_t22_an_error_that_is_not_json_keeps_its_status(
    house: House, status: int, body: bytes, content_type: str | None, message: str
) -> None:
    """T22: the status stays, the body is put into the error shape; of a page nothing but its type is told."""
    house.answers(reply(status, body, content_type=content_type, headers=[("Retry-After", "7"), ("x-request-id", "req_9")]))
    answer = house.chat()
    assert answer.status_code == status
    assert answer.json()["error"] == {"message": message, "type": "upstream_error", "param": None, "code": None}
    assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("7", "req_9")


def test_t23_an_empty_reply_stays_empty(house: House) -> None:
    """T23: 200 without a body, and 204 without a type."""
    house.answers(reply(200, b"", content_type=None), raw(b"HTTP/1.1 204 No Content\r\n\r\n"))
    answer = house.call("DELETE", "/v1/files/file-1")
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (200, b"", None)
    answer = house.call("DELETE", "/v1/files/file-1")
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (204, b"", None)


CUT = {
    "json": reply(200, b'{"id": "a"', length=500),
    "chunked": raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'),
    "nothing": raw(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 10\r\n\r\n"),
}


@pytest.mark.parametrize("way", CUT)
def test_t24_a_cut_reply_is_502(house: House, way: str) -> None:
    """T24: what ended before its end is no success."""
    house.answers(CUT[way])
    answer = house.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_truncated")
    assert answer.headers["x-should-retry"] == "false"  # it may have run, and nobody wants to pay twice
    assert house.exchange().outcome == "truncated_reply"


LONG = b"x" * 400_000
CUT_LATE = {
    "binary": reply(200, LONG, content_type="audio/mpeg", length=len(LONG) + 1),
    "json": reply(200, LONG, length=len(LONG) + 1),
    "chunked": raw(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n61a80\r\n" + LONG + b"\r\n"),
    "events": events(b"data: 1\n\n", end=False),
}


@pytest.mark.parametrize("way", CUT_LATE)
def test_t24_a_reply_cut_late_is_broken_off(house: House, way: str) -> None:
    """T24: once the head has gone, the transfer is broken, so that no client takes it for whole."""
    house.answers(CUT_LATE[way])
    with pytest.raises(httpx.RemoteProtocolError):
        house.chat()
    assert house.exchange().outcome == "truncated_reply"
    house.answers(reply())
    assert house.chat().status_code == 200


KEPT = {
    "retry-after": "3",
    "retry-after-ms": "3000",
    "x-request-id": "req_1",
    "x-should-retry": "false",
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-tokens": "1",
    "openai-processing-ms": "5",
    "openai-version": "2020-10-01",
    "content-disposition": "inline",
    "location": "/v1/realtime/calls/rtc_1",
}
PRIVATE = {
    "set-cookie": "a=b",
    "openai-organization": "org-secret",
    "openai-project": "proj-secret",
    "server": "inside",
    "via": "1.1 inside",
    "x-internal": "host-7",
    "access-control-allow-origin": "*",
    "strict-transport-security": "max-age=1",
    "www-authenticate": "Bearer realm=inside",
    "alt-svc": 'h3=":443"',
    "keep-alive": "timeout=5",
}


def test_t25_headers_that_clients_read_survive_and_private_ones_do_not(house: House) -> None:
    """T25, G6: as golden lists."""
    house.answers(reply(429, {"error": {"message": "slow down"}}, headers=[*KEPT.items(), *PRIVATE.items()]))
    answer = house.chat()
    assert {name: answer.headers.get(name) for name in KEPT} == KEPT
    ours = {"date", "content-type", "content-length", "x-kosha-request-id", "x-content-type-options", "content-security-policy"}
    assert set(answer.headers) == {*KEPT, *ours}


def test_t25_an_absolute_location_would_name_the_upstream(house: House) -> None:
    """T25: so it is left out."""
    house.answers(reply(201, {}, headers=[("Location", f"{house.upstream.url}/v1/x")]))
    assert "location" not in house.chat().headers


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 429, 500, 503])
def test_t26_errors_of_the_upstream_keep_status_and_body(house: House, status: int) -> None:
    """T26: kept behaviour."""
    body = b'{"error": {"message":"m", "type":"t",  "param":null, "code":"c"}}\n'
    house.answers(reply(status, body))
    answer = house.chat()
    assert (answer.status_code, answer.content) == (status, body)
    assert len(house.upstream.requests) == 1


def test_t27_an_upstream_out_of_reach_is_502_without_its_address() -> None:
    """T27: and clients' libraries are told that trying again is safe."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serving(f"http://127.0.0.1:{port}") as gateway:
        answer = gateway.call("POST", CHAT_PATH, json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert answer.headers["x-should-retry"] == "true"
    for word in (str(port), "127.0.0.1", "errno", "Connect"):
        assert word not in answer.text


def test_t27_a_reset_is_502(house: House) -> None:
    """T27: it may have run, and the caller is told so."""
    house.answers(reset)
    answer = house.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_broken")
    assert answer.headers["x-should-retry"] == "false"
    assert len(house.upstream.requests) == 1


TIMEOUTS = {"connect": 1, "read": 0.3, "write": 1, "pool": 1, "total": 0.6, "stream_idle": 0.3, "stream_total": 1.0}


def half(connection: socket.socket, received: Received) -> bool:
    """A head and half a body, then nothing."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a"')
    return silence(3)(connection, received)


@pytest.mark.parametrize("script", [silence(3), half], ids=["no head", "no body"])
def test_t28_a_slow_upstream_is_504(script: Script) -> None:
    """T28: every wait has its own limit."""
    with Recorder(script) as upstream, serving(upstream.url, options={"timeouts": TIMEOUTS}) as gateway:
        started = time.monotonic()
        answer = gateway.call("GET", "/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
        assert time.monotonic() - started < 2


def test_t28_a_stream_may_be_long_but_not_silent_or_endless() -> None:
    """T28: events that keep coming outlast the read limit; a pause ends the stream, and so does the total."""
    steady = events(*[b"data: 1\n\n"] * 6, pause=0.1)
    endless = events(*[b"data: 1\n\n"] * 100, pause=0.1)
    quiet = events(b"data: 1\n\n", b"data: 2\n\n", pause=1.5)
    with Recorder(steady, endless, quiet) as upstream, serving(upstream.url, options={"timeouts": TIMEOUTS}) as gateway:
        assert gateway.call("POST", CHAT_PATH, json=STREAM).text.count("data") == 6
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                gateway.call("POST", CHAT_PATH, json=STREAM)
        assert time.monotonic() - started < 4


def _leave(house: House, *, after: bytes) -> None:
    """Sends a call and goes away: once the reply has ``after`` in it, or after a moment."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'
    head = house.gateway.head(f"POST {CHAT_PATH} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5) as connection:
        connection.sendall(head + body)
        eventually(lambda: house.upstream.requests)
        seen = b""
        while after not in seen:
            seen += connection.recv(4096)
        time.sleep(0.1)


@pytest.mark.parametrize("moment", ["before the reply", "in a stream"])
def test_t29_a_client_that_leaves_takes_its_call_along(house: House, moment: str) -> None:
    """T29, G10: the upstream connection is closed within a second, and the call noted as left."""
    house.answers(silence(5) if moment == "before the reply" else events(*[b"data: 1\n\n"] * 500, pause=0.02))
    _leave(house, after=b"" if moment == "before the reply" else b"data: 1")
    left = time.monotonic()
    exchange = house.exchange()
    assert exchange.outcome == "left"
    if moment == "in a stream":
        eventually(house.upstream.closed_early.is_set)
    assert time.monotonic() - left < 1
    assert house.gateway.admission is not None
    assert house.gateway.admission.taken == {"call": 0, "stream": 0}


def test_t39_replies_are_not_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """T39: neither a body nor a query is in any log line or record, and 202 is no error."""
    caplog.set_level(logging.DEBUG, logger="kosha")
    house.answers(reply(400, {"error": {"message": "the secret prompt"}}), reply(202, {"a": "the secret prompt"}))
    house.chat(json={**CHAT, "user": "the secret prompt"})
    house.call("GET", "/v1/files?purpose=the-secret-prompt")
    eventually(lambda: len(house.gateway.exchanges) == 2)
    told = caplog.text + str(house.gateway.exchanges) + str(house.gateway.records)
    assert "secret" not in told
    assert [exchange.outcome for exchange in house.gateway.exchanges] == ["api", "ok"]


def test_usage_is_noted_and_nothing_else_of_the_body(house: House) -> None:
    """What the upstream counted is in the record, for JSON and for streams."""
    house.answers(reply(200, b'{"choices":[{"x":"\\"usage\\":{}"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}'))
    house.chat()
    assert house.exchange().usage == {"prompt_tokens": 3, "completion_tokens": 4}
    house.answers(events(b'data: {"usage":null}\n\n', b'data: {"usage":{"prompt_', b'tokens":5}}\n\ndata: [DONE]\n\n'))
    house.chat(json=STREAM)
    assert house.exchange(2).usage == {"prompt_tokens": 5}


def test_the_key_is_starred_out_of_a_reply_that_echoes_it(house: House) -> None:
    """C06: an upstream that sends the key back does not give it to the caller; the length stays what was announced."""
    house.answers(reply(200, {"headers": {"Authorization": f"Bearer {KEY}"}}, headers=[("x-request-id", f"r-{KEY}")]))
    answer = house.chat()
    assert KEY not in answer.text
    assert KEY not in str(answer.headers)
    assert loads_strict(answer.content) == {"headers": {"Authorization": "Bearer " + "*" * len(KEY)}}
