"""Rows G1, G3, G4, G12, G13 and R23: who gets in, under which name, to whose things; and that no request of any form makes us fail."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from jsonschema import Draft202012Validator

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.observe.audit import check_audit
from kosha_connector_openai.gateway.service import make_service
from kosha_connector_openai.gateway.settings import read_settings
from tests.contract.kosha.conftest import eventually
from tests.gateway import KEY, ROOT, TOKEN
from tests.recorder import Received, Recorder, events, reply
from tests.service import DIGEST, Whole, whole

OTHER = "kosha_test-token-of-another-tenant-0123456789"
PUBLIC = {"/livez", "/readyz", "/healthz"}
TENANTS = {"tokens": [{"name": "a", "hash": DIGEST}, {"name": "b", "hash": hash_token(OTHER)}]}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    with Recorder() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Recorder) -> Iterator[Whole]:
    with whole(upstream.url, settings={"cors_origins": ["https://app.example"]}) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_before(upstream: Recorder) -> None:
    upstream.requests.clear()
    upstream.scripts[:] = [reply()]


@pytest.fixture(scope="module")
def document(gateway: Whole) -> dict[str, Any]:
    found: dict[str, Any] = gateway.call("GET", "/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "delete", "patch"):
                yield method.upper(), path, operation


class Choices(list[tuple[str, str]]):
    """Methods and paths; short where a report shows them."""

    def __repr__(self) -> str:
        return f"<{len(self)} operations>"


@pytest.fixture(scope="module")
def choices(document: dict[str, Any]) -> Choices:
    return Choices((method, path) for method, path, _ in operations(document))


# G1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example"])
@pytest.mark.parametrize("settings", [{}, {"tokens": []}, {"token_hashes": ()}, {"docs": "on"}, {"hosts": ["gateway.example"]}])
def test_G1_open_to_the_network_it_needs_tokens(host: str, settings: dict[str, Any]):
    """G1: no combination of other settings starts a service that anyone can spend with."""
    with pytest.raises(SetupError, match="cannot start"):
        read_settings({"host": host, **settings}, environ={})
    assert read_settings({"host": host, "token_hashes": (DIGEST,)}, environ={}).protected
    assert not read_settings(settings, environ={}).protected


def test_G1_every_route_without_a_token_is_401(gateway: Whole, upstream: Recorder, document: dict[str, Any]):
    """G1 and R23: each of the described routes, and paths that are none; nothing reaches the upstream. The probes alone are open."""
    asked = 0
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        for method, path, _ in operations(document):
            plain = re.sub(r"\{[^}]+\}", "x1", path)
            for target in (plain, f"/{plain}"):
                answer = client.request(method, target, headers={"Authorization": "Bearer wrong"} if asked % 2 else {})
                asked += 1
                assert (answer.status_code == 401) is (plain not in PUBLIC or target != plain), (method, target, answer.status_code)
        for path in ("/", "/unknown", "/v1", "/v1/../admin", "/v1/%2e%2e/admin", "/V1/models", "/livez/..", "/livez%2f", "/readyz?x=1"):
            answer = client.get(path)
            assert answer.status_code in (401, 400) or path.startswith("/readyz"), path
    assert asked > 600
    assert not upstream.requests


# G3


def test_G3_refusals_are_the_same_to_the_byte(gateway: Whole, upstream: Recorder):
    """G3: no body, status or header tells a near miss from nonsense; the request's own id alone differs."""
    guesses = [
        b"", b"x", TOKEN[:-1].encode(), TOKEN.encode() + b"x", TOKEN.lower().encode()[:20], b"' OR '1'='1", b"a.b.c", b"x" * 7_000,
        b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "ключ".encode(), b"%00", b"kosha1:" + DIGEST.encode(),
    ]  # fmt: skip
    answers = set()
    for guess in guesses:
        head = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer " + guess + b"\r\n\r\n"
        answer = gateway.raw(head)
        answers.add(re.sub(rb"kosha-[0-9a-f]+-[0-9a-f]+|(?i:date: [^\r]+)", b"", answer))
    assert len(answers) == 1
    assert next(iter(answers)).startswith(b"HTTP/1.1 401 ")
    assert not upstream.requests


