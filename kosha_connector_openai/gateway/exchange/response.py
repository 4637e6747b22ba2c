"""The upstream's reply to the caller: events as they arrive, JSON once it is whole, files in chunks, errors in the error shape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from kosha_connector_openai.core import Passthrough
from kosha_connector_openai.core.transport import IdleTimer
from kosha_connector_openai.errors import ConnectorError, MalformedReplyError, ReplyTooLargeError
from kosha_connector_openai.gateway.access import Kind
from kosha_connector_openai.gateway.exchange.bodies import ClientLeft
from kosha_connector_openai.gateway.exchange.context import CallContext, Refused
from kosha_connector_openai.gateway.exchange.headers import SAFE
from kosha_connector_openai.gateway.exchange.usage_scan import Tail
from kosha_connector_openai.gateway.observe import ExchangeRecord
from kosha_connector_openai.gateway.records import Caller, Headers, Send
from kosha_connector_openai.gateway.replies import ID_HEADER, UPSTREAM_KEY, shed, wrapped
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.text import JsonLimits, JsonTextError, decode, encode

_HELD: Final = 256 * 1024
"""Bytes of a JSON reply that are held back until it is whole, so that a cut one is told by its status."""
_STALLED: Final = 120.0
"""Seconds until the connection of a client that reads nothing is broken."""
_METERED: Final = 512 * 1024
"""Bytes of a stream's end in which its count is looked for; the last event may be the whole answer."""
_FAULTS: Final = b"x-kosha-faults"
_REFUSED: Final = 300
_FORGOTTEN: Final = frozenset({b"content-type", b"content-length", b"content-encoding"})


