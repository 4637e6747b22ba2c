"""The refreshed description: written whole, read back only as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.refreshed import read_refreshed, refreshed_pin, write_refreshed


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "kosha" / "descriptions"


def test_what_is_written_is_read(config: Path) -> None:
    """With its source and date, for its owner alone; of two connectors each has its own."""
    write_refreshed("one", b"{}", "client 1", "2026-11-28")
    write_refreshed("two", b"[]", "client 2", "2026-11-28")
    assert (read_refreshed("one"), read_refreshed("two")) == (b"{}", b"[]")
    assert refreshed_pin("one")["source"] == "client 1"
    assert {path.stat().st_mode & 0o777 for path in config.iterdir()} == {0o600}


def test_only_the_last_is_kept(config: Path) -> None:
    """A new description takes the place of the one before; nothing half written stays."""
    write_refreshed("one", b"{}", "a", "2026-11-28")
    path = write_refreshed("one", b"[]", "b", "2026-11-28")
    assert sorted(entry.name for entry in config.iterdir()) == sorted([path.name, "one.pin"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder, file: file.write_bytes(b"{ }"), "was changed since"),
        (lambda folder, file: file.unlink(), "cannot be read"),
        (lambda folder, file: file.chmod(0o666), "others than its owner"),
        (lambda folder, file: (folder / "one.pin").write_text("no"), "it is no JSON"),
        (lambda folder, file: (folder / "one.pin").write_text("[]"), "another form"),
        (lambda folder, file: (folder / "one.pin").chmod(0o666), "others than its owner"),
        (lambda folder, file: (folder / "one.pin").unlink(), "There is no refreshed"),
    ],
)
def test_anything_else_is_refused(config: Path, change: object, words: str) -> None:
    """Changed, gone, or open to others: an error that says so, at the option."""
    file = write_refreshed("one", b"{}", "a", "2026-11-28")
    assert callable(change)
    change(config, file)
    with pytest.raises(DocumentError, match=words) as caught:
        read_refreshed("one")
    assert caught.value.pointer == "/spec"
    assert caught.value.hint


def test_a_pin_leads_nowhere_else(config: Path) -> None:
    """Only to a file beside it."""
    config.mkdir(parents=True)
    (config.parent / "x.json").write_bytes(b"{}")
    (config / "one.pin").write_text('{"file": "../x.json", "sha256": "0"}')
    with pytest.raises(DocumentError, match=r"x\.json cannot be read"):
        read_refreshed("one")


def test_a_folder_that_cannot_be_written(config: Path) -> None:
    """The error names it."""
    config.parent.mkdir(parents=True)
    config.write_text("a file")
    with pytest.raises(DocumentError, match="cannot be written"):
        write_refreshed("one", b"{}", "a", "2026-11-28")
