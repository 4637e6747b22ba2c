"""Handles: JSON with a version, closed to what it does not know; a folder that is private and never half written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.jobs import Handle, JobStore, read_handle
from kosha_connector_openai.flows.jobs.handle import new_handle


@pytest.fixture
def handle(connector: Connector, key: str) -> Handle:
    del key
    made = new_handle(connector, connector.connection({}), "batch", "createBatch", "work")
    return made.with_(phase="started", ids={"batch_id": "batch_1"})


def test_a_handle_is_json_and_back(handle: Handle) -> None:
    """The same in values, in text and in bytes."""
    assert read_handle(handle.to_json()) == read_handle(handle.to_json().encode()) == read_handle(handle.to_dict()) == handle
    values = json.loads(handle.to_json())
    assert {"kosha_job": 1, "origin": "https://api.openai.com", "kind": "batch", "connection": "work"}.items() <= values.items()
    assert len(values["spec"]) == 64


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kosha_job": 2}, "/kosha_job"),
        ({"name": "../../etc/passwd"}, "/name"),
        ({"name": "batch-20250101000000-00000000/../x"}, "/name"),
        ({"key": "sk-1"}, "/key"),
        ({"phase": "odd"}, "/phase"),
        ({"ids": {"a": 5}}, "/ids/a"),
        ({"ids": {"a": ""}}, "/ids/a"),
        ({"source": {"name": "f", "size": -1, "md5": "0" * 32, "part_size": 1}}, "/source/size"),
    ],
)
def test_a_handle_that_was_changed_is_refused(handle: Handle, change: dict[str, Any], pointer: str) -> None:
    """Each fault is named by its place, and no value is repeated."""
    with pytest.raises(InputError) as caught:
        read_handle(handle.to_dict() | change)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kosha_job": 1}'])
def test_no_handle_at_all(text: str) -> None:
    """Refused as bad input."""
    with pytest.raises(InputError):
        read_handle(text)


def test_the_folder_is_private(handle: Handle, tmp_path: Path) -> None:
    """0700 and 0600, whatever the umask says; nothing but handles is left in it."""
    before = os.umask(0)
    try:
        store = JobStore(tmp_path / "a" / "jobs")
        store.keep(handle)
        store.keep(handle.with_(state="in_progress"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    (file,) = store.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert store.read(handle.name).state == "in_progress"


def test_a_write_that_fails_leaves_the_last_version(handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told, and the handle of before is whole."""
    store = JobStore(tmp_path)
    store.keep(handle)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kosha_connector_openai.flows.jobs.store.os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        store.keep(handle.with_(state="in_progress"))
    assert store.read(handle.name) == handle
    assert [path.name for path in tmp_path.iterdir()] == [f"{handle.name}.json"]


def test_jobs_are_found_by_name_or_its_beginning(handle: Handle, tmp_path: Path) -> None:
    """One that is not there, or that several begin with, is told; oldest first; what is no handle is passed over."""
    store = JobStore(tmp_path / "jobs")
    assert (list(store), store.names()) == ([], [])
    older = handle.with_(name="video-20200101000000-0000000a")
    newer = handle.with_(name="video-20210101000000-0000000b")
    for one in (newer, older):
        store.keep(one)
    (store.folder / "notes.json").write_text("{}")
    (store.folder / "batch-20220101000000-0000000c.json").write_text("{")
    assert list(store) == [older, newer]
    assert store.read("video-2020") == older
    for name in ("video", "audio", "", "../jobs"):
        with pytest.raises(InputError):
            store.read(name)
    store.drop(older.name)
    store.drop(older.name)
    assert list(store) == [newer]
    with pytest.raises(InputError):
        store.drop("../../x")


@pytest.mark.parametrize("way", ["link", "pipe", "loose", "renamed"])
def test_a_file_that_others_could_have_put_there_is_not_read(handle: Handle, tmp_path: Path, way: str) -> None:
    """C6: a link, a pipe that would be waited for, a file that others may write, and one that holds another job's handle."""
    store = JobStore(tmp_path / "jobs")
    store.keep(handle)
    place = tmp_path / "jobs" / f"{handle.name}.json"
    text = place.read_text()
    if way == "loose":
        place.chmod(0o666)
    else:
        place.unlink()
    if way == "link":
        (tmp_path / "elsewhere").write_text(text)
        place.symlink_to(tmp_path / "elsewhere")
    elif way == "pipe":
        os.mkfifo(place, 0o600)
    elif way == "renamed":
        place.touch(0o600)
        place.write_text(text.replace(handle.name, f"{handle.name[:-8]}ffffffff"))
    with pytest.raises(InputError):
        store.read(handle.name)
