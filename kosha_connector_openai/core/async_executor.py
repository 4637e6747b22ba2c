"""Drives the plan of a call on an event loop; its own module, since a thread's call need not load asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Self

from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.drive import adrive_steps
from kosha_connector_openai.core.executor import THROWN, BodyBuffer, Executor, bare
from kosha_connector_openai.core.plan import plan
from kosha_connector_openai.core.redaction import StreamRedactor
from kosha_connector_openai.core.reply import LiveStream, stream_error
from kosha_connector_openai.core.result import Event, Result
from kosha_connector_openai.core.steps import Open, Read, Step, Wait
from kosha_connector_openai.core.transport import Clients
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.http import AsyncReply, WireError, adecoded
from kosha_connector_openai.secrets import SecretResolver


class AsyncExecutor(Executor):
    """Runs a call on the event loop; cancelling it closes the upstream connection."""

    def __init__(self, call: Call, clients: Clients, resolver: SecretResolver) -> None:
        super().__init__(call, clients, resolver)
        self._reply: AsyncReply | None = None

    async def start(self) -> Result | LiveStream:
        """Sends the request; returns the whole result, or a stream whose events have not been read."""
        try:
            return await adrive_steps(plan(self._call), self._perform, THROWN)
        except ConnectorError as error:
            await self.drop()
            raise bare(error)  # noqa: B904 - it is its own cause
        except BaseException:
            await self.drop()
            raise

    async def events(self, live: LiveStream) -> AsyncIterator[Event]:
        """Reads the stream; a cut stream ends without an exception and is marked incomplete."""
        try:
            redactor = StreamRedactor.of(self._call.secrets)
            idle = self._call.connection.timeouts.stream_idle
            async for chunk in self._chunks(idle) if live.loaded is None else _once(live.loaded):
                for event in live.take(redactor.feed(chunk)):
                    yield event
                if live.reader.finished:
                    break
            else:
                for event in live.take(redactor.rest(), last=True):
                    yield event
            live.reader.end()
        except WireError as fault:
            self._cut(live, fault)
        if live.reader.failure is not None:
            raise stream_error(self._call, live)

    async def drop(self) -> None:
        """Closes the reply, if one is open."""
        reply, self._reply = self._reply, None
        if reply is not None:
            await reply.close()

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, Open):
            return await self._open()
        if isinstance(step, Read):
            return await self._read(step)
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        await self.drop()
        return None

    async def _open(self) -> Head:
        call = self._call
        reply = await self._clients.open_async(call.request, call.connection, call.credential, self._resolver, call.deadline)
        self._reply = adecoded(reply)
        return Head(self._reply.status, tuple(self._reply.headers))

    async def _read(self, step: Read) -> bytes:
        assert self._reply is not None
        body = BodyBuffer(step, self._reply.status, StreamRedactor.of(self._call.secrets))
        try:
            if (whole := self._reply.ready()) is not None:
                return body.whole(whole)
            async for chunk in self._chunks(self._call.connection.timeouts.read):
                body.add(chunk)
            return body.done()
        except BaseException:
            body.discard()
            raise
        finally:
            await self.drop()

    async def _chunks(self, idle: float) -> AsyncIterator[bytes]:
        """The body as it arrives: each piece within ``idle`` seconds, all of them before the call's end."""
        assert self._reply is not None
        source = self._reply.chunks()
        while True:
            try:
                async with asyncio.timeout(min(idle, self._call.deadline - time.monotonic())):
                    chunk = await anext(source, None)
            except TimeoutError:
                raise WireError("read", "idle") from None
            if chunk is None:
                return
            yield chunk


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


class AsyncStream:
    """The same for asyncio: ``async with`` it, ``async for`` over it, then look at ``result``."""

    def __init__(self, executor: AsyncExecutor, outcome: Result | LiveStream) -> None:
        self._executor = executor
        self._live = outcome if isinstance(outcome, LiveStream) else None
        self.result: Result | None = None if isinstance(outcome, LiveStream) else outcome

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *exception: object) -> None:
        await self.close()
        if self._live is not None and self.result is not None:
            self._live.settle(self.result, keep=kind is None)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events as they arrive; raises ApiError where the upstream reports an error in the stream."""
        if self._live is None:
            return
        try:
            async for event in self._executor.events(self._live):
                yield event
                del event
        except ConnectorError as error:
            raise bare(error)  # noqa: B904 - it is its own cause
        finally:
            await self.close()

    async def close(self) -> None:
        """Closes the connection where the stream was not read to its end, and fixes ``result``."""
        await self._executor.drop()
        if self._live is not None and self.result is None:
            self.result = self._executor.stream_result(self._live)
