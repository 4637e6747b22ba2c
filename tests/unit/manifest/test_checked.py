"""Records that were found good: read again without YAML and pydantic, and only where nobody else could have written them."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from kosha_connector_openai.manifest import checked, read_part
from kosha_connector_openai.manifest.folder import read_folder
from kosha_connector_openai.manifest.manifest import Manifest, read_manifest
from kosha_connector_openai.manifest.part import Part, parse_part
from kosha_connector_openai.manifest.parts import PARTS

SMALL = b"id: tiny\ntitle: Tiny\nversion: 1.0.0\ntagline: t\npublisher: {name: p}\nlicense: MIT\n"
QUIET = """
import sys
from pathlib import Path
from kosha_connector_openai.manifest import read_folder
print(read_folder(Path(sys.argv[1])).title, *sorted({"yaml", "pydantic"} & sys.modules.keys()))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a folder with a small manifest beside it; the folder is returned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "connector"
    folder.mkdir(mode=0o755)
    (folder / "connector.yaml").write_bytes(SMALL)
    return folder


def kept(home: Path) -> list[Path]:
    """The files of the cache."""
    return sorted((home.parent / "cache" / "kosha" / "manifests").glob("*"))


def title_and_modules(folder: Path) -> list[str]:
    """The title that a fresh process reads, and which of the slow modules it needed."""
    done = subprocess.run([sys.executable, "-c", QUIET, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_second_start_needs_neither_yaml_nor_pydantic(home: Path) -> None:
    """The first start checks and keeps; the second reads what was kept; another text is checked again."""
    assert title_and_modules(home) == ["Tiny", "pydantic", "yaml"]
    assert title_and_modules(home) == ["Tiny"]
    (home / "connector.yaml").write_bytes(SMALL.replace(b"Tiny", b"Other"))
    assert title_and_modules(home) == ["Other", "pydantic", "yaml"]


def test_every_shipped_record_comes_back_as_it_was(root: Path) -> None:
    """The manifest and all its parts, with their lists, tuples, maps, dates and defaults."""
    manifest = read_manifest(root / "connector.yaml")
    records: list[tuple[bytes, Part]] = [((root / "connector.yaml").read_bytes(), manifest)]
    for name, model in PARTS.items():
        data = (root / str(manifest.parts[name])).read_bytes()
        records.append((data, parse_part(data, model, name=name)))
    for data, record in records:
        checked.keep(data, record)
        assert checked.recall(data, type(record)) == record


def test_files_and_folder_are_the_users_alone(home: Path) -> None:
    """Nobody else reads or writes there."""
    read_folder(home)
    (file,) = kept(home)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_nothing_is_kept_of_a_folder_that_others_may_write(home: Path, mode: int) -> None:
    """Its text is read and checked each time."""
    home.chmod(mode)
    assert read_folder(home).title == "Tiny"
    assert kept(home) == []


def _other_title(file: Path) -> bytes:
    body = file.read_bytes()[64:].replace(b"Tiny", b"Evil")
    return sha256(body).hexdigest().encode() + body


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-9]),
        lambda file: file.write_bytes(file.read_bytes().replace(b"Tiny", b"Evil")),
        lambda file: (file.write_bytes(_other_title(file)), file.chmod(0o644)),
        lambda file: (file.write_bytes(_other_title(file)), file.parent.chmod(0o755)),
        lambda file: (file.write_bytes(_other_title(file)), file.rename(file.parent / "x"), file.symlink_to(file.parent / "x")),
        lambda file: (file.unlink(), os.mkfifo(file, 0o600)),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["empty", "cut", "changed", "readable by others", "folder open to others", "a link", "a pipe", "a folder"],
)
def test_what_is_not_exactly_what_was_written_is_not_used(home: Path, spoil) -> None:
    """The text is read instead, without a word."""
    read_folder(home)
    spoil(kept(home)[0])
    assert read_folder(home).title == "Tiny"


@pytest.mark.parametrize(
    "body", [b"{}", b'{"":"os.path"}', b'{"":"part.Part.accept"}', b'{"":"manifest.Manifest","new":1}', b'{"":"manifest.Icon","light":"x"}']
)
def test_a_record_of_another_version_or_kind_is_not_used(home: Path, body: bytes) -> None:
    """A type that is none of our records, a field that is not known, a record of another type."""
    read_folder(home)
    kept(home)[0].write_bytes(sha256(body).hexdigest().encode() + body)
    assert checked.recall(SMALL, Manifest) is None
    assert read_folder(home).title == "Tiny"


def test_records_of_others_are_not_kept(home: Path) -> None:
    """Settings and price files hold what an operator would not want copied: only the parts of a connector are kept."""

    class Settings(Part):
        key: str = ""

    (home / "settings.yaml").write_text("key: x")
    assert read_part(home, "settings.yaml", Settings, name="settings").key == "x"
    assert kept(home) == []


def test_writers_at_once_and_readers_beside_them_see_whole_records(home: Path) -> None:
    """Eight writers and eight readers: none fails, and the last word is whole."""
    manifest = parse_part(SMALL, Manifest, name="connector.yaml")

    def write(_: int) -> Manifest | None:
        checked.keep(SMALL, manifest)
        return checked.recall(SMALL, Manifest)

    with ThreadPoolExecutor(8) as pool:
        assert set(map(repr, pool.map(write, range(80)))) == {repr(manifest)}
    command = [sys.executable, "-c", QUIET, str(home)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in processes] == ["Tiny\n", "Tiny\n"]
    assert [file.suffix for file in kept(home)] == [".json"]


def test_the_cache_does_not_grow_without_end(home: Path) -> None:
    """Each text that was ever good has a file; the oldest go."""
    for number in range(70):
        checked.keep(b"%d" % number, parse_part(SMALL, Manifest, name="connector.yaml"))
    assert len(kept(home)) == 64
