"""What SIGINT, SIGTERM and SIGHUP do to a run over rows."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.flows.bulk import Bulk

_DONE_BY_SIGNAL: Final = 2
_HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)


@contextmanager
def signals(bulk: Bulk, tell: Callable[[str], None]) -> Iterator[None]:
    """The first signal ends sending and lets what is under way finish, as ``tell`` is told; a second one ends at once.

    SIGHUP, which a terminal sends that is closed, and its shell once more, never ends at once; where it is ignored (nohup) it stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = 0

    def handle(number: int, _: object) -> None:
        nonlocal seen
        if number == _HANGUP and seen:
            return
        seen += 1
        if seen >= _DONE_BY_SIGNAL:
            os._exit(ExitCode.PENDING)
        bulk.stop()
        with suppress(OSError):  # the terminal may be gone
            tell("Nothing new is sent; what is under way is finished (30 s at most). Again to end at once.")

    kinds = [signal.SIGINT, signal.SIGTERM]
    if _HANGUP is not None and signal.getsignal(_HANGUP) != signal.SIG_IGN:
        kinds.append(_HANGUP)
    before = {kind: signal.signal(kind, handle) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
