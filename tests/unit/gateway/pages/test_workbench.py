"""What only the studio of this machine's user may do: another connection, tried first and kept out of sight; and a history of runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.pages.run_history import RunHistory
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.gateway.pages.workbench import Workbench
from kosha_connector_openai.gateway.service import make_service
from kosha_connector_openai.gateway.settings import read_settings
from tests.canary import Canary
from tests.gateway import ROOT, TOKEN, Running, _server
from tests.recorder import Recorder, reply

KEY = "sk-a-key-that-was-typed-0123456789"


@pytest.fixture
def kept() -> list[tuple[str, str, Mapping[str, str], Mapping[str, str]]]:
    return []


@pytest.fixture
def studio(tmp_path: Path, kept: list) -> Iterator[Running]:
    """A studio that has no key yet."""

    def keep(name: str, store: str, values: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        kept.append((name, store, values, secrets))
        return f"/{name}"

    given = {"tokens": [{"name": "local", "hash": hash_token(TOKEN)}], "access_log": "off"}
    given["connections"] = {"default": {"values": {"api_key": SubmittedSecrets.UNSET}}}
    settings = read_settings(given, environ={})
    bench = Workbench(RunHistory(tmp_path / "runs.sqlite"), sandbox=False, stores=("file",), keep=keep)
    running = Running("", 0)
    with Connector(ROOT) as connector:
        service = make_service(connector, settings, bench)
        try:
            with _server(service.app, settings, running, service):
                yield running
        finally:
            service.close()


def test_a_connection_is_tried_and_then_used(studio: Running, kept: list) -> None:
    """Before it nothing can be sent; a wrong key changes nothing and says what to do; the right one is used from then on."""
    with Recorder(reply(401, b'{"error": {"message": "Incorrect API key"}}'), reply(200, b'{"object": "list", "data": []}')) as upstream:
        assert studio.call("GET", "/kosha/v1/studio").json()["connected"] is False
        assert studio.call("POST", "/kosha/v1/actions/listModels/run", json={}).status_code >= 400
        assert upstream.requests == []
        values = {"api_key": KEY, "server_url": upstream.url}
        refused = studio.call("POST", "/kosha/v1/studio/connection", json={"values": values})
        assert (refused.status_code, refused.text.count("not accepted"), KEY in refused.text) == (400, 1, False)
        assert studio.call("GET", "/kosha/v1/studio").json()["connected"] is False
        keep = {"name": "mine", "store": "file"}
        taken = studio.call("POST", "/kosha/v1/studio/connection", json={"values": values, "keep": keep})
        assert taken.status_code == 200, taken.text
        assert taken.json()["saved"] == "/mine"
        about = studio.call("GET", "/kosha/v1/studio")
        assert (about.json()["connected"], about.json()["server"]) == (True, upstream.url)
        assert studio.call("POST", "/kosha/v1/actions/listModels/run", json={}).status_code == 200
        assert studio.call("GET", "/v1/models").status_code == 200
        assert [request.header("authorization") for request in upstream.requests[1:]] == [f"Bearer {KEY}"] * 3
    assert kept == [("mine", "file", {"server_url": values["server_url"]}, {"api_key": KEY})]
    assert KEY not in taken.text + about.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"values": {"api_key": 1}},
        {"values": {"nothing": "x"}},
        {"values": {}, "more": 1},
        {"values": {"api_key": KEY}, "keep": {"name": "a", "store": "vault"}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_is_no_connection_is_refused(studio: Running, body: dict) -> None:
    """With what is wrong, and without the key."""
    answer = studio.call("POST", "/kosha/v1/studio/connection", json=body)
    assert (answer.status_code, KEY in answer.text) == (400, False)


def test_it_is_the_users_alone(studio: Running) -> None:
    """Without the token, nothing of it."""
    for method, path in [("GET", "/studio"), ("POST", "/studio/connection"), ("GET", "/studio/runs"), ("DELETE", "/studio/runs")]:
        assert httpx.request(method, f"{studio.url}/kosha/v1{path}", trust_env=False).status_code == 401, path


def test_runs_are_kept_and_forgotten(studio: Running) -> None:
    """Newest first, as they were told; what is no run is refused."""
    for number in range(3):
        run = {"what": f"run {number}", "outcome": "ok", "seconds": 1.5, "request_id": "r", "usage": {"total_tokens": 3}}
        assert studio.call("POST", "/kosha/v1/studio/runs", json=run | {"contents": {"text": "secret"}}).status_code == 200
    found = studio.call("GET", "/kosha/v1/studio/runs").json()["runs"]
    assert [(run["what"], run["usage"], run["contents"]) for run in found] == [(f"run {n}", {"total_tokens": 3}, None) for n in (2, 1, 0)]
    for wrong in (
        [],
        {"what": "x"},
        {"what": 1, "outcome": "ok"},
        {"what": "x" * 201, "outcome": "ok"},
        {"what": "x", "outcome": "ok", "more": 1},
    ):
        assert studio.call("POST", "/kosha/v1/studio/runs", json=wrong).status_code == 400, wrong
    studio.call("DELETE", "/kosha/v1/studio/runs")
    assert studio.call("GET", "/kosha/v1/studio/runs").json() == {"runs": []}


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of 0700; no contents unless they were asked for; a file that others can read is refused."""
    path = tmp_path / "studio" / "runs.sqlite"
    for contents in (False, True):
        history = RunHistory(path, contents=contents)
        history.add({"what": "a", "outcome": "ok", "contents": {"text": "the prompt"}})
        history.close()
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert (b"the prompt" in path.read_bytes()) is contents
    with closing(sqlite3.connect(path)) as base:
        assert len(base.execute("SELECT * FROM runs").fetchall()) == 2
    path.chmod(0o644)
    with pytest.raises(OSError, match="others"):
        RunHistory(path)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """OSError with the reason, which the command turns into its own words; the library's error never leaves."""
    path = tmp_path / "runs.sqlite"
    path.touch(mode=0o600)
    path.write_bytes(b"no database, but long enough to look like something" * 50)
    with pytest.raises(OSError, match="not a database"):
        RunHistory(path)


