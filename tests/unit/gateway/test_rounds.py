"""Rounds: requests that come at once begin a few at a time, in their order, and nothing else waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from kosha_connector_openai.gateway.rounds import Rounds


async def test_a_crowd_begins_over_several_rounds() -> None:
    """Three in each round of the loop, the first ones first, with a turn in between for whoever else is ready."""
    rounds, begun, seen = Rounds(3), list[int](), list[list[int]]()

    async def request(number: int) -> None:
        await rounds.turn()
        begun.append(number)

    tasks = [asyncio.create_task(request(number)) for number in range(8)]
    while len(begun) < len(tasks):
        await asyncio.sleep(0)
        seen.append(list(begun))
    assert begun == list(range(8))
    assert max(len(after) - len(before) for before, after in zip([[], *seen], seen, strict=False)) == 3
    await asyncio.gather(*tasks)


async def test_a_single_request_does_not_wait() -> None:
    """And one that is cancelled takes nobody's turn."""
    rounds = Rounds(1)
    task = asyncio.current_task()
    assert task is not None
    await rounds.turn()
    waiting = asyncio.create_task(rounds.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    for _ in range(5):
        await asyncio.sleep(0)
        await rounds.turn()


async def test_whoever_waits_costs_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, the loop has one handle of theirs in a round."""
    rounds, begun, soon = Rounds(1), list[int](), list[Callable[[], None]]()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_soon", soon.append)
    for number in range(20):
        rounds.take(partial(begun.append, number))
    handles = []
    while soon:
        handles.append(len(soon))
        soon.pop()()
    monkeypatch.undo()
    assert handles == [1] * 20
    assert begun == list(range(20))


async def test_a_turn_that_is_given_up_is_held_no_longer() -> None:
    """The others keep their order, and one that waits for nothing may be given up too."""
    rounds, begun = Rounds(1), list[int]()
    turns = [partial(begun.append, number) for number in range(6)]
    for turn in turns:
        rounds.take(turn)
    for turn in (turns[0], turns[2], turns[2], turns[5]):
        rounds.drop(turn)
    assert len(rounds._waiting) == 3
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == [0, 1, 3, 4]
