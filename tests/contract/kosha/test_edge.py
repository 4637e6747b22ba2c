"""What the original Kosha service got wrong at its edges (T30-T40), and what its callers do (C05-C14): each by its number."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
import yaml
from typer.testing import CliRunner

from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.gateway.access.tokens import hash_token, new_token
from kosha_connector_openai.manifest import validated
from tests.gateway import KEY, TOKEN
from tests.recorder import Recorder, events, reply, silence
from tests.service import DIGEST, Process, Whole, whole

PAGE = "https://app.example"
MODELS = reply(body={"object": "list", "data": []})
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    with Recorder(MODELS) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Recorder) -> Iterator[Whole]:
    with whole(upstream.url, settings={"cors_origins": [PAGE]}) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_before(upstream: Recorder) -> None:
    upstream.requests.clear()
    upstream.scripts[:] = [MODELS]


def wait_for(what: Callable[[], object]) -> None:
    """Until it is so; ten seconds at most."""
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "variables", "named"),
    [
        ("T30", {"BEARER_TOKEN": KEY, "AUTH_TYPE": "BEARER_TOKN"}, "AUTH_TYPE"),
        ("T31", {"BEARER_TOKEN": ""}, "BEARER_TOKEN"),
        ("T31", {"BEARER_TOKEN": KEY, "SERVER_URL": ""}, "SERVER_URL"),
        ("T32", {"BEARER_TOKEN": KEY, "SERVER_URL": "localhost:8080"}, "SERVER_URL"),
        ("T34", {"BEARER_TOKEN": "sk-first-half\nsecond-half"}, "BEARER_TOKEN"),
        ("T34", {"BEARER_TOKEN": "sk-first-half second-half"}, "BEARER_TOKEN"),
    ],
)
def test_T30_to_T34_mistakes_do_not_start_and_are_named(number: str, variables: dict[str, str], named: str):
    """T30-T32, T34: the exit code says that the connection is wrong, the message names the variable and never its value."""
    ended = CliRunner().invoke(make_app(), ["serve", "--check"], prog_name="kosha-openai", env=variables)
    assert ended.exit_code == 4, ended.stderr
    assert named in ended.stderr
    assert "half" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_T33_a_server_that_ends_in_v1_and_blanks_around_a_key(upstream: Recorder):
    """T33 and T34: /v1 is not doubled, one slash at the end does not matter, blanks around a key are trimmed."""
    for url in (f"{upstream.url}/v1", f"{upstream.url}/v1/", f"{upstream.url}/"):
        with whole(url, key=f" {KEY}\n") as running:
            assert running.call("GET", "/v1/models").status_code == 200
        assert upstream.last.target == "/v1/models"
        assert upstream.last.header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/api/v1/specification/list", 200),
        ("/api/v2/specification/list", 200),
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/", 404),
        ("/docs/", 404),
        ("/api/v3/specification/list", 404),
        ("/favicon.ico", 404),
    ],
)
def test_T35_pages_are_answered_here(gateway: Whole, upstream: Recorder, path: str, status: int):
    """T35: none of them is ever sent on with the key."""
    assert gateway.call("GET", path).status_code == status
    assert not upstream.requests


def test_T37_a_preflight_names_headers_and_replies_expose_them(gateway: Whole, upstream: Recorder):
    """T37: `*` would not cover Authorization (Fetch standard), and what is not exposed no page can read."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    found = httpx.options(f"{gateway.url}/v1/embeddings", headers=asked, trust_env=False)
    assert found.status_code == 204
    names = {name.strip() for name in found.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type"} <= names
    assert not {"*"} & {found.headers["access-control-allow-origin"], *names}
    assert not upstream.requests
    upstream.scripts[:] = [reply(headers=[("x-request-id", "req_1"), ("Access-Control-Allow-Origin", "*")])]
    answer = gateway.call("GET", "/v1/models", headers={"Origin": PAGE})
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    exposed = answer.headers["access-control-expose-headers"]
    assert all(name in exposed for name in ("retry-after", "retry-after-ms", "x-request-id", "x-ratelimit-remaining-tokens"))


def test_T38_numbers_by_operation_and_behind_the_token(gateway: Whole, upstream: Recorder):
    """T38: a thousand ids make one series; a caller without a token sees none."""
    for number in range(20):
        gateway.call("GET", f"/v1/files/file-{number}")
        gateway.call("GET", f"/unknown/{number}")
    text = gateway.call("GET", "/metrics").text
    assert not re.search(r"file-\d|unknown/", text)
    assert re.search(r'kosha_gateway_requests_total\{operation="retrieveFile",status="200"\} \d\d', text)
    labels = {label for line in text.splitlines() for label in re.findall(r'operation="([^"]*)"', line)}
    assert labels <= {"other", "retrieveFile", "listModels", "createEmbedding"} | {x for x in labels if x.startswith("page:")}
    assert httpx.get(f"{gateway.url}/metrics", trust_env=False).status_code == 401


def test_T40_no_token_no_call(gateway: Whole, upstream: Recorder):
    """T40: the original served whoever came."""
    assert httpx.get(f"{gateway.url}/v1/models", trust_env=False).status_code == 401
    assert not upstream.requests


def test_T40_bodies_are_bounded(upstream: Recorder):
    """T40: 413 before anything is sent."""
    with whole(upstream.url, settings={"limits": {"body": 10_000, "body_json": 1_000}}) as running:
        answer = running.call("POST", "/v1/embeddings", json={"model": "m", "input": "x" * 5_000})
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert not upstream.requests


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, upstream: Recorder) -> dict[str, str]:
    return {**os.environ, "BEARER_TOKEN": KEY, "SERVER_URL": upstream.url, "KOSHA_GATEWAY_TOKEN_HASHES": DIGEST}


