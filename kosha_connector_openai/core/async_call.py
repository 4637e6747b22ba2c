"""A call on an event loop, from its inputs to its judged and noted result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.async_executor import AsyncExecutor, AsyncStream
from kosha_connector_openai.core.call import CallOptions
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.result import settle
from kosha_connector_openai.core.runtime import Runtime
from kosha_connector_openai.errors import ConnectorError


class AsyncCall(AbstractAsyncContextManager[AsyncStream]):
    """A call that is sent when it is entered, and judged and noted when it is left. No generator, which costs a short call more."""

    def __init__(
        self,
        runtime: Runtime,
        find: Callable[[], Awaitable[Action]],
        inputs: Mapping[str, Any],
        connection: Connection,
        options: CallOptions,
    ) -> None:
        """``find`` gives the action, whose description may have to be read first."""
        self._runtime, self._find = runtime, find
        self._inputs, self._connection, self._options = inputs, connection, options

    async def __aenter__(self) -> AsyncStream:
        self._call, resolver = self._runtime.make(await self._find(), self._inputs, self._connection, self._options)
        executor = AsyncExecutor(self._call, self._runtime.clients, resolver)
        try:
            self._stream = AsyncStream(executor, await executor.start())
        except BaseException as error:
            self._runtime.note(self._call, None, error if isinstance(error, ConnectorError) else None)
            raise
        return self._stream

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failure = error if isinstance(error, ConnectorError) else None
        try:
            await self._stream.__aexit__(kind, error, trace)
            if error is None:
                settle(self._stream.result, self._options.policy)
        except ConnectorError as raised:
            failure = raised
            raise
        finally:
            self._runtime.note(self._call, self._stream.result, failure)
