"""One call through the gateway: the caller's request goes on as it came, and the upstream's reply comes back as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.core.connection.connection import Connection
from kosha_connector_openai.core.connector import Connector
from kosha_connector_openai.core.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.core.patience import Patience
from kosha_connector_openai.core.relay import Relay
from kosha_connector_openai.core.request.media_types import BytesBody
from kosha_connector_openai.core.request.raw import RawInputs, StreamBody
from kosha_connector_openai.core.spec.parts.relay import RelayRules
from kosha_connector_openai.gateway import checks, multipart
from kosha_connector_openai.gateway.admission import Admission, Kind
from kosha_connector_openai.gateway.bodies import BodyRefused, ClientLeft, Upload, declared_length, read_whole, too_large
from kosha_connector_openai.gateway.departure import Departure
from kosha_connector_openai.gateway.headers import HeaderRules
from kosha_connector_openai.gateway.records import Caller, Owners, Receive, Refusal, Send
from kosha_connector_openai.gateway.replies import HIDDEN, ID_HEADER, bad_fields, bad_input, of_error, refused_field, shed, wrapped
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.gateway.settings import Limits
from kosha_connector_openai.gateway.usage import Tail, UsageFinder
from kosha_connector_openai.gateway.visit import Visit

_HELD: Final = 256 * 1024
"""Bytes of a JSON reply that are held back until it is whole, so that a cut one is told by its status."""
_STALLED: Final = 120.0
"""Seconds until a client that reads nothing is left."""
_FAULTS: Final = b"x-kosha-faults"
_FORGOTTEN: Final = frozenset({b"content-type", b"content-length", b"content-encoding"})
Headers = list[tuple[bytes, bytes]]


class Refused(Exception):
    """The call goes no further; the caller is told why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Broken(Exception):
    """The reply was cut after it had begun: the caller must see that it is not whole."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all calls share."""

    connector: Connector
    limits: Limits
    rules: RelayRules
    headers: HeaderRules
    admission: Admission
    usage: UsageFinder
    refused: frozenset[str]
    owners: Owners | None = None