def test_G3_a_megabyte_of_token_is_refused_early(gateway: Whole, upstream: Recorder):
    """G3: by the limit of a head."""
    head = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + b"x" * 1_000_000 + b"\r\n\r\n"
    answer = gateway.raw(head)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert not upstream.requests


def test_G3_time_does_not_tell_how_near_a_guess_is():
    """G3: the work is the same whatever differs; medians of many interleaved looks, and a wide margin for a busy machine."""
    from kosha_connector_openai.gateway.access.tokens import TokenTable

    table = TokenTable([(hash_token(f"kosha_{number:043d}"), number) for number in range(50)])
    near, far = f"kosha_{1:042d}x".encode(), b"zzzzzz" + b"y" * 43
    times: dict[bytes, list[int]] = {near: [], far: []}
    for _ in range(400):
        for guess in random.sample([near, far], 2):
            started = time.perf_counter_ns()
            assert table.find(guess) is None
            times[guess].append(time.perf_counter_ns() - started)
    ratio = statistics.median(times[near]) / statistics.median(times[far])
    assert 0.7 < ratio < 1.4


# G4


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
        {"Host": "evil.example"},
        {"Host": "rebind.evil.example:8010"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"},
        {"Host": "evil.example", "Forwarded": "host=127.0.0.1"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/kosha/v1/actions/createEmbedding/run", "/livez", "/docs"])
def test_G4_pages_and_rebound_names_get_nothing(gateway: Whole, upstream: Recorder, headers: dict[str, str], path: str):
    """G4: even with a good token, since a browser may hold one."""
    body = b'{"model": "m", "input": "x"}'
    method = "GET" if path in ("/livez", "/docs") else "POST"
    answer = gateway.call(method, path, content=body, headers={"Content-Type": "application/json", **headers})
    assert answer.status_code in (403, 421)
    assert "access-control-allow-origin" not in answer.headers
    assert not upstream.requests


def test_G4_without_a_token_pages_of_others_cannot_spend_either(upstream: Recorder):
    """G4: on loopback without tokens the lists are all there is: a simple POST of a page is refused before it is looked at."""
    with whole(upstream.url, tokens=False) as running:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            answer = httpx.post(
                f"{running.url}/v1/embeddings",
                content=b'{"model":"m","input":"x"}',
                headers={"Content-Type": "text/plain", **headers},
                trust_env=False,
            )
            assert answer.status_code in (403, 421)
    assert not upstream.requests


def test_G4_json_in_plain_text_is_refused(gateway: Whole, upstream: Recorder):
    """G4: the types that a form of a page can send are none of the described ones."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = gateway.call("POST", "/v1/embeddings", content=b'{"model":"m","input":"x"}', headers={"Content-Type": kind})
        assert answer.status_code == 415
    assert not upstream.requests


# G12


@pytest.fixture
def shared(upstream: Recorder) -> Iterator[Whole]:
    opened = {"ownership": {"open": ["file-x", "pmpt_of_all"]}}  # what the account had before, and all may use
    with whole(upstream.url, settings={**TENANTS, **opened}, tokens=False) as running:
        yield running


MADE = [
    ("POST", "/v1/batches", {"input_file_id": "file-x", "endpoint": "/v1/embeddings", "completion_window": "24h"}, "/v1/batches/{}"),
    ("POST", "/v1/fine_tuning/jobs", {"model": "m", "training_file": "file-x"}, "/v1/fine_tuning/jobs/{}"),
    ("POST", "/v1/vector_stores", {"name": "s"}, "/v1/vector_stores/{}"),
    ("POST", "/v1/responses", {"model": "m", "input": "x"}, "/v1/responses/{}"),
    ("POST", "/v1/conversations", {}, "/v1/conversations/{}"),
]


@pytest.mark.parametrize(("method", "path", "body", "place"), MADE)
def test_G12_what_one_tenant_makes_the_other_does_not_find(
    shared: Whole, upstream: Recorder, method: str, path: str, body: dict[str, Any], place: str
):
    """G12: the answer is that for an id that does not exist, and the upstream is not asked."""
    made = f"made-by-a-{len(path)}"
    upstream.scripts[:] = [reply(body={"id": made, "object": "thing"})]
    assert shared.call(method, path, json=body).status_code == 200
    upstream.requests.clear()
    for verb in ("GET", "DELETE"):
        hidden = shared.call(verb, place.format(made), token=OTHER)
        assert hidden.status_code in (404, 405)
        assert made not in hidden.text
    assert not upstream.requests
    assert shared.call("GET", place.format(made)).status_code == 200
    upstream.scripts[:] = [
        reply(404, {"error": {"message": "No such thing", "type": "invalid_request_error", "param": None, "code": None}})
    ]
    assert shared.call("GET", place.format("never-made"), token=OTHER).status_code == 404


def test_G12_nor_by_a_file_that_was_uploaded(shared: Whole, upstream: Recorder):
    """G12: multipart in, its content and its deletion; and the id in the body of another call."""
    upstream.scripts[:] = [reply(body={"id": "file-of-tenant-a", "object": "file"})]
    files = {"file": ("a.jsonl", b"{}\n", "application/jsonl")}
    assert shared.call("POST", "/v1/files", data={"purpose": "batch"}, files=files).status_code == 200
    upstream.requests.clear()
    for verb, path in (("GET", "/v1/files/{}"), ("GET", "/v1/files/{}/content"), ("DELETE", "/v1/files/{}")):
        assert shared.call(verb, path.format("file-of-tenant-a"), token=OTHER).status_code == 404
    body = {"input_file_id": "file-of-tenant-a", "endpoint": "/v1/embeddings", "completion_window": "24h"}
    assert shared.call("POST", "/v1/batches", json=body, token=OTHER).status_code == 404
    assert not upstream.requests
    assert shared.call("POST", "/v1/batches", json=body).status_code == 200


@pytest.mark.parametrize("split", [1, 30, 10_000])
def test_G12_nor_what_a_stream_made(shared: Whole, upstream: Recorder, split: int):
    """G12: the id of a streamed response stands in its first event, however the pieces fall; the stream itself is unchanged."""
    stream = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_of_tenant_a"}}\n\ndata: [DONE]\n\n'
    upstream.scripts[:] = [events(*[stream[start : start + split] for start in range(0, len(stream), split)])]
    body = {"model": "m", "input": "x", "stream": True}
    assert shared.call("POST", "/v1/responses", json=body).content == stream
    upstream.requests.clear()
    upstream.scripts[:] = [reply()]
    assert shared.call("GET", "/v1/responses/resp_of_tenant_a", token=OTHER).status_code == 404
    assert shared.call("POST", "/v1/responses", json={**body, "previous_response_id": "resp_of_tenant_a"}, token=OTHER).status_code == 404
    assert not upstream.requests
    assert shared.call("GET", "/v1/responses/resp_of_tenant_a").status_code == 200


def test_G12_a_catalog_link_is_its_makers(shared: Whole, upstream: Recorder):
    """G12: a download handle of another tenant's answers as one that is missing."""
    upstream.scripts[:] = [reply(body=b"sound", content_type="audio/mpeg")]
    run = {"inputs": {"model": "tts-1", "input": "hi", "voice": "alloy"}, "file": "link"}
    link = shared.call("POST", "/kosha/v1/actions/createSpeech/run", json=run).json()["value"]["href"]
    theirs, missing = (shared.call("GET", path, token=OTHER) for path in (link, "/kosha/v1/files/none"))
    assert (theirs.status_code, theirs.content) == (missing.status_code, missing.content) == (404, theirs.content)
    assert shared.call("GET", link).content == b"sound"


def test_G12_the_catalog_is_no_way_around(shared: Whole, upstream: Recorder):
    """G12: an id of another tenant's among the inputs of a run is hidden as well; what a run makes is its maker's."""
    upstream.scripts[:] = [reply(body={"id": "vs_of_tenant_a", "object": "vector_store"})]
    assert shared.call("POST", "/kosha/v1/actions/createVectorStore/run", json={"inputs": {}}).status_code == 200
    upstream.requests.clear()
    run = {"inputs": {"vector_store_id": "vs_of_tenant_a"}}
    assert shared.call("POST", "/kosha/v1/actions/getVectorStore/run", json=run, token=OTHER).status_code == 404
    assert shared.call("GET", "/v1/vector_stores/vs_of_tenant_a", token=OTHER).status_code == 404
    assert not upstream.requests
    assert shared.call("POST", "/kosha/v1/actions/getVectorStore/run", json=run).status_code == 200


def test_G12_lists_show_each_tenant_its_own(shared: Whole, upstream: Recorder):
    """G12: by the API and by the catalog, in pages of any size; what belongs to nobody is in no list of things that callers make."""
    upstream.scripts[:] = [reply(body={"id": "file-listed-of-a", "object": "file"})]
    files = {"file": ("a.jsonl", b"{}\n", "application/jsonl")}
    assert shared.call("POST", "/v1/files", data={"purpose": "batch"}, files=files).status_code == 200
    others = [{"id": f"file-before-{number}", "filename": "x" * 400} for number in range(2_000)]
    page = {"object": "list", "data": [*others, {"id": "file-listed-of-a"}], "last_id": "file-listed-of-a", "has_more": True}
    upstream.scripts[:] = [reply(body=page)]
    for token, shown in ((TOKEN, [{"id": "file-listed-of-a"}]), (OTHER, [])):
        answer = shared.call("GET", "/v1/files", token=token)
        run = shared.call("POST", "/kosha/v1/actions/listFiles/run", json={"inputs": {}}, token=token)
        for value in (answer.json(), run.json()["value"]):
            assert {**value, "last_id": None} == {**page, "data": shown, "last_id": None}
            assert (value["last_id"] == "file-listed-of-a") is (token == TOKEN)
    for token, status in ((TOKEN, 200), (OTHER, 404)):
        assert shared.call("GET", "/v1/files?after=file-listed-of-a", token=token).status_code == status
    upstream.scripts[:] = [reply(body={"object": "list", "data": [{"id": "model-of-all"}]})]
    assert shared.call("GET", "/v1/models", token=OTHER).json()["data"] == [{"id": "model-of-all"}]
    upstream.scripts[:] = [reply(body=b'{"data": [{"id": "file-')]
    assert shared.call("GET", "/v1/files", token=OTHER).json()["error"]["code"] == "upstream_malformed"


def test_G12_no_tenant_takes_what_all_use_from_the_others(shared: Whole, upstream: Recorder):
    """G12: a reply that repeats the caller's own words makes them nobody's: neither a model's name nor a prompt's id."""
    words = {"model": "gpt-of-all", "input": "x", "metadata": {"id": "gpt-of-all"}, "prompt": {"id": "pmpt_of_all"}}
    upstream.scripts[:] = [reply(body={**words, "id": "resp_echo_of_b", "object": "response"})]
    assert shared.call("POST", "/v1/responses", json=words, token=OTHER).status_code == 200
    assert shared.call("POST", "/v1/responses", json=words).status_code == 200
    stream = b'data: {"type":"response.created","response":{"id":"resp_2_of_b","prompt":{"id":"pmpt_of_all"}}}\n\n'
    upstream.scripts[:] = [events(stream, b"data: [DONE]\n\n")]
    assert shared.call("POST", "/v1/responses", json={**words, "stream": True}, token=OTHER).status_code == 200
    assert shared.call("POST", "/v1/responses", json={**words, "stream": True}).status_code == 200


def test_G12_a_large_reply_is_its_makers_too(shared: Whole, upstream: Recorder):
    """G12: with a picture in it, say; and a stream whose first event repeats a long request."""
    large = "x" * 600_000
    body = {"model": "m", "input": "x"}
    upstream.scripts[:] = [reply(body={"output": large, "id": "resp_large_of_a"})]
    assert shared.call("POST", "/v1/responses", json=body).status_code == 200
    first = b'data: {"type":"response.created","response":{"instructions":"' + large.encode() + b'","id":"resp_long_of_a"}}\n\n'
    upstream.scripts[:] = [events(first, b"data: [DONE]\n\n")]
    assert shared.call("POST", "/v1/responses", json={**body, "stream": True}).status_code == 200
    upstream.scripts[:] = [reply()]
    for key in ("resp_large_of_a", "resp_long_of_a"):
        assert shared.call("GET", f"/v1/responses/{key}", token=OTHER).status_code == 404


UNCHECKED = "kosha_test-token-of-a-tenant-whose-calls-are-not-checked"
LOOSE = [*TENANTS["tokens"], {"name": "c", "hash": hash_token(UNCHECKED), "validation": "off"}]


@pytest.mark.parametrize("token", [OTHER, UNCHECKED], ids=["checked", "unchecked"])
def test_G12_no_way_of_writing_an_id_gets_past(upstream: Recorder, token: str):
    """G12: behind many values, in a name that comes twice, as text, in a query, a form's field or a file, escaped, cut anywhere."""
    with whole(upstream.url, settings={"tokens": LOOSE}, tokens=False) as shared:
        upstream.scripts[:] = [reply(body={"id": "file-kept-of-a", "object": "file"})]
        files = {"file": ("a.jsonl", b"{}\n", "application/jsonl")}
        assert shared.call("POST", "/v1/files", data={"purpose": "batch"}, files=files).status_code == 200
        upstream.requests.clear()
        ask, json_type = b'{"model": "m", "input": [%b{"role": "user", "content": [%b]}]%b}', {"Content-Type": "application/json"}
        part = b'{"type": "input_file", "file_id": "file-kept-of-a"}'
        many = b'{"role": "user", "content": "x"},' * 30_000
        for content, headers in (
            (ask % (many, part, b""), json_type),
            (ask % (b"", part, b', "model": "m"'), json_type),
            (ask % (b"", part.replace(b"-kept", b"\\u002dkept"), b""), json_type),
            (ask % (b"", part, b""), {"Content-Type": "text/plain"}),
            (ask % (b"", part, b""), {"Content-Type": "application/x-www-form-urlencoded"}),
        ):
            assert shared.call("POST", "/v1/responses", content=content, headers=headers, token=token).status_code in (400, 404, 415)
        assert shared.call("GET", "/v1/responses/resp_x?starting_after=file-kept-of-a", token=token).status_code in (400, 404)
        field = {"file_id": (None, "file-kept-of-a")}
        assert shared.call("POST", "/v1/containers/cntr_123456/files", files=field, token=token).status_code == 404
        line = b'{"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": ' + ask % (b"", part, b"") + b"}\n"
        for text in (line, line.replace(b"file-", b"\\u0066ile\\u002D"), b" " * 262_100 + line, b" " * 700_000 + line):
            files = {"file": ("batch.jsonl", text, "application/jsonl")}
            assert shared.call("POST", "/v1/files", data={"purpose": "batch"}, files=files, token=token).status_code == 404
            run = {"run": (None, '{"inputs": {"purpose": "batch"}}'), **files}
            assert shared.call("POST", "/kosha/v1/actions/createFile/run", files=run, token=token).status_code == 404
        assert not [request for request in upstream.requests if b"kept" in request.raw or request.raw.endswith(b"0\r\n\r\n")]


def test_G12_sharing_is_warned_about(tmp_path: Path):
    """G12: the operator is told when it starts, also of two connections with one key. With a key each there is nothing to tell."""
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    (tmp_path / "other").touch(mode=0o600)
    (tmp_path / "other").write_text("sk-of-another-account-0123456789")
    one, other = ({"values": {"api_key": f"file:{place}"}} for place in (key, tmp_path / "other"))
    each = {"tokens": [{**t, "connection": c} for t, c in zip(TENANTS["tokens"], "xy", strict=True)]}
    with Connector(ROOT) as connector:
        for given, told in (
            ({"connections": {"default": one}, **TENANTS}, True),
            ({"connections": {"default": one}, **TENANTS, "ownership": "off"}, True),
            ({"connections": {"x": one, "y": one}, **each}, True),
            ({"connections": {"x": one, "y": other}, **each}, False),
        ):
            service = make_service(connector, read_settings({"access_log": "off", **given}, environ={}))
            assert any("share the account" in line for line in service.warnings) is told
            service.close()


def test_G10_a_run_whose_client_leaves_is_ended(gateway: Whole, upstream: Recorder):
    """G10: the upstream connection is closed within a second, and the place is free again."""
    closed = threading.Event()

    def wait(connection: socket.socket, _: Received) -> bool:
        while connection.recv(4096):
            pass
        closed.set()
        return False

    upstream.scripts[:] = [wait]
    body = json.dumps({"inputs": {"model": "m", "input": "x"}}).encode()
    line = "POST /kosha/v1/actions/createEmbedding/run HTTP/1.1"
    head = gateway.head(line, "Content-Type: application/json", f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head + body)
        eventually(lambda: upstream.requests)
        assert not closed.wait(0.2)
    assert closed.wait(1)
    eventually(lambda: gateway.service._admission.taken == {"call": 0, "stream": 0})


def test_G5_a_run_chooses_no_upstream_either(gateway: Whole, upstream: Recorder):
    """G5: the same names are refused among the inputs of a run, and no option beside them is known."""
    run = {"inputs": {"model": "m", "input": "x"}}
    for name in ("base_url", "api_base", "extra_headers"):
        given = {"inputs": {**run["inputs"], name: "https://evil.example"}}
        for inputs in (given, {"inputs": {**run["inputs"], "extra_body": {name: "x"}}}, {"inputs": {"body": {**run["inputs"], name: "x"}}}):
            answer = gateway.call("POST", "/kosha/v1/actions/createEmbedding/run", json=inputs)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)
    for name in ("connection", "out", "any_path", "headers"):
        assert gateway.call("POST", "/kosha/v1/actions/createEmbedding/run", json={**run, name: "x"}).status_code == 400
    assert not upstream.requests


# The audit record (R18, R20: it is kept, or nothing is done)


def test_C14_every_call_is_on_record_with_no_secret_and_no_words_of_it(upstream: Recorder, tmp_path: Path):
    """C14, R18: who called what by which credential's reference, before and after; neither keys nor tokens nor prompts."""
    place = tmp_path / "audit"
    with whole(upstream.url, settings={**TENANTS, "audit": place}, tokens=False) as running:
        running.call("POST", "/v1/embeddings", json={"model": "m", "input": "secret-words-of-a-prompt"}, token=OTHER)
        running.call("POST", "/kosha/v1/actions/createEmbedding/run", json={"inputs": {"model": "m", "input": "secret-words"}})
        running.call("GET", "/v1/nothing")
        running.call("GET", "/v1/models", token="kosha_nobody")
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    assert [(line["event"], line["operation"], line["tenant"]) for line in lines] == [
        ("begin", "createEmbedding", "b"),
        ("end", "createEmbedding", "b"),
        ("begin", "page:/kosha/v1/actions/{action}/run", "a"),
        ("end", "page:/kosha/v1/actions/{action}/run", "a"),
        ("end", "", "a"),
    ]
    assert (lines[0]["origin"], lines[0]["credential"]) == (upstream.url, f"file:{running.key}"[:200])
    assert lines[2]["path"] == "/kosha/v1/actions/createEmbedding/run"
    for word in (KEY, TOKEN, OTHER, "secret-words"):
        assert word not in place.read_text()
    assert check_audit(place).lines == len(lines)


@pytest.mark.parametrize(("failure", "status"), [("refuse", 503), ("go_on", 200)])
def test_R20_without_its_record_no_call_goes_out(upstream: Recorder, tmp_path: Path, failure: str, status: int):
    """R20: a disk that is full; nothing is sent and no place stays taken. The operator may choose otherwise."""
    with whole(upstream.url, settings={"audit": tmp_path / "audit", "audit_failure": failure}) as running:
        audit = running.service._audit
        assert audit is not None
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), audit._descriptor)
        for path, body in (
            ("/v1/embeddings", {"model": "m", "input": "x"}),
            ("/kosha/v1/actions/createEmbedding/run", {"inputs": {"model": "m", "input": "x"}}),
        ):
            assert running.call("POST", path, json=body).status_code == status
        eventually(lambda: running.service._admission.taken == {"call": 0, "stream": 0})
    assert bool(upstream.requests) == (status == 200)


