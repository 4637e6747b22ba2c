"""Bytes -> a Wheel whose every file is what its RECORD says; anything else is refused, naming the file, before a byte is written.

The format is that of Python's wheels (PEP 427), with the SBOM of PEP 770 and the entry point group that finds connectors.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass, field
from email.parser import Parser
from pathlib import PurePosixPath
from typing import Final

from kosha_connector_openai.errors import ConnectorPackageError, Fault

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a package."""
LARGEST_OPEN: Final = 256 * 1024 * 1024
"""Bytes of all files in it."""
MOST_FILES: Final = 5_000
GROUP: Final = "kosha.connectors"
HOST: Final = __name__.partition(".")[0].replace("_", "-")
_NAME: Final = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!]+)(?:-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl")
_CODE: Final = (".py", ".pyc", ".pyd", ".so", ".dylib", ".dll", ".pth", ".exe", ".sh", ".bat", ".ps1", ".js", ".mjs", ".cjs")
_PACKED: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError)
_LONGEST: Final = 300
_MANIFESTS: Final = ("connector.yaml", "connector_spec.json")
_ENCRYPTED: Final = 0x1
_REFUSED: Final = "The package is refused: nothing was written."
_FORBIDDEN: Final = frozenset('<>:"|?*\\')


@dataclass(frozen=True, slots=True)
class Wheel:
    """A checked package. ``module`` is what its entry point names; ``code`` are the files that a host would run."""

    file: str
    distribution: str
    version: str
    digest: str
    """SHA-256 of the whole file, in hexadecimal."""
    module: str
    folder: str
    """The connector's folder inside, as a path: that of the module, or the nearest above it that has a manifest."""
    requires: tuple[str, ...]
    requires_python: str
    code: tuple[str, ...]
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def info(self) -> str:
        """The folder of its metadata."""
        return f"{self.distribution}-{self.version}.dist-info"


def read_wheel(data: bytes, file: str) -> Wheel:
    """The package in ``data``; ``file`` is its name, which it must fit. Raises ConnectorPackageError with every fault that was found."""
    if len(data) > LARGEST:
        raise refused(Fault("", "size", f"is larger than {LARGEST} bytes."))
    named = _NAME.fullmatch(file)
    if named is None:
        raise refused(Fault(_at(file), "name", "is no name of a wheel.", "Leave the name as it was built: NAME-VERSION-py3-none-any.whl."))
    files = _opened(data)
    distribution, version = named.groups()
    info = f"{distribution}-{version}.dist-info"
    if f"{info}/RECORD" not in files:
        raise refused(Fault(_at(f"{info}/RECORD"), "missing", "is not in the package.", "The file was renamed, or is no wheel."))
    if faults := list(_against_record(files, info)):
        raise refused(*faults)
    return _read(data, file, distribution, version, files)


def check_record(files: Mapping[str, bytes], info: str) -> None:
    """Raises ConnectorPackageError where files are not those of the RECORD among them."""
    if faults := list(_against_record(files, info)):
        raise ConnectorPackageError("The package is not as it was installed.", faults)


def refused(*faults: Fault) -> ConnectorPackageError:
    """The error of a package that is not let in."""
    return ConnectorPackageError(_REFUSED, faults)


def _opened(data: bytes) -> dict[str, bytes]:
    """The files by path, within the limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES:
                raise refused(Fault("", "count", f"has more than {MOST_FILES} files."))
            if faults := list(_unsafe(entries)):
                raise refused(*faults)
            files: dict[str, bytes] = {}
            left = LARGEST_OPEN
            for entry in entries:
                if entry.is_dir():
                    continue
                if entry.file_size > left:
                    raise refused(Fault(_at(entry.filename), "size", f"makes the package larger than {LARGEST_OPEN} bytes when opened."))
                content = _content(archive, entry, left)
                left -= len(content)
                files[entry.filename] = content
            return files
    except _BROKEN as error:
        failure = type(error).__name__
    raise refused(Fault("", "zip", f"cannot be opened ({failure}).", "Fetch it again: it is cut, changed or no wheel."))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The bytes of one file, of the size that it says."""
    try:
        with archive.open(entry) as reader:
            content = reader.read(most + 1)
    except _BROKEN:
        content = None
    if content is None or len(content) != entry.file_size:
        raise refused(Fault(_at(entry.filename), "size", "has other bytes than it says, or none that can be read."))
    return content


