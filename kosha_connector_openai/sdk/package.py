"""Package: the Python files of a published client, read as bytes from a folder, an archive or the package index.

Nothing of it is imported, built or run: archives are read in memory, and from the index comes a wheel, for which pip runs no code of
the package (an sdist would have its build backend called for metadata).
"""

from __future__ import annotations

import hashlib
import re
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kosha_connector_openai.sdk.fault import PackageError

MARKS = ("resources/__init__.py", "types/__init__.py")
"""Files that the folder of a client has; the package's own tests have folders of the same names without them."""
FOLDERS_LEFT_OUT = frozenset({".git", ".venv", "build", "node_modules", "tests"})
MAX_FILE = 4 * 1024 * 1024
MAX_TOTAL = 64 * 1024 * 1024
VERSION = re.compile(rb"^__version__\s*=\s*[\"']([^\"']+)", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """A client's version, its Python files by path below the package's folder, and the digest of both."""

    version: str
    files: dict[str, bytes]
    sha256: str


def is_client(source: str, name: str) -> bool:
    """Whether `source` names a client: a requirement of the package `name`, an archive, or a folder; a JSON file is a description."""
    return _is_requirement(source, name) or source.endswith((".tar.gz", ".whl", ".zip")) or Path(source).is_dir()


def read_package(source: str, name: str) -> Package:
    """The client that `source` names, as in `is_client`; raises `PackageError` where there is none."""
    if _is_requirement(source, name):
        with tempfile.TemporaryDirectory() as folder:
            return _package(_archive_files(_download(source, Path(folder))), source)
    path = Path(source)
    if not path.exists():
        raise PackageError(f"{source}: no such file or folder, and no requirement such as {name}==1.2.3")
    return _package(_folder_files(path) if path.is_dir() else _archive_files(path), source)


def _is_requirement(source: str, name: str) -> bool:
    return bool(name) and bool(re.fullmatch(rf"{re.escape(name)}(==[0-9][0-9A-Za-z.+!-]*)?", source))


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--ignore-requires-python"]
    command += ["--only-binary", ":all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this Python, and a name that was matched # nosec B603
    found = list(folder.iterdir())
    if done.returncode or not found:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PackageError(f"{requirement} cannot be had from the package index: {lines[-1] if lines else done.stderr.strip()}")
    return found[0]


def _archive_files(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.name.endswith(".tar.gz"):
            yield from _tar_files(path)
        else:
            yield from _zip_files(path)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise PackageError(f"{path.name} is no archive that can be read: {error}") from None


def _tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            _refuse_escape(path, member.name)
            if member.isfile() and _wanted(member.name, member.size):
                content = archive.extractfile(member)
                yield member.name, content.read() if content else b""


def _zip_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _refuse_escape(path, member.filename)
            if not stat.S_ISLNK(member.external_attr >> 16) and _wanted(member.filename, member.file_size):
                yield member.filename, archive.read(member)


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    root = folder.resolve()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        inside = path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(root)
        if inside and not FOLDERS_LEFT_OUT & set(name.parts) and _wanted(name.name, path.stat().st_size):
            yield name.as_posix(), path.read_bytes()


def _refuse_escape(archive: Path, name: str) -> None:
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise PackageError(f"{archive.name} has the path {name!r}, which leads out of its folder")


def _wanted(name: str, size: int) -> bool:
    return name.endswith(".py") and size <= MAX_FILE


def _package(found: Iterator[tuple[str, bytes]], source: str) -> Package:
    """The files below the one folder that is a client's package."""
    files: dict[str, bytes] = {}
    total = 0
    for name, content in found:
        total += len(content)
        if total > MAX_TOTAL:
            raise PackageError(f"{source} has more than {MAX_TOTAL} bytes of Python files")
        files[name] = content
    roots = sorted((name.removesuffix(MARKS[0]) for name in files if name.endswith(MARKS[0])), key=len)
    root = next((root for root in roots if root + MARKS[1] in files), None)
    if root is None:
        raise PackageError(f"{source} is no client: it has no folder with {' and '.join(MARKS)}")
    own = {name.removeprefix(root): content for name, content in sorted(files.items()) if name.startswith(root)}
    version = VERSION.search(own.get("_version.py", b""))
    return Package(version[1].decode() if version else "unknown", own, _digest(own))


def _digest(files: dict[str, bytes]) -> str:
    """One digest for the same files, whether they came from a folder, an sdist or a wheel."""
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return hashlib.sha256(lines.encode()).hexdigest()
