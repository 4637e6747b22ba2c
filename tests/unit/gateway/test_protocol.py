"""The protocol's turns: of many requests that arrive at once a few begin in each round of the event loop, of many bodies a few pieces are
read, and a probe waits for none; what ends leaves nothing."""

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
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.pages.description import ACCESS, service_document
from kosha_connector_openai.gateway.protocol import GuardedProtocol, guarded
from kosha_connector_openai.gateway.rounds import BEGUN, READ
from kosha_connector_openai.gateway.settings import ServiceLimits
from kosha_connector_openai.gateway.turned_requests import PROBES

_HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"


class _Transport:
    """A connection that remembers whether it is read."""

    def __init__(self) -> None:
        self.reads = True
        self.closed = False
        self.written = b""
        self.max_size = 256 * 1024
        self.protocol: Any = None

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

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        assert data
        self.written += data

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
    state, made = ServerState(), []
    for _ in range(number):
        protocol = kind(config=config, server_state=state, app_state={}, _loop=asyncio.get_running_loop())
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
    assert READ <= max(counts) <= 2 * READ  # a round of the loop may see the end of one count and the beginning of the next
    assert not any(left)
    assert all(b"204" in transport.written for _, transport in made)


async def test_what_a_crowd_sends_after_a_refusal_is_dropped_in_turns() -> None:
    """A refused request's body is not kept, and no more of it is read in a round than of those that go on."""
    made = _connected(_refuse, 50)
    for protocol, _ in made:
        protocol.data_received(_HEAD)
    counts = []
    for number in range(100):
        await asyncio.sleep(0)
        ready = [transport.protocol for _, transport in made if transport.reads]
        if number > 20:
            counts.append(len(ready))
        for protocol in filter(None, ready):
            protocol.get_buffer(-1)
            protocol.buffer_updated(1_000)
    assert max(counts) == READ
    assert made[0][0].reads._waiting
    for _, transport in made:
        transport.protocol.connection_lost(None)
    assert not made[0][0].reads._waiting


_PROBE = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
_OTHER = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_requests_of_a_crowd_begin_a_few_in_a_round_and_those_who_left_never() -> None:
    """Thirty heads arrive at once; the client of one leaves before its turn."""
    made = _connected(_app, 30)
    for protocol, _ in made:
        protocol.data_received(_GET)
    protocol.connection_lost(None)
    state, begun = made[0][0].server_state, list[int]()
    while protocol.begun._waiting:
        begun.append(len(state.tasks))
        await asyncio.sleep(0)
    assert max(begun) <= 2 * BEGUN
    for _ in range(5):
        await asyncio.sleep(0)
    assert state.total_requests == len(made) - 1
    assert all(transport.written for _, transport in made[:-1])
    assert not made[-1][1].written


async def test_a_probe_waits_for_no_turn_and_no_task() -> None:
    """It is answered before its bytes were taken in, however many requests wait; another one in the same read has its turn."""
    (protocol, transport), *others = _connected(_app, 2 * BEGUN)
    for other, _ in others:
        other.data_received(_OTHER)
    for number, sent in enumerate((_PROBE, _PROBE * 2), 1):
        protocol.data_received(sent)
        assert transport.written.count(b"HTTP/1.1 204 ") == number
        assert len(protocol.server_state.tasks) == BEGUN
    assert not any(other.written for _, other in others)
    for _ in range(5):
        await asyncio.sleep(0)
    assert transport.written.count(b"HTTP/1.1 204 ") == 3


@pytest.mark.parametrize(
    "sent",
    [
        _OTHER + _PROBE,
        _PROBE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"),
        _PROBE.replace(b"livez", b"livez?a"),
        _PROBE.replace(b"livez", b"%6civez"),
    ],
    ids=["behind another", "with a body", "with a query", "in other letters"],
)
async def test_what_is_no_plain_probe_has_its_turn(sent: bytes) -> None:
    """Its reply could be out of order, or its rest would have to be read."""
    protocol, transport = _connected(_refuse, 1)[0]
    protocol.data_received(sent)
    assert not transport.written
    assert len(protocol.server_state.tasks) == 1
    for _ in range(5):
        await asyncio.sleep(0)
    assert transport.written


async def test_a_probe_of_a_client_that_does_not_read_has_its_turn() -> None:
    """Its reply would have to wait."""
    protocol, transport = _connected(_app, 1)[0]
    protocol.pause_writing()
    protocol.data_received(_PROBE)
    await asyncio.sleep(0)
    assert not transport.written
    protocol.resume_writing()
    for _ in range(5):
        await asyncio.sleep(0)
    assert transport.written


def test_probes_are_pages_for_everyone() -> None:
    """What is answered before any turn is what the description offers without a token."""
    paths = service_document()["paths"]
    assert {path.encode() for path, item in paths.items() if item[ACCESS] == "everyone"} == PROBES


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


async def _settle(rounds: int = 200) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "sent",
    [
        _GET[:-2] + b"a: " + b"x" * 24_000,
        _GET[:-2] + b"a: b\r\n" * 120,
        (_GET[:-2] + b"a: b\r\n" * 60 + b"\r\n") * 5,
        _GET[:-2] + b"a: b\r\n" * 120 + b"\r\n",
    ],
    ids=["half a large head", "half a head of many fields", "in a row", "many fields"],
)
async def test_b01_the_heads_of_a_crowd_have_one_bound(sent: bytes) -> None:
    """B1: whatever 300 connections without a token send of heads, together it is 1 MiB and a usual head each; a usual call is answered."""
    free = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if (b"authorization", b"a") not in scope["headers"]:
            await free.wait()
        await _app(scope, receive, send)

    made = _connected(app, 300)
    places = made[0][0].places
    for protocol, _ in made:
        for start in range(0, len(sent), 8_192):
            protocol.data_received(sent[start : start + 8_192])
    assert sum(len(sent) + sent.count(b"\n") * 128 for _ in made) > 1024 * 1024 + 300 * 8 * 1024
    assert 900_000 < places._heads <= 1024 * 1024 + 300 * 8 * 1024
    refused = [transport.written for _, transport in made if transport.closed]
    assert refused
    assert all(written.startswith(b"HTTP/1.1 503 ") or not written for written in refused)
    caller, wire = _connected(app, 1)[0]
    type(caller).places = places
    caller.data_received(_GET[:-2] + b"Authorization: a\r\n" + b"a: b\r\n" * 20 + b"\r\n")
    await _settle()
    assert wire.written.startswith(b"HTTP/1.1 204 ")
    free.set()
    for protocol, transport in made:
        (transport.protocol or protocol).connection_lost(None)
    assert not places._heads
    await _settle()


async def test_an_answered_request_is_kept_no_longer_and_the_next_one_is() -> None:
    """A head of which a part is here when the one before it is answered goes on."""
    protocol, wire = _connected(_app, 1)[0]
    protocol.data_received(_GET + _GET[:30])
    await _settle(20)
    assert wire.written.count(b"204") == 1
    protocol.data_received(_GET[30:])
    await _settle(20)
    assert wire.written.count(b"204") == 2
    assert protocol.cycle is None
    assert protocol.headers is None
    protocol.data_received(_GET)
    await _settle(20)
    assert wire.written.count(b"204") == 3
    protocol.connection_lost(None)


def test_a_library_without_the_method_that_turns_rest_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As uvicorn before 0.45 has none: the service does not start, in place of answering a crowd all at once."""
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")
    with pytest.raises(SetupError, match="begins a request"):
        guarded(ServiceLimits())
