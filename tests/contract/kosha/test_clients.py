"""What real clients of the platform send (C01-C06, C10, C11), through the gateway to the sandbox or to an upstream that keeps bytes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import orjson
import pytest

from tests.contract.kosha.conftest import CHAT, CHAT_PATH, House
from tests.gateway import KEY, TOKEN, Running, serving
from tests.offline import offline
from tests.recorder import reply

TOKENS = {"model": "text-embedding-ada-002", "input": [[1, 2, 3], [4, 5], [6]]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    """The gateway in front of the sandbox."""
    with offline() as upstream, serving(upstream.url, key=upstream.key) as gateway:
        yield gateway


@pytest.mark.parametrize("path", ["/v1/embeddings", "//v1/embeddings"], ids=["C01", "C02"])
def test_c01_c02_embeddings_of_token_arrays_come_in_input_order(sandbox: Running, path: str) -> None:
    """C01, C02: exactly 200, `data` in the input's order, floats; also where the client's address ends in a slash."""
    answer = sandbox.call("POST", f"{sandbox.url}{path}", json=TOKENS)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert [item["index"] for item in data] == [0, 1, 2]
    assert all(isinstance(number, float) for item in data for number in item["embedding"])


def test_c03_a_large_batch_is_accepted_or_refused_in_the_error_shape(house: House) -> None:
    """C03: a thousand arrays are passed on to the byte; what is beyond the limit is 413 or 400, never a reset."""
    body = orjson.dumps({"model": "m", "input": [[123456] * 300] * 1000})
    answer = house.call("POST", "/v1/embeddings", content=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert house.upstream.last.body == body
    huge = orjson.dumps({"model": "m", "input": [[123456] * 8191] * 1300})
    answer = house.call("POST", "/v1/embeddings", content=huge, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["message"]
    assert len(house.upstream.requests) == 1


def test_c04_the_upstreams_word_about_empty_input_arrives_verbatim(house: House) -> None:
    """C04: `{"input": []}` is passed on or refused by field; the upstream's 400 comes back to the byte."""
    body = b'{"error": {"message": "input must not be empty", "type": "invalid_request_error", "param": null, "code": null}}'
    house.answers(reply(400, body))
    answer = house.call("POST", "/v1/embeddings", json={"model": "m", "input": []})
    assert answer.status_code == 400
    assert answer.content == body or answer.json()["error"]["param"] == "input"


def test_c05_an_empty_token_is_401_and_never_forwarded(house: House) -> None:
    """C05: `Authorization: Bearer ` is 401 in JSON."""
    head = house.gateway.head("GET /v1/models HTTP/1.1", "Authorization: Bearer ", "Connection: close", token=False)
    answer = house.gateway.raw(head)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'{"error":{' in answer
    assert house.upstream.silent


def test_c05_without_tokens_an_empty_one_is_served_on_loopback() -> None:
    """C05: where none is asked for, it does not matter."""
    with offline() as upstream, serving(upstream.url, key=upstream.key, tokens=()) as gateway:
        answer = gateway.raw(gateway.head("GET /v1/models HTTP/1.1", "Authorization: Bearer ", "Connection: close", token=False))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_c06_neither_secret_crosses_over(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """C06: the caller's token never reaches the upstream, the key never the caller, and no log has either."""
    caplog.set_level(logging.DEBUG, logger="kosha")
    answers = [house.chat()]
    house.answers(
        reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}."}}), reply(500, KEY.encode(), content_type="text/plain")
    )
    answers += [house.chat(), house.chat()]
    assert all(TOKEN.encode() not in request.raw for request in house.upstream.requests)
    assert all(request.header("authorization") == f"Bearer {KEY}" for request in house.upstream.requests)
    assert [answer.status_code for answer in answers] == [200, 502, 500]
    told = "".join(f"{answer.headers}{answer.text}" for answer in answers) + caplog.text + str(house.gateway.exchanges)
    assert KEY not in told
    assert TOKEN not in told


