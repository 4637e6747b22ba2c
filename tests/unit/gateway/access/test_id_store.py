"""Where ids are kept: in memory or in a file, each tenant's own, and bounded."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.id_store import IdKind, Ids, MemoryIds, SqliteIds


@pytest.fixture(params=["memory", "file"])
def ids(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ids]:
    made: Ids = MemoryIds(passing=5) if request.param == "memory" else SqliteIds(tmp_path / "ids", passing=5)
    yield made
    made.close()


def test_whoever_had_it_first_keeps_it(ids: Ids) -> None:
    """A part may turn out to be an object, and stays its tenant's."""
    ids.keep("x", "id-000001", "a", IdKind.PART)
    ids.keep("x", "id-000001", "b", IdKind.OBJECT)
    assert ids.find("x", "id-000001") == ("a", IdKind.PART)
    ids.keep("x", "id-000001", "a", IdKind.OBJECT)
    ids.keep("x", "id-000001", "a", IdKind.PART)
    assert ids.find("x", "id-000001") == ("a", IdKind.OBJECT)
    assert ids.find("y", "id-000001") is None


def test_b10_only_what_cannot_be_had_again_is_kept_for_ever(ids: Ids) -> None:
    """B10: a flood of one tenant's ids takes no other's away, nor its own objects."""
    ids.keep("x", "file-of-a", "a", IdKind.OBJECT)
    ids.keep("x", "part-of-a", "a", IdKind.PART)
    ids.keep("x", "file-of-b", "b", IdKind.OBJECT)
    for number in range(200):
        ids.keep("x", f"passing-{number}", "b", IdKind.PASSING)
    assert [ids.find("x", key) is not None for key in ("file-of-a", "part-of-a", "file-of-b", "passing-199", "passing-0")] == [
        True, True, True, True, False,
    ]  # fmt: skip


def test_objects_are_counted_and_forgotten(ids: Ids) -> None:
    """Each tenant's own; what is forgotten is nobody's."""
    assert ids.count("x", "a") == 0
    for number in range(3):
        ids.keep("x", f"file-{number:06}", "a", IdKind.OBJECT)
    ids.keep("x", "part-000000", "a", IdKind.PART)
    assert (ids.count("x", "a"), ids.count("x", "b")) == (3, 0)
    ids.forget("x", "file-000001")
    ids.forget("x", "file-000001")
    assert ids.count("x", "a") == 2
    assert ids.find("x", "file-000001") is None


def test_a_note_stays_with_its_id(ids: Ids) -> None:
    """What a cursor of ours stands for."""
    ids.keep("x", "cursor-1", "a", IdKind.CURSOR, "listFiles file-1")
    assert ids.note("x", "cursor-1") == "listFiles file-1"
    assert ids.note("x", "cursor-2") is None


def test_a_file_outlives_the_process_and_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600."""
    place = tmp_path / "ids"
    first = SqliteIds(place)
    first.keep("c", "file-abc123", "a", IdKind.OBJECT)
    first.close()
    again = SqliteIds(place)
    assert again.find("c", "file-abc123") == ("a", IdKind.OBJECT)
    assert again.count("c", "a") == 1
    again.close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_used_is_told_at_start(tmp_path: Path) -> None:
    """A folder that is not there, something that is no database, a link, and a file that others may read or write."""
    (tmp_path / "text").touch(mode=0o600)
    (tmp_path / "text").write_text("not a database, but long enough to look like something" * 50)
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "link").symlink_to(tmp_path / "text")
    for place in (tmp_path / "no" / "such", *(tmp_path / name for name in ("text", "open", "link"))):
        with pytest.raises(SetupError, match="file of ids"):
            SqliteIds(place)
