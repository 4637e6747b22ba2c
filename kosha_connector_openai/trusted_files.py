"""Files that decide where a key goes, what is sent or whose a thing is: opened only where nobody else could have written them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_OTHERS: Final = 0o077
_LOOSE: Final = "others than its owner may write it (run: chmod go-w)"
_SECOND_NAME: Final = "it has another name, too (a hard link)"
_LIMIT: Final = 16 * 1024 * 1024


def home() -> Path:
    """Our folder among the user's settings (XDG Base Directory Specification), for connections, secrets and refreshed descriptions."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "kosha"


class UntrustedFileError(OSError):
    """The file is there and must not be used; ``strerror`` says why."""


def open_trusted(path: Path, flags: int = os.O_RDONLY, *, private: bool = False, links: bool = False) -> int:
    """The descriptor of a regular file that only this user and the administrator can write; a new file gets mode 0600.

    One that is going to be written over has no second name: what it is called elsewhere may be a file that somebody needs.
    ``private``: nobody else may read it either. ``links``: links to it are followed, as mounted configuration needs it; what they lead to
    is checked all the same. Raises UntrustedFileError, and OSError where there is no such file. Modes mean nothing where the system has
    no users; there only the kind of file counts.
    """
    try:
        descriptor = os.open(path, flags & ~os.O_TRUNC | _FLAGS | (0 if links else _NO_LINK), 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedFileError(error.errno, "it is a link") from None
        raise
    try:
        found = os.fstat(descriptor)
        if reason := distrust(found, private=private) or (_SECOND_NAME if _is_written_over(flags) and found.st_nlink > 1 else None):
            raise UntrustedFileError(errno.EPERM, reason)
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_database(path: Path | None, *statements: str, timeout: float = 5.0) -> sqlite3.Connection:
    """The SQLite database in a file that only this user can read, made where there is none, once it has taken ``statements``; one in memory
    without a path. ``timeout``: seconds that another process may hold it.

    Raises OSError; UntrustedFileError where the file must not be used, or is no such database.
    """
    import sqlite3  # most programs have none

    if path is not None:
        os.close(open_trusted(path, os.O_RDWR | os.O_CREAT, private=True))
    base = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=timeout)
    try:
        for statement in statements:
            base.execute(statement)
    except sqlite3.Error as error:
        base.close()
        raise UntrustedFileError(errno.EIO, str(error)) from None
    return base


def _is_written_over(flags: int) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) and not flags & os.O_APPEND


def read_trusted(path: Path, limit: int = _LIMIT, *, private: bool = False, links: bool = False) -> bytes:
    """At most ``limit`` bytes and one more of such a file, so that a larger one can be told."""
    with os.fdopen(open_trusted(path, private=private, links=links), "rb") as file:
        return file.read(limit + 1)


def replace_trusted(path: Path, data: bytes) -> None:
    """Writes a file that this user alone can read, whole or not at all; it takes the place of what was there, of a link too, and lasts."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes last what was made or renamed in a folder; where the system cannot say so, it is left to it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_folder(path: Path) -> None:
    """Raises UntrustedFileError where a folder is a link, or others than this user and the administrator can put files into it."""
    found = path.lstat()
    reason = None if stat.S_ISDIR(found.st_mode) else "it is no folder"
    if reason is None and hasattr(os, "geteuid"):
        foreign = found.st_uid not in (0, os.geteuid())
        reason = "it belongs to another user" if foreign else _LOOSE if is_loose(found) else None
    if reason is not None:
        raise UntrustedFileError(errno.EPERM, reason)


def distrust(found: os.stat_result, *, private: bool = False) -> str | None:
    """Why a file of this status must not be used; None where it may."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no plain file"
    if not hasattr(os, "geteuid"):
        return None
    if found.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    if private and found.st_mode & _OTHERS:
        return "others than its owner may read or write it (run: chmod 600)"
    return _LOOSE if is_loose(found) else None


def is_loose(found: os.stat_result) -> bool:
    """Whether others may write: everybody, or a group that is neither this user's own nor the administrator's."""
    own_group = not hasattr(os, "getegid") or found.st_gid in (0, os.getegid())
    return bool(found.st_mode & stat.S_IWOTH) or (bool(found.st_mode & stat.S_IWGRP) and not own_group)
