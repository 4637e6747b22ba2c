"""A reply body that goes to a file: whole or not at all, readable by its owner only, at a place that the caller named."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kosha_connector_openai.errors import Fault, InputError, ReplyError

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

    def __init__(self, target: Path, *, overwrite: bool = False, pointer: str = OUT) -> None:
        self._target, self._pointer = target, pointer
        self._overwrite = overwrite
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._size = 0

    def check(self) -> None:
        """Raises InputError where the target cannot be written; called before anything is sent."""
        if not self._target.parent.is_dir():
            raise self._refused("directory", "is in a folder that does not exist.", "Create it first.")
        if self._target.is_symlink() or (self._target.exists() and not self._target.is_file()):
            raise self._refused("file", "is a folder, a symbolic link or a device.", "Name a file.")
        if self._target.exists() and not self._overwrite:
            raise self._refused(
                "exists", "exists already.", "Name another one, or let it be replaced: `--force`, in Python `overwrite=True`."
            )

    def _refused(self, rule: str, message: str, fix: str) -> InputError:
        return InputError("The output file cannot be written.", [Fault(self._pointer, rule, message, fix)])

    def write(self, chunk: bytes) -> None:
        """Adds bytes; raises ReplyError where the disk takes no more."""
        with _translated():
            self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        self._file.write(chunk)
        self._digest.update(chunk)
        self._size += len(chunk)

    def peek(self, limit: int) -> bytes | None:
        """What was written so far; None where that is more than ``limit`` bytes. Raises ReplyError where it cannot be read."""
        if self._file is None or self._size > limit:
            return b"" if self._file is None else None
        with _translated():
            self._file.flush()
            return self._part.read_bytes()

    def commit(self, content_type: str) -> SavedFile:
        """Puts the file in its place; raises ReplyError where that fails, or where another file has come there in the meantime."""
        try:
            with _translated():
                self._commit()
        except BaseException:
            self.discard()
            raise
        return SavedFile(self._target, self._size, self._digest.hexdigest(), content_type)

    def _commit(self) -> None:
        self._write(b"")
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._overwrite:
            self._part.replace(self._target)
        else:
            self._claim()

    def _claim(self) -> None:
        """Takes the name if it is free, which a rename would not ask: by a link, or where there are none by an empty file."""
        try:
            self._target.hardlink_to(self._part)
        except FileExistsError:
            raise
        except OSError:
            self._replace_empty()
        else:
            self._part.unlink()

    def _replace_empty(self) -> None:
        self._target.touch(0o600, exist_ok=False)
        try:
            self._part.replace(self._target)
        except OSError:
            self._target.unlink()
            raise

    def discard(self) -> None:
        """Removes what was written; the next write begins anew."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)
            self._file, self._digest, self._size = None, hashlib.sha256(), 0


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"The reply arrived, but the output file could not be written: {error.strerror}."
        raise ReplyError(message, hint="Check its place, and look before you run it again.") from None