# G13


def test_G13_pages_of_ours_are_behind_the_token(gateway: Whole):
    """G13: numbers, description, page and catalog; common places of debuggers and dashboards do not exist."""
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        for path in ("/metrics", "/docs", "/openapi.json", "/kosha/v1/actions", "/api/v1/specification/list"):
            assert client.get(path).status_code == 401
        for path in ("/debug/pprof", "/actuator/env", "/admin", "/server-status", "/.env", "/redoc", "/static/x", "/graphql"):
            assert client.get(path).status_code == 401
            assert gateway.call("GET", path).status_code == 404
        for path in PUBLIC:
            answer = client.get(path)
            assert answer.status_code == 200
            assert set(answer.json()) == {"status"}


def test_G13_no_secret_is_in_numbers_descriptions_or_the_log(gateway: Whole, upstream: Recorder):
    """G13: after calls that worked, failed and were refused."""
    upstream.scripts[:] = [reply(401, {"error": {"message": KEY}}), reply(500, KEY.encode(), content_type="text/html"), reply()]
    for _ in range(3):
        gateway.call("GET", "/v1/models")
    gateway.call("GET", f"/v1/models?key={KEY}")
    gateway.call("GET", f"/{TOKEN}")
    texts = [gateway.call("GET", path).text for path in ("/metrics", "/openapi.json", "/docs", "/kosha/v1/connection")]
    for text in (*texts, gateway.log.read_text()):
        assert KEY not in text
        assert TOKEN not in text
        assert str(gateway.key) not in text


