"""Packages are built alike everywhere, and hold data alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from kosha_connector_openai.errors import ConnectorPackageError
from kosha_connector_openai.packages import build_wheel, read_wheel
from kosha_connector_openai.packages.version import in_range, normalised, order
from tests.unit.packages.tampering import TIDES, members


def copied(tmp_path: Path, name: str = "tides") -> Path:
    return Path(shutil.copytree(TIDES, tmp_path / name))


def test_two_builds_in_different_places_are_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the folder is called, whatever the times and modes of its files, whatever lies beside them that is no part of it."""
    other = copied(tmp_path, "elsewhere")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "connector.yaml").chmod(0o600)
    (other / ".hidden.yaml").write_text("x")
    (other / "__pycache__").mkdir()
    assert build_wheel(other) == build_wheel(TIDES)


def test_what_is_in_it() -> None:
    """Manifest, description, Kosha's specification made from the manifest, README, logo, and an SBOM in its place (PEP 770)."""
    name, data = build_wheel(TIDES)
    files = {entry.filename: content for entry, content in members(data)}
    assert {path.rpartition("kosha_connectors/tides/")[2] for path in files if "kosha_connectors/tides/" in path} == {
        "connector.yaml", "connector_spec.json", "openapi.json", "README.md", "images/logo.svg",
    }  # fmt: skip
    info = f"{'-'.join(name.split('-')[:2])}.dist-info"
    sbom = json.loads(files[f"{info}/sboms/kosha_connector_tides.cdx.json"])
    assert (sbom["bomFormat"], sbom["metadata"]["component"]["purl"]) == ("CycloneDX", "pkg:pypi/kosha-connector-tides@1.0.0")
    assert [part["name"] for part in sbom["components"]] == ["kosha-connector-openai"]
    read_wheel(data, name)


def test_a_link_and_a_program_are_refused(tmp_path: Path) -> None:
    """Both are named at once."""
    folder = copied(tmp_path)
    (folder / "images" / "other.svg").symlink_to(folder / "images" / "logo.svg")
    (folder / "docs").mkdir()
    (folder / "docs" / "run.py").write_text("print()")
    with pytest.raises(ConnectorPackageError) as caught:
        build_wheel(folder)
    assert {(fault.pointer, fault.rule) for fault in caught.value.faults} == {("/images/other.svg", "link"), ("/docs/run.py", "type")}


def test_a_folder_of_the_older_kind_needs_a_version() -> None:
    """It has none of its own; its id is that of the folder, also inside the package."""
    folder = TIDES.parents[1] / "tests" / "contract" / "providers" / "lanterna"
    with pytest.raises(ConnectorPackageError, match="needs a version"):
        build_wheel(folder)
    name, data = build_wheel(folder, version="1.2.0")
    assert name == "kosha_connector_lanterna-1.2.0-py3-none-any.whl"
    assert read_wheel(data, name).folder == "kosha_connectors/lanterna"


def test_versions_sort_as_they_are_meant() -> None:
    """PEP 440, and the prereleases of other conventions."""
    rising = ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.2", "1.10", "2.0.0-beta.1", "2.0.0"]
    assert sorted(rising, key=order) == rising
    assert order("1.0") == order("1.0.0")
    assert [normalised(text) for text in ("1.0.0-beta.1", "1.0.0-rc2", "1.2.3")] == ["1.0.0b1", "1.0.0rc2", "1.2.3"]
    assert in_range("0.1.0", ">=0.1,<2")
    assert in_range("1.4.5", "~=1.4")
    assert not in_range("2.0", "~=1.4")
    assert not in_range("0.0.9", ">=0.1")
    with pytest.raises(ConnectorPackageError):
        order("newest")