def test_a_typed_key_is_in_no_reply_history_or_log(studio: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Refused or taken, the key comes back in no encoding: from no page, in no header, in no kept run and in no log."""
    canary = Canary()
    refusal = json.dumps({"error": {"message": f"Incorrect API key {canary.key}"}}).encode()
    with Recorder(reply(401, refusal), reply(200, b'{"object": "list", "data": []}')) as upstream:
        values = {"api_key": canary.key, "server_url": upstream.url}
        tried = [studio.call("POST", "/kosha/v1/studio/connection", json={"values": values}) for _ in range(2)]
        assert [answer.status_code for answer in tried] == [400, 200], tried[-1].text
        assert all(canary.key in request.header("authorization") for request in upstream.requests)
        run = {"what": "a", "outcome": "ok", "seconds": 1.0, "request_id": None, "usage": None}
        assert studio.call("POST", "/kosha/v1/studio/runs", json=run).status_code < 300
        paths = [
            "/kosha/v1",
            "/kosha/v1/studio",
            "/kosha/v1/studio/runs",
            "/kosha/v1/connector",
            "/kosha/v1/actions",
            "/studio",
            "/openapi.json",
        ]
        seen = [studio.call("GET", path) for path in paths]
    canary.scan(*([answer.text, dict(answer.headers)] for answer in [*tried, *seen]), tmp_path, caplog.records)


OTHERS = [
    *({"origin": origin} for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:3000", "")),
    *({"host": host} for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1@evil.example")),
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": ""},
]
ASKED = [
    ("GET", "/kosha/v1/studio"),
    ("GET", "/kosha/v1/studio/runs"),
    ("DELETE", "/kosha/v1/studio/runs"),
    ("POST", "/kosha/v1/studio/connection"),
    ("GET", "/kosha/v1/actions"),
    ("POST", "/kosha/v1/actions/listModels/run"),
    ("GET", "/v1/models"),
    ("POST", "/kosha/v1/session"),
    ("DELETE", "/kosha/v1/session"),
    ("POST", "/sign-in"),
]


def test_a_page_of_another_origin_or_name_gets_nothing(studio: Running) -> None:
    """With the cookie of somebody who is signed in, whatever the Referer says: refused, readable by nobody, and nothing is done."""
    own = {"sec-fetch-site": "same-origin", "referer": f"{studio.url}/studio"}
    with httpx.Client(base_url=studio.url, headers=own, trust_env=False) as client:
        assert client.post("/kosha/v1/session", json={"token": TOKEN}).status_code == 204
        before = client.get("/kosha/v1/studio").json()
        reached = []
        for method, path in ASKED:
            for headers in OTHERS:
                for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
                    body = f"token={TOKEN}" if kind.endswith("urlencoded") else json.dumps({"token": TOKEN})
                    answer = client.request(method, path, content=body, headers={**headers, "content-type": kind})
                    known = {"set-cookie", "access-control-allow-origin"} & answer.headers.keys()
                    if answer.status_code not in (400, 401, 403, 415, 421) or known or TOKEN in answer.text:
                        reached.append((method, path, headers, kind, answer.status_code, known))
        assert reached == []
        assert client.get("/kosha/v1/studio").json() == before
