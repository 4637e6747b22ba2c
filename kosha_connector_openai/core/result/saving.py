"""A reply body that goes to a file: whole or not at all, readable by its owner only, at a place that the caller named."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kosha_connector_openai.core.errors import Fault, InputError, ReplyError

OUT = "/out"


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that was written: its path, size in bytes, SHA-256 and the media type that the upstream gave."""

    path: Path
    size: int
    sha256: str
    content_type: str


class FileSink:
    """Writes beside the target and puts the file in its place at the end; a failure leaves the target untouched and no rest behind."""

    def __init__(self, target: Path, *, overwrite: bool = False) -> None:
        self._target = target
        self._overwrite = overwrite
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._size = 0

    def check(self) -> None:
        """Raises InputError where the target cannot be written; called before anything is sent."""
        if not self._target.parent.is_dir():
            raise _refused("directory", "The folder of the output file does not exist.", "Create it first.")
        if self._target.is_dir() or self._target.is_symlink():
            raise _refused("file", "The output is a folder or a symbolic link.", "Name a file.")
        if self._target.exists() and not self._overwrite:
            raise _refused("exists", "The output file exists.", "Name another one, or allow overwriting.")

    def write(self, chunk: bytes) -> None:
        """Adds bytes; raises ReplyError where the disk takes no more."""
        try:
            self._write(chunk)
        except OSError as error:
            message = f"The reply arrived, but the output file could not be written: {error.strerror}."
            raise ReplyError(message, hint="Make room, and look before you run it again.") from None

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        self._file.write(chunk)
        self._digest.update(chunk)
        self._size += len(chunk)

    def commit(self, content_type: str) -> SavedFile:
        """Puts the file in its place; raises InputError where another file has come there in the meantime."""
        self.write(b"")
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._overwrite:
            self._part.replace(self._target)
        else:
            self._link()
        return SavedFile(self._target, self._size, self._digest.hexdigest(), content_type)

    def _link(self) -> None:
        try:
            # A hard link fails where the target exists, which a rename does not.
            self._target.hardlink_to(self._part)
        except FileExistsError:
            raise _refused("exists", "The output file appeared while it was fetched.", "Name another one.") from None
        finally:
            self._part.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes what was written."""
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)


def _refused(rule: str, message: str, fix: str) -> InputError:
    return InputError(message, [Fault(OUT, rule, message, fix)])
