"""R7 and R11: readers that stop, bodies that together are too much, five times more calls than fit; afterwards all is as before."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from asyncio.selector_events import _SelectorTransport
from asyncio.sslproto import SSLProtocol
from typing import Any

import httpx
import pytest

from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.protocol import GuardedProtocol
from kosha_connector_openai.gateway.server import read_little
from kosha_connector_openai.http.aiohttp_engine import AsyncAiohttpReply
from tests.recorder import Received, Recorder, Script, events, reply
from tests.service import whole

TOKENS = [f"kosha_overload-test-token-number-{number}" for number in range(3)]
LIMITS = {"calls": 4, "calls_total": 8, "queue": 50, "queue_seconds": 0.1}


def slow(seconds: float) -> Script:
    """The upstream takes its time."""

    def script(connection: object, request: Received) -> bool:
        time.sleep(seconds)
        return reply()(connection, request)  # type: ignore[arg-type]

    return script


async def test_overload_is_shed_and_forgotten():
    """No call is lost, failed or kept waiting; each token gets its share; `Retry-After` is a whole number of seconds."""
    tokens = [{"name": f"t{number}", "hash": hash_token(token), "tenant": "one"} for number, token in enumerate(TOKENS)]
    with Recorder(slow(0.2)) as upstream, whole(upstream.url, settings={"limits": LIMITS, "tokens": tokens}, tokens=False) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30, limits=httpx.Limits(max_connections=200)) as client:

            async def call(number: int) -> tuple[str, httpx.Response, float]:
                token = TOKENS[0] if number % 10 else TOKENS[1 + number // 10 % 2]
                started = time.monotonic()
                answer = await client.get("/v1/models", headers={"Authorization": f"Bearer {token}"})
                return token, answer, time.monotonic() - started

            found = await asyncio.gather(*map(call, range(120)))
            taken = [entry for entry in found if entry[1].status_code == 200]
            shed = [entry for entry in found if entry[1].status_code != 200]
            assert {entry[1].status_code for entry in shed} <= {429, 503}
            assert len(taken) >= 8
            assert len(shed) >= 40
            assert all(int(entry[1].headers["retry-after"]) >= 1 for entry in shed)
            assert {entry[0] for entry in taken} == set(TOKENS), "a busy token starves nobody"
            assert len(upstream.requests) == len(taken)
            assert gateway.service._admission.taken == {"call": 0, "stream": 0}
            assert gateway.service._admission.waiting == 0
            after = [await call(1) for _ in range(3)]
            assert all(entry[1].status_code == 200 for entry in after)
    assert b'status="429"' in gateway.service.metrics.expose()


def test_a_reader_that_stops_holds_little(monkeypatch: pytest.MonkeyPatch):
    """R7: what waits for it, on both sides of the gateway together, is 256 KiB at most, whatever the upstream would send."""
    writers: list[Any] = []
    readers: list[Any] = []
    made, opened = GuardedProtocol.connection_made, AsyncAiohttpReply.__init__

    def note_writer(protocol: GuardedProtocol, transport: asyncio.Transport) -> None:
        writers.append(transport)
        made(protocol, transport)

    def note_reader(answer: AsyncAiohttpReply, response: Any) -> None:
        readers.append(response)
        opened(answer, response)

    async def held_now() -> int:  # on the loop, so that nothing moves meanwhile
        unread = sum(one.content.total_bytes - one.content._cursor for one in readers)
        return unread + sum(one.get_write_buffer_size() for one in writers)

    monkeypatch.setattr(GuardedProtocol, "connection_made", note_writer)
    monkeypatch.setattr(AsyncAiohttpReply, "__init__", note_reader)
    for kind in (_SelectorTransport, SSLProtocol):
        monkeypatch.setattr(kind, "max_size", kind.max_size)  # so that it comes back
    read_little()
    assert (_SelectorTransport.max_size, SSLProtocol.max_size) == (65_536, 32_768)
    pieces = [b":" + b" " * 200_000 + b"\n\n"] * 200  # more than what the kernel takes for both connections
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
    with Recorder(events(*pieces)) as upstream, whole(upstream.url) as gateway:
        head = gateway.head("POST /v1/chat/completions HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}")
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stalled.connect(("127.0.0.1", gateway.port))
            stalled.sendall(head + body)
            most, still, end = 0, 0, time.monotonic() + 20
            while still < 10 and time.monotonic() < end:
                time.sleep(0.05)
                assert gateway.loop is not None
                before, held = most, asyncio.run_coroutine_threadsafe(held_now(), gateway.loop).result(5)
                most = max(most, held)
                still = still + 1 if held and most == before else 0
            assert still == 10, "it never came to a stop"
            assert 0 < most <= 256 * 1024


def test_bodies_together_are_bounded():
    """What one caller's body takes of `bodies_total`, another cannot have: 503 and `Retry-After`, and room again once it is gone."""
    body = json.dumps({"model": "m", "input": "x" * 3_000}).encode()
    with Recorder() as upstream, whole(upstream.url, settings={"limits": {"bodies_total": 4_000}}) as gateway:
        head = gateway.head("POST /v1/embeddings HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", gateway.port)) as first:
            first.sendall(head + body[:-1])
            deadline = time.monotonic() + 5
            while gateway.service.app._context.bodies.used < 2_000 and time.monotonic() < deadline:
                time.sleep(0.01)
            refused = gateway.call("POST", "/v1/embeddings", content=body, headers={"Content-Type": "application/json"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert not upstream.requests
            first.sendall(body[-1:])
            assert first.recv(12) == b"HTTP/1.1 200"
        assert gateway.call("POST", "/v1/embeddings", content=body, headers={"Content-Type": "application/json"}).status_code == 200
        while gateway.service.app._context.bodies.used and time.monotonic() < deadline:
            time.sleep(0.01)  # given back once the reply is on its way
        assert gateway.service.app._context.bodies.used == 0


async def test_whoever_is_refused_with_a_large_body_reads_why():
    """Fifty callers send 8 MiB each before they read, and for one there is room: each reads its answer, and no connection is reset."""
    settings = {"limits": {"bodies_total": 9 * 1024 * 1024, "connections_anonymous": 8}}
    body = json.dumps({"model": "m", "input": "x" * (8 * 1024 * 1024)}).encode()
    with Recorder() as upstream, whole(upstream.url, settings=settings) as gateway:
        head = gateway.head("POST /v1/embeddings HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}")
        sent = head + body

        async def call() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(sent)
            await writer.drain()
            line = await reader.readline()
            writer.close()
            return line[9:12]

        found = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)
    assert set(found) == {b"200", b"503"}