class UpstreamResponse:
    """The reply of the upstream, as the caller gets it."""

    def __init__(
        self,
        context: CallContext,
        record: ExchangeRecord,
        send: Send,
        caller: Caller,
        route: Route,
        more: Headers,
        named: Collection[str] = (),
    ) -> None:
        """``more`` are headers that every reply gets; ``named`` are the ids that the request had."""
        self._context = context
        self._record = record
        self._send = send
        self._caller = caller
        self._route = route
        self._more = more
        self._named = named
        self.patience = IdleTimer()
        """Bounds the waits of the call's task for its client."""
        self.begun = False
        """Whether the caller has got the head of it."""
        self.request: Any = None
        """The JSON values of the request, where they were read."""
        self.metered = False
        """Whether the upstream's count of what was used is taken from its own place alone, where nothing of the request can stand."""
        self.usage: Mapping[str, Any] | None = None
        """That count."""
        self.kind: Kind = "call"
        """The place that the call holds."""

    def close(self) -> None:
        """Ends the timers."""
        self.patience.close()

    async def pass_on(self, relay: Passthrough) -> None:
        """Sends the reply by its kind. Raises Refused before it has begun, ClientLeft, and what the relay raises."""
        if relay.status == HTTPStatus.UNAUTHORIZED:
            self._record.outcome = "access"
            hint = self._context.rules.retry_hint
            raise Refused(replace(UPSTREAM_KEY, headers=((hint, "false"),) if hint else ()))
        shown = self._context.headers.shown(relay.headers)
        kind = next((value for name, value in shown if name == b"content-type"), b"").partition(b";")[0].strip().lower()
        shown.append((ID_HEADER, self._record.request_id.encode()))
        asks = (self._context.rules.retry_hint or "").encode()
        if asks and relay.doubtful and all(name != asks for name, _ in shown):
            shown.append((asks, b"false"))  # else clients' libraries would send a paid call again
        if self._record.faults:
            shown.append((_FAULTS, str(self._record.faults).encode()))
        shown += [*SAFE, *self._more]
        if relay.streams:
            await self._events(relay, shown)
        elif relay.status < _REFUSED and self._narrows:
            await self._narrowed(relay, shown)
        elif kind.endswith(b"json"):
            await self._held(relay, shown)
        elif relay.status >= 400:  # noqa: PLR2004
            await self._wrapped(relay, shown, kind.decode("latin-1"))
        else:
            await self._plain(relay.chunks(), relay.status, shown)

    async def _events(self, relay: Passthrough, shown: Headers) -> None:
        """Sends each chunk as it arrives, and the head at once, so that the client knows that it was heard."""
        if not self._context.admission.change(self._caller.name, self._caller.allowance):
            raise Refused(shed(429, f"This token may have {self._caller.allowance.streams} open streams.", 1))
        self.kind = "stream"
        await self._begin(relay.status, shown)
        await self._send(_NOTHING)  # else the head would wait for the first event
        tail = Tail(_METERED) if self.metered else Tail()
        try:
            await self._pieces(relay.chunks(), tail)
        finally:
            text = tail.text()
            self._record.usage = self._context.usage.find(text)
            if self.metered:
                self.usage = self._context.usage.in_events(text)
        await self._send(_LAST)

    async def _held(self, relay: Passthrough, shown: Headers) -> None:
        """JSON: held back until it is whole, if it is not large."""
        owners, caller, route = self._context.owners, self._caller, self._route
        listens = owners is not None and relay.status < _REFUSED and owners.listens(caller, route.id)
        # What is not read whole is not known to be the caller's.
        most = relay.call.connection.limits.reply_json if listens else _HELD
        chunks, held, size = relay.chunks(), [], 0
        try:
            async for chunk in chunks:
                held.append(chunk)
                size += len(chunk)
                if size > most:
                    await self._plain(_chain(held, chunks), relay.status, shown, Tail())
                    return
        except ConnectorError:
            if relay.status < _REFUSED:
                raise
            await self._in_shape(relay.status, shown, "", b"")
            return
        body = held[0] if len(held) == 1 else b"".join(held)
        if not any(name == b"content-length" for name, _ in shown):
            shown.append((b"content-length", str(size).encode()))
        self._record.usage = self._context.usage.find(body)
        if self.metered and self._record.usage is not None:
            self.usage = self._context.usage.in_json(body)
        if owners is not None and listens:
            owners.learn(caller, route.id, body, self._named, self.request)
        await self._whole(relay.status, shown, body)

    @property
    def _narrows(self) -> bool:
        owners = self._context.owners
        return owners is not None and owners.narrows(self._caller, self._route.id)

    async def _narrowed(self, relay: Passthrough, shown: Headers) -> None:
        """Sends the items of the account's list that the caller may see. A list that cannot be read is not sent."""
        owners, most = self._context.owners, relay.call.connection.limits.reply_json
        assert owners is not None
        body = bytearray()
        async for chunk in relay.chunks():
            body += chunk
            if len(body) > most:
                raise ReplyTooLargeError(f"The list is larger than {most} bytes.", status=relay.status, request_id=relay.request_id)
        limits = JsonLimits(bytes=most, nodes=most, string=most)
        try:
            value = decode(bytes(body), limits) if body else None
        except JsonTextError:
            raise MalformedReplyError("The list is no JSON.", status=relay.status, request_id=relay.request_id) from None
        written = encode(owners.narrow(self._caller, self._route.id, value), limits) if body else b""
        kept = [(name, value) for name, value in shown if name != b"content-length"]
        await self._whole(relay.status, [*kept, (b"content-length", str(len(written)).encode())], written)

    async def _wrapped(self, relay: Passthrough, shown: Headers, kind: str) -> None:
        """An error that is not JSON, in the error shape, with its own status."""
        body = bytearray()
        try:
            async for chunk in relay.chunks():
                body += chunk
                if len(body) > self._limit_of_errors(relay):
                    break
        except ConnectorError:
            pass  # the status says enough
        await self._in_shape(relay.status, shown, kind, bytes(body))

    async def _in_shape(self, status: int, shown: Headers, kind: str, body: bytes) -> None:
        """An error in the error shape: its status says enough, however much came of its body."""
        written = wrapped(status, kind, body)
        kept = [(name, value) for name, value in shown if name not in _FORGOTTEN]
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(written)).encode())]
        await self._whole(status, [*kept, *head], written)

    def _limit_of_errors(self, relay: Passthrough) -> int:
        return relay.call.connection.limits.reply_error

    async def _plain(self, chunks: AsyncIterator[bytes], status: int, shown: Headers, tail: Tail | None = None) -> None:
        """Sends anything else: the head with the first chunk, so that a reply that never comes is told by a status."""
        first = await anext(chunks, b"")
        await self._begin(status, shown)
        if first:
            await self._pieces(_chain([first], chunks), tail)
        if tail is not None:
            self._record.usage = self.usage = self._context.usage.at_end(tail.text())
        await self._send(_LAST)

    async def _pieces(self, chunks: AsyncIterator[bytes], tail: Tail | None = None) -> None:
        """Sends each chunk. Raises ClientLeft where the client reads nothing for 120 seconds."""
        record, send, patience, clock = self._record, self._send, self.patience, time.monotonic
        async for chunk in chunks:
            patience.begin(clock() + _STALLED)
            try:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except asyncio.CancelledError:
                if patience.is_over():
                    raise ClientLeft from None
                raise
            finally:
                patience.end()
            record.sent += len(chunk)
            if tail is not None:
                tail.add(chunk)

    async def _begin(self, status: int, shown: Headers) -> None:
        self.begun = True
        self._record.begin(status)
        try:  # on a connection whose last reply was not read yet, even a head waits
            message = {"type": "http.response.start", "status": status, "headers": shown}
            await self.patience.wait(self._send(message), time.monotonic() + _STALLED)
        except TimeoutError:
            raise ClientLeft from None

    async def _whole(self, status: int, shown: Headers, body: bytes) -> None:
        await self._begin(status, shown)
        self._record.sent = len(body)
        await self._send({"type": "http.response.body", "body": body})


_NOTHING: Final = {"type": "http.response.body", "body": b"", "more_body": True}
_LAST: Final = {"type": "http.response.body", "body": b"", "more_body": False}


async def _chain(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in held:
        yield chunk
    async for chunk in rest:
        yield chunk
