"""Packages: the same files from a folder, an sdist and a wheel; nothing leads out of a folder, nothing is run."""

from __future__ import annotations

import io
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sdk.fault import PackageError
from kosha_connector_openai.sdk.package import is_client, read_package
from tests.tools.client.source import method

NAME = "openai"
TEXTS = method('return self._get("/things", cast_to=Thing)')


def folder(root: Path, texts: dict[str, str] = TEXTS, prefix: str = "openai-9.1.0/src/openai") -> Path:
    for name, text in texts.items():
        path = root / prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def sdist(root: Path, more: Callable[[tarfile.TarFile], None] = lambda archive: None, texts: dict[str, str] = TEXTS) -> Path:
    path = root / "openai-9.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in texts.items():
            add(archive, f"openai-9.1.0/src/openai/{name}", text)
        more(archive)
    return path


def add(archive: tarfile.TarFile, name: str, text: str = "", kind: bytes = tarfile.REGTYPE, target: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, len(text.encode())
    archive.addfile(member, io.BytesIO(text.encode()))


def wheel(root: Path, more: dict[str, tuple[str, int]] | None = None) -> Path:
    path = root / "openai-9.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in TEXTS.items():
            archive.writestr(f"openai/{name}", text)
        for name, (text, mode) in (more or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return path


def test_folder_sdist_and_wheel_give_the_same(tmp_path: Path) -> None:
    """Version, files and digest depend on the client alone, not on how it was packed."""
    packages = [read_package(str(made), NAME) for made in (folder(tmp_path / "unpacked"), sdist(tmp_path), wheel(tmp_path))]
    assert packages[0] == packages[1] == packages[2]
    assert packages[0].version == "9.1.0"
    assert packages[0].files["resources/things.py"] == TEXTS["resources/things.py"].encode()


@pytest.mark.parametrize("prefix", ["src/openai", "openai", "."])
def test_folder_at_any_depth(tmp_path: Path, prefix: str) -> None:
    """An unpacked sdist, an unpacked wheel, or the package itself."""
    assert read_package(str(folder(tmp_path, prefix=prefix)), NAME).version == "9.1.0"


def test_tests_of_the_client_are_no_part_of_it(tmp_path: Path) -> None:
    """Their folders have the names of the package's own."""
    folder(tmp_path)
    more = tmp_path / "openai-9.1.0" / "tests" / "types" / "test_x.py"
    more.parent.mkdir(parents=True)
    more.write_text("", encoding="utf-8")
    assert "test_x" not in str(read_package(str(tmp_path), NAME).files)


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "openai-9.1.0/../../evil.py", "a\\..\\..\\evil.py"])
def test_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """By name; nothing of such an archive is used."""
    with pytest.raises(PackageError, match="leads out of its folder"):
        read_package(str(sdist(tmp_path, lambda archive: add(archive, name, "x = 1"))), NAME)
    with pytest.raises(PackageError, match="leads out of its folder"):
        read_package(str(wheel(tmp_path, {name: ("x = 1", stat.S_IFREG | 0o644)})), NAME)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither in an archive nor in a folder: what they point at is no part of the package."""
    secret = tmp_path / "secret.py"
    secret.write_text("SECRET = 1", encoding="utf-8")
    at = "openai-9.1.0/src/openai/types/link.py"

    def link(archive: tarfile.TarFile) -> None:
        add(archive, at, kind=tarfile.SYMTYPE, target=str(secret))
        add(archive, at.replace("link", "hard"), kind=tarfile.LNKTYPE, target="openai-9.1.0/src/openai/_version.py")

    unpacked = folder(tmp_path / "unpacked")
    (unpacked / at).symlink_to(secret)
    for package in (
        read_package(str(sdist(tmp_path, link)), NAME),
        read_package(str(wheel(tmp_path, {"openai/types/link.py": (str(secret), stat.S_IFLNK | 0o777)})), NAME),
        read_package(str(unpacked), NAME),
    ):
        assert "types/link.py" not in package.files
        assert "types/hard.py" not in package.files


def test_only_python_is_read(tmp_path: Path) -> None:
    """Whatever else a package has stays unread, and a file larger than any module too."""
    more = {"openai/types/big.py": ("#" * 5_000_000, 0o644), "openai/types/data.bin": ("x", 0o644)}
    assert read_package(str(wheel(tmp_path, more)), NAME).files.keys() == TEXTS.keys()


def test_version_is_read_not_run(tmp_path: Path) -> None:
    """Without a plain version the client is still read."""
    assert read_package(str(folder(tmp_path, TEXTS | {"_version.py": "__version__ = make()"})), NAME).version == "unknown"


@pytest.mark.parametrize("made", ["missing.tar.gz", "missing", "broken.tar.gz", "broken.whl", "empty"])
def test_what_is_no_client_is_said(tmp_path: Path, made: str) -> None:
    """With its name: a path that does not exist, an archive that is none, a folder without a client."""
    path = tmp_path / made
    if made.startswith("broken"):
        path.write_bytes(b"no archive")
    elif made == "empty":
        path.mkdir()
    with pytest.raises(PackageError, match=made):
        read_package(str(path), NAME)


@pytest.mark.parametrize(
    ("source", "client"),
    [
        ("openai", True),
        ("openai==3.57.0", True),
        ("openai-3.57.0.tar.gz", True),
        ("x.whl", True),
        ("description.json", False),
        ("openai>=3", False),
        ("other==1.0", False),
        ("openai==1; rm", False),
    ],
)
def test_kind_of_source(source: str, client: bool) -> None:
    """A client by requirement or archive; anything else is a description's path."""
    assert is_client(source, NAME) is client


class Index:
    """Stands for pip: writes what the package index would give."""

    def __init__(self, give: Callable[[Path], Path] | None) -> None:
        self.give, self.command = give, list[str]()

    def __call__(self, command: list[str], **words: Any) -> subprocess.CompletedProcess[str]:
        self.command = command
        if self.give:
            self.give(Path(command[command.index("--dest") + 1]))
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution found for openai==99.0.0\n")


def test_requirement_is_downloaded_as_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a wheel, and nothing it depends on: for an sdist pip would run its build backend."""
    index = Index(wheel)
    monkeypatch.setattr("subprocess.run", index)
    assert read_package("openai==9.1.0", NAME).version == "9.1.0"
    assert {"download", "--no-deps", "--only-binary", ":all:", "openai==9.1.0"} <= set(index.command)


def test_version_that_does_not_exist_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the index answered."""
    monkeypatch.setattr("subprocess.run", Index(None))
    with pytest.raises(PackageError, match=r"openai==99\.0\.0 cannot be had .* No matching distribution found for openai==99\.0\.0"):
        read_package("openai==99.0.0", NAME)
