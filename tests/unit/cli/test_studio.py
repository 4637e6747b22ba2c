"""`studio`: an address that signs one browser in, on this machine alone; with a key, without one, and against the sandbox."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from kosha_connector_openai import gateway
from kosha_connector_openai.gateway import pages
from kosha_connector_openai.gateway.pages.studio_page import Asset
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from tests.canary import Canary
from tests.unit.cli.conftest import Cli


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[gateway.Settings]:
    """The settings of each studio that would have been served; the page is there."""
    found: list[gateway.Settings] = []

    def start(self: object, service: object, settings: gateway.Settings, sockets: list[socket.socket]) -> None:
        found.append(settings)
        for each in sockets:
            each.close()

    monkeypatch.setattr(gateway.GatewayServer, "__init__", start)
    monkeypatch.setattr(gateway.GatewayServer, "run", lambda self: None)
    monkeypatch.setattr(pages, "studio_assets", lambda: {"index.html": Asset(b"page", None, {})}, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return found


def test_it_prints_an_address_that_signs_in(cli: Cli, canary: Canary, started: list[gateway.Settings], tmp_path: Path) -> None:
    """On loopback, with a token that is not shown and that allows what the keys allow; the history is the user's alone."""
    done = cli("studio", "--port", "0")
    assert done.exit_code == 0, done.output
    assert re.search(r"^http://127\.0\.0\.1:\d+/studio#code=[\w-]{43}$", done.output, re.MULTILINE)
    assert "kosha_" not in done.output
    assert (started[0].host, started[0].studio, started[0].protected, started[0].access_log) == ("127.0.0.1", True, True, "off")
    assert "list-users" in (started[0].tokens[0].actions or ())
    assert (tmp_path / "kosha" / "studio" / "runs.sqlite").stat().st_mode & 0o777 == 0o600


def test_without_a_key_the_page_asks_for_it(cli: Cli, started: list[gateway.Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts all the same, with a reference that nothing can be sent with."""
    for name in ("OPENAI_API_KEY", "BEARER_TOKEN", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    done = cli("studio", "--port", "0")
    assert done.exit_code == 0, done.output
    assert "asks for it" in done.output
    assert started[0].connections["default"].values == {"api_key": SubmittedSecrets.UNSET}


def test_the_sandbox_is_a_connection_by_itself(cli: Cli, started: list[gateway.Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its own key and server, whatever the environment says, and takes no other."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    for name in ("SERVER_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "https://elsewhere.example")
    done = cli("studio", "--port", "0", "--sandbox")
    assert done.exit_code == 0, done.output
    assert "nothing leaves this machine" in done.output
    assert "elsewhere" not in done.output
    assert cli("studio", "--sandbox", "--set", "api_key=env:X").exit_code == 2


def test_what_is_wrong_is_told(cli: Cli, canary: Canary, started: list[gateway.Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken, a page that was not built, a history that others can read."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen" in cli("studio", "--port", str(taken.getsockname()[1])).output
    path = Path(os.environ["XDG_CONFIG_HOME"], "kosha", "studio", "runs.sqlite")
    path.chmod(0o644)
    assert "history" in cli("studio", "--port", "0").output
    monkeypatch.setattr(pages, "studio_assets", dict, raising=False)
    assert "make studio" in cli("studio", "--port", "0").output
