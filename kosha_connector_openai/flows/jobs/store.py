"""Handles in a folder, a file each: written whole or not at all, and readable by their owner alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from kosha_connector_openai.errors import Fault, InputError, JobPendingError
from kosha_connector_openai.flows.jobs.handle import NAME, Handle, read_handle
from kosha_connector_openai.trusted_files import UntrustedFileError, open_trusted, read_trusted, replace_trusted

_LARGEST = 8 * 1024 * 1024


class HandleStore(Protocol):
    """Where handles are kept, so that a job can be found again when its process has ended."""

    def keep(self, handle: Handle) -> None:
        """Keeps the handle in place of its last version; raises InputError where it cannot."""

    def drop(self, name: str) -> None:
        """Forgets a handle."""

    def held(self, handle: Handle) -> AbstractContextManager[None]:
        """Keeps other processes from working on the same job meanwhile."""


class JobStore:
    """A folder of handles; it is made with mode 0700 when the first one is written, its files with 0600."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, handle: Handle) -> None:
        """Writes the handle over its last version. Raises InputError where the folder cannot be written."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_trusted(self._path(handle.name), handle.to_json().encode())
        except OSError as error:
            raise _unusable(error) from None

    def read(self, name: str) -> Handle:
        """The handle with this name, or with the only name that begins so. Raises InputError."""
        found = [known for known in self.names() if known.startswith(name)] if name else []
        exact = [known for known in found if known == name] or found
        if len(exact) != 1:
            word = "No job has this name." if not exact else "Several jobs begin with this name."
            raise InputError(word, hint="`jobs list` shows their names.")
        return self._read(exact[0])

    def names(self) -> list[str]:
        """The names of all jobs, oldest first."""
        try:
            names = [path.stem for path in self.folder.glob("*.json")]
        except OSError as error:
            raise _unusable(error) from None
        return sorted((name for name in names if re.match(NAME, name)), key=lambda name: (name.split("-")[-2], name))

    def __iter__(self) -> Iterator[Handle]:
        """All handles that can be read, oldest first."""
        for name in self.names():
            try:
                yield self._read(name)
            except InputError:
                continue

    def drop(self, name: str) -> None:
        """Deletes a handle's file; the job upstream stays as it is."""
        self._path(name).unlink(missing_ok=True)
        self._lock(name).unlink(missing_ok=True)

    @contextmanager
    def held(self, handle: Handle) -> Iterator[None]:
        """Keeps other processes from working on the same job meanwhile; the system frees the lock when a process ends.

        Raises JobPendingError where another one holds it. Where the system has no such locks nothing is kept.
        """
        try:
            import fcntl
        except ImportError:
            yield
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = open_trusted(self._lock(handle.name), os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _unusable(error) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = os.read(descriptor, 20).decode("ascii", "replace")
                raise JobPendingError(
                    f"Another process ({owner}) works on this job.", handle=handle.to_dict(), hint="Let it end."
                ) from None
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, name: str) -> Path:
        return self._path(name).with_name(f".{name}.lock")

    def _read(self, name: str) -> Handle:
        try:
            data = read_trusted(self._path(name), _LARGEST)
        except UntrustedFileError as error:
            raise InputError(f"The job's file is not used: {error.strerror}.", hint="Take their right away, or start anew.") from None
        except OSError as error:
            raise _unusable(error) from None
        found = read_handle(data[:_LARGEST])
        if found.name != name:
            raise InputError("The job's file holds the handle of another job.", [Fault("/name", "const", "is not the file's name.")])
        return found

    def _path(self, name: str) -> Path:
        if not re.match(NAME, name):
            raise InputError("This is no name of a job.")
        return self.folder / f"{name}.json"


def _unusable(error: OSError) -> InputError:
    fault = Fault("", "folder", f"cannot be used: {error.strerror}.", "Name a folder that you may write to.")
    return InputError("The folder of jobs cannot be used.", [fault])
