"""``connect`` writes references into a file and keeps the secret elsewhere, and shows it nowhere."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends import null
from pytest_httpx import HTTPXMock

from kosha_connector_openai.cli import connect
from tests.canary import Canary
from tests.unit.cli.conftest import Cli

MODELS = {"object": "list", "data": []}


class _Backend:
    """A keyring in memory under an accepted name."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.entries[service, name] = text


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path / ".config" / "kosha"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> _Backend:
    """The keyring of the system."""
    found = type("Keyring", (_Backend,), {"__module__": "keyring.backends.SecretService"})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: found)
    return found


@pytest.fixture
def secret() -> Canary:
    """A key that is in no variable."""
    return Canary()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone sits at the terminal."""
    monkeypatch.setattr(connect, "_is_interactive", lambda: True)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_into_the_keyring(cli: Cli, backend: _Backend, secret: Canary, home: Path) -> None:
    """The secret from standard input goes to the keyring; the file, for its owner alone, refers to it and says what was set."""
    done = cli("connect", "work", "--secret-stdin", "--set", "organization=org-7", input=f"{secret.key}\n")
    assert done.exit_code == 0
    assert backend.entries == {("kosha", "work.api_key"): secret.key}
    path = home / "connections" / "work.yaml"
    assert path.read_text() == (
        "# Secrets are kept elsewhere; here are references to them.\n"
        'values:\n  organization: "org-7"\n  api_key: "keyring:kosha/work.api_key"\n'
    )
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)
    assert "--connection work\n" in done.stdout
    secret.scan(done.stdout, done.stderr, home)


def test_into_a_file(cli: Cli, secret: Canary, home: Path) -> None:
    """With ``--store file`` the secret is a file of mode 600 below the user's settings."""
    done = cli("connect", "work", "--secret-stdin", "--store", "file", input=secret.key)
    assert done.exit_code == 0
    kept = home / "secrets" / "work.api_key"
    assert (kept.read_text(), _mode(kept), _mode(kept.parent)) == (secret.key, 0o600, 0o700)
    assert f'api_key: "file:{kept}"' in (home / "connections" / "work.yaml").read_text()
    secret.scan(done.stdout, done.stderr, home / "connections")


@pytest.mark.parametrize("store", ["keyring", "file"])
def test_the_connection_works(cli: Cli, backend: _Backend, secret: Canary, httpx_mock: HTTPXMock, home: Path, store: str) -> None:
    """What was written is tested on request, and is used by other commands."""
    httpx_mock.add_response(url="https://api.openai.com/v1/models", json=MODELS, is_reusable=True)
    made = cli("connect", "work", "--secret-stdin", "--store", store, "--test", input=secret.key)
    ran = cli("run", "listModels", "--connection", str(home / "connections" / "work.yaml"))
    assert (made.exit_code, ran.exit_code) == (0, 0)
    assert "OpenAI answered 200" in made.stdout
    assert [request.headers["authorization"] for request in httpx_mock.get_requests()] == [f"Bearer {secret.key}"] * 2


def test_a_test_that_fails(cli: Cli, backend: _Backend, secret: Canary, httpx_mock: HTTPXMock, home: Path) -> None:
    """A refused key is told with the exit code of the call; the connection stays, to be tried again."""
    httpx_mock.add_response(status_code=401, json={"error": {"message": f"bad key {secret.key}"}}, is_reusable=True)
    done = cli("connect", "work", "--secret-stdin", "--test", input=secret.key)
    assert done.exit_code == 6
    assert (home / "connections" / "work.yaml").exists()
    secret.scan(done.stdout, done.stderr)


def test_for_programs(cli: Cli, backend: _Backend, secret: Canary, tmp_path: Path) -> None:
    """``--json`` prints the file and the references."""
    done = cli("connect", str(tmp_path / "c.yaml"), "--secret-stdin", "--json", input=secret.key)
    expected = {"connection": str(tmp_path / "c.yaml"), "secrets": {"api_key": "keyring:kosha/c.api_key"}, "test": None}
    assert json.loads(done.stdout) == expected