# R23


VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats(allow_nan=False) | strategies.text(max_size=20),
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
BODIES = strategies.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
TYPES = strategies.sampled_from(
    ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "x/y", "application/octet-stream"]
)
SEGMENTS = strategies.sampled_from(["x", "..", "%2e%2e", "%00", "a%2Fb", "%FF", "%", "x;y", "%F0%9F", "~" * 300]) | strategies.text(
    min_size=1, max_size=12
).map(lambda text: quote(text, safe="", errors="replace"))
QUERIES = strategies.sampled_from(["", "?limit=x", "?limit=9&limit=8", "?a[]=1", "?&&=", "?%FF=%00", "?after=" + "z" * 300, "??"])


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(number=strategies.integers(0, 10_000), segment=SEGMENTS, query=QUERIES, body=BODIES, kind=TYPES)
def test_R23_no_request_gets_a_5xx_of_ours(
    gateway: Whole, upstream: Recorder, choices: Choices, number: int, segment: str, query: str, body: bytes, kind: str
):
    """R23: any operation, any values in its path and query, any body of any type.

    What comes back is the upstream's answer, or a refusal of the described form.
    """
    method, path = choices[number % len(choices)]
    target = re.sub(r"\{[^}]+\}", lambda _: segment, path) + query
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    head += (f"Content-Type: {kind}\r\n" if kind else "") + f"Content-Length: {len(body)}\r\n\r\n"
    upstream.requests.clear()
    answer = gateway.raw(head.encode("latin-1") + body)
    status = int(answer[9:12])
    assert status < 500, (target, answer)
    if not upstream.requests and status >= 400:
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert isinstance(error, str) or isinstance(error["message"], str)