def test_c10_base64_embeddings_are_accepted_and_returned(sandbox: Running) -> None:
    """C10: what the official library asks for by default."""
    answer = sandbox.call("POST", "/v1/embeddings", json={"model": "m", "input": "x", "encoding_format": "base64"})
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["data"][0]["embedding"], str)


def test_c10_fields_that_the_description_does_not_know_pass(house: House) -> None:
    """C10: at any depth, near to a known name or not."""
    body = orjson.dumps({**CHAT, "brand_new": {"x": [1]}, "temperatur": 1, "messages": [{"role": "user", "content": "x", "nmae": "y"}]})
    answer = house.chat(json=None, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert house.upstream.last.body == body


def test_c11_a_files_content_comes_raw(house: House) -> None:
    """C11: `Accept: application/binary` goes on, and the bytes come back."""
    house.answers(reply(200, b'{"a":1}\n{"a":2}\n', content_type="application/octet-stream"))
    answer = house.call("GET", "/v1/files/file-1/content", headers={"Accept": "application/binary"})
    assert answer.content == b'{"a":1}\n{"a":2}\n'
    assert house.upstream.last.header("accept") == "application/binary"


FAULTY = {
    "model": ({"messages": CHAT["messages"]}, "model", "required"),
    "role": ({**CHAT, "messages": [{"role": "usr", "content": "x"}]}, "messages[0].role", "enum"),
    "number": ({**CHAT, "temperature": "warm"}, "temperature", "type"),
    "misspelt": ({"model": "m", "mesages": []}, "messages", "required"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_body_is_400_with_its_field(house: House, name: str) -> None:
    """Checked calls: nothing is sent; `param` names the field and `code` the rule, and the value is not repeated."""
    body, param, code = FAULTY[name]
    error = house.chat(json=body).json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert "warm" not in error["message"]
    assert "usr" not in error["message"]
    assert house.upstream.silent


def test_a_warned_caller_is_told_the_number_of_faults(house: House) -> None:
    """`warn`: the request goes on, and the reply counts what was found; `off` looks at nothing."""
    from tests.gateway import UNCHECKED, WARNED

    body = {"messages": [{"role": "usr", "content": "x"}]}
    answer = house.chat(json=body, token=WARNED)
    assert (answer.status_code, answer.headers["x-kosha-faults"]) == (200, "2")
    assert house.exchange().faults == 2
    answer = house.chat(json=body, token=UNCHECKED)
    assert answer.status_code == 200
    assert "x-kosha-faults" not in answer.headers
    assert len(house.upstream.requests) == 2


@pytest.mark.parametrize(
    ("query", "param"), [("limit=many", "limit"), ("order=up", "order"), ("limit=0&order=asc", None), ("after=x&new=1", None)]
)
def test_a_faulty_query_is_400_with_its_parameter(house: House, query: str, param: str | None) -> None:
    """Parameters are checked as text; unknown ones pass."""
    answer = house.call("GET", f"/v1/files?{query}")
    if param is None:
        assert answer.status_code == 200, answer.text
        assert house.upstream.last.target == f"/v1/files?{query}"
    else:
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert house.upstream.silent


def test_a_missing_part_of_an_upload_is_400(house: House) -> None:
    """The names of parts are looked at while they pass."""
    answer = house.call("POST", "/v1/files", files={"file": ("a.txt", b"x")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "purpose")
    assert house.upstream.silent


def test_a_body_where_none_belongs_is_400(house: House) -> None:
    """And a missing one too."""
    assert house.call("GET", "/v1/models", content=b"x").status_code == 400
    assert house.call("POST", CHAT_PATH).status_code == 400
    assert house.upstream.silent
    assert house.call("POST", "/v1/batches/b_1/cancel").status_code == 200
    assert house.upstream.last.header("content-length") == "0"
