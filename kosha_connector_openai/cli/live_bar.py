"""A line on a terminal's standard error that moves while something is waited for."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Self


class LiveBar:
    """A context manager; without a terminal, or where it is not wanted, ``shown`` is False and nothing is drawn."""

    def __init__(self, text: str = "", *, wanted: bool) -> None:
        """``text`` stands there until the first update."""
        self.shown = wanted and sys.stderr.isatty()
        self._text = text
        self._live: Any = None
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self.shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
            self._live = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar = self._live.add_task(self._text, total=None)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            with suppress(OSError):  # the terminal may have been closed meanwhile
                self._live.stop()

    def update(self, text: str, done: float, total: float | None) -> None:
        """Shows how far it has come; without a total the bar only moves."""
        with suppress(OSError):
            self._live.update(self._bar, description=text, completed=done, total=total or None)