def _unsafe(entries: list[zipfile.ZipInfo]) -> Iterator[Fault]:
    seen: set[str] = set()
    for entry in entries:
        name, place = entry.orig_filename, _at(entry.orig_filename)
        path = PurePosixPath(name)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        parts = name.removesuffix("/").split("/")
        if path.is_absolute() or any(part in ("", ".", "..") for part in parts) or _FORBIDDEN & set(name) or len(name) > _LONGEST:
            yield Fault(place, "path", "leads out of the package, or is no plain path.")
        elif any(not char.isprintable() for char in name):
            yield Fault(place, "path", "has a sign that cannot be shown.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            yield Fault(place, "link", "is a link or a device, and no file.")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _PACKED:
            yield Fault(place, "packing", "is encrypted or packed in another way than wheels are.")
        same = unicodedata.normalize("NFC", name.removesuffix("/")).casefold()
        if same in seen:
            yield Fault(place, "double", "is in the package twice.")
        seen.add(same)


def _against_record(files: Mapping[str, bytes], info: str) -> Iterator[Fault]:
    own = f"{info}/RECORD"
    listed: set[str] = set()
    try:
        rows = list(csv.reader(io.StringIO(files[own].decode())))
    except (KeyError, UnicodeDecodeError, csv.Error):
        yield Fault(_at(own), "record", "cannot be read.")
        return
    for row in rows:
        if len(row) != 3:  # noqa: PLR2004 - path, digest, size
            yield Fault(_at(own), "record", "has a line that is none of a RECORD.")
            continue
        path, digest, size = row
        if path in listed:
            yield Fault(_at(path), "double", "stands in RECORD twice.")
        listed.add(path)
        if path == own:
            continue
        if path not in files:
            yield Fault(_at(path), "missing", "is in RECORD and not in the package.")
        elif digest != record_digest(files[path]):
            yield Fault(_at(path), "changed", "is not the file that RECORD tells of.", "Fetch the package again from whoever made it.")
        elif size != str(len(files[path])):
            yield Fault(_at(path), "changed", "has another size than RECORD tells.")
    for path in sorted(files.keys() - listed):
        yield Fault(_at(path), "added", "is in the package and not in RECORD.")


def record_digest(content: bytes) -> str:
    """A file's digest as RECORD writes it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _read(data: bytes, file: str, distribution: str, version: str, files: Mapping[str, bytes]) -> Wheel:
    info = f"{distribution}-{version}.dist-info"
    meta = Parser().parsestr(files.get(f"{info}/METADATA", b"").decode("utf-8", "replace"))
    name = re.sub(r"[-_.]+", "_", meta.get("Name", "")).lower()
    if name != re.sub(r"[-_.]+", "_", distribution).lower() or meta.get("Version") != version:
        fix = "The file was renamed: give it the name and version that it was built with."
        raise refused(Fault(_at(f"{info}/METADATA"), "name", "has another Name or Version than the file's name.", fix))
    module = _entry(files.get(f"{info}/entry_points.txt", b""), info)
    places = [module.replace(".", "/").rsplit("/", up)[0] for up in range(module.count(".") + 1)]
    folder = next((place for place in places if any(f"{place}/{name}" in files for name in _MANIFESTS)), None)
    if folder is None:
        raise refused(Fault(_at(f"{info}/entry_points.txt"), "module", "names a place that has no manifest in the package."))
    code = tuple(sorted(path for path in files if path.lower().endswith(_CODE) or ".data/scripts/" in path))
    return Wheel(
        file=file,
        distribution=distribution,
        version=version,
        digest=hashlib.sha256(data).hexdigest(),
        module=module,
        folder=folder,
        requires=tuple(meta.get_all("Requires-Dist", [])),
        requires_python=meta.get("Requires-Python", ""),
        code=code,
        files=files,
    )


def _entry(text: bytes, info: str) -> str:
    """The module that the entry point names; exactly one."""
    parser = ConfigParser(delimiters=("=",), interpolation=None)
    try:
        parser.read_string(text.decode())
        named = list(parser[GROUP].values()) if parser.has_section(GROUP) else []
    except (IniError, UnicodeDecodeError):
        named = []
    if len(named) != 1 or not re.fullmatch(r"[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*", named[0].strip()):
        raise refused(Fault(_at(f"{info}/entry_points.txt"), "entry", f"names no connector, or several, under `{GROUP}`."))
    return named[0].strip()


def _at(path: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in path)
    return f"/{shown[:_LONGEST]}"
