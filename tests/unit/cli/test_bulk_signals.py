"""What signals do to a run over rows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from kosha_connector_openai.cli.bulk_signals import signals


@pytest.fixture(autouse=True)
def _hears_hangups() -> Iterator[None]:
    """What the tests themselves were started with, nohup for one, is nobody's concern."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Stopped:
    """A run that counts how often it was asked to end."""

    def __init__(self) -> None:
        self.asked = 0

    def stop(self) -> None:
        self.asked += 1


def test_a_closed_terminal_lets_what_is_under_way_finish() -> None:
    """The terminal sends SIGHUP, its shell once more, and nothing can be written to it."""
    run: Any = Stopped()

    def gone(_: str) -> None:
        raise OSError(5, "Input/output error")

    with signals(run, gone):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
    assert run.asked == 1
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """As nohup has it: the run goes on when the terminal is closed."""
    run: Any = Stopped()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals(run, print):
        os.kill(os.getpid(), signal.SIGHUP)
    assert run.asked == 0
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