def test_R23_our_own_replies_fit_the_description(gateway: Whole, upstream: Recorder, document: dict[str, Any]):
    """R23: every page of ours, good and refused, against the schemas that are served."""
    calls = [
        ("GET", "/livez", "/livez", {}),
        ("GET", "/readyz", "/readyz", {}),
        ("GET", "/api/v1/specification/list", "/api/v1/specification/list", {}),
        ("POST", "/api/v2/specification/test", "/api/v2/specification/test", {"json": {}}),
        ("POST", "/api/v2/specification/test", "/api/v2/specification/test", {"json": {"X": "y"}}),
        ("GET", "/kosha/v1/actions", "/kosha/v1/actions", {}),
        ("GET", "/kosha/v1/connection", "/kosha/v1/connection", {}),
        ("GET", "/kosha/v1/actions/{action}", "/kosha/v1/actions/createEmbedding", {}),
        ("GET", "/kosha/v1/actions/{action}", "/kosha/v1/actions/none", {}),
        ("POST", "/kosha/v1/actions/{action}/validate", "/kosha/v1/actions/createEmbedding/validate", {"json": {"inputs": {"model": 5}}}),
        ("POST", "/kosha/v1/actions/{action}/run", "/kosha/v1/actions/listModels/run", {"json": {"inputs": {}}}),
        ("POST", "/kosha/v1/actions/{action}/run", "/kosha/v1/actions/createEmbedding/run", {"json": {"inputs": {}}}),
        ("POST", "/kosha/v1/actions/{action}/run", "/kosha/v1/actions/createEmbedding/run", {"json": []}),
    ]
    for method, path, target, options in calls:
        answer = gateway.call(method, target, **options)
        responses = document["paths"][path][method.lower()]["responses"]
        found = responses.get(str(answer.status_code)) or responses[f"{answer.status_code // 100}XX"]
        schema = {**found["content"]["application/json"]["schema"], "components": document["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())]
        assert not errors, (target, errors[:3])
