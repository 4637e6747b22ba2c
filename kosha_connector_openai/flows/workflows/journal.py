"""The record of a run: a line for each step as it ends, and one for the run. Never a body, an input or a secret."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.trusted_files import open_trusted

LOGGER: Final = logging.getLogger("kosha.connector.workflows")
Line = Mapping[str, Any]
Journal = Callable[[Line], None]
_LONGEST: Final = 500


def to_line(line: Line) -> str:
    """One line of ASCII, so that no value can start a second one; long values are cut."""
    values = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in line.items()}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str).replace("\x7f", "\\u007f")


def log(line: Line) -> None:
    """Writes a line to the logger ``kosha.connector.workflows``, at INFO."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", to_line(line))


def is_heard(journal: Journal) -> bool:
    """Whether anybody takes what ``journal`` is given: ``log`` drops it where the logger is not at INFO."""
    return journal is not log or LOGGER.isEnabledFor(logging.INFO)


class FileJournal:
    """Appends lines to a file that only its owner can read; a context manager. Each line is written at once."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it with mode 0600; a link, or a file that others may write, is refused. Raises SetupError."""
        try:
            self._file = open_trusted(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            fault = Fault("/journal", "file", f"cannot be opened: {error.strerror}.", "Name a file that you may write.")
        else:
            return
        raise SetupError("The journal cannot be written.", [fault])

    def __call__(self, line: Line) -> None:
        data = f"{to_line(line)}\n".encode("ascii")
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            fault = Fault("/journal", "file", f"cannot be written: {error.strerror}.")
        else:
            return
        raise SetupError("The journal cannot be written.", [fault])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)
