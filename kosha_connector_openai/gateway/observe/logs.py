"""One line of JSON about each request: who, what, how it ended. Never a body, a query, a token or a key."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TextIO

import orjson

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.trusted_files import open_trusted

LONGEST: Final = 200
"""Characters of one value."""
LOGGER: Final = logging.getLogger("kosha.gateway")
_ROUNDED: Final = 0.0005
"""Milliseconds: half of the microsecond to which a clock's float is exact."""
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class AccessLog:
    """Writes the lines to a stream or a file (mode 0600, only added to)."""

    def __init__(self, place: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        """``place``: ``stdout``, ``stderr``, ``off`` or a file. Raises SetupError where the file cannot be written."""
        self._clock = clock
        self._own = isinstance(place, Path)
        self._out: TextIO | None = _open(place)

    def write(self, values: Mapping[str, Any]) -> None:
        """Adds a line. A disk that is full does not stop the service; it is told by the program's own log."""
        if self._out is None:
            return
        try:
            self._out.write(line({"time": stamp(self._clock()), **values}) + "\n")
            self._out.flush()
        except (OSError, ValueError) as error:
            LOGGER.error("The access log cannot be written: %s.", type(error).__name__)  # noqa: TRY400 - its trace tells nothing more

    def close(self) -> None:
        """Closes the file, if it is one."""
        if self._own and self._out is not None:
            self._out.close()
            self._out = None


def line(values: Mapping[str, Any]) -> str:
    """One line of ASCII; control characters and line separators are escaped, so that no value can start a second one; long ones are cut."""
    short = {name: value[:LONGEST] if isinstance(value, str) else value for name, value in values.items() if value is not None}
    text = _plain(short)
    return text if text is not None else _ENCODER.encode(short).replace("\x7f", "\\u007f")


def _plain(values: Mapping[str, Any]) -> str | None:
    """The same where nothing has to be escaped that JSON allows; None where something has."""
    try:
        text = orjson.dumps(values)
    except TypeError:  # half of a surrogate pair, or an integer beyond 64 bits
        return None
    return text.decode("ascii") if text.isascii() and b"\x7f" not in text else None


def configure(level: str, out: TextIO | None = None) -> None:
    """Sends the program's own messages, as lines of JSON too, to standard error; those of HTTP libraries only from warnings on.

    Their debug messages show headers, and with them keys.
    """
    handler = logging.StreamHandler(out or sys.stderr)
    handler.setFormatter(_Lines())
    ours = logging.getLogger("kosha")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(level.upper())
    # The record of each call is the access log's business.
    logging.getLogger("kosha.connector.calls").setLevel(logging.WARNING if level != "debug" else logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "asyncio", "httpx", "httpcore", "aiohttp"):
        foreign = logging.getLogger(name)
        foreign.handlers, foreign.propagate = [handler], False
        # Each ill-formed request is a warning of uvicorn's: whoever sends them would fill the disk.
        foreign.setLevel(logging.ERROR if name.startswith("uvicorn") else logging.WARNING)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = {"time": stamp(record.created), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            # The text of a foreign error may quote what it was given.
            values["error"] = record.exc_info[0].__name__
        return line(values)


def stamp(seconds: float) -> str:
    """A time as logs write it (RFC 3339, UTC)."""
    whole, part = divmod(int(seconds * 1_000 + _ROUNDED), 1_000)
    return f"{_second(whole)}.{part:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _open(place: str | Path) -> TextIO | None:
    if not isinstance(place, Path):
        return {"stdout": sys.stdout, "stderr": sys.stderr}.get(place)
    try:
        return os.fdopen(open_trusted(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a", encoding="ascii")
    except OSError as error:
        raise SetupError(f"The access log cannot be written: {error.strerror}.", pointer="/access_log") from None
