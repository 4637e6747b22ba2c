"""Installed packages: each version in a folder of its own, and one file that says which counts; replacing it is the only switch.

```
ID/versions/VERSION-DIGEST/   the package's files as they were, and kosha.json
ID/current                    the versions that were switched to, the one that counts first
```
A process that dies leaves the old version or the new one, and at most a folder without effect that the next installation removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.errors import ConnectorPackageError, Fault
from kosha_connector_openai.manifest import read_folder
from kosha_connector_openai.packages.version import order
from kosha_connector_openai.packages.wheel import Wheel, check_record, refused
from kosha_connector_openai.trusted_files import (
    UntrustedFileError,
    check_folder,
    open_trusted,
    read_trusted,
    replace_trusted,
    sync_folder,
)

_VERSIONS: Final = "versions"
_CURRENT: Final = "current"
_NOTE: Final = "kosha.json"
_NEW: Final = ".new-"
_KEPT: Final = 5
"""Versions that can be rolled back to."""
_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FOLDER: Final = re.compile(r"[A-Za-z0-9_.!]+-[0-9a-f]{12}(-\d+)?")


@dataclass(frozen=True, slots=True)
class Installed:
    """A version that is installed: what it is, whether it holds code, and who signed it."""

    id: str
    version: str
    digest: str
    file: str
    distribution: str
    data: str
    """The connector's folder below ``place``."""
    module: str
    code: bool
    signer: str | None
    place: Path
    """Where its files are."""

    @property
    def folder(self) -> Path:
        """The connector's folder."""
        return self.place / self.data

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**asdict(self), "place": str(self.place)}


