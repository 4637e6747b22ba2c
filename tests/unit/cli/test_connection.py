"""Where a connection comes from: options before a file before the environment, and never a key on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpx import HTTPXMock

from tests.canary import Canary
from tests.unit.cli.conftest import Cli

MODELS = {"object": "list", "data": [{"id": "m-1", "owned_by": "me"}]}
PASTED = "sk-proj-" + "aB3" * 12


def keyed(tmp_path: Path, canary: Canary) -> str:
    """A reference to a file that holds the key."""
    path = tmp_path / "key"
    path.write_text(canary.key)
    path.chmod(0o600)
    return f"file:{path}"


def test_from_the_environment(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that the manifest names fill the form."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/openai/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-7")
    httpx_mock.add_response(url="https://proxy.example/openai/v1/models", json=MODELS)
    assert cli("run", "listModels").exit_code == 0
    (request,) = httpx_mock.get_requests()
    assert request.headers["openai-organization"] == "org-7"
    assert request.headers["authorization"] == f"Bearer {canary.key}"


def test_any_variable_and_file(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sits at the terminal may name any variable and any file of theirs."""
    monkeypatch.setenv("MY_OWN", "another-key-0123")
    httpx_mock.add_response(json=MODELS, is_reusable=True)
    assert cli("run", "listModels", "--set", "api_key=env:MY_OWN").exit_code == 0
    assert cli("run", "listModels", "--set", f"api_key={keyed(tmp_path, canary)}").exit_code == 0
    sent = [request.headers["authorization"] for request in httpx_mock.get_requests()]
    assert sent == ["Bearer another-key-0123", f"Bearer {canary.key}"]


def test_loose_file(cli: Cli, canary: Canary, tmp_path: Path) -> None:
    """A key file that others can read is refused with the command that fixes it."""
    reference = keyed(tmp_path, canary)
    (tmp_path / "key").chmod(0o644)
    done = cli("run", "listModels", "--set", f"api_key={reference}")
    assert done.exit_code == 4
    assert "chmod 600" in done.stderr
    canary.scan(done.stdout, done.stderr)


@pytest.mark.parametrize("field", ["api_key", "organization", "server_url", "unknown"])
def test_pasted_key(cli: Cli, field: str) -> None:
    """A key in place of a reference is refused wherever it is put, with the reason, and is not repeated."""
    done = cli("run", "listModels", "--set", f"{field}={PASTED}")
    assert done.exit_code == 4
    assert f"/{field}" in done.stderr
    assert PASTED[:12] not in done.stdout + done.stderr


def test_no_option_takes_a_key(cli: Cli) -> None:
    """There is no ``--api-key``."""
    assert cli("run", "listModels", "--api-key", PASTED).exit_code == 2


def test_misspelt_field(cli: Cli, canary: Canary) -> None:
    """A field that the form does not have gets the nearest one."""
    done = cli("run", "listModels", "--set", "organisation=x")
    assert done.exit_code == 4
    assert "`organization`" in done.stderr


def test_not_a_field(cli: Cli, canary: Canary) -> None:
    """What has no ``=`` is a mistake on the command line."""
    assert cli("run", "listModels", "--set", "organization").exit_code == 2


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
def test_file(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path, name: str) -> None:
    """A file gives values and options; ``--set`` goes before it."""
    values = {"api_key": keyed(tmp_path, canary), "organization": "org-file", "project": "proj-file"}
    (tmp_path / name).write_text(json.dumps({"values": values, "options": {"headers": {"X-Team": "blue"}}}))
    httpx_mock.add_response(json=MODELS)
    assert cli("run", "listModels", "--connection", str(tmp_path / name), "--set", "project=proj-set").exit_code == 0
    headers = httpx_mock.get_requests()[0].headers
    assert (headers["openai-organization"], headers["openai-project"], headers["x-team"]) == ("org-file", "proj-set", "blue")


@pytest.mark.parametrize("text", ["[]", "values: [a]", "valuse: {}", "values: {project: 7}", "values: {a: &x b, c: *y}", "{"])
def test_faulty_file(cli: Cli, canary: Canary, tmp_path: Path, text: str) -> None:
    """A file of another form is refused, and nothing is sent."""
    (tmp_path / "c.yaml").write_text(text)
    assert cli("run", "listModels", "--connection", str(tmp_path / "c.yaml")).exit_code == 4


def test_no_file(cli: Cli, canary: Canary) -> None:
    """A file that is not there is a fault of the set-up."""
    assert cli("run", "listModels", "--connection", "/nowhere/c.yaml").exit_code == 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("alowed_origins: [x]", "`allowed_origins`"),
        ("environ: {OPENAI_API_KEY: x}", "/environ"),
        ("values: {}", "/values"),
        ("timeouts: 5", "/timeouts"),
        ("1: 2", "/1"),
    ],
)
def test_faulty_option(cli: Cli, canary: Canary, tmp_path: Path, options: str, told: str) -> None:
    """What is no option is named, also where ``--timeout`` would change it."""
    (tmp_path / "c.yaml").write_text(f"options: {{{options}}}")
    done = cli("run", "listModels", "--connection", str(tmp_path / "c.yaml"), "--timeout", "5")
    assert done.exit_code == 4
    assert told in done.stderr


def test_attempts(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--attempts`` bounds how often a call is sent."""
    httpx_mock.add_response(status_code=503, headers={"retry-after-ms": "1"}, is_reusable=True)
    assert cli("run", "listModels", "--attempts", "2").exit_code == 7
    assert len(httpx_mock.get_requests()) == 2


def test_connection_test(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``test`` says in a sentence that it works."""
    httpx_mock.add_response(url="https://api.openai.com/v1/models", json=MODELS)
    done = cli("test")
    assert done.exit_code == 0
    assert "OpenAI answered 200" in done.stdout


def test_connection_test_fails(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``test`` fits its advice to the form."""
    httpx_mock.add_response(status_code=401, json={"error": {"message": "no"}})
    done = cli("test", "--json", "--timeout", "5")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["category"]) == (6, "auth")
    assert "Create a new one" in error["hint"]
