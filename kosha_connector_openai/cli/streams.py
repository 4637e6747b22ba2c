"""The standard streams of the process: one that it began without, one that is full, one whose reader has gone."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from kosha_connector_openai.cli.exit_codes import ExitCode

_MODES: Final = {"stdin": "r", "stdout": "w", "stderr": "w"}
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def open_missing() -> None:
    """Gives the null device for each stream that was closed before the process began (``>&-``), where Python has None."""
    for name, mode in _MODES.items():
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open as long as the process


def tell_unwritten(error: Exception) -> ExitCode | None:
    """The exit code of a write that failed, with a message unless the reader has gone; None for an error of another kind.

    What the stream did not take is dropped, else the end of the process would try to write it again.
    """
    gone = isinstance(error, BrokenPipeError)
    if not isinstance(error, OSError) or not (gone or error.errno in _FULL):
        return None
    if not gone:
        with suppress(OSError):
            sys.stderr.write(f"Error: the output cannot be written: {error.strerror}.\nMake room, or write to another place.\n")
            sys.stderr.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            os.dup2(null, stream.fileno())
    os.close(null)
    return ExitCode.CLOSED if gone else ExitCode.REPLY
