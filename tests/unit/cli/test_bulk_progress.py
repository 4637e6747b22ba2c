"""How a run over rows is shown while it goes on."""

from __future__ import annotations

import sys

import pytest

from kosha_connector_openai.cli.bulk_progress import BulkProgress
from kosha_connector_openai.flows.bulk import RunProgress

STATE = RunProgress(total=9, done=3, waiting=6)


def test_what_is_said_meanwhile_stands_with_the_states(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the bar is drawn over a line beside it, so that the words are part of it; elsewhere they are a line."""
    for name, value in {"COLUMNS": "200", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    for on_terminal, words in ((True, "Ending. 3 of 9 done"), (False, "Ending.\n")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=on_terminal: shown)
        with BulkProgress(as_json=False, quiet=False) as progress:
            progress(STATE)
            progress.tell("Ending.")
            progress(STATE)
        assert words in capsys.readouterr().err
