"""Many calls at once, and calls that are given up: no answer is mixed up, nothing stays open."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kosha_connector_openai import Connection, Connector, open_connector
from tests.recorder import Recorder, reply, silence

ASYNC_ENGINES = ("httpx", "httpx2", "aiohttp")


def connect(connector: Connector, upstream: Recorder, engine: str) -> Connection:
    return connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, engine=engine)


def echo(connection, request) -> bool:
    return reply(body={"id": request.target.rpartition("/")[2]})(connection, request)


@pytest.mark.parametrize("engine", ASYNC_ENGINES)
def test_64_calls_in_flight_get_their_own_answers(engine: str, key: str) -> None:
    """Each of 256 calls, 64 at a time, gets the answer to its own request."""

    async def work() -> list[str]:
        async with open_connector() as connector:
            connection = connect(connector, upstream, engine)
            gate = asyncio.Semaphore(64)

            async def one(number: int) -> str:
                async with gate:
                    result = await connector.arun("retrieveModel", {"model": f"m{number}"}, connection)
                    return str(result.value["id"])

            return await asyncio.gather(*[one(number) for number in range(256)])

    with Recorder(echo) as upstream:
        assert asyncio.run(work()) == [f"m{number}" for number in range(256)]


@pytest.mark.parametrize("engine", ["httpx", "httpx2"])
def test_threads_share_a_connector(engine: str, key: str) -> None:
    """16 threads over one connector get their own answers, also on its first call."""
    with Recorder(echo) as upstream, open_connector() as connector:
        connection = connect(connector, upstream, engine)

        def one(number: int) -> str:
            return str(connector.run("retrieveModel", {"model": f"m{number}"}, connection).value["id"])

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(one, range(128))) == [f"m{number}" for number in range(128)]


@pytest.mark.parametrize("engine", ASYNC_ENGINES)
def test_cancelling_a_call_closes_the_upstream_connection(engine: str, key: str) -> None:
    """T29: a task that is cancelled while it waits for the answer leaves no connection behind."""

    async def work() -> float:
        async with open_connector() as connector:
            connection = connect(connector, upstream, engine)
            task = asyncio.create_task(connector.arun("listModels", {}, connection))
            while not upstream.requests:
                await asyncio.sleep(0.01)
            started = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not closed:
                await asyncio.sleep(0.01)
            return time.monotonic() - started

    closed: list[bool] = []

    def wait(connection, request) -> bool:
        silence(5)(connection, request)
        closed.append(True)
        return False

    with Recorder(wait) as upstream:
        assert asyncio.run(work()) < 1


@pytest.mark.parametrize("engine", ASYNC_ENGINES)
def test_a_connector_may_be_used_on_several_loops(engine: str, key: str) -> None:
    """Each event loop has sockets of its own; one that ended does not break the next."""

    async def work() -> object:
        return (await connector.arun("listModels", {}, connect(connector, upstream, engine))).value

    async def work_and_close() -> object:
        try:
            return await work()
        finally:
            await connector.aclose()

    with Recorder(reply(body={"data": []})) as upstream, open_connector() as connector:
        assert [asyncio.run(work_and_close()) for _ in range(2)] == [{"data": []}] * 2
