"""How a wait is shown, on standard error: a live line on a terminal, JSON lines for programs, else a line for each new state."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

import typer

from kosha_connector_openai.cli.terminal import note, one_line, to_json
from kosha_connector_openai.flows.jobs import Status, Tick


class WaitProgress:
    """A context manager whose ``tick`` is the wait's progress callback."""

    def __init__(self, name: str, *, as_json: bool, quiet: bool) -> None:
        """``name`` is shown until the first step."""
        self._name = name
        self._as_json = as_json
        self._quiet = quiet
        self._live: Any = None
        self._bar: Any = None
        self._last = ""

    def __enter__(self) -> Self:
        if not (self._as_json or self._quiet) and sys.stderr.isatty():
            self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        self._live = Bars(*columns, console=Console(stderr=True), transient=True)
        self._bar = self._live.add_task(self._name, total=None)
        self._live.start()

    def tick(self, tick: Tick) -> None:
        """Shows one step."""
        if self._as_json:
            typer.echo(to_json(tick.to_dict(), indent=None), err=True)
            return
        text = _words(tick)
        if self._live is not None:
            done, total = (tick.percent, 100) if tick.percent is not None else (tick.done, tick.total)
            self._live.update(self._bar, description=text, completed=done or 0, total=total or None)
        elif text != self._last and not self._quiet:
            self._last = text
            note(text)


def _words(tick: Tick) -> str:
    if tick.trouble is not None:
        return f"{tick.handle.name}: {one_line(tick.trouble.message)} It is asked again."
    return f"{tick.handle.name}: {one_line(tick.state or 'unknown')}{count_words(tick)}"


def count_words(seen: Tick | Status) -> str:
    """How far a job has come, as the API counts it; empty where it does not."""
    if seen.percent is not None:
        return f" \u00b7 {seen.percent:g} %"
    return f" \u00b7 {seen.done} of {seen.total}" if seen.total else ""