def test_T40_it_stops_gracefully(environ: dict[str, str], upstream: Recorder):
    """T40: the first SIGTERM lets a stream end, takes no new connection, and the exit code is 0."""
    upstream.scripts[:] = [events(*[b'data: {"choices":[]}\n\n'] * 8, b"data: [DONE]\n\n", pause=0.25)]
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    with Process(environ=environ) as process:
        with httpx.stream("POST", f"{process.url}/v1/chat/completions", json=body, headers=BEARER, trust_env=False) as answer:
            chunks = answer.iter_bytes()
            received = next(chunks)
            process.popen.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{process.url}/livez", trust_env=False)
            received += b"".join(chunks)
        assert received.endswith(b"data: [DONE]\n\n")
        assert process.popen.wait(10) == 0
        assert KEY not in process.out + process.err
        assert TOKEN not in process.out + process.err
        assert '"outcome":"ok"' in process.out


@contextlib.contextmanager
def calling(url: str) -> Iterator[list[int]]:
    """A call under way in a thread; the list gets its status, or 0 where the connection broke."""
    statuses: list[int] = []

    def call() -> None:
        try:
            statuses.append(httpx.get(f"{url}/v1/models", headers=BEARER, trust_env=False, timeout=30).status_code)
        except httpx.TransportError:
            statuses.append(0)

    caller = threading.Thread(target=call)
    caller.start()
    yield statuses
    caller.join(10)


def test_T40_a_second_signal_does_not_wait(environ: dict[str, str], upstream: Recorder):
    """T40: whoever asks twice means it."""
    upstream.scripts[:] = [silence(30)]
    with Process(environ=environ) as process, calling(process.url) as statuses:
        wait_for(lambda: upstream.requests)
        process.popen.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.popen.poll() is None
        started = time.monotonic()
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(10) == 0
        assert time.monotonic() - started < 5
    assert statuses != [200]


def test_T40_a_call_that_does_not_end_is_ended(environ: dict[str, str], upstream: Recorder):
    """T40: the limit for the end counts."""
    upstream.scripts[:] = [silence(30)]
    with Process(environ={**environ, "KOSHA_GATEWAY_STOP_SECONDS": "1"}) as process, calling(process.url) as statuses:
        wait_for(lambda: upstream.requests)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(10) == 0
    assert statuses != [200]


