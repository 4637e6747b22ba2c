"""What SIGINT and SIGTERM do to a run over rows."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.terminal import note
from kosha_connector_openai.flows.bulk import Bulk

_DONE_BY_SIGNAL: Final = 2


@contextmanager
def signals(bulk: Bulk) -> Iterator[None]:
    """SIGINT and SIGTERM: the first ends sending and lets what is under way finish, the second ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = 0

    def handle(number: int, _: object) -> None:
        nonlocal seen
        seen += 1
        if seen >= _DONE_BY_SIGNAL:
            os._exit(ExitCode.PENDING)
        note("Nothing new is sent; what is under way is finished (30 s at most). Again to end at once.")
        bulk.stop()

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, handle) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
