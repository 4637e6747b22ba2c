"""One call the same way over each engine, from a thread and from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from time import sleep
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector, Event, Result, open_connector
from kosha_connector_openai.errors import ConnectorError
from tests.recorder import Recorder

WAYS = ("httpx", "httpx2", "httpx-async", "httpx2-async", "aiohttp-async")
Run = Callable[..., Result]


@dataclass
class Way:
    """An engine and how it is driven."""

    connector: Connector
    engine: str
    is_async: bool

    def connection(self, url: str, **options: Any) -> Connection:
        return self.connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, engine=self.engine, **options)

    def run(self, connection: Connection, action: str, inputs: Mapping[str, Any], **options: Any) -> Result:
        if not self.is_async:
            return self.connector.run(action, inputs, connection, CallOptions(**options))
        return asyncio.run(self._arun(connection, action, inputs, CallOptions(**options)))

    def run_all(self, connection: Connection, *calls: tuple[str, Mapping[str, Any]]) -> list[Result]:
        """Several calls, one after the other, over the same sockets."""
        if not self.is_async:
            return [self.connector.run(action, inputs, connection) for action, inputs in calls]
        return asyncio.run(self._arun_all(connection, calls))

    async def _arun_all(self, connection: Connection, calls: tuple[tuple[str, Mapping[str, Any]], ...]) -> list[Result]:
        try:
            return [await self.connector.arun(action, inputs, connection) for action, inputs in calls]
        finally:
            await self.connector.aclose()

    def run_together(self, connection: Connection, times: int, action: str, inputs: Mapping[str, Any]) -> list[Result]:
        """The same call many times at once."""
        if not self.is_async:
            with ThreadPoolExecutor(times) as pool:
                return list(pool.map(lambda _: self.connector.run(action, inputs, connection), range(times)))

        async def go() -> list[Result]:
            try:
                return await asyncio.gather(*(self.connector.arun(action, inputs, connection) for _ in range(times)))
            finally:
                await self.connector.aclose()

        return asyncio.run(go())

    def fails_while(
        self, upstream: Recorder, first: Connection, second: Connection, action: str, inputs: Mapping[str, Any]
    ) -> ConnectorError:
        """The error of a call over ``second`` that is made while one over ``first`` is under way."""
        if not self.is_async:
            held = Thread(target=self._quietly, args=(first, action, inputs))
            held.start()
            while not upstream.requests:
                sleep(0.001)
            with pytest.raises(ConnectorError) as caught:
                self.connector.run(action, inputs, second)
            held.join()
            return caught.value

        async def go() -> ConnectorError:
            try:
                held = asyncio.ensure_future(self.connector.arun(action, inputs, first))
                while not upstream.requests:
                    await asyncio.sleep(0.001)
                with pytest.raises(ConnectorError) as caught:
                    await self.connector.arun(action, inputs, second)
                await asyncio.gather(held, return_exceptions=True)
                return caught.value
            finally:
                await self.connector.aclose()

        return asyncio.run(go())

    def _quietly(self, connection: Connection, action: str, inputs: Mapping[str, Any]) -> None:
        with suppress(ConnectorError):
            self.connector.run(action, inputs, connection)

    def events(
        self, connection: Connection, action: str, inputs: Mapping[str, Any], take: int | None = None
    ) -> tuple[list[Event], Result | None]:
        """The events of a stream, at most ``take`` of them, and its result."""
        if self.is_async:
            return asyncio.run(self._aevents(connection, action, inputs, take))
        seen: list[Event] = []
        with self.connector.stream(action, inputs, connection) as stream:
            for event in stream:
                seen.append(event)
                if len(seen) == take:
                    break
        return seen, stream.result

    async def _arun(self, connection: Connection, action: str, inputs: Mapping[str, Any], options: CallOptions) -> Result:
        try:
            return await self.connector.arun(action, inputs, connection, options)
        finally:
            await self.connector.aclose()

    async def _aevents(
        self, connection: Connection, action: str, inputs: Mapping[str, Any], take: int | None
    ) -> tuple[list[Event], Result | None]:
        seen: list[Event] = []
        try:
            async with self.connector.astream(action, inputs, connection) as stream:
                async for event in stream:
                    seen.append(event)
                    if len(seen) == take:
                        break
            return seen, stream.result
        finally:
            await self.connector.aclose()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, key: str) -> Iterator[Way]:
    """Each engine in turn, with a key in the environment."""
    engine, _, mode = request.param.partition("-")
    with open_connector() as connector:
        yield Way(connector, engine, mode == "async")
