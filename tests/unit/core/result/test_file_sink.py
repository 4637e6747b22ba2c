"""Files: whole or not at all, for their owner only, where the caller said, with the digest of what is in them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.result.file_sink import FileSink
from kosha_connector_openai.errors import InputError, ReplyError


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "speech.mp3"


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def failing(number: int) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_what_is_written_is_in_the_file(target: Path) -> None:
    """The bytes in their order; size, digest and the upstream's media type are told."""
    sink = FileSink(target)
    sink.check()
    sink.write(b"one ")
    sink.write(b"two")
    saved = sink.commit("audio/mpeg")
    assert target.read_bytes() == b"one two"
    assert (saved.path, saved.size, saved.content_type) == (target, 7, "audio/mpeg")
    assert saved.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert names(target) == ["speech.mp3"]


def test_an_empty_answer_is_an_empty_file(target: Path) -> None:
    """No chunk at all is a file, too."""
    assert FileSink(target).commit("").size == 0
    assert target.read_bytes() == b""


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_owner_can_read_it(target: Path) -> None:
    """F7: mode 0600 from its first byte on, whatever the umask allows."""
    old = os.umask(0)
    try:
        sink = FileSink(target)
        sink.write(b"x")
        assert [stat.S_IMODE(path.stat().st_mode) for path in target.parent.iterdir()] == [0o600]
        sink.commit("")
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_nothing_stands_at_the_target_before_the_end(target: Path) -> None:
    """F8: a reader never sees half a file."""
    sink = FileSink(target)
    sink.write(b"half")
    assert not target.exists()
    sink.discard()
    assert names(target) == []


def test_an_old_file_is_whole_until_it_is_replaced(target: Path) -> None:
    """F8: with ``overwrite`` the old content stays until the new one is complete, and after a failure for good."""
    target.write_bytes(b"old")
    failed = FileSink(target, overwrite=True)
    failed.check()
    failed.write(b"half")
    assert target.read_bytes() == b"old"
    failed.discard()
    assert (target.read_bytes(), names(target)) == (b"old", ["speech.mp3"])
    again = FileSink(target, overwrite=True)
    again.write(b"new")
    again.commit("")
    assert (target.read_bytes(), names(target)) == (b"new", ["speech.mp3"])


def test_discarding_nothing_is_nothing(target: Path) -> None:
    """A call that failed before its body leaves no trace."""
    FileSink(target).discard()
    assert names(target) == []


def test_after_discarding_the_file_begins_anew(target: Path) -> None:
    """A second attempt has nothing of the first in its bytes, its size or its digest."""
    sink = FileSink(target)
    sink.write(b"first")
    sink.discard()
    sink.write(b"again")
    saved = sink.commit("")
    assert (target.read_bytes(), saved.size, saved.sha256) == (b"again", 5, hashlib.sha256(b"again").hexdigest())


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    """Folders are not made by a slip of the pen."""
    with pytest.raises(InputError) as caught:
        FileSink(tmp_path / "no" / "file").check()
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/out", "directory")]


def test_a_file_is_not_overwritten_unasked(target: Path) -> None:
    """F7: an existing file is refused before anything is sent."""
    target.write_bytes(b"old")
    with pytest.raises(InputError) as caught:
        FileSink(target).check()
    assert [fault.rule for fault in caught.value.faults] == ["exists"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_or_a_link_is_no_target(target: Path, overwrite: bool) -> None:
    """F7: what a link points at is not written, not even when overwriting is allowed."""
    (target.parent / "elsewhere").write_bytes(b"theirs")
    target.symlink_to(target.parent / "elsewhere")
    for place in (target, target.parent):
        with pytest.raises(InputError) as caught:
            FileSink(place, overwrite=overwrite).check()
        assert [fault.rule for fault in caught.value.faults] == ["file"]
    assert (target.parent / "elsewhere").read_bytes() == b"theirs"


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_a_file_that_came_meanwhile_is_kept(target: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """F7: the other one's file stays; the error says that the reply had come, so that nobody runs it again blindly."""
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", failing(errno.EPERM))
    sink = FileSink(target)
    sink.check()
    sink.write(b"ours")
    target.write_bytes(b"theirs")
    with pytest.raises(ReplyError, match="The reply arrived, but the output file could not be written"):
        sink.commit("")
    assert (target.read_bytes(), names(target)) == (b"theirs", ["speech.mp3"])


def test_a_file_system_without_hard_links_will_do(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network and removable disks have no links; a paid answer is not lost there."""
    monkeypatch.setattr(Path, "hardlink_to", failing(errno.EOPNOTSUPP))
    sink = FileSink(target)
    sink.write(b"whole")
    sink.commit("")
    assert (target.read_bytes(), names(target)) == (b"whole", ["speech.mp3"])
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("part", ["open", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_full_disk_is_told(target: Path, monkeypatch: pytest.MonkeyPatch, part: str, number: int) -> None:
    """R-9: the reply came and could not be kept; that is said, with what the system says, and no rest stays behind."""
    monkeypatch.setattr(os, part, failing(number))
    sink = FileSink(target)
    with pytest.raises(ReplyError) as caught:
        sink.commit("")
    assert caught.value.message == f"The reply arrived, but the output file could not be written: {os.strerror(number)}."
    assert (caught.value.retryable, caught.value.__cause__) == (None, None)
    monkeypatch.undo()
    sink.discard()
    assert names(target) == []


def test_a_disk_that_fills_up_while_closing_is_told_once(target: Path) -> None:
    """Buffered bytes that cannot be written any more do not turn the clean-up into a second error."""
    sink = FileSink(target)
    sink.write(b"x")
    assert sink._file is not None
    os.close(sink._file.fileno())
    sink.discard()
    assert names(target) == []


@settings(max_examples=50, deadline=None)
@given(chunks=st.lists(st.binary(max_size=300), max_size=20))
def test_any_chunks_make_the_same_file(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    """However the body is cut, the file is the body."""
    target = tmp_path_factory.mktemp("any") / "file"
    sink = FileSink(target)
    for chunk in chunks:
        sink.write(chunk)
    saved = sink.commit("")
    whole = b"".join(chunks)
    assert (target.read_bytes(), saved.size, saved.sha256) == (whole, len(whole), hashlib.sha256(whole).hexdigest())
