"""uvicorn's HTTP protocol whose requests begin in turns; a probe waits for none: it tells of the loop, not of the line before it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.rounds import Rounds

PROBES: Final = frozenset({b"/livez", b"/readyz", b"/healthz"})
"""Pages whose answers wait for nothing."""
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})


def check_library() -> None:
    """Raises SetupError for a uvicorn in which requests would take no turns, unsaid."""
    if not hasattr(HttpToolsProtocol, "_start_asgi_task"):
        hint = "Install a version that is known, such as 0.54."
        raise SetupError(f"How uvicorn {uvicorn.__version__} begins a request is not known here.", hint=hint)


class TurnedRequests(HttpToolsProtocol):
    """One connection; the turns of all are ``begun``."""

    begun: Rounds
    _next: tuple[RequestResponseCycle, Any] | None = None
    """The request that is about to begin, and the application that answers it."""
    _at_once: bool = False
    """Whether it is a probe's, and waits for no turn."""
    _probed: bool = False
    """Whether a probe was answered in this read: others that came with it have their turn."""

    def connection_lost(self, exc: Exception | None) -> None:
        """A request whose client has gone does not begin."""
        super().connection_lost(exc)
        self._give_up()

    def data_received(self, data: bytes) -> None:
        """Takes what arrived."""
        self._probed = False
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is here; what kind of request it is tells when it begins."""
        self._at_once = self.url in PROBES and self._is_free() and not any(name in _BODY for name, _ in self.headers)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole, as a probe is with its head: it is answered here, without a task."""
        super().on_message_complete()
        if self._at_once:
            self._at_once, self._probed = False, True
            cycle, app = self._due()
            with suppress(StopIteration):
                cycle.run_asgi(app).send(None)  # to its end: nothing in it waits

    def _is_free(self) -> bool:
        """Whether a reply can be written now; one in each read, since many requests may come in one."""
        return not self._probed and not self.flow.write_paused and (self.cycle is None or self.cycle.response_complete)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begins a request when it is its turn."""
        self._next = cycle, app
        if not self._at_once:
            self.begun.take(self._begin)

    def _give_up(self) -> None:
        self.begun.drop(self._begin)
        self._next = None

    def _begin(self) -> None:
        super()._start_asgi_task(*self._due())

    def _due(self) -> tuple[RequestResponseCycle, Any]:
        due, self._next = self._next, None
        assert due is not None
        return due
