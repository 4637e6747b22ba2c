"""The command as a whole: version, help, manifests, plugins, other connectors, completion, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.recorder import Recorder, events
from tests.unit.cli.conftest import Cli

TINY = """
schema_version: 1
id: tiny
title: Tiny
version: 1.0.0
tagline: A pretend provider.
publisher: {name: Nobody}
license: Apache-2.0
spec: {file: openapi.json}
servers: {default: "https://tiny.example"}
"""
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Tiny", "version": "1"},
    "paths": {"/ping": {"get": {"operationId": "ping", "responses": {"200": {"description": "ok"}}}}},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of another connector."""
    (tmp_path / "connector.yaml").write_text(TINY)
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    return tmp_path


def test_version(cli: Cli) -> None:
    """The installed version, alone on its line."""
    assert cli("--version").stdout == f"{version('kosha-connector-openai')}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("actions", "-h"), ("actions", "show", "--help")])
def test_help(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Every command explains itself."""
    done = cli(*arguments)
    assert (done.exit_code, "Usage" in done.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [("walk",), ("run",), ("run", "--nope", "x"), ("run", "listModels", "--timeout", "0")])
def test_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A wrong command line ends with 2."""
    assert cli(*arguments).exit_code == 2


def test_manifest(cli: Cli) -> None:
    """The manifest as it was read, defaults included."""
    found = json.loads(cli("manifest").stdout)
    assert (found["id"], found["spec"]["file"], found["defaults"]["timeouts"]["connect"]) == ("openai", "openapi.json", 5)


def test_manifest_schema(cli: Cli, root: Path) -> None:
    """The JSON Schema of manifests."""
    found = json.loads(cli("manifest", "--schema").stdout)
    assert {"id", "title", "groups"} <= found["properties"].keys()


def test_manifest_check(cli: Cli, tiny: Path) -> None:
    """A manifest that is being written: valid, or each fault with its pointer."""
    assert cli("manifest", "--check", str(tiny / "connector.yaml")).exit_code == 0
    (tiny / "connector.yaml").write_text(TINY + "titel: x\n")
    done = cli("manifest", "--check", str(tiny / "connector.yaml"))
    assert done.exit_code == 10
    assert "/titel" in done.stderr


def test_another_connector(cli: Cli, tiny: Path) -> None:
    """A folder with a manifest is a connector."""
    assert cli("--connector", str(tiny), "actions", "list").stdout.startswith("ping\t")


def test_unknown_connector(cli: Cli) -> None:
    """An id that no plugin offers ends with 10 and lists those loaded."""
    done = cli("--connector", "nobody", "actions", "list")
    assert done.exit_code == 10
    assert "Loaded: openai" in done.stderr


@pytest.mark.parametrize(("options", "names"), [(["--plugin", "no-such"], ""), ([], "no-such, openai")])
def test_unknown_plugin(cli: Cli, options: list[str], names: str) -> None:
    """A plugin that is not installed is named, whether it was listed by an option or by KOSHA_PLUGINS."""
    done = cli(*options, "actions", "list", env={"KOSHA_PLUGINS": names})
    assert done.exit_code == 10
    assert "no-such" in done.stderr


def test_our_own_plugin_is_always_there(cli: Cli) -> None:
    """Listing it changes nothing."""
    assert cli("--plugin", "openai", "actions", "search", "speech").exit_code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kosha-openai run createT", "createTranscription"),
        ("kosha-openai run createCompletion model=x pro", "prompt="),
        ("kosha-openai actions show listM", "listModels"),
    ],
)
def test_completion(cli: Cli, words: str, expected: str) -> None:
    """A shell completes ids of actions and names of inputs."""
    environ = {"_KOSHA_OPENAI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words}
    assert expected in cli(env=environ).stdout


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C in a stream keeps what came, closes the upstream connection and ends with 130."""
    first = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
    with Recorder(events(first, b"", b"", b"", pause=2.0)) as upstream:
        environ = {**os.environ, "OPENAI_API_KEY": "test-key-0123456789", "OPENAI_BASE_URL": upstream.url}
        command = [sys.executable, "-m", "kosha_connector_openai.cli", "run", "createChatCompletion", "model=m", "stream=true"]
        messages = 'messages=[{"role":"user","content":"hi"}]'
        with subprocess.Popen([*command, messages], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
            assert process.stdout is not None
            assert process.stdout.read(5) == b"Hello"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130


def test_sandbox() -> None:
    """The sandbox prints its address first, says how to reach it, and ends with 0 when it is interrupted; a port in use is no start."""
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "sandbox", "--port"]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        taken = subprocess.run([*command, url.rpartition(":")[2]], capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert f"OPENAI_BASE_URL={url}" in process.stderr.read()
    assert (taken.returncode, taken.stdout, "export" in taken.stderr) == (2, "", False)


def test_programs_do_not_wait_for_decoration() -> None:
    """What programs call loads no library for tables and colours."""
    code = "import sys; from kosha_connector_openai.cli.app import make_app\n"
    code += "try: make_app()(['actions', 'list', '--json'])\n"
    code += "except SystemExit as end: sys.exit(end.code or ('rich' in sys.modules) * 50)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