@pytest.mark.usefixtures("typed")
def test_asked_for(cli: Cli, backend: _Backend, secret: Canary, home: Path) -> None:
    """At a terminal each field is asked for; an empty one is skipped; the connection test is offered."""
    done = cli("connect", "work", input=f"{secret.key}\n\norg-7\n\n\n\n\nn\n")
    assert done.exit_code == 0
    values = (home / "connections" / "work.yaml").read_text().splitlines()[2:]
    assert sorted(values) == ['  api_key: "keyring:kosha/work.api_key"', '  auth_type: "BEARER_TOKEN"', '  organization: "org-7"']
    assert "Try it now?" in done.stderr
    secret.scan(done.stdout, done.stderr, home)


@pytest.mark.usefixtures("typed")
def test_what_is_set_is_not_asked_for(cli: Cli, backend: _Backend) -> None:
    """Fields given by ``--set`` are not asked for; a server without a key needs none."""
    fields = (
        *("auth_type=NONE", "server_url=http://127.0.0.1:9", "server_kind=compatible", "organization=o", "project=p"),
        *("api_key=env:KEY", "admin_key=env:KEY"),
    )
    done = cli("connect", "local", "--no-test", *(part for field in fields for part in ("--set", field)))
    assert (done.exit_code, "key" in done.stderr) == (0, False)
    assert backend.entries == {}


@pytest.mark.usefixtures("typed")
def test_a_kind_of_server_decides_what_is_asked(cli: Cli, backend: _Backend, secret: Canary, home: Path) -> None:
    """Its own values are offered as defaults, and fields that only some kinds need are asked for these alone."""
    done = cli("connect", "cloud", "--no-test", input=f"{secret.key}\n\n\n\nazure-deployment\nhttps://n.example\n2024-10-21\nd-1\n\n")
    assert done.exit_code == 0
    written = (home / "connections" / "cloud.yaml").read_text()
    assert all(line in written for line in ('auth_type: "API_KEY"', 'api_version: "2024-10-21"', 'deployment: "d-1"'))
    assert "Deployment" in done.stderr
    assert "Deployment" not in cli("connect", "local", "--no-test", input=f"{secret.key}\n\n\n\nollama\n\n\n").stderr


def test_no_secret_is_needed_without_authentication(cli: Cli, backend: _Backend, home: Path) -> None:
    """NONE makes a connection without any secret."""
    assert cli("connect", "local", "--set", "auth_type=NONE", "--set", "server_url=http://127.0.0.1:9").exit_code == 0
    assert "api_key" not in (home / "connections" / "local.yaml").read_text()


def test_nobody_to_ask(cli: Cli, backend: _Backend, canary: Canary, home: Path) -> None:
    """Without a terminal a missing secret is a fault that says what to add; the environment's key is not taken instead."""
    done = cli("connect", "work")
    assert done.exit_code == 4
    assert "/api_key: is missing. Send it through --secret-stdin, or say where it is: --set api_key=env:NAME." in done.stderr
    assert not home.exists()


def test_the_second_secret(cli: Cli, backend: _Backend, secret: Canary) -> None:
    """Standard input is the first secret that ``--set`` does not give."""
    assert cli("connect", "work", "--secret-stdin", "--set", "api_key=env:KEY", input=secret.key).exit_code == 0
    assert backend.entries == {("kosha", "work.admin_key"): secret.key}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("short", "is shorter than 8 characters"),
        ("{}\nX-Other: 1", "has a line break"),
        ('"{}"', "is in quotation marks"),
        ("\u201c{}\u201d", "has a curly quotation mark"),
        ("{} more", "has a blank inside"),
        ("env:OPENAI_API_KEY", "is a reference. Give it by --set api_key=REFERENCE."),
    ],
)
def test_malformed_secrets(cli: Cli, backend: _Backend, secret: Canary, home: Path, text: str, told: str) -> None:
    """What is no secret is refused before anything is kept, and is not shown."""
    done = cli("connect", "work", "--secret-stdin", input=text.format(secret.key.replace('"', "x")))
    assert done.exit_code == 4
    assert told in done.stderr
    assert (backend.entries, home.exists()) == ({}, False)
    secret.scan(done.stdout, done.stderr)


