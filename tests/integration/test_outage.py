"""R12: many callers while the upstream turns everyone away: few requests more than calls, none too early, and none all at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core import runtime as calls
from kosha_connector_openai.core.transport.retry import RetryBudget
from kosha_connector_openai.errors import ApiError
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from tests.gateway import KEY, ROOT

CALLERS = 200
ROUNDS = 4
RETRY_AFTER = 1.0
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Down:
    """An upstream that answers 503 to everything; when it was asked, by what the path ends with."""

    def __init__(self, refusal: bytes) -> None:
        self.refusal = refusal
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.url = ""

    @property
    def requests(self) -> int:
        return sum(map(len, self.asked.values()))

    @property
    def retries(self) -> list[float]:
        return [at for times in self.asked.values() for at in times[1:]]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked[head.split(b" ", 2)[1].rpartition(b"/")[2].decode()].append(time.monotonic())
                writer.write(self.refusal)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def down(refusal: bytes = REFUSAL) -> AsyncIterator[Down]:
    found = Down(refusal)
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0, backlog=CALLERS)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


def too_early(upstream: Down) -> list[float]:
    """How long after the last attempt those came that did not wait as they were told."""
    pauses = (later - sooner for times in upstream.asked.values() for sooner, later in pairwise(times))
    return [pause for pause in pauses if pause < RETRY_AFTER]


async def fail(connector: Connector, upstream: Down, name: str) -> None:
    connection = connector.connection(
        {"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"},
        environ={},
        engine="aiohttp",
        limits={"connections": CALLERS},
    )
    with pytest.raises(ApiError) as caught:
        await connector.arun("retrieveModel", {"model": name}, connection)
    assert caught.value.status == 503


def opened() -> Connector:
    return Connector(ROOT, stores=[EnvironmentStore(["OPENAI_API_KEY"], {"OPENAI_API_KEY": KEY})])


async def test_an_outage_is_not_made_worse():
    """200 callers that try again and again: at most 1.2 requests for each call, none earlier than `Retry-After`."""
    made: list[str] = []
    async with down() as upstream, opened() as connector:

        async def caller(number: int) -> None:
            for _ in range(ROUNDS):
                made.append(f"m-{number}-{len(made)}")
                await fail(connector, upstream, made[-1])
                await asyncio.sleep(0.5)

        await asyncio.gather(*map(caller, range(CALLERS)))
        assert len(upstream.asked) == len(made) > CALLERS
        assert upstream.retries, "nobody tried again: this shows nothing"
        assert upstream.requests <= 1.2 * len(made)
        assert not too_early(upstream)


@pytest.mark.slow
async def test_those_who_fail_together_do_not_come_back_together(monkeypatch: pytest.MonkeyPatch):
    """Nobody says when to come back, and no budget stops them: all try three times, no 100 ms have more than 15 % of the retries."""
    monkeypatch.setattr(calls, "RetryBudget", lambda: RetryBudget(capacity=3.0 * CALLERS))
    async with down(REFUSAL.replace(b"Retry-After: 1\r\n", b"")) as upstream, opened() as connector:
        await asyncio.gather(*(fail(connector, upstream, f"m-{number}") for number in range(CALLERS)))
        assert upstream.requests == 3 * CALLERS
        retries = upstream.retries
        for shift in (0.0, 0.05):
            slots = Counter(int((at + shift) * 10) for at in retries)
            assert max(slots.values()) <= 0.15 * len(retries)