def test_T40_no_core_dump(environ: dict[str, str]):
    """C15 of the threats: a dump of this process would hold the key."""
    with Process(environ=environ) as process:
        limits = Path(f"/proc/{process.popen.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_T40_the_container_file(root: Path):
    """T40: not root, a health check without curl, nothing to build with in the last stage, no floating installer."""
    text = (root / "deploy" / "Containerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!0|root)\S+", last, re.M)
    assert re.search(r"^HEALTHCHECK .*python", last, re.M)
    assert "curl" not in last.replace("no curl", "")
    assert not re.search(r"apt-get|gcc|pip install|pip --python", last)
    assert re.search(r"^EXPOSE 8010$", last, re.M)


def test_T40_the_kubernetes_example(root: Path):
    """Not root, nothing writable but scratch, secret by file, probes; and its settings are settings."""
    from kosha_connector_openai.gateway.settings import Settings

    parts = {part["kind"]: part for part in yaml.safe_load_all((root / "deploy" / "kubernetes.yaml").read_text())}
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert "env" not in container
    assert {"livenessProbe", "readinessProbe"} <= container.keys()
    settings = yaml.safe_load(parts["ConfigMap"]["data"]["gateway.yaml"].replace("REPLACE-WITH-A-DIGEST", DIGEST))
    found = validated(settings, Settings)
    assert found.protected
    assert found.stop_seconds < pod["terminationGracePeriodSeconds"]


def test_C05_an_empty_token_is_401(gateway: Whole, upstream: Recorder):
    """C05: rag's form may leave the token empty; it sends `Bearer ` all the same."""
    for value in (b"Bearer ", b"Bearer", b""):
        answer = gateway.raw(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: " + value + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b'"error":{' in answer
    assert not upstream.requests


def test_C05_without_inbound_tokens_it_is_served(upstream: Recorder):
    """C05: and the caller's word goes nowhere."""
    with whole(upstream.url, tokens=False) as running:
        answer = running.raw(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert upstream.last.header("authorization") == f"Bearer {KEY}"


def test_C06_neither_secret_crosses(gateway: Whole, upstream: Recorder):
    """C06: the caller's token never goes up, the key never comes back: not in errors, headers or logs."""
    echo = {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x", "param": None, "code": "invalid_api_key"}}
    upstream.scripts[:] = [reply(401, echo, headers=[("x-request-id", KEY)])]
    answer = gateway.call("GET", "/v1/models")
    assert TOKEN.encode() not in upstream.last.raw
    assert KEY not in answer.text + str(answer.headers)
    assert not {KEY, TOKEN} & set(re.findall(r"[\w-]{20,}", gateway.log.read_text()))


def test_C07_a_call_ends_although_the_client_would_wait(upstream: Recorder):
    """C07: the client has no timeout; the connection's total counts."""
    upstream.scripts[:] = [silence(30)]
    with whole(upstream.url, options={"timeouts": {"total": 1, "read": 1}}) as running:
        started = time.monotonic()
        answer = running.call("GET", "/v1/models", timeout=None)
        assert time.monotonic() - started < 3
    assert answer.status_code == 504
    assert answer.json()["error"]["message"]


def test_C08_tokens_fit_the_forms():
    """C08: rag's form takes 180 characters."""
    assert len(new_token()) <= 180
    assert len(hash_token(new_token())) < 100


def test_C09_the_sdk_works_with_base_url(gateway: Whole, upstream: Recorder):
    """C09: with /v1, with a slash at its end, and without /v1 as old SDKs had it."""
    completion = {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    }  # fmt: skip
    for base in (f"{gateway.url}/v1", f"{gateway.url}/v1/", gateway.url):
        upstream.scripts[:] = [reply(body=completion)]
        with openai.OpenAI(base_url=base, api_key=TOKEN, max_retries=0, http_client=httpx.Client(trust_env=False)) as client:
            made = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert made.choices[0].message.content == "hello"
        assert upstream.last.target == "/v1/chat/completions"


def test_C12_generated_clients_keep_their_names(gateway: Whole, root: Path):
    """C12: ids and tags are those of the description, one security scheme says where the token goes, the server is relative."""
    served = gateway.call("GET", "/openapi.json").json()
    given = json.loads((root / "openapi.json").read_text())
    for path, item in given["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "delete", "patch"):
                assert served["paths"][path][method]["operationId"] == operation["operationId"]
                assert served["paths"][path][method].get("tags") == operation.get("tags")
    assert served["security"] == [{"KoshaToken": []}]
    assert served["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_C13_the_platforms_check(gateway: Whole, upstream: Recorder, version: str):
    """C13: 200 and an object of variable and label, at both versions."""
    answer = gateway.call("GET", f"/api/{version}/specification/list")
    assert answer.status_code == 200
    assert {"BEARER_TOKEN", "AUTH_TYPE", "SERVER_URL"} <= answer.json().keys()
    assert all(isinstance(label, str) for label in answer.json().values())
    assert not upstream.requests


def test_C13_the_connection_test(gateway: Whole, upstream: Recorder):
    """POST of credentials: 200 where they work, 400 with a sentence where they do not or where it is no JSON."""
    good = gateway.call("POST", "/api/v1/specification/test", json={"BEARER_TOKEN": "sk-tried-0123456789", "SERVER_URL": upstream.url})
    assert (good.status_code, good.json()["ok"]) == (200, True)
    assert upstream.last.header("authorization") == "Bearer sk-tried-0123456789"
    bad = gateway.call("POST", "/api/v1/specification/test", content=b'{"BEARER_TOKEN"')
    assert bad.status_code == 400
    assert isinstance(bad.json()["error"], str)


def test_C14_a_browser_may_call_from_a_listed_origin_alone(gateway: Whole, upstream: Recorder):
    """C14: what the browser asks before it calls, and what it then reads."""
    for origin, allowed in ((PAGE, True), ("https://evil.example", False), ("null", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
        preflight = httpx.options(f"{gateway.url}/v1/chat/completions", headers=asked, trust_env=False)
        assert (preflight.status_code == 204) is allowed
        assert ("access-control-allow-origin" in preflight.headers) is allowed
        call = gateway.call("GET", "/v1/models", headers={"Origin": origin})
        assert (call.status_code == 200) is allowed
        assert (call.headers.get("access-control-allow-origin") == origin) is allowed
    assert len(upstream.requests) == 1


def test_C14_an_error_of_ours_can_be_read_by_the_page_too(gateway: Whole):
    """A page that may not read why it failed helps nobody."""
    answer = httpx.get(f"{gateway.url}/v1/models", headers={"Origin": PAGE}, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
