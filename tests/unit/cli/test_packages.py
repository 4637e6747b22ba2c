"""The commands for packages, from a folder to a run of an action, and every refusal with its exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kosha_connector_openai.packages import PackageStore, new_key
from tests.recorder import Recorder, reply
from tests.unit.cli.conftest import Cli
from tests.unit.packages.tampering import DATA, TIDES, added_code, changed

PROVIDERS = Path(__file__).parents[2] / "contract" / "providers"
FLOW = """
arazzo: 1.0.1
info: {title: Levels, version: 1.0.0}
sourceDescriptions: [{name: tides, url: ./openapi.json, type: openapi}]
workflows:
  - workflowId: report
    steps:
      - stepId: add
        operationId: addReport
        parameters: [{name: station_id, in: path, value: st_london}]
        requestBody: {payload: {level: 212}}
        successCriteria: [{condition: $statusCode == 201}]
"""


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed in the home of whoever runs the tests, nor are its keys asked for."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built(cli: Cli, folder: Path, *more: str) -> str:
    done = cli("package", str(folder), "-o", "dist", "--json", *more)
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["file"])


RUNS = [
    (TIDES, (), {"TIDES_KEY": "tides-key-0123456789"}, ["listStations"], "Bearer tides-key-0123456789"),
    (
        PROVIDERS / "lanterna",
        ("--version", "1.0.0"),
        {"BEARER_TOKEN": "lanterna-0123456789"},
        ["PostInvoices", "customer=c"],
        "Bearer lanterna-0123456789",
    ),
    (
        PROVIDERS / "tallow",
        ("--version", "1.0.0"),
        {"USERNAME": "tallow-user-1", "PASSWORD": "tallow-0123456789"},
        ["getRestApi2IssueByKey", "key=A-1"],
        "Basic dGFsbG93LXVzZXItMTp0YWxsb3ctMDEyMzQ1Njc4OQ==",
    ),
    (
        PROVIDERS / "ferrytown",
        ("--version", "1.0.0"),
        {"ACCESS_TOKEN": "ferrytown-0123456789"},
        ["listTrips"],
        "Bearer ferrytown-0123456789",
    ),
]


@pytest.mark.parametrize(("folder", "more", "variables", "action", "header"), RUNS, ids=["tides", "bearer", "basic", "oauth2"])
def test_from_a_folder_to_a_run(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    more: tuple[str, ...],
    variables: dict[str, str],
    action: list[str],
    header: str,
) -> None:
    """Packaged, installed, and found by its id alone; the request carries the credential of its scheme."""
    done = cli("install", built(cli, folder, *more), "--yes")
    assert done.exit_code == 0, done.output
    with Recorder(reply(200, {"data": [], "items": []})) as upstream:
        for name, value in {**variables, "SERVER_URL": upstream.url}.items():
            monkeypatch.setenv(name, value)
        done = cli("--connector", folder.name, "run", *action, "--json")
        assert upstream.requests, done.output
        assert upstream.last.header("authorization") == header
    assert cli("list", "--json").exit_code == 0


def test_what_is_shown_before_a_yes(cli: Cli, homes: Path) -> None:
    """Hosts, secrets, the difference with verdicts, and the saved workflow that would break; without a yes nothing happens."""
    first = built(cli, TIDES)
    done = cli("install", first)
    assert done.exit_code == 4
    assert "Sends to: api.tides.example" in done.stderr
    assert "Asks for: Tides key" in done.stderr
    assert "--yes" in done.stderr
    assert PackageStore().installed() == []
    assert cli("install", first, "--yes").exit_code == 0
    other = homes / "other"
    other.mkdir()
    for path in TIDES.rglob("*"):
        if path.is_file():
            (other / path.relative_to(TIDES)).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(TIDES)).write_bytes(path.read_bytes())
    (other / "openapi.json").write_text((TIDES / "openapi.json").read_text().replace('"addReport"', '"sendReport"'))
    (homes / "flow.yaml").write_text(FLOW)
    assert cli("--connector", "tides", "workflow", "check", "flow.yaml").exit_code == 0
    done = cli("upgrade", built(cli, other, "--version", "1.1.0"), "--workflows", str(homes / "flow.yaml"), "--yes")
    assert done.exit_code == 0, done.output
    assert "some of them break callers" in done.stderr
    assert "Would break: flow.yaml:" in done.stderr
    assert cli("rollback", "tides").stdout == "tides 1.0.0 is what counts now.\n"
    assert cli("verify", "tides").stdout == "tides 1.0.0 is as it was installed.\n"
    assert cli("remove", "tides", "--yes").exit_code == 0
    assert cli("verify", "tides").exit_code == 10


def test_a_signature_where_one_is_required(cli: Cli, homes: Path) -> None:
    """Whoever keeps signers' keys takes nothing else: not unsigned, not by a stranger, not changed afterwards."""
    (mine, public), (stranger, _) = new_key(), new_key()
    (homes / "mine.pem").write_bytes(mine)
    (homes / "stranger.pem").write_bytes(stranger)
    signers = homes / "config" / "kosha" / "signers"
    signers.mkdir(parents=True)
    (signers / "harbour.pem").write_bytes(public)
    package = built(cli, TIDES)
    done = cli("install", package, "--yes")
    assert (done.exit_code, "is not signed" in done.stderr) == (10, True)
    assert cli("package", package, "--sign", "stranger.pem").exit_code == 0
    done = cli("install", package, "--yes")
    assert (done.exit_code, "nobody whom you trust" in done.stderr, "harbour" in done.stderr) == (10, True, True)
    assert cli("package", package, "--sign", "mine.pem").exit_code == 0
    done = cli("install", package, "--yes")
    assert done.exit_code == 0, done.output
    assert "signed by harbour" in done.stderr
    assert json.loads(cli("list", "--json").stdout)[0]["signer"] == "harbour"
    assert "signed by harbour" in cli("verify", package).stdout
    other = built(cli, TIDES, "--version", "1.1.0")
    (homes / (other + ".dsse.json")).write_bytes((homes / (package + ".dsse.json")).read_bytes())
    done = cli("upgrade", other, "--yes")
    assert (done.exit_code, "names another package" in done.stderr) == (10, True)
    assert PackageStore().find("tides").version == "1.0.0"  # type: ignore[union-attr]


