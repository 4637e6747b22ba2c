"""A flow is a generator of steps without I/O; these drive it from a thread or from an event loop, so that both do the same."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kosha_connector_openai.core.connector import CallOptions, Connection, Connector
from kosha_connector_openai.core.errors import ConnectorError

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
    """Step: something slow on this machine, such as decoding a sound; its value comes back, or its error is thrown in."""

    do: Callable[[], Any]


Steps = Generator[Run | Pause | Work, Any, T]


def drive(steps: Steps[T], connector: Connector, connection: Connection, sleep: Callable[[float], object] = time.sleep) -> T:
    """What the flow returns, its calls made in this thread."""
    value: Any = None
    failure: ConnectorError | None = None
    try:
        while True:
            step = steps.send(value) if failure is None else steps.throw(failure)
            value = failure = None
            if isinstance(step, Pause):
                sleep(step.seconds)
                continue
            try:
                value = step.do() if isinstance(step, Work) else connector.run(step.action, step.inputs, connection, step.options)
            except ConnectorError as error:
                failure = error
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        steps.close()


async def adrive(
    steps: Steps[T], connector: Connector, connection: Connection, sleep: Callable[[float], Awaitable[object]] | None = None
) -> T:
    """The same on the running event loop; cancelling it stops the flow."""
    import asyncio  # noqa: PLC0415 - a thread's flow needs none of it

    value: Any = None
    failure: ConnectorError | None = None
    try:
        while True:
            step = steps.send(value) if failure is None else steps.throw(failure)
            value = failure = None
            if isinstance(step, Pause):
                await (sleep or asyncio.sleep)(step.seconds)
                continue
            try:
                if isinstance(step, Work):
                    value = await asyncio.to_thread(step.do)
                else:
                    value = await connector.arun(step.action, step.inputs, connection, step.options)
            except ConnectorError as error:
                failure = error
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        steps.close()
