"""Tool and arguments -> an answer: the calls that tools stand for, with their progress, each error an answer too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import CallToolResult

from kosha_connector_openai.connector import CallOptions, Connection, Result
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.result import Event
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.flows.tasks import TaskProgress, arun_task
from kosha_connector_openai.mcp.answers import of_error, of_short, of_task, of_values
from kosha_connector_openai.mcp.backend import Backend
from kosha_connector_openai.mcp.tool import Tool
from kosha_connector_openai.mcp.tools import ToolList

LOGGER: Final = logging.getLogger("kosha.mcp")
Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells the client how far a call is: how much is done, of how much where that is known, and what came."""


@dataclass(frozen=True, slots=True)
class ToolSession:
    """What one caller meets: its tools, and who runs them."""

    tools: ToolList
    backend: Backend
    arguments: Mapping[str, Any] | None = None
    """Those of the request's call, where they are kept out of its message."""


class ToolFailure(ConnectorError):
    """A tool failed in a way that nobody foresaw."""

    code = "internal"


async def call_tool(session: ToolSession, name: str, arguments: Mapping[str, Any], report: Report) -> CallToolResult:
    """The answer of a tool; what is wrong with the call is an answer with ``is_error``, never a failure of the protocol."""
    try:
        tool = session.tools[name]
        return await _CALLS[tool.kind](session, tool, arguments, report)
    except ConnectorError as error:
        return of_error(error)
    except Exception as error:
        # Without its text and its frames: both may quote the arguments.
        LOGGER.error("A tool failed: %s (%s).", type(error).__name__, name[:100])  # noqa: TRY400
        return of_error(ToolFailure("The tool failed.", hint="Tell whoever runs this server."))


async def _action(session: ToolSession, tool: Tool, arguments: Mapping[str, Any], report: Report) -> CallToolResult:
    return await _run(session, session.backend.connector.catalog[tool.target], arguments, report)


async def _run_named(session: ToolSession, _: Tool, arguments: Mapping[str, Any], report: Report) -> CallToolResult:
    inputs = arguments.get("inputs", {})
    if not isinstance(inputs, Mapping):
        raise InputError("The call is wrong.", [Fault("/inputs", "type", "is no object.", "Give the inputs by name.")])
    return await _run(session, session.tools.action(_text(arguments, "action")), inputs, report)


async def _run(session: ToolSession, action: Action, inputs: Mapping[str, Any], report: Report) -> CallToolResult:
    count = 0

    async def sink(event: Event) -> None:
        nonlocal count
        count += 1
        await report(count, None, event.text or event.type)

    given = {name: value for name, value in inputs.items() if value is not None or name not in action.inputs.fields}
    result = await session.backend.run(action, given, CallOptions(policy="pass"), sink)
    short = session.backend.connector.outputs.of(result, model=given.get("model") if isinstance(given.get("model"), str) else None)
    return await asyncio.to_thread(of_short, short, session.backend)


async def _task(session: ToolSession, tool: Tool, arguments: Mapping[str, Any], report: Report) -> CallToolResult:
    backend = session.backend
    connection = await backend.connection()

    async def arun(action: str, inputs: Mapping[str, Any], _: Connection, options: CallOptions) -> Result:
        return await backend.run(backend.connector.catalog[action], inputs, options)

    async with _reporting(report) as tell:
        return of_task(await arun_task(backend.connector, tool.target, arguments, connection, progress=tell, arun=arun))


@asynccontextmanager
async def _reporting(report: Report) -> AsyncIterator[Callable[[TaskProgress], None]]:
    """A function that reports a task's progress without waiting; what it was told is sent in order, and all of it before the end."""
    waiting: asyncio.Queue[TaskProgress | None] = asyncio.Queue()

    async def send() -> None:
        while (progress := await waiting.get()) is not None:
            await report(progress.done, progress.total, None)

    sending = asyncio.create_task(send())
    try:
        yield waiting.put_nowait
        waiting.put_nowait(None)
        await sending
    finally:
        sending.cancel()


async def _search(session: ToolSession, _: Tool, arguments: Mapping[str, Any], __: Report) -> CallToolResult:
    found = session.tools.search(_text(arguments, "words"))
    return of_values({"actions": found} | ({} if found else {"hint": "Nothing has all of these words: use fewer or other ones."}))


async def _describe(session: ToolSession, _: Tool, arguments: Mapping[str, Any], __: Report) -> CallToolResult:
    key = _text(arguments, "action")
    return of_values(await asyncio.to_thread(session.tools.describe, key))


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        rule = "type" if name in arguments else "required"
        raise InputError("The call is wrong.", [Fault(f"/{name}", rule, "is missing." if value is None else "is no text.", "Give a text.")])
    return value


_CALLS: Final[Mapping[str, Callable[[ToolSession, Tool, Mapping[str, Any], Report], Awaitable[CallToolResult]]]] = {
    "action": _action,
    "task": _task,
    "search": _search,
    "describe": _describe,
    "run": _run_named,
}
