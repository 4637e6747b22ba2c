"""`serve` and `gateway token`: what is checked before anything listens, and tokens that are shown once."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from kosha_connector_openai import gateway
from kosha_connector_openai.gateway.access.tokens import TokenTable, hash_token
from tests.canary import Canary
from tests.unit.cli.conftest import Cli

TOKEN = "kosha_0123456789abcdef0123456789abcdef"


def test_a_token_and_its_digest_belong_together(cli: Cli) -> None:
    """The token goes to standard output once, with the digest that finds it."""
    done = cli("gateway", "token", "--json")
    made = json.loads(done.stdout)
    assert TokenTable([(made["hash"], "found")]).find(made["token"].encode()) == "found"
    lines = cli("gateway", "token").stdout.split()
    assert TokenTable([(lines[1], "found")]).find(lines[0].encode()) == "found"


def test_a_token_of_ones_own_is_read_from_standard_input(cli: Cli) -> None:
    """It is not shown again, and none is taken from the command line, which others can read."""
    done = cli("gateway", "token", "--stdin", "--json", input=f"{TOKEN}\n")
    assert TOKEN not in done.output
    assert TokenTable([(json.loads(done.stdout)["hash"], 1)]).find(TOKEN.encode()) == 1
    assert cli("gateway", "token", TOKEN).exit_code == 2


@pytest.mark.parametrize("text", ["", "short", "with a blank 0123456789", "wïth-an-accent-0123456789"])
def test_a_token_that_could_be_guessed_is_refused(cli: Cli, text: str) -> None:
    """A fast digest is enough for random tokens only."""
    done = cli("gateway", "token", "--stdin", input=f"{text}\n")
    assert done.exit_code == 4
    assert "20 characters" in done.output


def test_check_tells_that_all_is_well(cli: Cli, canary: Canary) -> None:
    """The settings, the connection and its secret; nothing listens and nothing is sent."""
    done = cli("serve", "--check")
    assert (done.exit_code, done.stdout) == (0, "The settings are fine.\n")
    assert canary.key not in done.output


def test_check_tells_what_is_wrong_by_its_name(cli: Cli, canary: Canary) -> None:
    """Flags, variables and the file."""
    done = cli("serve", "--check", "--host", "0.0.0.0")
    assert done.exit_code == 4
    assert "--host" in done.output
    assert "KOSHA_GATEWAY_TOKEN_HASHES" in done.output
    done = cli("serve", "--check", "--cors-origin", "*")
    assert "--cors-origins" in done.output


def test_a_connection_of_the_command_line_is_the_default_one(cli: Cli, tmp_path: Path) -> None:
    """By --set or by a connection file, as for every other command; a pasted key is refused."""
    secret = tmp_path / "key"
    secret.write_text("a-key-0123456789")
    secret.chmod(0o600)
    assert cli("serve", "--check", "--set", f"api_key=file:{secret}").exit_code == 0
    done = cli("serve", "--check", "--set", "api_key=sk-0123456789abcdef0123456789")
    assert done.exit_code == 4
    assert "0123456789abcdef" not in done.output
    config = tmp_path / "gateway.yaml"
    config.write_text(f"connections: {{a: {{values: {{api_key: 'file:{secret}'}}}}}}")
    assert cli("serve", "--check", "--config", str(config)).exit_code == 0
    assert cli("serve", "--check", "--config", str(config), "--set", f"api_key=file:{secret}").exit_code == 2


def test_sharing_is_told_before_it_starts(cli: Cli, canary: Canary, tmp_path: Path) -> None:
    """As a warning on standard error."""
    config = tmp_path / "gateway.yaml"
    config.write_text(f"tokens: [{{name: a, hash: '{hash_token('a' * 20)}'}}, {{name: b, hash: '{hash_token('b' * 20)}'}}]")
    assert "share the account behind default" in cli("serve", "--check", "--config", str(config)).output


def test_a_port_that_is_taken_is_told(cli: Cli, canary: Canary) -> None:
    """In a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("serve", "--port", str(taken.getsockname()[1]))
    assert done.exit_code == 4
    assert "cannot listen" in done.output


@pytest.mark.parametrize(
    ("arguments", "variables", "made"),
    [
        ((), {}, True),
        (("--no-token",), {}, False),
        ((), {"KOSHA_GATEWAY_NO_TOKEN": "1"}, False),
        ((), {"KOSHA_GATEWAY_TOKEN_HASHES": hash_token(TOKEN)}, False),
    ],
)
def test_b38_without_tokens_one_is_made_for_the_run(
    cli: Cli, canary: Canary, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], variables: dict[str, str], made: bool
) -> None:
    """B38: shown once, and the only one that is let in; without it the command says who can call."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings: list[gateway.Settings] = []

    def start(self: object, service: object, found: gateway.Settings, sockets: list[socket.socket]) -> None:
        settings.append(found)
        for each in sockets:
            each.close()

    monkeypatch.setattr(gateway.GatewayServer, "__init__", start)
    monkeypatch.setattr(gateway.GatewayServer, "run", lambda self: None)
    done = cli("serve", "--port", "0", *arguments)
    assert done.exit_code == 0
    shown = re.findall(r"kosha_[A-Za-z0-9_-]{43}", done.output)
    assert len(shown) == made
    if made:
        assert TokenTable([(settings[0].tokens[0].hash, 1)]).find(shown[0].encode()) == 1
    assert settings[0].protected is (made or bool(settings[0].tokens))
    assert ("every user and program" in done.output) is (made or not settings[0].protected)


def test_without_the_extra_it_says_what_to_install(cli: Cli, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the command line works without it."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "kosha_connector_openai.gateway.server", raising=False)
    for name in ("GatewayServer", "listen"):  # the face keeps what was used once
        monkeypatch.delitem(vars(gateway), name, raising=False)
    done = cli("serve", "--check")
    assert done.exit_code == 4
    assert "[gateway]" in done.output
