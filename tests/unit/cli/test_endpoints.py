"""`trigger register`, `endpoints`, `remove`: an address for events, its signing secret kept and shown nowhere."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.recorder import Recorder, reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://hooks.example.com/a"
MADE = {"object": "webhook_endpoint", "id": "we_1", "created_at": 1, "name": "n", "event_types": ["batch.completed"], "url": URL}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "kosha" / "secrets"


def at(upstream: Recorder) -> list[str]:
    return ["--set", f"server_url={upstream.url}", "--set", "auth_type=NONE"]


def test_the_secret_is_kept_and_shown_nowhere(cli: Any, folder: Path) -> None:
    """In a file of the user's alone; the answer names it, and `trigger verify` takes that name."""
    with Recorder(reply(200, {**MADE, "signing_secret": SECRET})) as upstream:
        done = cli("trigger", "register", URL, "--event", "batch.completed", "--store", "file", "--json", *at(upstream))
        assert done.exit_code == 0, done.output
        sent = json.loads(upstream.requests[0].body)
    assert sent == {"url": URL, "name": "hooks.example.com", "event_types": ["batch.completed"]}
    assert SECRET not in done.output
    told = json.loads(done.stdout)
    assert told["endpoint"] == MADE
    file = folder / "webhook.we_1"
    assert told["signed_by"] == f"file:{file}"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (SECRET, 0o600)
    assert cli("trigger", "sample", "batch.completed", "--signed-by", told["signed_by"]).exit_code == 0


def test_without_a_type_all_are_asked_for(cli: Any) -> None:
    """Those that the description lists; the words of the answer do not hold the secret either."""
    with Recorder(reply(200, {**MADE, "signing_secret": SECRET})) as upstream:
        done = cli("trigger", "register", URL, "--name", "mine", "--store", "file", *at(upstream))
        sent = json.loads(upstream.requests[0].body)
    assert sent["name"] == "mine"
    assert {"batch.completed", "agent.session.idle", "safety.alert.created"} <= set(sent["event_types"])
    assert "we_1 sends" in done.stdout
    assert SECRET not in done.output


def test_an_endpoint_whose_secret_cannot_be_kept_is_removed(cli: Any, folder: Path) -> None:
    """The secret is shown only once, so what was made is of no use."""
    folder.mkdir(parents=True)
    (folder / "webhook.we_1").write_text("another")
    with Recorder(reply(200, {**MADE, "signing_secret": SECRET}), reply(200, {"id": "we_1", "deleted": True})) as upstream:
        done = cli("trigger", "register", URL, "--store", "file", *at(upstream))
        assert [(each.method, each.target) for each in upstream.requests] == [
            ("POST", "/v1/webhook_endpoints"),
            ("DELETE", "/v1/webhook_endpoints/we_1"),
        ]
    assert done.exit_code == ExitCode.SETUP
    assert SECRET not in done.output
    assert (folder / "webhook.we_1").read_text() == "another"


def test_a_secret_that_stands_elsewhere_in_the_answer_is_starred_out(cli: Any, folder: Path) -> None:
    """In values and names of any depth, in each form that a server may write; an id that has it is refused, and the endpoint removed."""
    forms = [SECRET, f"x {SECRET} y", quote(f"{SECRET}+/", safe=""), base64.b64encode(f"user:{SECRET}".encode()).decode()]
    answer = {**MADE, "signing_secret": SECRET, "name": SECRET, "more": {SECRET: [{"deep": forms}]}}
    removed = reply(200, {"id": "x", "deleted": True})
    with Recorder(reply(200, answer), reply(200, {**answer, "id": f"we_{SECRET}"}), removed) as upstream:
        done = cli("trigger", "register", URL, "--store", "file", "--json", *at(upstream))
        refused = cli("trigger", "register", URL, "--store", "file", *at(upstream))
        assert upstream.requests[-1].method == "DELETE"
    assert (done.exit_code, refused.exit_code) == (0, ExitCode.REPLY), done.output + refused.output
    for form in (SECRET, *forms):
        assert form not in done.output + refused.output
    assert (json.loads(done.stdout)["endpoint"]["name"], [path.name for path in folder.iterdir()]) == ("***", ["webhook.we_1"])


@pytest.mark.parametrize("answer", [{**MADE}, {**MADE, "id": "../../x", "signing_secret": SECRET}])
def test_an_answer_without_secret_or_with_a_path_for_an_id(cli: Any, folder: Path, answer: dict[str, Any]) -> None:
    """Nothing is written; the error does not repeat the secret."""
    with Recorder(reply(200, answer), reply(200, {"id": "x", "deleted": True})) as upstream:
        done = cli("trigger", "register", URL, "--store", "file", *at(upstream))
    assert done.exit_code in (ExitCode.REPLY, ExitCode.SETUP)
    assert SECRET not in done.output
    assert not folder.exists()


@pytest.mark.parametrize("url", ["http://hooks.example.com", "hooks.example.com", "https://"])
def test_only_https(cli: Any, url: str) -> None:
    """Said before anything is sent."""
    assert cli("trigger", "register", url, "--store", "file").exit_code == ExitCode.USAGE


def test_a_type_that_is_none_is_refused_before_anything_is_sent(cli: Any) -> None:
    """By the description's list."""
    with Recorder() as upstream:
        done = cli("trigger", "register", URL, "--event", "batch.done", "--store", "file", *at(upstream))
        assert (done.exit_code, upstream.requests) == (ExitCode.INPUT, [])


def test_endpoints_are_listed_without_secrets(cli: Any) -> None:
    """As a table and as JSON, even where a server sends the secret again."""
    page = reply(200, {"object": "list", "data": [{**MADE, "signing_secret": SECRET}], "has_more": False})
    with Recorder(page, page) as upstream:
        shown = cli("trigger", "endpoints", *at(upstream))
        assert shown.stdout.split("\t") == ["we_1", "n", URL, "batch.completed\n"], shown.output
        done = cli("trigger", "endpoints", "--json", *at(upstream))
    assert json.loads(done.stdout) == [MADE]


def test_removing_drops_the_file_of_the_secret(cli: Any, folder: Path) -> None:
    """Of this endpoint alone; where the API refuses, the secret stays."""
    folder.mkdir(parents=True)
    for name in ("webhook.we_1", "webhook.we_2"):
        (folder / name).write_text(SECRET)
    with Recorder(reply(404, {"error": {"message": "no"}}), reply(200, {"id": "we_1", "deleted": True})) as upstream:
        assert cli("trigger", "remove", "we_1", *at(upstream)).exit_code == ExitCode.REJECTED
        assert len(list(folder.iterdir())) == 2
        assert json.loads(cli("trigger", "remove", "we_1", "--json", *at(upstream)).stdout) == {"removed": "we_1", "secret_removed": True}
    assert [path.name for path in folder.iterdir()] == ["webhook.we_2"]


def test_a_connector_without_endpoints_says_so(cli: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told where to go on."""
    monkeypatch.setenv("TIDES_KEY", "k" * 20)
    done = cli("--connector", str(root / "examples" / "tides"), "trigger", "endpoints", "--set", "api_key=env:TIDES_KEY")
    assert (done.exit_code, "Register the address at the provider." in done.stderr) == (ExitCode.SETUP, True)
