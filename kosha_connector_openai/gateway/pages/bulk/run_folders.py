"""The runs over rows that callers keep: each in a folder of its own, below that of its owner, which the service's user alone can read."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.gateway.bulk_entry import BulkEntry
from kosha_connector_openai.trusted_files import check_folder, open_trusted, read_trusted, replace_trusted

_NAME: Final = re.compile(r"[0-9a-f]{24}")
_FACTS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "name": str, "format": str, "bytes": int, "rows": int, "columns": list, "first": list, "created": (int, float),
    "end": (dict, type(None)),
}  # fmt: skip
_FORMS: Final = ("csv", "tsv", "jsonl")
_HOUR: Final = 3_600.0


class FullError(Exception):
    """There is no room for one more run, or for a longer one; the text says which limit it is."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run: its rows, and once it was started its ledger and its output."""

    id: str
    path: Path
    facts: Mapping[str, Any]
    """What was sent: ``name``, ``format``, ``bytes``, ``rows``, ``columns``, ``first`` rows, when it was ``created``; how its process
    ``end``ed."""

    @property
    def rows(self) -> Path:
        return rows_path(self.path, self.facts["format"])

    @property
    def out(self) -> Path:
        return self.path / "output.jsonl"

    @property
    def ledger(self) -> Path:
        return self.path / "output.jsonl.ledger"


class RunFolders:
    """All of them, over one folder of the operator's. Safe to share between threads."""

    def __init__(self, entry: BulkEntry) -> None:
        """Raises SetupError where the folder cannot be had for this user alone."""
        assert entry.folder is not None
        self.entry, self._root = entry, entry.folder
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_folder(self._root)
            self._sweep()
        except OSError as error:
            fault = Fault("/bulk/folder", "folder", f"cannot be used: {error.strerror}.", "Name a folder that the service alone can write.")
            raise SetupError("The gateway cannot start.", [fault]) from None

    def new(self, owner: str) -> Path:
        """A folder for one more run. Raises FullError, and OSError where it cannot be made."""
        home = self._home(owner)
        if home.exists() and sum(1 for _ in home.iterdir()) >= self.entry.kept:
            raise FullError(f"{self.entry.kept} runs of this token are kept, and that is the most. Remove one.")
        self.check_room(owner)
        made = home / secrets.token_hex(12)
        made.mkdir(mode=0o700, parents=True)
        home.chmod(0o700)
        return made

    def keep(self, path: Path, facts: Mapping[str, Any]) -> RunFolder:
        """The run, with these facts about it. Raises OSError."""
        replace_trusted(path / "run.json", orjson.dumps(dict(facts)))
        return RunFolder(path.name, path, facts)

    def find(self, owner: str, name: str) -> RunFolder | None:
        """The owner's run of this name."""
        return _read(self._home(owner) / name) if _NAME.fullmatch(name) else None

    def all(self, owner: str) -> list[RunFolder]:
        """The owner's runs, newest first."""
        home = self._home(owner)
        found = [run for path in (home.iterdir() if home.is_dir() else ()) if (run := _read(path)) is not None]
        return sorted(found, key=lambda run: run.facts["created"], reverse=True)

    def remove(self, path: Path) -> None:
        """Deletes all of a run. Raises OSError."""
        shutil.rmtree(path)

    def check_room(self, owner: str) -> None:
        """Raises FullError where the runs of all, or the owner's, take as much of the disk as they may."""
        own, every = _size(self._home(owner)), _size(self._root)
        others = every - own
        if every >= self.entry.disk or own >= max(1, (self.entry.disk - others) // 2):
            whose = "This token's runs take" if own else "All runs together take"
            raise FullError(f"{whose} as much of the disk as they may. Remove some that have ended.")

    def _home(self, owner: str) -> Path:
        """The folder of one owner: a digest, since a subject of a JSON Web Token can be any text."""
        return self._root / blake2b(owner.encode(), digest_size=16).hexdigest()

    def _sweep(self) -> None:
        """Removes what a process left that ended while rows came in."""
        for path in self._root.glob("*/*"):
            if path.is_dir() and not (path / "run.json").exists() and time.time() - path.stat().st_mtime > _HOUR:
                shutil.rmtree(path)


def rows_path(path: Path, form: str) -> Path:
    """Where the rows of a run are."""
    return path / f"rows.{form}"


def new_file(path: Path) -> int:
    """The descriptor of a new file that this user alone can read. Raises OSError."""
    return open_trusted(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private=True)


def _read(path: Path) -> RunFolder | None:
    """The run of a folder; None where there is none, or what is written of it is not what we write."""
    try:
        facts = orjson.loads(read_trusted(path / "run.json", private=True))
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or any(not isinstance(facts.get(name), kind) for name, kind in _FACTS.items()):
        return None
    return RunFolder(path.name, path, facts) if facts["format"] in _FORMS else None


def _size(path: Path) -> int:
    """Bytes of all files below a folder; files may go meanwhile."""
    return sum(_sizes(path))


def _sizes(path: Path) -> Iterator[int]:
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(folder, name).lstat().st_size
