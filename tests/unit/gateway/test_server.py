"""The server around the application: small replies leave at once, probes wait for nothing, numbers have a port of their own, connections
are bounded."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from types import SimpleNamespace
from typing import Any, Self

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from kosha_connector_openai.gateway.protocol import guarded
from kosha_connector_openai.gateway.rounds import ACCEPTED
from kosha_connector_openai.gateway.server import _config, _Server, listen
from kosha_connector_openai.gateway.settings import ServiceLimits, Settings
from tests.gateway import TOKEN
from tests.service import DIGEST, Process, free_port


async def app(scope: object, receive: object, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Listening:
    """The guarded protocol on a socket that was made elsewhere, as the command makes it."""

    def __init__(self, limits: ServiceLimits, served: Any = app) -> None:
        config = uvicorn.Config(served, http=guarded(limits), ws="none", lifespan="off", log_config=None)
        config.load()
        self.state = ServerState()
        self._make = lambda: config.http_protocol_class(config=config, server_state=self.state, app_state={})  # type: ignore[call-arg, operator]
        self.socket = listen(Settings(port=0))[0]
        self.port = self.socket.getsockname()[1]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._make, sock=self.socket)  # type: ignore[arg-type]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for connection in list(self.state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


async def test_small_replies_do_not_wait_for_an_acknowledgement():
    """Every connection has TCP_NODELAY: without it a reply in two pieces, and each event of a stream, would wait 40 ms."""
    async with Listening(ServiceLimits()) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        (connection,) = served.state.connections
        raw = connection.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


async def test_connections_beyond_the_limit_are_turned_away():
    """G8: 503 and the connection ends; those that are there stay."""
    async with Listening(ServiceLimits(connections=2)) as served:
        first = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        for reader, writer in first:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()


async def test_a_connection_that_says_nothing_ends():
    """G8: after the time for a head, and without a word; one that began is told."""
    async with Listening(ServiceLimits(header_seconds=0.2)) as served:
        for sent, answer in ((b"", b""), (b"GET / HTTP/1.1\r\nX: ", b"HTTP/1.1 408 ")):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(sent)
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(answer)
            writer.close()


async def test_a_kept_connection_may_rest_and_go_on():
    """Between requests the time for a head does not run."""
    async with Listening(ServiceLimits(header_seconds=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.4)
        writer.close()


async def test_a_body_after_a_head_is_not_counted_as_one():
    """A large body may come in the same piece."""
    async with Listening(ServiceLimits(header_bytes=1_024)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


def test_numbers_on_a_port_of_their_own():
    """Without a token, on loopback alone, and nothing else is there."""
    port = free_port()
    environ = {
        **os.environ,
        "BEARER_TOKEN": "sk-0123456789abcdef",
        "KOSHA_GATEWAY_TOKEN_HASHES": DIGEST,
        "KOSHA_GATEWAY_METRICS_PORT": str(port),
    }
    with Process(environ=environ) as process:
        assert httpx.get(f"{process.url}/metrics", trust_env=False).status_code == 401
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert "kosha_gateway_requests_total" in answer.text
        for path in ("/", "/v1/models", "/metrics/x"):
            assert (
                httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False).status_code
                == 404
            )


def test_another_event_loop_that_is_installed_is_not_taken(monkeypatch: pytest.MonkeyPatch):
    """`uvicorn[standard]` brings one along, whose transports read as much as they like before a token is known."""
    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=lambda: pytest.fail("taken")))
    make = _config(None, Settings()).get_loop_factory()
    assert make is not None
    loop = make()
    loop.close()
    assert type(loop) is asyncio.SelectorEventLoop


def test_a_port_that_is_taken_leaves_nothing_open():
    """The first socket is closed where the second cannot be had."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        listen(Settings(port=0, metrics_port=taken.getsockname()[1]))


async def test_who_waits_for_the_service_gives_no_place_away(monkeypatch: pytest.MonkeyPatch):
    """B1, B12: of a crowd from one address the oldest connections end, but not one whose request is whole and has no answer yet."""
    monkeypatch.setattr("kosha_connector_openai.gateway.places._PATIENCE", 0.0)
    turn, asked = asyncio.Event(), asyncio.Event()

    async def late(scope: object, receive: object, send) -> None:
        asked.set()
        await turn.wait()
        await app(scope, receive, send)

    async with Listening(ServiceLimits(connections_anonymous=1), late) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        crowd = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]
        last = crowd[-1][1].get_extra_info("sockname")
        async with asyncio.timeout(10):
            while not any(each.client == last for each in served.state.connections):
                await asyncio.sleep(0.01)
        turn.set()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, other in [(reader, writer), *crowd]:
            other.close()


class _Socket(socket.socket):
    """Remembers how many connections may wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.backlogs = list[int]()

    def listen(self, backlog: int = 0) -> None:
        self.backlogs.append(backlog)
        super().listen(backlog)


async def test_a_round_accepts_some_connections_and_many_more_may_wait(monkeypatch: pytest.MonkeyPatch):
    """B6: asyncio accepts as many at once as it is told may wait; those who wait for their turn are not turned away by the system."""
    accepted, loop = list[int](), asyncio.get_running_loop()
    monkeypatch.setattr(loop, "_start_serving", lambda *given: accepted.append(given[4]))
    with _Socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, http=guarded(ServiceLimits()), lifespan="off", log_config=None, backlog=ACCEPTED))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([listening])
    assert accepted == [ACCEPTED]
    assert listening.backlogs[-1] > 10 * ACCEPTED
