"""A bar on a terminal's standard error that moves while something is waited for, and a text beside it, or below where that is long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

_BAR: Final = 52
"""Columns that spinner, bar, time and the gaps between them take."""


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
            self._live = _progress()
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


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    console = Console(stderr=True)
    bar = (SpinnerColumn(), BarColumn(), TimeElapsedColumn())
    beside = (*bar, TextColumn("{task.description}", markup=False))

    class Bar(Progress):
        def get_renderables(self) -> Iterator[Any]:
            """A text that does not fit beside the bar stands below it, whole: beside it, both would be cut."""
            text = self.tasks[0].description if self.tasks else ""
            fits = len(text) + _BAR <= console.width
            self.columns = beside if fits else bar
            yield self.make_tasks_table(self.tasks)
            if not fits:
                yield Text(text)

    return Bar(*beside, console=console, transient=True)
