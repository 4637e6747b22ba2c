"""How a run over rows is shown, on standard error: a live line on a terminal, JSON lines for programs, else a line each five seconds."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final, Self

import typer

from kosha_connector_openai.cli.live_bar import LiveBar
from kosha_connector_openai.cli.terminal import note, to_json
from kosha_connector_openai.flows.bulk import RunProgress

_EACH: Final = 5.0


class BulkProgress:
    """A context manager; call it with each state of the run."""

    def __init__(self, *, as_json: bool, quiet: bool, currency: str | None = None) -> None:
        self._as_json, self._quiet, self._currency = as_json, quiet, currency
        self._bar = LiveBar(wanted=not (as_json or quiet))
        self._next = time.monotonic() + _EACH
        self._said = ""

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def __call__(self, state: RunProgress) -> None:
        """Shows one state. A reader that has gone, as that of ``2>&1 | head``, ends no run."""
        with suppress(OSError):
            self._show(state)

    def _show(self, state: RunProgress) -> None:
        if self._bar.shown:
            self._bar.update(f"{self._said} {self.words(state)}".lstrip(), state.done + state.failed, state.total)
        elif time.monotonic() >= self._next and not self._quiet:
            self._next = time.monotonic() + _EACH
            if self._as_json:
                typer.echo(to_json(state.to_dict(), indent=None), err=True)
            else:
                note(self.words(state))

    def tell(self, text: str) -> None:
        """Says something while the run goes on: with its states where they stand in one place, which would write over a line of its own."""
        if self._bar.shown:
            self._said = text
        else:
            note(text)

    def words(self, state: RunProgress) -> str:
        """One line about the run."""
        parts = [f"{state.done} of {state.total} done"]
        parts += [f"{state.failed} failed"] if state.failed else []
        parts += [f"{state.unknown} unknown"] if state.unknown else []
        where = f"in {state.batches} {'batch' if state.batches == 1 else 'batches'}" if state.batches else "under way"
        parts += [f"{state.in_flight} {where}"] if state.in_flight else []
        parts += [f"{state.rate:.0f} rows/s"] if state.rate else []
        parts += [f"{duration(state.left)} left"] if state.left is not None and state.waiting else []
        parts += [f"paused for {duration(state.pause)}"] if state.pause >= 1 else []
        parts += [f"{state.tokens} tokens"] if state.tokens else []
        parts += [f"about {state.cost:.4f} {self._currency or ''}".rstrip()] if state.cost is not None and self._currency else []
        return " \u00b7 ".join(parts)


def duration(seconds: float) -> str:
    """Seconds in the largest units that fit."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds
        return f"{whole} s"
    if whole < 3_600:  # noqa: PLR2004
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"
