"""Where runs over rows are kept: whose they are, how many and how large, and what a folder must be to be used."""

import os
from pathlib import Path

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.bulk_entry import BulkEntry
from kosha_connector_openai.gateway.pages.bulk.run_folders import FullError, RunFolders

FACTS = {"name": "", "format": "csv", "bytes": 1, "rows": 1, "columns": ["a"], "first": [], "created": 1.0, "end": None}


def folders(path: Path, **entry: int) -> RunFolders:
    return RunFolders(BulkEntry(folder=path / "runs", **entry))


def test_a_run_is_found_by_its_owner_alone(tmp_path: Path):
    """By its whole name; neither a path nor another owner's name leads to it, and an owner's name is no path."""
    kept = folders(tmp_path)
    for owner in ("a/one", "../../x", "a/../b", "\x00"):
        run = kept.keep(kept.new(owner), FACTS)
        found = kept.find(owner, run.id)
        assert found is not None
        assert found.rows.parent.parent.parent == tmp_path / "runs"
        for name in ("", ".", "..", f"{run.id}/", f"../{run.path.parent.name}/{run.id}", run.id.upper() + "x"):
            assert kept.find(owner, name) is None
        assert kept.find("another", run.id) is None
    assert sorted(path.parent.name for path in tmp_path.rglob("run.json")) == sorted(path.name for path in (tmp_path / "runs").glob("*/*"))


def test_the_newest_come_first_and_a_removed_one_is_gone(tmp_path: Path):
    """In the order in which they were made."""
    kept = folders(tmp_path)
    runs = [kept.keep(kept.new("a"), {**FACTS, "created": at}) for at in (2.0, 3.0, 1.0)]
    assert [run.facts["created"] for run in kept.all("a")] == [3.0, 2.0, 1.0]
    kept.remove(runs[1].path)
    assert [run.facts["created"] for run in kept.all("a")] == [2.0, 1.0]
    assert kept.all("b") == []


def test_room_is_shared(tmp_path: Path):
    """One owner has half of what the others leave; a number of runs is the most that are kept."""
    kept = folders(tmp_path, kept=2, disk=4000)
    for owner, sizes in (("a", (1000, 900)), ("b", (900,))):
        for size in sizes:
            kept.check_room(owner)
            (kept.new(owner) / "rows.csv").write_bytes(bytes(size))
    with pytest.raises(FullError, match="2 runs"):
        kept.new("a")
    with pytest.raises(FullError, match="This token's runs"):
        kept.check_room("a")
    kept.check_room("b")
    (kept.new("b") / "rows.csv").write_bytes(bytes(1300))
    with pytest.raises(FullError, match="All runs"):
        kept.check_room("c")


def test_what_a_broken_off_upload_left_is_swept(tmp_path: Path):
    """Once it is old; a run is left as it is."""
    kept = folders(tmp_path)
    old, fresh, run = kept.new("a"), kept.new("a"), kept.keep(kept.new("a"), FACTS)
    for path in (old, run.path):
        os.utime(path, (0, 0))
    folders(tmp_path)
    assert [path.exists() for path in (old, fresh, run.path)] == [False, True, True]


@pytest.mark.parametrize("kind", ["loose", "link", "file"])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, kind: str):
    """At the start, with the setting's name."""
    place = tmp_path / "runs"
    if kind == "loose":
        place.mkdir()
        place.chmod(0o777)
    elif kind == "link":
        place.symlink_to(tmp_path)
    else:
        place.touch()
    with pytest.raises(SetupError) as caught:
        folders(tmp_path)
    assert caught.value.faults[0].pointer == "/bulk/folder"
