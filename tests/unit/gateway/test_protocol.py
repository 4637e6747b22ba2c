"""The protocol's turns: of many bodies that arrive at once, a few pieces are read in each round of the event loop; what ends leaves
nothing."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import Iterator
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from kosha_connector_openai.gateway.protocol import GuardedProtocol, guarded
from kosha_connector_openai.gateway.rounds import READ
from kosha_connector_openai.gateway.settings import ServiceLimits

_HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"


class _Transport:
    """A connection that remembers whether it is read."""

    def __init__(self) -> None:
        self.reads = True
        self.closed = False
        self.max_size = 256 * 1024

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def set_write_buffer_limits(self, high: int) -> None:
        assert high

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        assert data

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True

    close = abort


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Takes the whole body as the gateway does."""
    scope["state"]["kosha.known"]()
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answers before the body was read."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _connected(app: Any, number: int) -> list[tuple[GuardedProtocol, _Transport]]:
    kind = guarded(ServiceLimits())
    config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None)
    config.load()
    made = []
    for _ in range(number):
        protocol = kind(config=config, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop())
        transport = _Transport()
        protocol.connection_made(cast("Any", transport))
        made.append((protocol, transport))
    return made


async def test_a_round_reads_few_of_many_bodies_and_all_come_to_an_end() -> None:
    """Fifty connections have a piece ready in every round: never more than `READ` of them are read, and each body comes whole."""
    made = _connected(_app, 50)
    left = [300_000] * len(made)
    for protocol, _ in made:
        protocol.data_received(_HEAD)
    counts = []
    for _ in range(1_000):
        await asyncio.sleep(0)
        ready = [each for each, (_, transport) in enumerate(made) if transport.reads and left[each]]
        counts.append(len(ready))
        for each in ready:
            piece = min(left[each], 64 * 1024)
            left[each] -= piece
            made[each][0].data_received(b"x" * piece)
    assert max(counts) == READ
    assert not any(left)
    assert all(protocol.cycle.response_complete for protocol, _ in made)


async def test_what_a_crowd_sends_after_a_refusal_is_dropped_in_turns() -> None:
    """A refused request's body is not kept, and no more of it is read in a round than of those that go on."""
    made = _connected(_refuse, 50)
    for protocol, _ in made:
        protocol.data_received(_HEAD)
    counts = []
    for number in range(100):
        await asyncio.sleep(0)
        ready = [protocol for protocol, transport in made if transport.reads]
        if number > 1:
            counts.append(len(ready))
        for protocol in ready:
            protocol.data_received(b"x" * 1_000)
            assert not protocol.cycle.body
    assert max(counts) == READ
    assert made[0][0].reads._waiting
    for protocol, _ in made:
        protocol.connection_lost(None)
    assert not made[0][0].reads._waiting


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What lies in a circle stays."""
    gc.disable()
    yield
    gc.enable()


_GET = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
_WAYS = {
    "nothing": (_refuse, b""),
    "half a head": (_refuse, _GET[:-2]),
    "no HTTP": (_refuse, b"\0\0\r\n\r\n"),
    "too large": (_refuse, b"GET /" + b"n" * 100_000),
    "answered": (_app, _GET),
    "in a row": (_refuse, _GET * 50),
    "a refused body": (_refuse, _HEAD + b"x" * 1_000),
    "half a body": (_app, _HEAD + b"x" * 1_000),
    "trailers": (_refuse, _HEAD.replace(b"Content-Length: 300000", b"Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\na: b\r\n" * 3_000),
}


@pytest.mark.parametrize("abrupt", [False, True], ids=["closed", "broken"])
@pytest.mark.parametrize("way", _WAYS)
async def test_b01_a_connection_that_ended_leaves_nothing(no_collector: None, way: str, abrupt: bool) -> None:
    """B1: however it ended, the protocol and asyncio's transport are freed at once, and wait for no collector of garbage."""
    app, sent = _WAYS[way]
    kind = guarded(ServiceLimits())
    config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None)
    config.load()
    made: list[weakref.ref[Any]] = []

    def connected() -> Any:
        protocol = kind(config=config, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop())
        made.append(weakref.ref(protocol))
        return protocol

    async with await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        for _ in range(10):
            await asyncio.sleep(0.001)
        protocol = made[0]()
        made += [weakref.ref(each) for each in (protocol and protocol.transport,) if each]
        del protocol
        if abrupt:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        for _ in range(200):
            if not any(ref() for ref in made):
                break
            await asyncio.sleep(0.01)
    assert not [ref() for ref in made if ref()]
