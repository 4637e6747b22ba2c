"""Requests reach the upstream as the caller wrote them (T01-T15, T36): the defects of the service before this one, as tests."""

from __future__ import annotations

import gzip

import orjson
import pytest

from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House
from tests.gateway import KEY, TOKEN, UNCHECKED, WARNED, serving
from tests.recorder import Recorder, raw, reply

BOUNDARY = "----form-0123456789"


def form(*parts: tuple[str, bytes, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart body of (name, file name, content), and its Content-Type."""
    pieces = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (BOUNDARY.encode(), name.encode(), b'; filename="' + file + b'"' if file else b"", content)
        for name, file, content in parts
    ]
    body = b"".join(pieces) + b"--%s--\r\n" % BOUNDARY.encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


UPLOADS = {
    "/v1/files": [("purpose", b"", b"batch"), ("file", b"a.jsonl", b'{"a":1}\r\n\x00\xff--')],
    "/v1/audio/transcriptions": [("model", b"", b"m"), ("file", b"a.wav", bytes(range(256)) * 40)],
    "/v1/audio/translations": [("model", b"", b"m"), ("file", b"a.wav", b"RIFF")],
    "/v1/images/edits": [("prompt", b"", b"x"), ("image", b"a.png", b"\x89PNG\r\n\x1a\n")],
    "/v1/images/variations": [("image", b"a.png", b"\x89PNG\r\n\x1a\n")],
}


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_t01_an_upload_arrives_byte_for_byte(house: House, path: str, large: bool) -> None:
    """T01: multipart bodies are passed on as they are, with their own boundary, small ones whole and large ones as they come."""
    parts = [*UPLOADS[path], *([("file" if "image" not in path else "image", b"b.bin", bytes(range(256)) * 8_000)] if large else [])]
    body, headers = form(*parts)
    answer = house.call("POST", path, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert house.upstream.last.body == body
    assert house.upstream.last.header("content-type") == headers["Content-Type"]
    assert house.upstream.last.header("content-length") == str(len(body))


def test_t01_an_upload_of_unknown_length_is_passed_on(house: House) -> None:
    """T01: what comes in chunks goes on in chunks, whole."""
    body, headers = form(("purpose", b"", b"batch"), ("file", b"a.bin", bytes(1_000_000)))
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    assert house.call("POST", "/v1/files", content=pieces, headers=headers).status_code == 200
    assert house.upstream.last.body == body
    assert house.upstream.last.header("transfer-encoding") == "chunked"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream"])
def test_t02_other_bodies_are_passed_on_or_refused_but_never_emptied(house: House, content_type: str) -> None:
    """T02: where calls are checked, a type that the operation does not take is 415 and nothing is sent; otherwise the bytes go on."""
    body = b"model=m&input=x\x00\xff"
    refused = house.call("POST", "/v1/embeddings", content=body, headers={"Content-Type": content_type})
    assert (refused.status_code, refused.json()["error"]["code"]) == (415, "content_type")
    assert house.upstream.silent
    passed = house.call("POST", "/v1/embeddings", content=body, headers={"Content-Type": content_type}, token=UNCHECKED)
    assert passed.status_code == 200
    assert house.upstream.last.body == body
    assert house.upstream.last.header("content-type") == content_type


@pytest.mark.parametrize("token", [TOKEN, UNCHECKED])
def test_t02_a_compressed_body_is_refused(house: House, token: str) -> None:
    """T02, G9: nobody can say how large a compressed body is, so it is 415 and never emptied."""
    body = gzip.compress(orjson.dumps(CHAT))
    answer = house.chat(json=None, content=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}, token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "content_encoding")
    assert house.upstream.silent


@pytest.mark.parametrize("body", [b"{", b'{"model": "m", "messages": [', b"\xff\xfe", b'{"model":"m",}', b"nope"])
def test_t03_malformed_json_is_400_or_passed_on(house: House, body: bytes) -> None:
    """T03: where calls are checked nothing is sent; otherwise the bytes go on as they are."""
    headers = {"Content-Type": "application/json"}
    assert house.chat(json=None, content=body, headers=headers).status_code == 400
    assert house.upstream.silent
    assert house.chat(json=None, content=body, headers=headers, token=UNCHECKED).status_code == 200
    assert house.upstream.last.body == body


def test_t04_a_tail_after_the_json_is_not_dropped(house: House) -> None:
    """T04: it is 400, or it goes on."""
    body, headers = orjson.dumps(CHAT) + b" trailing", {"Content-Type": "application/json"}
    assert house.chat(json=None, content=body, headers=headers).status_code == 400
    assert house.upstream.silent
    house.chat(json=None, content=body, headers=headers, token=UNCHECKED)
    assert house.upstream.last.body == body


def test_t05_null_is_a_body(house: House) -> None:
    """T05: it is 400, or it goes on as null."""
    headers = {"Content-Type": "application/json"}
    assert house.chat(json=None, content=b"null", headers=headers).status_code == 400
    assert house.upstream.silent
    house.chat(json=None, content=b"null", headers=headers, token=WARNED)
    assert house.upstream.last.body == b"null"


EXACT = [
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":9007199254740993,"temperature":1.0}',
    b'{ "temperature" : 1e-1,\n"model":"m", "messages":[ {"role":"user","content":"x"} ],"top_p":1.00}',
    b'{"zzz":{"b":1,"a":2},"model":"m","messages":[{"content":"<b>&\\u003c\\/\xc3\xa9","role":"user"}],"aaa":[]}',
]


@pytest.mark.parametrize("body", EXACT)
def test_t06_t07_t08_json_is_passed_on_to_the_byte(house: House, body: bytes) -> None:
    """T06, T07, T08: numbers, the order of keys, blanks and escapes stay, both ways."""
    house.answers(reply(200, body))
    answer = house.chat(json=None, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert house.upstream.last.body == body
    assert answer.content == body


def test_t06_numbers_beyond_the_schema_are_refused_or_passed_on_exactly(house: House) -> None:
    """T06: 12345678901234567890 and 1e400 are never rounded."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":12345678901234567890,"x":1e400}'
    headers = {"Content-Type": "application/json"}
    assert house.chat(json=None, content=body, headers=headers).status_code == 400
    house.chat(json=None, content=body, headers=headers, token=UNCHECKED)
    assert house.upstream.last.body == body


def test_t09_repeated_headers_stay_repeated(house: House) -> None:
    """T09: each value of a header that may pass arrives, in order."""
    headers = [("X-Stainless-Lang", "one"), ("X-Stainless-Lang", "two"), ("Accept", "a/b"), ("Accept", "c/d")]
    house.call("GET", "/v1/models", headers=headers)
    sent = [(name.lower(), value) for name, value in house.upstream.last.headers]
    assert [value for name, value in sent if name == "x-stainless-lang"] == ["one", "two"]
    assert [value for name, value in sent if name == "accept"][-2:] == ["a/b", "c/d"]


def test_t10_private_and_hop_by_hop_headers_stay_here(house: House) -> None:
    """T10: what belongs to the caller's connection, or to the caller, is not passed on."""
    private = {
        "Connection": "keep-alive, X-Stainless-Named",
        "Cookie": "session=1",
        "Proxy-Authorization": "Basic eDp5",
        "X-Forwarded-For": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "TE": "trailers",
        "Origin": house.gateway.url,
        "Referer": "https://inside.example/",
        "X-Api-Key": "mine",
    }
    assert house.call("GET", "/v1/models", headers=private).status_code == 200
    names = {name.lower() for name, _ in house.upstream.last.headers}
    assert names <= {"host", "user-agent", "accept", "accept-encoding", "authorization"}
    assert house.upstream.last.header("authorization") == f"Bearer {KEY}"


def test_t11_a_get_has_no_content_type(house: House) -> None:
    """T11: no header is made up for a request without a body."""
    house.call("GET", "/v1/models")
    assert house.upstream.last.header("content-type") is None
    assert house.upstream.last.header("content-length") is None
    assert house.upstream.last.body == b""


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "PUT", "OPTIONS"])
def test_t12_other_methods_are_405_and_say_what_there_is(house: House, method: str) -> None:
    """T12: with Allow, a body where the method has one, and nothing sent."""
    answer = house.call(method, CHAT_PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert (answer.content == b"") is (method == "HEAD")
    assert house.upstream.silent


@pytest.mark.parametrize("path", ["//v1/embeddings", "/embeddings", "/v1/embeddings"])
def test_t13_old_ways_of_writing_a_path_are_served_without_a_redirect(house: House, path: str) -> None:
    """T13: a doubled slash before the path, and the path without its prefix."""
    answer = house.call("POST", f"{house.gateway.url}{path}", json={"model": "m", "input": "x"})
    assert answer.status_code == 200
    assert house.upstream.last.target == "/v1/embeddings"


def test_t13_an_encoded_slash_stays_in_its_segment(house: House) -> None:
    """T13: ``%2F`` goes on as ``%2F``, and so does every other escape."""
    house.call("GET", "/v1/models/a%2Fb%20c%C3%A9")
    assert house.upstream.last.target == "/v1/models/a%2Fb%20c%C3%A9"


@pytest.mark.parametrize(
    "path", ["/v1/x/../models", "/v1/files/../models", "/v1/files/%2e%2e/content", "/v1/models/..%2f..%2fadmin", "/v1/files//content"]
)
def test_t13_a_path_that_leads_elsewhere_is_404(house: House, path: str) -> None:
    """T13: neither followed nor redirected."""
    answer = house.gateway.raw(house.gateway.head(f"GET {path} HTTP/1.1", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert house.upstream.silent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_t14_a_redirect_is_not_followed(house: House, status: int) -> None:
    """T14: the upstream is asked once, and the caller told 502 without the address."""
    house.answers(reply(status, b"", headers=[("Location", "https://elsewhere.example/secret")]))
    answer = house.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_redirect")
    assert "elsewhere" not in answer.text
    assert "location" not in answer.headers
    assert len(house.upstream.requests) == 1


def test_t15_a_websocket_upgrade_is_refused(house: House) -> None:
    """T15: with a clear status, and not sent on as a plain GET."""
    lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"]
    answer = house.gateway.raw(house.gateway.head("GET /v1/models HTTP/1.1", *lines), wait=1)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"upgrade_refused" in answer
    assert house.upstream.silent


@pytest.mark.parametrize(
    "path",
    ["/v1/organization/unknown", "/v1/engines", "/admin", "/v2/models", "/V1/models", "/v1", "/", "/v1/models/", "/v1/chat", "/healthz/x"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_t36_only_declared_operations_are_forwarded(house: House, method: str, path: str) -> None:
    """T36: any other path is 404, after the token was asked for."""
    assert house.call(method, path).status_code == 404
    assert house.call(method, path, token="wrong-token-0123456789").status_code == 401
    assert house.upstream.silent


def test_t36_retired_operations_are_410_with_their_successor(house: House) -> None:
    """An operation that was shut down is not forwarded; what to use instead is told."""
    answer = house.call("GET", "/v1/fine-tunes/ft-1")
    assert answer.status_code == 410
    assert "/v1/fine_tuning/jobs/{fine_tuning_job_id}" in answer.json()["error"]["message"]
    assert house.upstream.silent


def test_t36_a_server_that_still_has_them_gets_retired_calls() -> None:
    """Where the connection says so."""
    with Recorder() as upstream, serving(upstream.url, connections={"default": {"retired": True}}) as gateway:
        assert gateway.call("GET", "/v1/fine-tunes").status_code == 200
    assert upstream.last.target == "/v1/fine-tunes"


def test_a_path_with_a_query_of_its_own_is_another_operation(house: House) -> None:
    """``?beta=true`` chooses between two operations of one path, and the query goes on as it was written."""
    house.call("POST", "/v1/responses?beta=true", json={"model": "m", "input": "x"})
    assert house.upstream.last.target == "/v1/responses?beta=true"
    assert house.exchange().operation == "beta_createResponse"
    house.call("GET", "/v1/responses/r_1?include[]=reasoning.encrypted_content&stream=false")
    assert house.upstream.last.target == "/v1/responses/r_1?include[]=reasoning.encrypted_content&stream=false"
    assert house.exchange(2).operation == "getResponse"


def test_the_upstream_may_be_broken(house: House) -> None:
    """Nonsense from the upstream is 502 and tells nothing of it."""
    house.answers(raw(b"220 mail.inside.example ESMTP\r\n"))
    answer = house.chat()
    assert answer.status_code == 502
    assert "inside" not in answer.text
