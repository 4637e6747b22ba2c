"""Files and folders that a command writes where the user says."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import Fault, InputError


def make_folder(path: Path, option: str, free: Collection[str] = ()) -> None:
    """Makes a folder and those above it, where they are missing; raises InputError, which names the option.

    ``free`` are the patterns of names that are going to be written and must not be there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = [each.name for each in path.iterdir()] if free else []
        taken = next((name for pattern in free for name in names if re.fullmatch(pattern, name)), None)
    except OSError as error:
        fault = Fault(f"/{option}", "file", f"cannot be made: {error.strerror}.", "Name a folder that you may write to.")
    else:
        if taken is None:
            return
        fault = Fault(f"/{option}", "exists", f"has {taken} already.", "Name another folder, or add --force.")
    raise InputError("The folder cannot be used; nothing was sent.", [fault])


def save(path: Path, data: bytes) -> None:
    """Writes a whole file that only its owner can read, in place of an older one; raises InputError and ReplyError."""
    sink = FileSink(path, overwrite=True)
    sink.check()
    sink.write(data)
    sink.commit("application/octet-stream")
