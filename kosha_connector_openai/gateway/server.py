"""Sockets and uvicorn: listening, and a stop that lets calls finish within a limit."""

from __future__ import annotations

import asyncio
import asyncio.selector_events
import asyncio.sslproto
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from kosha_connector_openai._face import load
from kosha_connector_openai.gateway.access import OriginPolicy
from kosha_connector_openai.gateway.observe import Metrics, configure
from kosha_connector_openai.gateway.protocol import guarded
from kosha_connector_openai.gateway.replies import send_refusal
from kosha_connector_openai.gateway.rounds import ACCEPTED

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.service import Service
    from kosha_connector_openai.gateway.settings import Settings

_BACKLOG: Final = 2_048
_KEEP_ALIVE: Final = 75
"""Seconds; longer than the idle time of common proxies and clients, so that they are the ones who close."""

LOADED: Final = ("core", "core.actions", "core.transport", "manifest.parts", "schema", "forms", "flows", "flows.jobs", "flows.workflows")
"""Wings that are loaded before the loop runs: the call that first needs one would hold up all others, for up to 30 ms."""
_YOUNG: Final = 5_000
"""Containers that are made, and not freed, before the collector looks at them. Those of the calls under way are no garbage, and by default
it looks at them with every thirteenth call."""
_SWITCH: Final = 0.001
"""Seconds after which a thread lets the loop have the interpreter: a fifth of what is usual."""
_READS: Final = ((asyncio.selector_events, "_SelectorTransport", 64 * 1024), (asyncio.sslproto, "SSLProtocol", 32 * 1024))
"""Where asyncio keeps how many bytes it reads at once: 256 KiB by itself, and each connection with TLS holds a buffer of that size."""


def read_little() -> None:
    """Makes asyncio's reads smaller for the whole process, so that a thousand streams hold little memory."""
    for module, name, size in _READS:
        kind: Any = getattr(module, name, None)
        if getattr(kind, "max_size", 0) > size:
            kind.max_size = size


def listen(settings: Settings) -> list[socket.socket]:
    """The listening sockets: the service's, and if asked for the one that serves numbers. Raises OSError."""
    sockets = [_listen(settings.host, settings.port)]
    if settings.metrics_port is not None:
        try:
            sockets.append(_listen("127.0.0.1", settings.metrics_port))
        except OSError:
            sockets[0].close()
            raise
    return sockets


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    return socket.create_server((bare, port), family=family, backlog=_BACKLOG)


class GatewayServer:
    """The service until a signal: the first one lets calls end within the limit, the second ends them now."""

    def __init__(self, service: Service, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        self._service = service
        self._sockets = sockets
        self._main = _Uvicorn(_config(service.app, settings), service)
        self._numbers = _Quiet(_config(_metrics_app(service.metrics), settings)) if len(sockets) > 1 else None
        self._level = settings.log_level

    def run(self) -> None:
        """Runs until it is told to stop."""
        configure(self._level)
        read_little()
        for wing in LOADED:
            load(f"kosha_connector_openai.{wing}")
        # The catalog is there to stay: without this, each full collection would walk through all of it. The last one counts what is left:
        # the next comes once there is a quarter more, and with the catalog in that count it would hardly ever come.
        gc.collect()
        gc.freeze()
        gc.collect()
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
        sys.setswitchinterval(_SWITCH)
        with asyncio.Runner(loop_factory=self._main.config.get_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        numbers = asyncio.create_task(self._numbers.serve([self._sockets[1]])) if self._numbers else None
        try:
            await self._main.serve([self._sockets[0]])
        finally:
            if self._numbers and numbers:
                self._numbers.should_exit = True
                await numbers
            await self._service.aclose(now=self._main.force_exit)


def _config(app: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",  # another one that is installed has no transports that read as little as the protocol asks
        http=guarded(settings.limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED,
        limit_concurrency=None,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )


class _Server(uvicorn.Server):
    """Accepts so many connections in a round, and lets many more wait for that."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens: for asyncio the backlog is both numbers, so the second one is set after it."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_BACKLOG)


class _Uvicorn(_Server):
    """Tells the service that it ends; a second signal of either kind does not wait."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes the signals and keeps them: ending as one was asked to is no failure."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal: no new calls, those under way go on. The second: end now."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._service.stop()
        if self.force_exit:
            asyncio.get_running_loop().call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        """Ends the connections: from Python 3.12 on, a server waits for them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Quiet(_Server):
    """A second server in the loop, which leaves signals to the first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield


def _metrics_app(metrics: Metrics) -> Any:
    """An application of one page, ``/metrics``: for a port that only this machine reaches, under its own names."""
    policy = OriginPolicy(host="127.0.0.1")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        refusal = policy.refuse(scope["headers"])
        if refusal is not None:
            await send_refusal(send, refusal, "")
            return
        found = scope["path"] == "/metrics" and scope["method"] == "GET"
        headers = [(b"content-type", metrics.content_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": metrics.expose() if found else b""})

    return app
