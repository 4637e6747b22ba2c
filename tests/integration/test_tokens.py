"""Tokens that are computed and end: asked for when a call needs one, before each attempt, once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from kosha_connector_openai import Connection, Connector, Secret
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.store import SecretContext
from kosha_connector_openai.secrets.stores.computed import ComputedStore, Token
from tests.recorder import Recorder, reply


class Source:
    """Makes numbered tokens of a short life; counts how often it is asked."""

    def __init__(self, life: float = 60, pause: float = 0) -> None:
        self.life, self.pause, self.made = life, pause, 0
        self.ends: dict[str, float] = {}
        self._lock = Lock()

    def __call__(self, context: SecretContext) -> Token:
        time.sleep(self.pause)
        return self._token()

    async def wait(self, context: SecretContext) -> Token:
        """The same for asyncio."""
        await asyncio.sleep(self.pause)
        return self._token()

    def _token(self) -> Token:
        with self._lock:
            self.made += 1
            name = f"token-number-{self.made}"
            self.ends[f"Bearer {name}"] = time.time() + self.life
            return Token(Secret(name), self.ends[f"Bearer {name}"])


def opened(source: Callable[[SecretContext], Token | Awaitable[Token]]) -> Connector:
    """Our connector with this source of tokens."""
    return Connector(folder(), stores=[ComputedStore("identity", {"workload": source})])


def to(connector: Connector, upstream: Recorder, **options: object) -> Connection:
    """A connection to the upstream by computed token."""
    return connector.connection({"server_url": upstream.url, "api_key": "identity:workload"}, environ={}, **options)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_a_retry_asks_again_once_the_token_is_stale(asynchronous: bool) -> None:
    """The second attempt comes after the first token's end, and has a new one; a third within its life asks for none."""
    source = Source(life=1)
    busy = reply(status=503, headers=[("retry-after-ms", "1100")])
    quick = reply(status=503, headers=[("retry-after-ms", "1")])
    with Recorder(busy, quick, reply()) as upstream, opened(source.wait if asynchronous else source) as connector:
        connection = to(connector, upstream, retries={"base": 0.001, "cap": 0.001, "attempts": 3})
        connector.run("listModels", {}, connection)
    assert [request.header("Authorization") for request in upstream.requests] == [
        "Bearer token-number-1",
        "Bearer token-number-2",
        "Bearer token-number-2",
    ]


def test_nothing_is_sent_past_its_end() -> None:
    """Of many calls over several lives of a token, each has one that still held when it was asked for."""
    source = Source(life=1)
    seen: list[bool] = []
    with Recorder() as upstream, opened(source) as connector:
        connection = to(connector, upstream)
        end = time.time() + 4
        while time.time() < end:
            started = time.time()
            connector.run("listModels", {}, connection)
            seen.append(started < source.ends[str(upstream.last.header("Authorization"))])
    assert all(seen)
    assert 3 <= source.made < len(seen)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_many_callers_cause_one_request_for_a_token(asynchronous: bool) -> None:
    """200 calls from threads, then 200 on a loop after the token was dropped: each crowd asks once."""
    source = Source(pause=0.2)
    with Recorder() as upstream, opened(source.wait if asynchronous else source) as connector:
        connection = to(connector, upstream, limits={"connections": 20}, timeouts={"pool": 30})
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(lambda _: connector.run("listModels", {}, connection), range(200)))
        assert source.made == 1
        connector._runtime._cache.clear()

        async def crowd() -> None:
            try:
                await asyncio.gather(*(connector.arun("listModels", {}, connection) for _ in range(200)))
            finally:
                await connector.aclose()

        asyncio.run(crowd())
    assert source.made == 2
    assert len(upstream.requests) == 400
