"""Opening a file by its path: regular files only, and below a root without a step outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

# Without O_NONBLOCK the opening of a pipe would wait for its writer. Names that a system lacks are 0 there.
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_path(path: Path) -> BinaryIO:
    """Any regular file that the process may read, links followed; OSError or ValueError otherwise."""
    return _regular(os.open(path, _READ), links=True)


def open_below(path: Path, roots: Sequence[Path]) -> BinaryIO | None:
    """A regular file with a single name below one of ``roots``, no link being followed on the way.

    An absolute path is taken below the root that it starts with, a relative one below the first root. Every
    folder is opened from its parent's descriptor and the open file itself is checked, so nothing can be
    swapped in between. None where no root fits or the system cannot do this; OSError or ValueError where
    there is no such file.
    """
    root = next((root for root in roots if not path.is_absolute() or path.is_relative_to(root)), None)
    if root is None or not path.name or ".." in path.parts or os.open not in os.supports_dir_fd:
        return None
    folders = (path.relative_to(root) if path.is_absolute() else path).parts[:-1]
    descriptor = os.open(root, _READ | os.O_DIRECTORY)
    for folder in folders:
        descriptor = _step(descriptor, folder, _READ | os.O_DIRECTORY | os.O_NOFOLLOW)
    return _regular(_step(descriptor, path.name, _READ | os.O_NOFOLLOW), links=False)


def _step(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _regular(descriptor: int, *, links: bool) -> BinaryIO:
    found = os.fstat(descriptor)
    # A second name of a file may lie outside the root.
    if not stat.S_ISREG(found.st_mode) or (found.st_nlink > 1 and not links):
        os.close(descriptor)
        raise OSError
    return os.fdopen(descriptor, "rb")
