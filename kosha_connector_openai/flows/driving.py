"""A flow is a generator of steps without I/O; these drive it from a thread or from an event loop, so that both do the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kosha_connector_openai.connector import CallOptions, Connection, Connector, Result
from kosha_connector_openai.core import adrive_steps, drive_steps
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.arun import ARun

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """Step: run an action; its result comes back, or its error is thrown in."""

    action: str
    inputs: Mapping[str, Any]
    options: CallOptions = field(default_factory=CallOptions)


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Step: a function that takes long without a call, such as reading a large file; its value comes back, or its error is thrown in."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Together:
    """Step: several calls at the same time. ``each`` gets the place and the result of every one that works, one at a time.

    All have ended when the flow goes on; the error of the first that failed is thrown in.
    """

    runs: Sequence[Run]
    each: Callable[[int, Result], None]


Step = Run | Pause | Work | Together
Steps = Generator[Step, Any, T]


def drive(steps: Steps[T], connector: Connector, connection: Connection) -> T:
    """Runs the flow and returns its value. Calls run in this thread; those that go together run in threads of their own."""
    return drive_steps(steps, lambda step: _perform(step, connector, connection), (ConnectorError,))


def _perform(step: Step, connector: Connector, connection: Connection) -> Any:
    if isinstance(step, Run):
        return connector.run(step.action, step.inputs, connection, step.options)
    if isinstance(step, Pause):
        return time.sleep(step.seconds)
    if isinstance(step, Work):
        return step.work()
    return _together(step, connector, connection)


def _together(step: Together, connector: Connector, connection: Connection) -> None:
    from concurrent.futures import ThreadPoolExecutor, as_completed

    failures: list[ConnectorError] = []
    with ThreadPoolExecutor(max_workers=len(step.runs)) as pool:
        places = {pool.submit(connector.run, run.action, run.inputs, connection, run.options): n for n, run in enumerate(step.runs)}
        for future in as_completed(places):
            try:
                step.each(places[future], future.result())
            except ConnectorError as error:
                failures.append(error)
    if failures:
        raise failures[0]


async def adrive(steps: Steps[T], connector: Connector, connection: Connection, arun: ARun | None = None) -> T:
    """``drive`` on the running event loop; cancelling it stops the flow. ``arun`` runs each action, ``connector.arun`` by default."""
    await connector.aread(connection)
    run = arun or connector.arun
    return await adrive_steps(steps, lambda step: _aperform(step, run, connection), (ConnectorError,))


async def _aperform(step: Step, arun: ARun, connection: Connection) -> Any:
    import asyncio

    if isinstance(step, Run):
        return await arun(step.action, step.inputs, connection, step.options)
    if isinstance(step, Pause):
        return await asyncio.sleep(step.seconds)
    if isinstance(step, Work):
        return await asyncio.to_thread(step.work)
    return await _atogether(step, arun, connection)


async def _atogether(step: Together, arun: ARun, connection: Connection) -> None:
    import asyncio

    failures: list[ConnectorError] = []

    async def one(place: int, run: Run) -> None:
        try:
            step.each(place, await arun(run.action, run.inputs, connection, run.options))
        except ConnectorError as error:
            failures.append(error)

    async with asyncio.TaskGroup() as group:
        for place, run in enumerate(step.runs):
            group.create_task(one(place, run))
    if failures:
        raise failures[0]
