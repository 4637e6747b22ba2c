"""The contestants that make calls: the connector and its peers, each opened once and then asked again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson

from kosha_connector_openai import Connection, Connector, open_connector

KEY = "benchmark-key-0123456789"
ENVIRONMENT = {"OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
"""What both sides find in the environment, so that no key or proxy of whoever runs this is used."""
INPUTS: dict[str, Any] = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say this is a test"}], "stream": True}
TARGET = "/v1/completions"
CHAT_TARGET = "/v1/chat/completions"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

Call = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]


def connection(connector: Connector, url: str, engine: str) -> Connection:
    """A connection to the upstream, as a user would make it, on one of the engines."""
    return connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, environ={}, engine=engine)


@contextmanager
def ours(url: str) -> Iterator[Call]:
    """The connector from a thread, on httpx."""
    with open_connector() as connector:
        to = connection(connector, url, "httpx")
        yield lambda: connector.run("createCompletion", INPUTS, to)


@contextmanager
def ours_stream(url: str) -> Iterator[Call]:
    """The connector from a thread, reading one stream event by event."""
    with open_connector() as connector:
        to = connection(connector, url, "httpx")

        def call() -> int:
            with connector.stream("createChatCompletion", CHAT, to) as stream:
                return sum(1 for _ in stream)

        yield call


@contextmanager
def bare_httpx(url: str) -> Iterator[Call]:
    """httpx with nothing around it."""
    import httpx

    with httpx.Client(headers=HEADERS) as client:
        yield lambda: orjson.loads(client.post(url + TARGET, content=orjson.dumps(INPUTS)).content)


@contextmanager
def bare_httpx_stream(url: str) -> Iterator[Call]:
    """httpx's own line reader, each line's JSON decoded."""
    import httpx

    with httpx.Client(headers=HEADERS) as client:

        def call() -> int:
            with client.stream("POST", url + CHAT_TARGET, content=orjson.dumps(CHAT)) as response:
                lines = (line[6:] for line in response.iter_lines() if line)
                return len([orjson.loads(line) for line in lines if line != "[DONE]"])

        yield call


@contextmanager
def sdk(url: str) -> Iterator[Call]:
    """The vendor's own client."""
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
        yield lambda: client.completions.create(**INPUTS)


@contextmanager
def sdk_stream(url: str) -> Iterator[Call]:
    """The vendor's own client, reading one stream event by event."""
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
        yield lambda: sum(1 for _ in client.chat.completions.create(**CHAT))


@asynccontextmanager
async def ours_aiohttp(url: str) -> AsyncIterator[AsyncCall]:
    """The connector on an event loop, on aiohttp."""
    async with open_connector() as connector:
        to = connection(connector, url, "aiohttp")
        yield lambda: connector.arun("createCompletion", INPUTS, to)


@asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncIterator[AsyncCall]:
    """aiohttp with nothing around it."""
    import aiohttp

    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def call() -> Any:
            async with session.post(url + TARGET, data=orjson.dumps(INPUTS)) as response:
                return orjson.loads(await response.read())

        yield call


@asynccontextmanager
async def bare_httpx_async(url: str) -> AsyncIterator[AsyncCall]:
    """httpx on an event loop with nothing around it, allowed to keep every connection."""
    import httpx

    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(headers=HEADERS, limits=limits) as client:

        async def call() -> Any:
            return orjson.loads((await client.post(url + TARGET, content=orjson.dumps(INPUTS))).content)

        yield call
