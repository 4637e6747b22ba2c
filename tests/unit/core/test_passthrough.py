"""A request passed on: one send, the reply unread and to the byte, everything closed and noted once, whatever goes wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connector
from kosha_connector_openai.core.passthrough import Passthrough
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.core.request.media_types import BytesBody
from kosha_connector_openai.core.request.raw import RawInputs, StreamBody
from kosha_connector_openai.errors import (
    InputError,
    NotSentError,
    OutcomeUnknownError,
    RedirectRefusedError,
    ReplyTooLargeError,
    SecretMissingError,
    TruncatedReplyError,
)
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.stores.file import FileStore
from tests.recorder import Recorder, events, raw, reply, reset, silence

BODY = BytesBody(b'{ "b":1,"a":2.0 }', "application/json")
ENGINES = ["aiohttp", "httpx"]


@pytest.fixture
def records() -> list[Record]:
    return []


@pytest.fixture
def noted(records: list[Record], key: str) -> Iterator[Connector]:
    with Connector(folder(), record=records.append) as opened:
        yield opened


async def passed(
    connector: Connector, upstream: Recorder | str, inputs: RawInputs = RawInputs(body=BODY), **options: Any
) -> tuple[Passthrough, bytes]:
    call = options.pop("call", CallOptions())
    url = upstream if isinstance(upstream, str) else upstream.url
    connection = connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, **{"engine": "aiohttp", **options})
    try:
        async with await connector.relay("createEmbedding", inputs, connection, call) as relay:
            return relay, b"".join([chunk async for chunk in relay.chunks()])
    finally:
        await connector.aclose()


@pytest.mark.parametrize("engine", ENGINES)
async def test_bytes_pass_both_ways(noted: Connector, records: list[Record], key: str, engine: str) -> None:
    """The body's bytes and type go on, the connection's credential joins; the reply's bytes come back; one record is written."""
    body = b'{"x":  1.0}\n'
    with Recorder(reply(201, body, headers=[("x-request-id", "req_1"), ("X-Two", "a"), ("X-Two", "b")])) as upstream:
        inputs = RawInputs(query="a=%2F", headers=(("accept", "a/b"),), body=BODY)
        relay, read = await passed(noted, upstream, inputs, engine=engine)
    assert (relay.status, read, relay.request_id, relay.outcome, relay.received) == (201, body, "req_1", "ok", len(body))
    assert [value for name, value in relay.headers if name == "x-two"] == ["a", "b"]
    sent = upstream.last
    assert (sent.target, sent.body, sent.header("content-type")) == ("/v1/embeddings?a=%2F", BODY.content, "application/json")
    assert sent.header("authorization") == f"Bearer {key}"
    assert [(record.outcome, record.status, record.request_id, record.attempts) for record in records] == [("ok", 201, "req_1", 1)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [None, 300_000])
async def test_a_body_goes_on_while_it_arrives(noted: Connector, engine: str, length: int | None) -> None:
    """With its length where that is known, in chunks where it is not."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"x" * 100_000

    with Recorder() as upstream:
        await passed(noted, upstream, RawInputs(body=StreamBody(pieces(), "application/json", length)), engine=engine)
    assert upstream.last.body == b"x" * 300_000
    assert upstream.last.header("content-length") == (str(length) if length else None)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_body_that_fails_is_never_sent_whole(noted: Connector, records: list[Record], engine: str) -> None:
    """Its own error comes back, and the upstream's connection is cut."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10
        raise InputError("no more")

    with Recorder() as upstream, pytest.raises(InputError, match="no more"):
        await passed(noted, upstream, RawInputs(body=StreamBody(pieces(), "application/json", 100)), engine=engine)
    assert all(len(request.body) < 100 for request in upstream.requests)
    assert [record.outcome for record in records] == ["input"]


def gone() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


