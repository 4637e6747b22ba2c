"""``file:/path``: secrets in files that only their owner can read, below folders that the operator lists."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, NamedTuple

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext

_LIMIT: Final = 64 * 1024
_LINK: Final = "passes a symbolic link or something that is no folder"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ANY: Final = stat.S_IRWXG | stat.S_IRWXO
_ERRORS: Final[Mapping[int | None, tuple[type[SecretError], str, str]]] = MappingProxyType(
    {
        errno.ENOENT: (SecretMissingError, "does not exist", "Create it with mode 600."),
        errno.ELOOP: (SecretRefusedError, _LINK, "Name the file itself."),
        errno.ENOTDIR: (SecretRefusedError, _LINK, "Name the file itself."),
        errno.ENXIO: (SecretRefusedError, "is not a regular file", "Name a regular file."),
        errno.EACCES: (
            SecretRefusedError,
            "may not be opened by this process",
            "Make this process its owner.",
        ),
    }
)


class _Place(NamedTuple):
    """A folder below which files may be read; in a ``mount``, links and readers are the platform's affair."""

    path: Path
    mount: bool


class _UnfitError(Exception):
    """What is wrong with a file or folder, and the fix."""


class FileStore:
    """Reads one secret per file, opening each folder on the way without following links."""

    scheme: Final = "file"

    def __init__(self, roots: Sequence[Path], trusted_mounts: Sequence[Path] = ()) -> None:
        """``trusted_mounts``: folders such as Kubernetes' secret volumes, with inner links and read bits.

        Raises SetupError for a folder that is not given by its absolute path.
        """
        mounts = [_Place(Path(mount), mount=True) for mount in trusted_mounts]
        self._places = (*mounts, *(_Place(Path(root), mount=False) for root in roots))
        if not all(place.path.is_absolute() for place in self._places):
            raise SetupError("The folders of the file store are given by absolute paths.")

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The file's UTF-8 text. Raises SecretMissingError, SecretRefusedError or SecretStoreError."""
        path = PurePosixPath(reference.locator)
        place = next((place for place in self._places if path.is_relative_to(place.path)), None)
        if place is None or reference.field is not None or ".." in path.parts:
            listed = ", ".join(str(place.path) for place in self._places) or "none"
            raise SecretRefusedError("This file may not be read as a secret.", hint=f"Allowed are files below: {listed}.")
        return check_secret(_text(_load(place, path, str(reference)), str(reference)), str(reference))


_WRAPPED: Final = (
    (
        # A line of a shell or of an environment file; a key that is base64 has ``=`` at its end alone.
        re.compile(r"\s*(?:(?:export|set)\s+|\$env:)?(?:[A-Z][A-Z0-9_]{1,99}=|(?i:\w{0,99}(?:key|token|secret)\w{0,99})\s*[=:])\s*[^=\s]"),
        "is a line NAME=VALUE",
        "Keep the value alone in the file, without NAME=.",
    ),
    (re.compile(r'\s*\{\s*"'), "is a JSON object", "Keep the value alone in the file, without braces and names."),
)


def _text(data: bytes, reference: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        what, fix = "is not UTF-8 text", "Save the file as UTF-8."
    else:
        found = next(((what, fix) for pattern, what, fix in _WRAPPED if pattern.match(text)), None)
        if found is None:
            return text
        what, fix = found
        del text
    # The decoder's error holds the bytes, and so does this frame: raise without either.
    del data
    raise SecretRefusedError(f"The secret {reference} {what}.", hint=fix)


def _load(place: _Place, path: PurePosixPath, reference: str) -> bytes:
    if os.open not in os.supports_dir_fd:
        raise SecretStoreError("This system cannot open files without following links.", hint="Use another secret store.")
    try:
        return _content(place, path)
    except _UnfitError as unfit:
        what, fix = unfit.args
        kind: type[SecretError] = SecretRefusedError
    except OSError as error:
        default = (SecretStoreError, f"cannot be read: {error.strerror}", "Check the file system.")
        kind, what, fix = _ERRORS.get(error.errno, default)
    raise kind(f"The secret {reference} {what}.", hint=fix)


def _content(place: _Place, path: PurePosixPath) -> bytes:
    start = Path(os.path.realpath(place.path, strict=True))
    inner = path.relative_to(place.path)
    if place.mount:
        # Followed once, here; what it leads to is then opened like any other path, without following.
        real = Path(os.path.realpath(start / inner, strict=True))
        if not real.is_relative_to(start):
            raise _UnfitError("leads out of its trusted mount", "Name a file inside the mount.")
        inner = PurePosixPath(real.relative_to(start))
    file = _open(start, inner.parts)
    try:
        _check_file(os.fstat(file), place, path)
        return os.read(file, _LIMIT)
    finally:
        os.close(file)


def _open(start: Path, parts: tuple[str, ...]) -> int:
    """The opened file, reached folder by folder so that none can be swapped for a link; never waits."""
    folder = os.open(start, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check_folder(os.fstat(folder))
        for name in parts[:-1]:
            outer, folder = (
                folder,
                os.open(name, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder),
            )
            os.close(outer)
            _check_folder(os.fstat(folder))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
    finally:
        os.close(folder)


def _check_folder(status: os.stat_result) -> None:
    # In a sticky folder only the owner can replace a file, so others may write beside it.
    loose = status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX
    if loose or not _ours(status):
        raise _UnfitError(
            "is in a folder that others can change",
            "Run: chmod go-w on the folder, and make this user its owner.",
        )


def _check_file(status: os.stat_result, place: _Place, path: PurePosixPath) -> None:
    name = shlex.quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise _UnfitError("is not a regular file", "Name a regular file.")
    if not _ours(status):
        raise _UnfitError("belongs to another user", f"Run: chown {os.geteuid()} {name}")
    if status.st_mode & (_OTHERS_WRITE if place.mount else _OTHERS_ANY):
        raise _UnfitError("can be used by others than its owner", f"Run: chmod 600 {name}")
    if status.st_size > _LIMIT:
        raise _UnfitError("is larger than 64 KiB", "Keep the secret alone in its file.")


def _ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())