def test_a_short_key_of_another_server(cli: Cli, backend: _Backend, httpx_mock: HTTPXMock) -> None:
    """Servers without keys of their own take any word: it is kept, tried and sent as it is, where the vendor's own would be a torn key."""
    httpx_mock.add_response(url="https://models.example.com/v1/models", match_headers={"Authorization": "Bearer none"}, json=MODELS)
    done = cli("connect", "local", "--secret-stdin", "--set", "server_url=https://models.example.com/v1", "--test", input="none\n")
    assert (done.exit_code, backend.entries) == (0, {("kosha", "local.api_key"): "none"})


@pytest.mark.parametrize("field", ["server_url=http://example.com", "organisation=o", "auth_type=BEARRER", "organization=\u00e9"])
def test_faults_of_the_form(cli: Cli, backend: _Backend, secret: Canary, home: Path, field: str) -> None:
    """A wrong field is told before the secret is kept or the file written."""
    done = cli("connect", "work", "--secret-stdin", "--set", field, input=secret.key)
    assert done.exit_code == 4
    assert (backend.entries, home.exists()) == ({}, False)


@pytest.mark.parametrize("arguments", [("--api-key", "x"), ("--store", "memory"), ("--set", "api_key"), ("--secret",)])
def test_faulty_command_lines(cli: Cli, backend: _Backend, arguments: tuple[str, ...]) -> None:
    """No option takes a secret; what is not known is a mistake on the command line."""
    assert cli("connect", "work", *arguments, input="x").exit_code == 2


def test_every_secret_is_set(cli: Cli, backend: _Backend) -> None:
    """There is nothing left that standard input could be."""
    done = cli("connect", "w", "--secret-stdin", "--set", "api_key=env:A", "--set", "admin_key=env:B", input="x")
    assert done.exit_code == 2


@pytest.mark.usefixtures("typed")
def test_a_terminal_is_no_pipe(cli: Cli, backend: _Backend) -> None:
    """``--secret-stdin`` at a terminal, which would show what is typed, is refused."""
    done = cli("connect", "work", "--secret-stdin", input="x")
    assert (done.exit_code, backend.entries) == (2, {})


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "-x.yaml", "a\u00e9", "a" * 65])
def test_names(cli: Cli, backend: _Backend, name: str) -> None:
    """A name is plain, since a secret will be called after it."""
    assert cli("connect", "--secret-stdin", "--", name, input="x").exit_code == 2


@pytest.mark.parametrize("store", ["keyring", "file"])
def test_nothing_is_replaced_unasked(cli: Cli, backend: _Backend, secret: Canary, tmp_path: Path, store: str) -> None:
    """Neither a connection nor a secret of the same name is replaced without ``--force``; with it both are."""
    arguments = ("--secret-stdin", "--store", store)
    paths = [str(tmp_path / folder / "work.yaml") for folder in ("one", "two")]
    codes = [
        cli("connect", paths[0], *arguments, input="the-first-key").exit_code,
        cli("connect", paths[0], *arguments, input=secret.key).exit_code,
        cli("connect", paths[1], *arguments, input=secret.key).exit_code,
    ]
    kept = [*backend.entries.values(), *(path.read_text() for path in tmp_path.rglob("work.api_key"))]
    assert (codes, kept, Path(paths[1]).exists()) == ([0, 4, 4], ["the-first-key"], False)
    assert cli("connect", paths[0], *arguments, "--force", input=secret.key).exit_code == 0
    assert [*backend.entries.values(), *(path.read_text() for path in tmp_path.rglob("work.api_key"))] == [secret.key]


