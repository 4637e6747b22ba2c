"""What flows need of Temporal, as far as it can be told without a server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.temporal import queue_of, renewing
from kosha_connector_openai.flows.temporal_place import TemporalPlace


def test_each_connector_has_a_queue_of_its_own(connector: Connector, root: Path) -> None:
    """Workers of two connectors on one server take nothing of each other, and those of rows nothing of workflows."""
    with Connector(root / "examples" / "tides") as other:
        queues = {queue_of(each, work) for each in (connector, other) for work in ("bulk", "workflows")}
    assert len(queues) == 4
    assert queue_of(connector, "bulk") == f"kosha-{connector.id}-bulk"


class Client:
    """Keeps what it is to sign in with, in turn."""

    def __init__(self) -> None:
        self.__dict__["keys"] = []

    def __setattr__(self, name: str, value: object) -> None:
        if name == "api_key":
            self.keys.append(value)


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


async def test_a_rotated_key_is_taken_up(tmp_path: Path) -> None:
    """It is set once; a key that is away for a moment ends nothing."""
    file, client = tmp_path / "key", Client()
    write(file, "first-key-0123456789")
    task = asyncio.create_task(renewing(client, TemporalPlace(api_key=f"file:{file}"), 0.0))

    async def seen(count: int) -> None:
        while len(client.keys) < count:
            await asyncio.sleep(0)

    await asyncio.wait_for(seen(1), 30)
    file.unlink()
    for _ in range(20):
        await asyncio.sleep(0)
    write(file, "second-key-0123456789")
    await asyncio.wait_for(seen(2), 30)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert client.keys == ["first-key-0123456789", "second-key-0123456789"]


async def test_without_a_key_there_is_nothing_to_renew() -> None:
    client = Client()
    await asyncio.wait_for(renewing(client, TemporalPlace()), 30)
    assert client.keys == []
