"""A client that leaves cancels its call, and a call that ended is cancelled by nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kosha_connector_openai.gateway.exchange.disconnect import DisconnectWatch


class Client:
    """``receive`` of a server whose client leaves when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        await self.left.wait()
        return {"type": "http.disconnect"}


async def call(client: Client, *, after: asyncio.Event | None = None, seconds: float = 5) -> bool:
    watch = DisconnectWatch(client.receive)
    watch.start(after)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not watch.gone:
            raise
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return True
    finally:
        watch.stop()
    return False


async def test_a_client_that_leaves_ends_its_call() -> None:
    """Soon after."""
    client = Client()
    task = asyncio.create_task(call(client))
    await asyncio.sleep(0.1)
    client.left.set()
    assert await asyncio.wait_for(task, 1) is True


async def test_a_quick_call_is_not_watched() -> None:
    """The server is not even asked."""
    client = Client()
    assert await call(client, seconds=0.01) is False
    await asyncio.sleep(0.1)
    assert client.asked == 0


async def test_a_call_that_ended_is_left_alone() -> None:
    """Even if the client leaves in the same moment."""
    client = Client()
    assert await call(client, seconds=0.1) is False
    client.left.set()
    await asyncio.sleep(0.05)


async def test_while_a_body_arrives_someone_else_listens() -> None:
    """Watching begins once it has."""
    client, arrived = Client(), asyncio.Event()
    client.left.set()
    task = asyncio.create_task(call(client, after=arrived))
    await asyncio.sleep(0.15)
    assert client.asked == 0
    arrived.set()
    assert await asyncio.wait_for(task, 1) is True


async def test_a_cancellation_from_elsewhere_is_not_ours() -> None:
    """It passes."""
    task = asyncio.create_task(call(Client()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