def test_no_usable_keyring(cli: Cli, secret: Canary, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Where the system has no keyring, the backend is named, and nothing is kept elsewhere instead."""
    monkeypatch.setattr(keyring, "get_keyring", null.Keyring)
    done = cli("connect", "work", "--secret-stdin", input=secret.key)
    assert done.exit_code == 4
    assert "keyring.backends.null.Keyring is not accepted" in done.stderr
    assert not home.exists()


def test_without_the_extra(cli: Cli, secret: Canary, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Where the package is not installed, the advice says how, and what to do instead."""
    monkeypatch.setattr("kosha_connector_openai.secrets.stores.defaults.find_spec", lambda name: None)
    done = cli("connect", "work", "--secret-stdin", input=secret.key)
    assert done.exit_code == 4
    assert "pip install 'kosha-connector-openai[keyring]'" in done.stderr
    assert "--store file" in done.stderr
    assert not home.exists()


def test_folders_that_cannot_be_written(cli: Cli, secret: Canary, home: Path) -> None:
    """A place that cannot be written is told, and no half of a file is left."""
    home.parent.mkdir()
    home.write_text("a file where a folder should be")
    done = cli("connect", "work", "--secret-stdin", "--store", "file", input=secret.key)
    assert done.exit_code == 4
    assert "cannot be written" in done.stderr
    secret.scan(done.stdout, done.stderr, home.parent)


def test_settings_elsewhere(cli: Cli, backend: _Backend, secret: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CONFIG_HOME moves the user's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert cli("connect", "work", "--secret-stdin", input=secret.key).exit_code == 0
    assert (tmp_path / "settings" / "kosha" / "connections" / "work.yaml").exists()


@pytest.mark.parametrize("value", ["no", "1e5", "0x10", "null", "2024-01-01", '"', "\\", "# x", "a: b"])
def test_texts_stay_texts(cli: Cli, backend: _Backend, httpx_mock: HTTPXMock, home: Path, value: str) -> None:
    """What YAML would take for something else is read back as it was entered."""
    httpx_mock.add_response(json=MODELS)
    made = cli("connect", "work", "--secret-stdin", "--set", f"organization={value}", "--test", input="a-key-of-tests")
    assert made.exit_code == 0
    assert httpx_mock.get_requests()[0].headers["openai-organization"] == value


class _Terminal:
    """A child process on a terminal of its own, and all that the terminal shows."""

    def __init__(self, *arguments: str) -> None:
        self.shown = ""
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.execv(sys.executable, [sys.executable, "-m", "kosha_connector_openai.cli", *arguments])

    def answer(self, prompt: str, text: str) -> None:
        """Waits for the prompt, then types."""
        self._read(lambda: prompt in self.shown)
        os.write(self._terminal, f"{text}\n".encode())

    def end(self) -> int:
        """The exit code."""
        self._read(lambda: False)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def _read(self, done: Callable[[], bool]) -> None:
        while not done() and select.select([self._terminal], [], [], 20)[0]:
            try:
                piece = os.read(self._terminal, 4096)
            except OSError:
                return
            self.shown += piece.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts the command on a terminal."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return _Terminal


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_typed_secret_is_not_shown(terminal: Callable[..., Any], secret: Canary, home: Path) -> None:
    """On a real terminal the key is typed without an echo, in two fields, and the rest is asked for as usual."""
    asked = terminal("connect", "work", "--store", "file", "--no-test")
    asked.answer("OpenAI API key: ", secret.key)
    asked.answer("admin API key: ", "")
    asked.answer("Organization", "org-typed")
    asked.answer("Project", "")
    asked.answer("Kind of server", "")
    asked.answer("Server URL", "")
    asked.answer("Authentication type", "")
    assert asked.end() == 0
    assert "org-typed" in asked.shown
    assert (home / "secrets" / "work.api_key").read_text() == secret.key
    secret.scan(asked.shown, home / "connections")
