"""Drives the plan of a call in the calling thread, to a whole Result or event by event."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, Self

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.drive import drive_steps
from kosha_connector_openai.core.plan import plan
from kosha_connector_openai.core.redaction import StreamRedactor
from kosha_connector_openai.core.reply import LiveStream, make_result, stream_error, words_of
from kosha_connector_openai.core.result import Event, Result, judge
from kosha_connector_openai.core.steps import Open, Read, Step, Wait
from kosha_connector_openai.core.transport import Clients
from kosha_connector_openai.errors import ConnectorError, ReplyTooLargeError
from kosha_connector_openai.http import SyncReply, WireError, decoded
from kosha_connector_openai.secrets import SecretResolver

THROWN: Final = (WireError, ConnectorError)
"""The errors that a plan handles."""


class BodyBuffer:
    """Collects a reply body under a limit, in memory or in a sink, with the call's secrets starred out."""

    def __init__(self, step: Read, status: int, redactor: StreamRedactor) -> None:
        self._step = step
        self._status = status
        self._redactor = redactor
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._count(len(chunk))
        self._keep(self._redactor.feed(chunk))

    def whole(self, body: bytes) -> bytes:
        """The body, where all of it has arrived and none was added."""
        self._count(len(body))
        self._keep(self._redactor.whole(body))
        return b"".join(self._parts)

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._step.limit:
            raise ReplyTooLargeError(
                f"The reply is larger than {self._step.limit} bytes.",
                status=self._status,
                hint="Raise the limit of the connection, or ask for less.",
            )

    def done(self) -> bytes:
        self._keep(self._redactor.rest())
        return b"".join(self._parts)

    def discard(self) -> None:
        if self._step.sink:
            self._step.sink.discard()

    def _keep(self, shown: bytes) -> None:
        if self._step.sink and shown:
            self._step.sink.write(shown)
        elif shown:
            self._parts.append(shown)


def bare(error: ConnectorError) -> ConnectorError:
    """The error without the frames and the errors that it crossed: those hold the reply, and a reply may echo the credential."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class Executor:
    """What both drivers share: the call, its clients and its secrets."""

    def __init__(self, call: Call, clients: Clients, resolver: SecretResolver) -> None:
        self._call = call
        self._clients = clients
        self._resolver = resolver
        call.secrets = resolver.used
        call.refresh = resolver.refresh

    def stream_result(self, live: LiveStream) -> Result:
        """The envelope of a stream: its events so far, and whether it was cut."""
        result = make_result(self._call, live.head, live.facts, "events", live.events, EVENT_STREAM)
        result.model, result.usage = live.reader.model, live.reader.usage
        result.incomplete = live.reader.incomplete
        result.warnings += live.warnings
        judge(result, self._call.manifest.result, self._call.options.policy, live.reader.lack, partial(words_of, self._call))
        return result

    def _late(self) -> bool:
        return time.monotonic() >= self._call.deadline

    def _cut(self, live: LiveStream, fault: WireError) -> None:
        live.reader.end("the total time of the call was over" if self._late() else f"the connection broke ({fault.kind})")


class SyncExecutor(Executor):
    """Runs a call in the calling thread."""

    def __init__(self, call: Call, clients: Clients, resolver: SecretResolver) -> None:
        super().__init__(call, clients, resolver)
        self._reply: SyncReply | None = None

    def start(self) -> Result | LiveStream:
        """Sends the request; returns the whole result, or a stream whose events have not been read."""
        try:
            return drive_steps(plan(self._call), self._perform, THROWN)
        except ConnectorError as error:
            self.drop()
            raise bare(error)  # noqa: B904 - it is its own cause
        except BaseException:
            self.drop()
            raise

    def events(self, live: LiveStream) -> Iterator[Event]:
        """Reads the stream; a cut stream ends without an exception and is marked incomplete."""
        try:
            redactor = StreamRedactor.of(self._call.secrets)
            for chunk in self._pieces(live):
                yield from live.take(redactor.feed(chunk))
                if live.reader.finished:
                    break
            else:
                yield from live.take(redactor.rest(), last=True)
            live.reader.end()
        except WireError as fault:
            self._cut(live, fault)
        if live.reader.failure is not None:
            raise stream_error(self._call, live)

    def _pieces(self, live: LiveStream) -> Iterable[bytes]:
        if live.loaded is not None:
            return (live.loaded,)
        assert self._reply is not None
        return self._reply.chunks(self._call.connection.timeouts.stream_idle, self._call.deadline)

    def drop(self) -> None:
        """Closes the reply, if one is open."""
        if self._reply is not None:
            self._reply.close()
            self._reply = None

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Open):
            call = self._call
            self._reply = decoded(self._clients.open(call.request, call.connection, call.credential, self._resolver, call.deadline))
            return Head(self._reply.status, tuple(self._reply.headers))
        if isinstance(step, Read):
            return self._read(step)
        if isinstance(step, Wait):
            time.sleep(step.seconds)
        self.drop()
        return None

    def _read(self, step: Read) -> bytes:
        assert self._reply is not None
        body = BodyBuffer(step, self._reply.status, StreamRedactor.of(self._call.secrets))
        try:
            for chunk in self._reply.chunks(self._call.connection.timeouts.read, self._call.deadline):
                body.add(chunk)
            return body.done()
        except BaseException:
            body.discard()
            raise
        finally:
            self.drop()


class SyncStream:
    """A call whose events are read one by one: iterate over it, then look at ``result``. A context manager; leaving it early closes
    the upstream connection. Where the answer is no event stream there are no events, and ``result`` holds it at once."""

    def __init__(self, executor: SyncExecutor, outcome: Result | LiveStream) -> None:
        self._executor = executor
        self._live = outcome if isinstance(outcome, LiveStream) else None
        self.result: Result | None = None if isinstance(outcome, LiveStream) else outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        self.close()
        if self._live is not None and self.result is not None:
            self._live.settle(self.result, keep=kind is None)

    def __iter__(self) -> Iterator[Event]:
        """The events as they arrive; raises ApiError where the upstream reports an error in the stream."""
        if self._live is None:
            return
        try:
            yield from self._executor.events(self._live)
        except ConnectorError as error:
            raise bare(error)  # noqa: B904 - it is its own cause
        finally:
            self.close()

    def close(self) -> None:
        """Closes the connection where the stream was not read to its end, and fixes ``result``."""
        self._executor.drop()
        if self._live is not None and self.result is None:
            self.result = self._executor.stream_result(self._live)