FAILURES = {
    "reset": (reset, OutcomeUnknownError),
    "cut": (reply(200, b"{}", length=9), TruncatedReplyError),
    "redirect": (reply(307, b"", headers=[("Location", "https://evil.example")]), RedirectRefusedError),
    "slow": (silence(3), OutcomeUnknownError),
    "quiet stream": (events(b"data: 1\n\n", b"", pause=2), OutcomeUnknownError),
}
TIMEOUTS = {"connect": 1, "read": 0.3, "write": 1, "pool": 1, "total": 0.6, "stream_idle": 0.3, "stream_total": 1.0}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", FAILURES)
async def test_failures_are_typed_and_sent_once(noted: Connector, records: list[Record], way: str, engine: str) -> None:
    """No second try, whatever happens, and one record."""
    script, kind = FAILURES[way]
    with Recorder(script) as upstream, pytest.raises(kind):
        await passed(noted, upstream, engine=engine, timeouts=TIMEOUTS)
    assert len(upstream.requests) == 1
    assert [record.outcome for record in records] == [kind.code]


async def test_nothing_there_is_not_sent(noted: Connector) -> None:
    """The caller may safely try again."""
    with pytest.raises(NotSentError):
        await passed(noted, gone())


async def test_more_attempts_only_where_asked_for(noted: Connector, records: list[Record]) -> None:
    """The policy is the connection's own; a body that can be sent once is sent once."""
    with pytest.raises(NotSentError):
        await passed(noted, gone(), call=CallOptions(attempts=2))
    assert records[-1].attempts == 2


async def test_a_large_reply_is_cut(noted: Connector) -> None:
    """By the connection's limits."""
    with Recorder(reply(200, b"x" * 5_000)) as upstream, pytest.raises(ReplyTooLargeError):
        await passed(noted, upstream, limits={"download": 4_000})


async def test_a_rotated_key_is_read_again_once(tmp_path: Any, records: list[Record]) -> None:
    """A 401 forgets the cached key; a body in memory is sent again with the new one, and the first answer is dropped."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text("old-key-0123456789")
    with Recorder() as upstream, Connector(folder(), stores=[FileStore([tmp_path])], record=records.append) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": f"file:{path}"}, environ={}, engine="aiohttp")
        for scripts in ([reply()], [reply(401, {}), reply()]):
            upstream.scripts = scripts
            async with await connector.relay("listModels", RawInputs(), connection) as relay:
                assert relay.status == 200
            path.write_text("new-key-0123456789")
        await connector.aclose()
    assert [record.attempts for record in records] == [1, 2]
    assert upstream.last.header("authorization") == "Bearer new-key-0123456789"


async def test_a_missing_secret_sends_nothing(noted: Connector, monkeypatch: pytest.MonkeyPatch, records: list[Record]) -> None:
    """And is noted."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with Recorder() as upstream, pytest.raises(SecretMissingError):
        await passed(noted, upstream)
    assert upstream.silent
    assert records[-1].outcome == "secret_missing"


async def test_cancelling_closes_the_upstream_at_once(noted: Connector, records: list[Record]) -> None:
    """In the middle of a stream; what was read so far is told as incomplete."""
    begun = asyncio.Event()
    with Recorder(events(*[b"data: 1\n\n"] * 2_000, pause=0.01)) as upstream:
        connection = noted.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, engine="aiohttp")

        async def read() -> None:
            async with await noted.relay("createEmbedding", RawInputs(body=BODY), connection) as relay:
                async for _ in relay.chunks():
                    begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(upstream.closed_early.wait, 5)
        await noted.aclose()
    assert [record.outcome for record in records] == ["incomplete"]


async def test_an_echoed_key_is_starred_out(noted: Connector, key: str) -> None:
    """In the body at the same length, and in headers."""
    script = raw(f"HTTP/1.1 200 OK\r\nX-Echo: {key}\r\nContent-Length: {len(key)}\r\n\r\n{key}".encode())
    with Recorder(script) as upstream:
        relay, read = await passed(noted, upstream)
    assert read == b"*" * len(key)
    assert key not in str(relay.headers)
