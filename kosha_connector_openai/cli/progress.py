"""How a wait is shown, on standard error: a live line on a terminal, JSON lines for programs, else a line for each new state."""

from __future__ import annotations

from typing import Self

import typer

from kosha_connector_openai.cli.live_bar import LiveBar
from kosha_connector_openai.cli.terminal import note, one_line, to_json
from kosha_connector_openai.flows.jobs import Status, Tick


class WaitProgress:
    """A context manager whose ``tick`` is the wait's progress callback."""

    def __init__(self, name: str, *, as_json: bool, quiet: bool) -> None:
        """``name`` is shown until the first step."""
        self._as_json, self._quiet = as_json, quiet
        self._bar = LiveBar(name, wanted=not (as_json or quiet))
        self._last = ""

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def tick(self, tick: Tick) -> None:
        """Shows one step."""
        text = _words(tick)
        if self._as_json:
            typer.echo(to_json(tick.to_dict(), indent=None), err=True)
        elif self._bar.shown:
            done, total = (tick.percent, 100) if tick.percent is not None else (tick.done, tick.total)
            self._bar.update(text, done or 0, total)
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