def test_refusals_leave_everything_as_it_was(cli: Cli, homes: Path) -> None:
    """Code without a yes to it, a downgrade, a changed file, a second installation, an upgrade of nothing: exit 10, nothing written."""
    package = homes / built(cli, TIDES)
    newer = built(cli, TIDES, "--version", "2.0.0")
    code = homes / "code" / package.name
    code.parent.mkdir()
    code.write_bytes(added_code(package.read_bytes()))
    done = cli("upgrade", str(package), "--yes")
    assert (done.exit_code, "Use install" in done.stderr) == (10, True)
    done = cli("install", str(code), "--yes")
    assert (done.exit_code, "--allow-code" in done.stderr, "Holds code" in done.stderr) == (10, True, True)
    assert PackageStore().installed() == []
    assert cli("install", newer, "--yes").exit_code == 0
    done = cli("upgrade", str(package), "--yes")
    assert (done.exit_code, "older than 2.0.0" in done.stderr) == (10, True)
    done = cli("install", str(package), "--yes")
    assert (done.exit_code, "Use upgrade" in done.stderr) == (10, True)
    package.write_bytes(changed(package.read_bytes(), f"{DATA}/openapi.json", lambda text: text + b" "))
    done = cli("upgrade", str(package), "--yes", "--force", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["faults"][0]["pointer"]) == (10, f"/{DATA}/openapi.json")
    assert PackageStore().find("tides").version == "2.0.0"  # type: ignore[union-attr]
    done = cli("install", "tides")
    assert (done.exit_code, "KOSHA_CATALOGUE" in done.stderr) == (4, True)


def test_a_package_with_code_is_imported_where_it_lies(cli: Cli, homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is allowed: its entry point is its own module, behind everything that is installed."""
    package = homes / built(cli, TIDES)
    package.write_bytes(added_code(package.read_bytes()))
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert cli("install", str(package), "--yes", "--allow-code").exit_code == 0
    assert "listStations" in cli("--connector", "tides", "actions", "list").stdout
    assert json.loads(cli("list", "--json").stdout)[0]["code"] is True


def test_a_catalogue_from_the_command_line(cli: Cli, homes: Path) -> None:
    """Built, searched, installed from by name."""
    built(cli, TIDES)
    assert cli("catalogue", "build", "dist").exit_code == 0
    assert "tides" in cli("catalogue", "search", "tide", "--from", "dist").stdout
    assert cli("install", "tides", "--from", "dist", "--yes").exit_code == 0
    assert PackageStore().find("tides") is not None
    assert cli("install", "tide", "--from", "dist", "--yes").exit_code == 10
