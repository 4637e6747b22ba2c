"""The commands that write files for other tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli

BIN = Path(__file__).parents[2] / "integration" / "node" / "node_modules" / ".bin"


def test_each_file_is_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its command, into the file that is named; curl commands are a script of the shell that names the token by its variable."""
    monkeypatch.chdir(tmp_path)
    assert cli("export", "openapi3", "--actions", "listModels,createImage", "-o", "three.json").exit_code == 0
    assert list(json.loads(Path("three.json").read_text())["paths"]) == ["/v1/images/generations", "/v1/models"]
    assert cli("export", "power-platform", "-o", "pair").exit_code == 0
    assert {path.name for path in Path("pair").iterdir()} == {"apiDefinition.swagger.json", "apiProperties.json"}
    assert cli("export", "mcpb", "-o", "openai.mcpb").exit_code == 0
    assert cli("export", "server-json", "--name", "io.github.someone/openai", "-o", "server.json").exit_code == 0
    assert cli("export", "curl", "-o", "calls.sh").exit_code == 0
    script = Path("calls.sh").read_text()
    assert script.count("curl -X") >= 14
    assert '"Authorization: Bearer $TOKEN"' in script
    subprocess.run(["sh", "-n", "calls.sh"], check=True)
    shown = cli("export", "openapi3", "--groups", "nothing")
    assert (shown.exit_code, "There are:" in shown.stderr) == (3, True)
    shown = cli("export", "openapi3", "--server", "nowhere")
    assert (shown.exit_code, shown.stdout, "/server: is no address." in shown.stderr) == (3, "", True)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "arguments", "file"),
    [
        ("swagger-cli", ("validate",), "three.json"),
        ("swagger-cli", ("validate",), "pair/apiDefinition.swagger.json"),
        ("mcpb", ("validate",), "bundle/manifest.json"),
    ],
)
def test_other_peoples_validators_accept_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, arguments: tuple[str, ...], file: str
) -> None:
    """Tools from npm, where they are installed."""
    if not (BIN / tool).exists():
        pytest.skip(f"{tool} is not installed: npm --prefix tests/integration/node install")
    monkeypatch.chdir(tmp_path)
    cli("export", "openapi3", "-o", "three.json")
    cli("export", "power-platform", "--all", "-o", "pair")
    cli("export", "mcpb", "-o", "openai.mcpb")
    subprocess.run(["python3", "-m", "zipfile", "-e", "openai.mcpb", "bundle"], check=True)
    done = subprocess.run([BIN / tool, *arguments, file], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
