"""A generator of steps is driven in the same way from a thread and on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from kosha_connector_openai.core.drive import adrive_steps, drive_steps


def _drive(way: str, steps: Generator[int, Any, Any], thrown: tuple[type[Exception], ...] = (KeyError,)) -> Any:
    def halve(step: int) -> float:
        return {1: 1 / 2, 3: 3 / 2}[step] if step else 1 / step

    async def ahalve(step: int) -> float:
        return halve(step)

    return drive_steps(steps, halve, thrown) if way == "thread" else asyncio.run(adrive_steps(steps, ahalve, thrown))


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_results_are_sent_and_named_errors_thrown(way: str) -> None:
    """Each step's result comes back at its yield; an error that is the generator's to handle comes out of it there."""

    def steps() -> Generator[int, float, list[object]]:
        first = yield 1
        try:
            yield 2
        except KeyError as error:
            return [first, str(error), (yield 3)]
        return []

    assert _drive(way, steps()) == [0.5, "2", 1.5]


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_any_other_error_ends_the_generator(way: str) -> None:
    """It is raised as it is, and the generator is closed, so that what it holds is given back."""
    ended = []

    def steps() -> Generator[int, float, None]:
        try:
            yield 0
        finally:
            ended.append(way)

    with pytest.raises(ZeroDivisionError):
        _drive(way, steps())
    assert ended == [way]
