"""Files and folders that a command writes where the user says."""

from __future__ import annotations

from pathlib import Path

from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import Fault, InputError


def make_folder(path: Path, option: str) -> None:
    """Makes a folder and those above it, where they are missing; raises InputError, which names the option."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        return
    except OSError as error:
        reason = error.strerror
    raise InputError(
        "The folder cannot be used.", [Fault(f"/{option}", "file", f"cannot be made: {reason}.", "Name a folder that you may write to.")]
    )


def save(path: Path, data: bytes) -> None:
    """Writes a whole file that only its owner can read, in place of an older one; raises InputError and ReplyError."""
    sink = FileSink(path, overwrite=True)
    sink.check()
    sink.write(data)
    sink.commit("application/octet-stream")
