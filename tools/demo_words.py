"""What the steps of ``make demo`` say, and how one says that it went wrong."""

from __future__ import annotations

import shutil
import sys
import textwrap


class DemoError(Exception):
    """A step gave something else than it should."""


def check(holds: bool, what: str) -> None:
    """Raises DemoError where a step did not give ``what``."""
    if not holds:
        raise DemoError(f"This was not {what}.")


_MARGIN = 13
"""Columns of what a line is about."""


def say(what: str, text: str) -> None:
    """Prints at once what a line is about, and what came of it in readable characters; on a terminal broken between words."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    line = f"{what:<{_MARGIN}}{shown if len(shown) <= 160 else shown[:157] + '...'}"
    if sys.stdout.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        line = textwrap.fill(line, width, subsequent_indent=" " * _MARGIN, break_on_hyphens=False)
    print(line, flush=True)