class PackageStore:
    """The packages under one folder, which is made when the first one comes."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` is by default ours among the user's data (XDG Base Directory Specification)."""
        self.folder = folder or data_home() / "connectors"

    def find(self, key: str) -> Installed | None:
        """The version that counts of a connector, or of a distribution's name. Raises ConnectorPackageError."""
        name = key.lower().replace("_", "-").removeprefix("kosha-connector-")
        if not _ID.fullmatch(name):
            return None
        chosen = self._order(name)
        return self._installed(name, chosen[0]) if chosen else None

    def installed(self) -> list[Installed]:
        """What is installed, by id."""
        names = sorted(path.name for path in self.folder.glob("*") if _ID.fullmatch(path.name)) if self.folder.is_dir() else []
        return [found for name in names if (found := self.find(name)) is not None]

    def put(self, wheel: Wheel, *, signer: str | None = None, force: bool = False) -> Installed:
        """Installs a version and switches to it. Without ``force`` raises ConnectorPackageError for one that is older."""
        with self._locked(), self._unpacked(wheel, signer) as (place, name):
            self.check(wheel, name, force=force)
            versions = self.folder / name / _VERSIONS
            versions.mkdir(parents=True, exist_ok=True)
            target = _free(versions, f"{wheel.version}-{wheel.digest[:12]}")
            place.rename(target)
            sync_folder(versions)
            same = f"{wheel.version}-{wheel.digest[:12]}"
            before: list[str] = []
            with contextlib.suppress(ConnectorPackageError):  # what is broken is replaced
                before = self._order(name)
            self._switch(name, [target.name, *(known for known in before if not known.startswith(same))])
            self._tidy(name)
        return self._installed(name, target.name)

    def check(self, wheel: Wheel, name: str, *, force: bool = False) -> None:
        """Raises ConnectorPackageError where ``put`` would refuse the package as the connector ``name``."""
        if not force and (fault := self._older(name, wheel)) is not None:
            raise refused(fault)

    def rollback(self, key: str) -> Installed:
        """Switches to the version before. Raises ConnectorPackageError where there is none."""
        with self._locked():
            return self._rolled_back(self.wanted(key))

    def _rolled_back(self, found: Installed) -> Installed:
        chosen = self._order(found.id)
        if len(chosen) < 2:  # noqa: PLR2004 - this one and one before
            raise ConnectorPackageError(
                "There is no version before.", [Fault("/package", "rollback", f"{found.id} has this version alone.")]
            )
        self._switch(found.id, [*chosen[1:], chosen[0]])
        return self._installed(found.id, chosen[1])

    def remove(self, key: str) -> Installed:
        """Removes a connector with all its versions."""
        with self._locked():
            found = self.wanted(key)
            (self.folder / found.id / _CURRENT).unlink()
            shutil.rmtree(self.folder / found.id, ignore_errors=True)
        return found

    def verify(self, key: str) -> Installed:
        """Holds the files of the version that counts against their RECORD. Raises ConnectorPackageError with each that differs."""
        found = self.wanted(key)
        files: dict[str, bytes] = {}
        for path in sorted(found.place.rglob("*")):
            if path.is_symlink():
                raise ConnectorPackageError(
                    "The package is not as it was installed.", [Fault(f"/{path.relative_to(found.place).as_posix()}", "link", "is a link.")]
                )
            if path.is_file() and path != found.place / _NOTE and "__pycache__" not in path.parts:
                files[path.relative_to(found.place).as_posix()] = path.read_bytes()
        check_record(files, f"{found.distribution}-{found.version}.dist-info")
        return found

    def wanted(self, key: str) -> Installed:
        """``find``; raises ConnectorPackageError where it is not installed."""
        found = self.find(key)
        if found is None:
            known = ", ".join(each.id for each in self.installed()) or "nothing"
            raise ConnectorPackageError(
                "No such package is installed.", [Fault("/package", "unknown", "is not installed.", f"Installed: {known}.")]
            )
        return found

    def _order(self, name: str) -> list[str]:
        """The folders of versions, the one that counts first."""
        try:
            value = json.loads(self._read(self.folder / name / _CURRENT))
        except FileNotFoundError:
            return []
        except UntrustedFileError as error:
            raise _unsafe(name, error) from None
        except (OSError, ValueError):
            value = None
        if not isinstance(value, list) or not all(isinstance(each, str) and _FOLDER.fullmatch(each) for each in value):
            raise ConnectorPackageError(
                "What is installed cannot be read.", [Fault(f"/{name}/{_CURRENT}", "type", "was changed.", "Install it again.")]
            )
        return value

    def _installed(self, name: str, folder: str) -> Installed:
        place = self.folder / name / _VERSIONS / folder
        try:
            note: Mapping[str, Any] = json.loads(self._read(place / _NOTE))
            return Installed(**{**note, "place": place})
        except UntrustedFileError as error:
            raise _unsafe(name, error) from None
        except (OSError, ValueError, TypeError):
            pass
        raise ConnectorPackageError(
            "What is installed cannot be read.", [Fault(f"/{name}/{folder}", "missing", "is not whole.", "Install it again.")]
        )

    def _read(self, path: Path) -> bytes:
        """A file of ours, where nobody else could have put it. Raises UntrustedFileError, and OSError where it is not there."""
        inside = path.relative_to(self.folder).parts[:-1]
        for count in range(len(inside) + 1):
            check_folder(self.folder.joinpath(*inside[:count]))
        return read_trusted(path)

    def _older(self, name: str, wheel: Wheel) -> Fault | None:
        """Why the package may not take the place of the version that counts; None where it may."""
        try:
            before = self._installed(name, (self._order(name) or [""])[0])
        except ConnectorPackageError:
            return None  # there is none, or it is broken and may be replaced
        if before.distribution.lower() != wheel.distribution.lower():
            what = f"is {wheel.distribution}, and {before.distribution} offers this connector."
            return Fault("/name", "distribution", what, "Remove that one first, or use --force.")
        if order(wheel.version) < order(before.version):
            return Fault("/version", "downgrade", f"is {wheel.version}, older than {before.version}.", "Use rollback, or --force.")
        if wheel.version == before.version and wheel.digest != before.digest:
            return Fault("/version", "version", "is the installed one with other content.", "Give it a version of its own, or use --force.")
        return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the store for one process; the system lets go of it when that dies."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(open_trusted(self.folder / ".lock", os.O_RDWR | os.O_CREAT), "rb") as lock:
            with contextlib.suppress(ImportError):  # where the system has no such locks
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _unpacked(self, wheel: Wheel, signer: str | None) -> Iterator[tuple[Path, str]]:
        """The package in a folder without effect, and its connector's id; what is left of the folder goes at the end."""
        place = self.folder / f"{_NEW}{secrets.token_hex(8)}"
        place.mkdir(mode=0o700)
        try:
            unpack(wheel, place)
            name = read_folder(place / wheel.folder).id
            note = {
                "id": name,
                "version": wheel.version,
                "digest": wheel.digest,
                "file": wheel.file,
                "distribution": wheel.distribution,
                "data": wheel.folder,
                "module": wheel.module,
                "code": bool(wheel.code),
                "signer": signer,
            }
            _write(place / _NOTE, json.dumps(note, indent=1).encode())
            for folder in {path.parent for path in place.rglob("*")}:
                sync_folder(folder)
            yield place, name
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _switch(self, name: str, chosen: list[str]) -> None:
        """The one rename that counts."""
        replace_trusted(self.folder / name / _CURRENT, json.dumps(chosen[:_KEPT]).encode())

    def _tidy(self, name: str) -> None:
        """Removes what nothing leads to any more, also what a process that died has left."""
        kept = set(self._order(name))
        for path in (self.folder / name / _VERSIONS).glob("*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"{_NEW}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.folder / name).glob(f".{_CURRENT}.*"):
            path.unlink(missing_ok=True)


def unpack(wheel: Wheel, place: Path) -> None:
    """Writes the package's files below a folder that is there and empty."""
    for path, content in wheel.files.items():
        _write(place / path, content)


def _free(versions: Path, name: str) -> Path:
    """A folder that is not there: the version that counts is never moved away to be put back."""
    number, path = 1, versions / name
    while path.exists():
        number, path = number + 1, versions / f"{name}-{number + 1}"
    return path


def data_home() -> Path:
    """Our folder among the user's data (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "kosha"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unsafe(name: str, error: OSError) -> ConnectorPackageError:
    fault = Fault(f"/{name}", "trust", f"is not used: {error.strerror}.", "Take their right away, and install it again.")
    return ConnectorPackageError("Others could have changed what is installed.", [fault])
