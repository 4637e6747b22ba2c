"""Drives a generator of steps: does each step that it yields, and sends back what came of it, or throws its error in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")
Errors = tuple[type[Exception], ...]


def drive_steps(steps: Generator[S, Any, T], perform: Callable[[S], Any], thrown: Errors = ()) -> T:
    """Returns what the generator returns; ``perform`` does one step in this thread.

    Errors of the types in ``thrown`` are the generator's to handle; any other ends it and is raised.
    """
    value: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = steps.send(value) if failure is None else steps.throw(failure)
            value = failure = None
            try:
                value = perform(step)
            except thrown as error:
                failure = error
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        steps.close()


async def adrive_steps(steps: Generator[S, Any, T], perform: Callable[[S], Awaitable[Any]], thrown: Errors = ()) -> T:
    """The same on the running event loop; cancelling it ends the generator."""
    value: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = steps.send(value) if failure is None else steps.throw(failure)
            value = failure = None
            try:
                value = await perform(step)
            except thrown as error:
                failure = error
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        steps.close()
