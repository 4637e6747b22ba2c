"""``doctor`` finds what is broken, and shows names only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.canary import Canary
from tests.unit.cli.conftest import Cli


def test_healthy(cli: Cli, canary: Canary, connector: Connector) -> None:
    """With a key all is well; the key is read, and not shown."""
    done = cli("doctor")
    rows = {line.split("\t")[1]: line.split("\t") for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert rows["connector openai"][2] == f"{connector.manifest.version}, {len(connector.catalog)} actions"
    assert rows["field api_key"][2] == "from variable OPENAI_API_KEY"
    assert rows["secret env:OPENAI_API_KEY"] == ["ok", "secret env:OPENAI_API_KEY", "can be read."]
    canary.scan(done.stdout, done.stderr)


def test_no_key(cli: Cli) -> None:
    """Without a key it says which variables could hold one."""
    done = cli("doctor")
    assert done.exit_code == 4
    assert "OPENAI_API_KEY" in done.stdout


def test_for_programs(cli: Cli, canary: Canary) -> None:
    """The same as JSON."""
    found = json.loads(cli("doctor", "--json").stdout)
    assert {"state": "ok", "part": "field auth_type", "text": "from manifest", "code": 0} in found


def test_malformed_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a blank inside is found before it is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "half-of-a-key and more")
    done = cli("doctor")
    assert done.exit_code == 4
    assert "has a blank inside at position 14" in done.stdout
    assert "and more" not in done.stdout


def test_loose_file(cli: Cli, canary: Canary, tmp_path: Path) -> None:
    """The modes of a key file are looked at."""
    (tmp_path / "key").write_text(canary.key)
    (tmp_path / "key").chmod(0o640)
    done = cli("doctor", "--set", f"api_key=file:{tmp_path}/key")
    assert done.exit_code == 4
    assert "chmod 600" in done.stdout
    assert "from --set" in done.stdout


def test_proxy(cli: Cli, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is named, and said to be ignored; its address is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.example:3128")
    done = cli("doctor")
    assert done.exit_code == 0
    assert "HTTPS_PROXY: set, and ignored" in done.stdout
    assert "proxy.example" not in done.stdout


def test_changed_description(cli: Cli, canary: Canary, root: Path, tmp_path: Path) -> None:
    """A description that is not the pinned one is broken."""
    (tmp_path / "connector.yaml").write_bytes((root / "connector.yaml").read_bytes())
    pinned = f"spec:\n  sha256: {'a' * 64}\n"
    text = (tmp_path / "connector.yaml").read_text()
    start, end = text.index("spec:\n"), text.index("\nservers:")
    (tmp_path / "connector.yaml").write_text(text[:start] + pinned + text[end:])
    (tmp_path / "openapi.json").write_bytes((root / "openapi.json").read_bytes())
    done = cli("--connector", str(tmp_path), "doctor")
    assert done.exit_code == 10
    assert "SHA-256" in done.stdout


def test_kind_of_server(cli: Cli) -> None:
    """What a kind of server fills in is said to come from it."""
    done = cli("doctor", "--set", "server_kind=ollama")
    assert done.exit_code == 0
    assert "field server_url\tfrom the kind of server" in done.stdout


def test_options_of_a_file(cli: Cli, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's credential is read, and another description is named with its digest."""
    spec = tmp_path / "new.json"
    spec.write_text('{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}')
    monkeypatch.setenv("PROXY", "user:another-key-0123")
    file = tmp_path / "work.yaml"
    file.write_text(f"options: {{proxy: 'http://p.example:3128', proxy_auth: 'env:PROXY', spec: '{spec}'}}\n")
    done = cli("doctor", "--connection", str(file))
    assert done.exit_code == 0, done.stdout
    assert "secret env:PROXY\tcan be read." in done.stdout
    assert "spec\tnew.json, 1 operations, SHA-256 " in done.stdout
    assert "another-key-0123" not in done.stdout


def test_unfit_client_certificate(cli: Cli, canary: Canary, tmp_path: Path) -> None:
    """It is loaded here already, and its fault told."""
    cert = tmp_path / "client.pem"
    cert.write_text("no certificate")
    cert.chmod(0o644)
    file = tmp_path / "work.yaml"
    file.write_text(f"options: {{client_cert: '{cert}'}}\n")
    done = cli("doctor", "--connection", str(file))
    assert done.exit_code == 4
    assert "chmod 600" in done.stdout


@pytest.fixture
def broken(root: Path, tmp_path: Path) -> Path:
    """A copy of the folder with a misspelt key in one part and the name of no action in another."""
    folder = tmp_path / "broken"
    shutil.copytree(root / "connector", folder / "connector")
    for name in ("connector.yaml", "openapi.json"):
        shutil.copy(root / name, folder)
    for name, old, new in (("relay", "retry_hint:", "retry_hnt:"), ("pickers", "action: listBatches", "action: listBatchs")):
        file = folder / "connector" / f"{name}.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
    return folder


def test_faults_of_parts(cli: Cli, broken: Path) -> None:
    """Every fault of every part, with its file and pointer, before any call needs it."""
    done = cli("--connector", str(broken), "doctor")
    assert done.exit_code == ExitCode.DESCRIPTION
    assert "connector/relay.yaml: /retry_hnt: No such key. Did you mean `retry_hint`?" in done.stdout
    assert "connector/pickers.yaml: /pickers/batches/action: No action has this id. Did you mean `listBatches`?" in done.stdout


@pytest.mark.parametrize("path", [".", "connector.yaml"])
def test_a_folder_is_checked(cli: Cli, broken: Path, path: str) -> None:
    """The same by ``manifest --check``, of the file or its folder; as JSON for programs."""
    done = cli("manifest", "--check", str(broken / path))
    assert done.exit_code == ExitCode.DESCRIPTION
    assert "connector/pickers.yaml: /pickers/batches/action" in done.stderr
    found = json.loads(cli("manifest", "--check", str(broken / path), "--json").stdout)
    assert found["valid"] is False
    assert {(fault["file"], fault["pointer"]) for fault in found["faults"]} == {
        ("connector/relay.yaml", "/retry_hnt"),
        ("connector/pickers.yaml", "/pickers/batches/action"),
    }


def test_a_manifest_without_its_description(cli: Cli, root: Path, tmp_path: Path) -> None:
    """Its schema is checked, and it is said that nothing else was."""
    shutil.copy(root / "tests" / "tiny_provider" / "connector.yaml", tmp_path)
    done = cli("manifest", "--check", str(tmp_path))
    assert (done.exit_code, "is a valid manifest" in done.stdout, "were not checked" in done.stderr) == (0, True, True)
