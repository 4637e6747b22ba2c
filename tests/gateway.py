"""A gateway on loopback in front of any upstream, as it is served: uvicorn with the guarded protocol, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.gateway.access.admission import Admission
from kosha_connector_openai.gateway.access.authentication import Authenticator
from kosha_connector_openai.gateway.access.origin_policy import OriginPolicy
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.app import Gateway, Guards
from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord
from kosha_connector_openai.gateway.protocol import guarded
from kosha_connector_openai.gateway.settings import Settings, read_settings
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore

ROOT = Path(__file__).parent.parent
TOKEN = "kosha_test-token-of-one-caller-0123456789"
KEY = "sk-upstream-key-0123456789abcdef"
UNCHECKED = "kosha_test-token-whose-calls-are-not-checked"
WARNED = "kosha_test-token-whose-calls-are-warned-about"
DIGEST = hash_token(TOKEN)
TOKENS = (
    {"name": "one", "hash": DIGEST},
    {"name": "unchecked", "hash": hash_token(UNCHECKED), "validation": "off"},
    {"name": "warned", "hash": hash_token(WARNED), "validation": "warn"},
)


@dataclass
class Running:
    """A gateway that runs: where it is, what it noted, and a client for it that sends its token."""

    url: str
    port: int
    exchanges: list[ExchangeRecord] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    admission: Admission | None = None
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    def client(self, token: str = TOKEN, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, **{"timeout": 10, **options})

    def call(self, method: str, path: str, token: str = TOKEN, **options: Any) -> httpx.Response:
        with self.client(token) as client:
            return client.request(method, path, **options)

    def raw(self, data: bytes, *, wait: float = 5.0) -> bytes:
        """What comes back for exactly these bytes, until the connection is closed or nothing comes for ``wait`` seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(data)
            return read_all(connection)

    def head(self, *lines: str, token: bool = True) -> bytes:
        """A request's head: the first of ``lines`` is its first line."""
        common = [f"Host: 127.0.0.1:{self.port}", *([f"Authorization: Bearer {TOKEN}"] if token else [])]
        return "\r\n".join([lines[0], *common, *lines[1:], "", ""]).encode("latin-1")


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            data += piece
    return data


@contextlib.contextmanager
def serving(
    upstream: str,
    *,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    values: Mapping[str, str] | None = None,
    key: str = KEY,
    change: Callable[[Gateway], None] | None = None,
    **flags: Any,
) -> Iterator[Running]:
    """The gateway in front of ``upstream``, until the block is left. ``settings`` are flags, ``options`` those of the connection."""
    given = {"tokens": TOKENS, **(settings or {}), **flags}
    found: Settings = read_settings(given, environ={})
    running = Running("", 0)
    stores = [EnvironmentStore(["OPENAI_API_KEY"], {"OPENAI_API_KEY": key})]
    with Connector(ROOT, stores=stores, record=running.records.append) as connector:
        connection = connector.connection(
            {"server_url": upstream, "api_key": "env:OPENAI_API_KEY", **(values or {})},
            environ={},
            **{"engine": "aiohttp", **(options or {})},
        )
        limits = found.limits
        running.admission = Admission(
            calls=limits.calls_total, streams=limits.streams_total, queue=limits.queue, queue_seconds=limits.queue_seconds
        )
        names = found.connections or {"default": None}
        guards = Guards(
            policy=OriginPolicy(host=found.host, hosts=found.hosts, cors_origins=found.cors_origins),
            authenticate=Authenticator(found, connector.catalog),
            admission=running.admission,
            observe=running.exchanges.append,
        )
        app = Gateway(connector, dict.fromkeys(names, connection), found, guards)
        if change:
            change(app)
        with _server(app, found, running, connector):
            yield running


class _Server(uvicorn.Server):
    """Ends at once when it is told to: uvicorn looks for that ten times a second, and takes another tenth to close its connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The replies under way have a second."""
        state = self.server_state
        for server in self.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while state.connections or state.tasks:
                    await asyncio.sleep(0.002)
        for task in state.tasks:
            task.cancel()


@contextlib.contextmanager
def _server(app: Any, settings: Settings, running: Running, connector: Any) -> Iterator[None]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    running.port = listener.getsockname()[1]
    running.url = f"http://127.0.0.1:{running.port}"
    config = uvicorn.Config(
        app, http=guarded(settings.limits), ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_keep_alive=75,
    )  # fmt: skip
    server = _Server(config)
    started = threading.Event()

    async def run() -> None:
        running.loop = asyncio.get_running_loop()
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.002)
        started.set()
        await task
        await connector.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        assert running.loop is not None
        running.loop.call_soon_threadsafe(server.told.set)
        thread.join(10)
        listener.close()