class Passage:
    """One call on its way."""

    def __init__(self, site: Site, visit: Visit, receive: Receive, send: Send, caller: Caller, route: Route) -> None:
        self._site = site
        self._visit = visit
        self._receive = receive
        self._send = send
        self._caller = caller
        self._route = route
        self._patience = Patience()
        self._upload: Upload | None = None
        self._more: Headers = []
        self._begun = False
        self.kind: Kind = "call"
        """The place that the call holds."""

    async def run(self, values: Mapping[str, str], query: str, headers: Headers, connection: Connection, more: Headers) -> None:
        """Passes the request on and the reply back. Raises Refused before anything was answered, Broken after."""
        self._more = more
        departure = Departure(self._receive)
        try:
            body = await self._body(values, query, headers)
            departure.start(self._upload.over if self._upload else None)
            raw = RawInputs(values, query, self._site.headers.sent(headers), body)
            async with await self._site.connector.relay(self._route.id, raw, connection) as relay:
                self._note(relay)
                await self._answer(relay)
                self._visit.outcome = relay.outcome
        except ClientLeft:
            self._visit.outcome = "left"
        except asyncio.CancelledError:
            if not departure.gone:
                raise
            self._task_goes_on()
            self._visit.outcome = "left"
        except BodyRefused as error:
            self._refuse_body(error)
        except InputError as error:
            raise Refused(bad_input(error)) from None
        except ConnectorError as error:
            self._fail(error)
        finally:
            departure.stop()
            self._patience.close()
            if self._upload is not None:
                self._upload.stop()
                self._visit.received = self._upload.received

    def _task_goes_on(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()

    def _note(self, relay: Relay) -> None:
        visit = self._visit
        visit.upstream_status, visit.upstream_request_id = relay.status, relay.request_id
        visit.attempts, visit.streamed = relay.call.attempts, relay.streams

    def _refuse_body(self, error: BodyRefused) -> None:
        if error.refusal is None:
            self._visit.outcome = "left"
        elif self._begun:
            raise Broken from None
        else:
            raise Refused(error.refusal) from None

    def _fail(self, error: ConnectorError) -> None:
        """What to do where no reply came, or not all of it."""
        visit = self._visit
        visit.outcome, visit.attempts = error.code, max(1, visit.attempts)
        if self._begun:
            raise Broken from None
        hints = self._route.action.hints
        raise Refused(of_error(error, repeatable=hints.idempotent, hint=self._site.rules.retry_hint)) from None

    # The request's body

    async def _body(self, values: Mapping[str, str], query: str, headers: Headers) -> BytesBody | StreamBody | None:
        """The body as it will go on, after all that can be said against it; nothing was sent until here."""
        given = dict(headers)
        length = declared_length(given)
        strict = self._caller.validation != "off"
        faults = list(checks.parameter_faults(self._route, values, query)) if strict and (query or values) else []
        content_type = given.get(b"content-type", b"").decode("latin-1")
        if length == 0:
            self._found([*faults, *self._bodiless()] if strict else faults)
            await self._empty()
            return BytesBody(b"", content_type or None) if content_type and self._route.method not in ("GET", "HEAD") else None
        kind = content_type.partition(";")[0].strip().lower()
        form = self._route.forms.get(kind)
        self._check_type(kind, known=form is not None)
        is_json = kind.endswith("json") or not self._route.forms
        limit = self._site.limits.body_json if is_json else self._site.limits.body
        if length is not None and length > limit:
            raise Refused(too_large(limit))
        if is_json:
            return await self._json(content_type, limit, faults)
        self._found(faults)
        return await self._stream(content_type, length, limit, form.required if form and self._caller.validation == "on" else ())

    async def _empty(self) -> None:
        """Takes the empty body off the line, so that what comes next is the client's leaving."""
        await self._receive()

    def _bodiless(self) -> Iterable[Fault]:
        """What a request without a body lacks."""
        body = self._route.action.operation.request_body
        if body is None or not body.required:
            return ()
        return (Fault("", "required", "is missing.", f"Send it as {' or '.join(self._route.forms)}."),)

    def _check_type(self, kind: str, *, known: bool) -> None:
        """JSON must not stand in for an upload, whatever is checked otherwise; nor a form for JSON, where anything is checked."""
        forms = self._route.forms
        if known:
            return
        if not forms:
            if self._caller.validation == "on":
                raise Refused(Refusal(400, "This operation takes no body.", code="body"))
        elif self._caller.validation == "on" or (kind.endswith("json") and all(name.startswith("multipart/") for name in forms)):
            raise Refused(Refusal(415, f"This operation takes {' or '.join(forms)}.", code="content_type"))

    async def _json(self, content_type: str, limit: int, faults: list[Fault]) -> BytesBody:
        site, caller = self._site, self._caller
        raw = await read_whole(self._receive, self._patience, limit, site.limits.body_idle)
        self._visit.received = len(raw)
        form = self._route.forms.get(content_type.partition(";")[0].strip().lower())
        value: Any = None
        try:
            value = await checks.read_json(raw, limit) if raw or form else None
        except InputError as error:
            faults += error.faults
        else:
            name = checks.refused_name(value, site.refused, form)
            if name is not None:
                raise Refused(refused_field(name))
            if site.owners is not None and not site.owners.allows_body(caller, value):
                raise Refused(HIDDEN)
            if form is not None and caller.validation != "off":
                faults += await checks.body_faults(form, value, len(raw))
        self._found(faults)
        return BytesBody(raw, content_type or None)

    def _found(self, faults: list[Fault]) -> None:
        """Refuses the request for its faults, or counts them."""
        if not faults or self._caller.validation == "off":
            return
        if self._caller.validation == "on":
            raise Refused(bad_fields(faults))
        self._visit.faults = len(faults)

    async def _stream(self, content_type: str, length: int | None, limit: int, required: Iterable[str]) -> BytesBody | StreamBody:
        """An upload: whole where it is small, otherwise as it arrives."""
        parts = None
        if content_type.lower().startswith("multipart/"):
            mark = multipart.boundary(content_type)
            if mark is None:
                raise Refused(multipart.BAD_BOUNDARY)
            parts = multipart.Parts(mark, self._site.refused)
        upload = self._upload = Upload(self._receive, limit, self._site.limits.body_idle, parts, required)
        small = await upload.begin()
        return BytesBody(small, content_type) if small is not None else StreamBody(upload.pieces(), content_type, length)

    # The reply

    async def _answer(self, relay: Relay) -> None:
        shown = self._site.headers.shown(relay.headers)
        kind = next((value for name, value in shown if name == b"content-type"), b"").partition(b";")[0].strip().lower()
        shown.append((ID_HEADER, self._visit.request_id.encode()))
        if self._visit.faults:
            shown.append((_FAULTS, str(self._visit.faults).encode()))
        shown += self._more
        if relay.streams:
            await self._events(relay, shown)
        elif kind.endswith(b"json"):
            await self._held(relay, shown)
        elif relay.status >= 400:  # noqa: PLR2004
            await self._wrapped(relay, shown, kind.decode("latin-1"))
        else:
            await self._plain(relay.chunks(), relay.status, shown)

    async def _events(self, relay: Relay, shown: Headers) -> None:
        """Each piece as it arrives; the head at once, so that the client knows that it was heard."""
        if not self._site.admission.change(self._caller.name, self._caller.allowance):
            raise Refused(shed(429, f"This token may have {self._caller.allowance.streams} open streams.", 1))
        self.kind = "stream"
        await self._begin(relay.status, shown)
        await self._send(_NOTHING)  # else the head would wait for the first event
        visit, send, wait, clock, tail = self._visit, self._send, self._patience.wait, time.monotonic, Tail()
        try:
            async for chunk in relay.chunks():
                await wait(send({"type": "http.response.body", "body": chunk, "more_body": True}), clock() + _STALLED)
                visit.sent += len(chunk)
                tail.add(chunk)
        except TimeoutError:
            raise ClientLeft from None
        finally:
            visit.usage = self._site.usage.find(tail.text())
        await send(_LAST)

    async def _held(self, relay: Relay, shown: Headers) -> None:
        """JSON: held back until it is whole, if it is not large."""
        chunks, held, size = relay.chunks(), [], 0
        async for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size > _HELD:
                await self._plain(_chain(held, chunks), relay.status, shown)
                return
        body = held[0] if len(held) == 1 else b"".join(held)
        if not any(name == b"content-length" for name, _ in shown):
            shown.append((b"content-length", str(size).encode()))
        self._visit.usage = self._site.usage.find(body)
        await self._whole(relay.status, shown, body)
        owners, caller, route = self._site.owners, self._caller, self._route
        if owners is not None and relay.status < 300 and owners.listens(caller, route.id):  # noqa: PLR2004
            owners.learn(caller, route.id, body)

    async def _wrapped(self, relay: Relay, shown: Headers, kind: str) -> None:
        """An error that is not JSON, in the error shape, with its own status."""
        body = bytearray()
        try:
            async for chunk in relay.chunks():
                body += chunk
                if len(body) > self._limit_of_errors(relay):
                    break
        except ConnectorError:
            pass  # the status says enough
        written = wrapped(relay.status, kind, bytes(body))
        kept = [(name, value) for name, value in shown if name not in _FORGOTTEN]
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(written)).encode())]
        await self._whole(relay.status, [*kept, *head], written)

    def _limit_of_errors(self, relay: Relay) -> int:
        return relay.call.connection.limits.reply_error

    async def _plain(self, chunks: AsyncIterator[bytes], status: int, shown: Headers) -> None:
        """Anything else: its head with its first piece, so that a reply that never comes is told by a status."""
        visit, send, wait, clock = self._visit, self._send, self._patience.wait, time.monotonic
        try:
            async for chunk in chunks:
                if not self._begun:
                    await self._begin(status, shown)
                await wait(send({"type": "http.response.body", "body": chunk, "more_body": True}), clock() + _STALLED)
                visit.sent += len(chunk)
        except TimeoutError:
            raise ClientLeft from None
        if not self._begun:
            await self._begin(status, shown)
        await send(_LAST)

    async def _begin(self, status: int, shown: Headers) -> None:
        self._begun = True
        self._visit.begins(status)
        await self._send({"type": "http.response.start", "status": status, "headers": shown})

    async def _whole(self, status: int, shown: Headers, body: bytes) -> None:
        await self._begin(status, shown)
        self._visit.sent = len(body)
        await self._send({"type": "http.response.body", "body": body})


_NOTHING: Final = {"type": "http.response.body", "body": b"", "more_body": True}
_LAST: Final = {"type": "http.response.body", "body": b"", "more_body": False}


async def _chain(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in held:
        yield chunk
    async for chunk in rest:
        yield chunk
