"""How rows begin, and how many are under way."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.bulk import AsyncBulk, RowOptions, SendOptions
from kosha_connector_openai.flows.bulk.sending import Sending
from tests.unit.flows.bulk.conftest import SHARED, prompts


class Calls:
    """Stands in for the sending of rows: notes the turn of the event loop in which each begins, and how many have when the first ends."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.together = 0
        self._turn = 0
        self._full = asyncio.Event()
        self._step()

    def _step(self) -> None:
        self._turn += 1
        asyncio.get_running_loop().call_soon(self._step)

    async def send(self, *_: Any) -> Any:
        """As Connector.arun."""
        self.turns.append(self._turn)
        asyncio.get_running_loop().call_later(0.3, self._full.set)
        await self._full.wait()
        self.together = self.together or len(self.turns)
        raise InputError("It is refused.")


async def calls_of(opened: Connector, out: Path, send: SendOptions) -> Calls:
    """The calls of 64 rows."""
    calls = Calls()
    connection = opened.connection({"server_url": "http://127.0.0.1:9/v1", "api_key": "env:OPENAI_API_KEY"})
    bulk = AsyncBulk(opened, connection, arun=calls.send)
    result = await bulk.run("createCompletion", prompts(64), out, RowOptions(fixed=SHARED), send)
    assert result.failed == result.total == len(calls.turns) == 64
    return calls


@pytest.mark.usefixtures("key")
async def test_few_rows_begin_in_one_turn_of_the_loop(opened: Connector, tmp_path: Path) -> None:
    """Rows that are claimed together leave eight a turn: else their answers come together too, and each waits for the work of all."""
    calls = await calls_of(opened, tmp_path / "out.jsonl", SendOptions(in_flight=64, requests=1_000_000))
    assert max(Counter(calls.turns).values()) <= 8


@pytest.mark.usefixtures("key")
async def test_rows_feel_their_way_where_no_limit_is_told(opened: Connector, tmp_path: Path) -> None:
    """A told limit says how quickly rows may begin, and as many are under way as may be; else one goes ahead."""
    told = await calls_of(opened, tmp_path / "told.jsonl", SendOptions(in_flight=64, requests=1_000_000))
    untold = await calls_of(opened, tmp_path / "untold.jsonl", SendOptions(in_flight=64))
    assert (told.together, untold.together) == (64, 1)


def with_room(monkeypatch: pytest.MonkeyPatch, room: asyncio.Semaphore) -> None:
    """All runners have this one, as those of a worker have."""
    made = Sending.runner

    def runner(*given: Any) -> Any:
        found = made(*given)
        found.room = room
        return found

    monkeypatch.setattr(Sending, "runner", runner)


@pytest.mark.usefixtures("key")
async def test_runners_in_one_room_are_together_no_more_than_it_takes(
    opened: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone would have eight rows under way; the two have eight together, and both come to their end."""
    with_room(monkeypatch, asyncio.Semaphore(8))
    now = most = 0

    async def send(*_: Any) -> Any:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        raise InputError("It is refused.")

    connection = opened.connection({"server_url": "http://127.0.0.1:9/v1", "api_key": "env:OPENAI_API_KEY"})
    options, sent = RowOptions(fixed=SHARED), SendOptions(in_flight=8, requests=1_000_000)
    runs = [
        AsyncBulk(opened, connection, arun=send).run("createCompletion", prompts(64), tmp_path / f"{n}.jsonl", options, sent)
        for n in (1, 2)
    ]
    assert [result.failed for result in await asyncio.gather(*runs)] == [64, 64]
    assert most == 8


@pytest.mark.usefixtures("key")
async def test_a_run_that_waits_for_room_can_be_stopped(opened: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another has all the room: none of its rows has left, and it need not wait for the other's."""
    with_room(monkeypatch, asyncio.Semaphore(0))
    monkeypatch.setattr("kosha_connector_openai.flows.bulk.runner.DRAIN", 10_000.0)
    connection = opened.connection({"server_url": "http://127.0.0.1:9/v1", "api_key": "env:OPENAI_API_KEY"})
    bulk = AsyncBulk(opened, connection, watch=lambda _: bulk.stop())
    async with asyncio.timeout(30):
        result = await bulk.run("createCompletion", prompts(3), tmp_path / "out.jsonl", RowOptions(fixed=SHARED))
    assert (result.stop, result.waiting) == ("signal", 3)
