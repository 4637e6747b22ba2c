"""Passes one request on as it was written and gives back the reply unread, byte for byte: no decoding, and by default no second try."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Self

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.drive import adrive_steps
from kosha_connector_openai.core.executor import THROWN, bare
from kosha_connector_openai.core.plan import passthrough_plan, transport_error
from kosha_connector_openai.core.redaction import StreamRedactor
from kosha_connector_openai.core.steps import Open, Step, Wait
from kosha_connector_openai.core.transport import Clients, IdleTimer, is_doubtful
from kosha_connector_openai.errors import ConnectorError, MalformedReplyError, OutcomeUnknownError, ReplyTooLargeError
from kosha_connector_openai.http import AsyncReply, WireError, adecoded
from kosha_connector_openai.secrets import SecretResolver
from kosha_connector_openai.text import essence, is_json_lines


class Passthrough:
    """One request passed on. ``status`` and ``headers`` (names in lower case, without secrets) are set once it is open.

    Closing it, or cancelling the task that reads it, closes the upstream connection at once.
    """

    def __init__(self, call: Call, clients: Clients, resolver: SecretResolver, note: Callable[[Passthrough], None]) -> None:
        self._call = call
        self._clients = clients
        self._resolver = resolver
        self._note: Callable[[Passthrough], None] | None = note
        self._reply: AsyncReply | None = None
        self._timer = IdleTimer()
        call.secrets, call.refresh = resolver.used, resolver.refresh
        timeouts = call.connection.timeouts
        self._stream = call.options.timeout or call.connection.stream_total
        usual = max(call.connection.total(call.action.overlay.timeout), call.connection.stream_total)
        self._long = call.options.timeout or timeouts.total or usual
        if call.request.body is not None and not call.request.replayable:
            call.deadline = call.started + self._long
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.request_id: str | None = None
        self.doubtful = False
        """Whether the reply is an error after which the request may have run: to send it again could pay twice."""
        self.streams = False
        """Whether the reply is a stream of events."""
        self.outcome = "incomplete"
        self.received = 0
        """Bytes of the reply's body that were read."""

    @property
    def call(self) -> Call:
        """The call that this is an execution of."""
        return self._call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def open(self) -> Self:
        """Sends the request and waits for the head of the reply. Raises ConnectorError; nothing is left open then."""
        try:
            await self._open()
        except ConnectorError as error:
            self.outcome, self.status = error.code, getattr(error, "status", None) or 0
            await self.close()
            raise bare(error)  # noqa: B904 - it is its own cause
        except BaseException:
            await self.close()
            raise
        return self

    async def _open(self) -> None:
        call = self._call
        head = await adrive_steps(passthrough_plan(call), self._perform, THROWN)
        names = call.manifest.result.request_id
        self.status, self.headers = head.status, head.headers
        self.request_id = next((value for name, value in head.headers if name in names), None)
        operation, idempotent = call.action.operation, call.action.idempotent
        self.doubtful = is_doubtful(head.status, dict(head.headers), method=operation.method, idempotent=idempotent)

    async def _perform(self, step: Step) -> Head | None:
        if isinstance(step, Open):
            return await self._send()
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        await self._drop()
        return None

    async def _send(self) -> Head:
        call = self._call
        sent = await self._clients.open_async(call.request, call.connection, call.credential, self._resolver, call.deadline)
        # No coding was asked for, and in one the key could not be seen.
        self._reply = reply = adecoded(sent)
        if any(name == "content-encoding" and value.strip().lower() not in ("", "identity") for name, value in reply.headers):
            raise MalformedReplyError("The reply is compressed in a way that was not asked for.", status=reply.status)
        kind = next((value for name, value in reply.headers if name == "content-type"), "")
        self.streams = essence(kind) == EVENT_STREAM or (is_json_lines(kind) and call.action.promise.has_events)
        call.deadline = call.started + (max(self._stream, self._long) if self.streams else self._long)
        return Head(reply.status, tuple(reply.headers))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectorError where it ends before its end, is too large, or too slow."""
        call, reply = self._call, self._reply
        assert reply is not None
        timeouts, limits = call.connection.timeouts, call.connection.limits
        idle, most = (timeouts.stream_idle, limits.stream) if self.streams else (timeouts.read, limits.download)
        timer, redactor, clock = self._timer, StreamRedactor.of(call.secrets), time.monotonic
        whole, source = reply.ready(), reply.chunks()
        try:
            if whole:  # it came with its head: nothing is waited for
                self._count(len(whole), most)
                yield redactor.whole(whole)
            while whole is None:
                timer.begin(min(clock() + idle, call.deadline))
                chunk = await anext(source, b"")
                timer.end()
                if not chunk:
                    break
                self._count(len(chunk), most)
                shown = redactor.feed(chunk)
                if shown:
                    yield shown
        except asyncio.CancelledError:
            timer.end()
            if not timer.is_over():
                raise
            error: ConnectorError = _late(call)
        except WireError as fault:
            error, _ = transport_error(call, fault)
        except ConnectorError as raised:
            error = raised
        else:
            if rest := redactor.rest():
                yield rest
            self.outcome = "ok" if self.status < 400 else "api"  # noqa: PLR2004
            return
        finally:
            timer.end()
        self.outcome = error.code
        raise bare(error)

    def _count(self, size: int, most: int) -> None:
        self.received += size
        if self.received > most:
            raise ReplyTooLargeError(f"The reply is larger than {most} bytes.", status=self.status, request_id=self.request_id)

    async def close(self) -> None:
        """Gives the upstream connection back, or closes it where the reply was not read to its end; writes the record, once."""
        self._timer.close()
        await self._drop()
        note, self._note = self._note, None
        if note is not None:
            note(self)

    async def _drop(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            await reply.close()


def _late(call: Call) -> OutcomeUnknownError:
    return OutcomeUnknownError("The reply stopped, or did not end in time.", phase="deadline", attempts=call.attempts)
