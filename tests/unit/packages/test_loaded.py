"""A package of data that pip installed is a plugin without a line of code; `--connector` is enough to find it."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kosha_connector_openai import create_plugin_manager, load_connectors
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.packages import build_wheel
from tests.unit.packages.tampering import TIDES


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files where pip would put them."""
    place = tmp_path / "site"
    with zipfile.ZipFile(io.BytesIO(build_wheel(TIDES)[1])) as archive:
        archive.extractall(place)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "kosha_connectors"]:
        monkeypatch.delitem(sys.modules, name)
    return place


def test_its_entry_point_is_its_folder(installed: Path) -> None:
    """Nothing of it is executed: the folder that the entry point names has a manifest and no Python."""
    found = load_connectors(create_plugin_manager(names=["tides"]))
    try:
        assert found["tides"].folder == installed / "kosha_connectors" / "tides"
        assert "listStations" in found["tides"].catalog
    finally:
        found["tides"].close()
    assert not list(installed.rglob("*.py"))


def test_the_command_finds_it_by_its_id(installed: Path) -> None:
    """Without ``--plugin``: to choose a connector is to list its plugin."""
    done = CliRunner().invoke(make_app(), ["--connector", "tides", "actions", "list"], prog_name="kosha-openai")
    assert (done.exit_code, "listStations" in done.stdout) == (0, True), done.output
    assert installed.is_dir()
