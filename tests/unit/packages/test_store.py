"""Installed versions: one counts, the one before comes back, and a process that dies leaves one of them working."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import ConnectorPackageError, ManifestError
from kosha_connector_openai.packages import PackageStore, Wheel, build_wheel, read_wheel
from tests.unit.packages.tampering import DATA, TIDES, changed, members, packed, recorded

ROOT = Path(__file__).parents[3]


def made(version: str | None = None) -> Wheel:
    name, data = build_wheel(TIDES, version=version)
    return read_wheel(data, name)


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    return PackageStore(tmp_path / "store")


def test_install_upgrade_and_back(store: PackageStore) -> None:
    """Each version is whole in a folder of its own; rollback is a switch, and a second one goes forward."""
    assert store.put(made()).version == "1.0.0"
    assert store.put(made("1.1.0"), signer="harbour").version == "1.1.0"
    found = store.find("kosha-connector-tides")
    assert found is not None
    assert (found.version, found.signer, found.code) == ("1.1.0", "harbour", False)
    with Connector(found.folder) as connector:
        assert "listStations" in connector.catalog
    assert store.rollback("tides").version == "1.0.0"
    assert store.rollback("tides").version == "1.1.0"
    assert [each.id for each in store.installed()] == ["tides"]
    assert store.remove("tides").version == "1.1.0"
    assert store.installed() == []
    with pytest.raises(ConnectorPackageError, match="not installed"):
        store.rollback("tides")


def test_what_may_not_take_its_place(store: PackageStore) -> None:
    """An older version, the same one with other content, another distribution that offers the same connector; unless it is forced."""
    name, data = build_wheel(TIDES)
    spoilt = read_wheel(changed(data, f"{DATA}/README.md", lambda text: text + b"more", listed=True), name)
    store.put(made())
    with pytest.raises(ConnectorPackageError) as caught:
        store.put(spoilt)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/version", "version")]
    with pytest.raises(ConnectorPackageError) as caught:
        store.put(made("0.9.0"))
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/version", "downgrade")]
    assert store.put(made("0.9.0"), force=True).version == "0.9.0"
    assert store.find("tides").version == "0.9.0"  # type: ignore[union-attr]


def test_nothing_is_written_for_a_connector_that_is_wrong(store: PackageStore) -> None:
    """A manifest that cannot be read is found before the switch, and its folder is gone."""
    name, data = build_wheel(TIDES)
    found = [(each, b"{}" if each.filename.endswith("connector.yaml") else content) for each, content in members(data)]
    with pytest.raises(ManifestError) as caught:
        store.put(read_wheel(packed(recorded(found)), name))
    assert "/id" in str(caught.value)
    assert [path.name for path in store.folder.iterdir() if path.name != ".lock"] == []


def test_what_was_changed_after_the_installation_is_found(store: PackageStore) -> None:
    """A changed, an added and a missing file, and a link; installing it again mends it."""
    place = store.put(made()).place
    readme = place / DATA / "README.md"
    good = readme.read_bytes()
    readme.write_bytes(b"other")
    with pytest.raises(ConnectorPackageError, match=r"README\.md"):
        store.verify("tides")
    readme.write_bytes(good)
    assert store.verify("tides").version == "1.0.0"
    (place / "more.txt").write_text("x")
    with pytest.raises(ConnectorPackageError, match=r"more\.txt"):
        store.verify("tides")
    (place / "more.txt").unlink()
    readme.unlink()
    readme.symlink_to(place / DATA / "connector.yaml")
    with pytest.raises(ConnectorPackageError, match="link"):
        store.verify("tides")
    store.put(made())
    assert store.verify("tides").version == "1.0.0"


def test_a_broken_note_says_what_to_do(store: PackageStore) -> None:
    """What counts cannot be told: the error names the file, and installing again mends it."""
    store.put(made())
    (store.folder / "tides" / "current").write_text('["../../other"]')
    with pytest.raises(ConnectorPackageError, match="Install it again"):
        store.find("tides")
    assert store.put(made()).version == "1.0.0"


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=[pytest.mark.e2e, pytest.mark.slow])])
def test_killed_at_any_step_the_old_or_the_new_version_works(times: int) -> None:
    """SIGKILL before a chosen operation on files, seeded; every version that counts afterwards is whole and opens."""
    command = [sys.executable, "-m", "tests.unit.packages.killed", str(times), "13"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["left"] == []
    assert sum(found["counted"].values()) == times
    if times > 100:
        assert set(found["counted"]) == {
            "install: none", "install: 1.1.0", "upgrade: 1.0.0", "upgrade: 1.1.0", "rollback: 1.0.0", "rollback: 1.1.0",
        }  # fmt: skip
