"""One call through the gateway: the caller's request goes on as it came, and the upstream's reply comes back as it is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from kosha_connector_openai.core import Passthrough
from kosha_connector_openai.core.actions import Leniency
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.request import BytesBody, RawInputs, StreamBody
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.gateway.access import Claim, Ownership, Shed, UploadScan
from kosha_connector_openai.gateway.exchange import multipart_scan as multipart
from kosha_connector_openai.gateway.exchange import validation
from kosha_connector_openai.gateway.exchange.bodies import BodyReader, BodyRefused, ClientLeft, UploadStream, declared_length, too_large
from kosha_connector_openai.gateway.exchange.check_processes import BodyQuestion, CheckProcesses
from kosha_connector_openai.gateway.exchange.context import Broken, CallContext, Refused
from kosha_connector_openai.gateway.exchange.disconnect import DisconnectWatch
from kosha_connector_openai.gateway.exchange.metering import Metering
from kosha_connector_openai.gateway.exchange.response import UpstreamResponse
from kosha_connector_openai.gateway.observe import ExchangeRecord
from kosha_connector_openai.gateway.records import Caller, ErrorResponse, Headers, Receive
from kosha_connector_openai.gateway.replies import HIDDEN, bad_fields, bad_input, of_error, refused_field, shed
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.text import essence

_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([^\s;,\"']*)")
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_PAUSE: Final = 1_000
"""Texts that are looked up before other calls have a turn."""
_REFUSED: Final = 300
_STRICT: Final = Leniency()


class Passage:
    """One call: its checks, its request to the upstream, its reply."""

    def __init__(
        self,
        context: CallContext,
        record: ExchangeRecord,
        receive: Receive,
        response: UpstreamResponse,
        caller: Caller,
        route: Route,
        named: set[str],
    ) -> None:
        """The ids in the body are added to ``named``."""
        self._context = context
        self._record = record
        self._receive = receive
        self._response = response
        self._caller = caller
        self._route = route
        self._named = named
        self._shared = context.owners is not None and context.owners.applies_to(caller)
        self._leniency = _STRICT
        self.seated = False
        """Whether it holds a place among the calls under way."""
        self._upload: UploadStream | None = None
        self._held_bytes = 0
        self._meter = Metering(context, caller, route, record, response)

    async def run(self, values: Mapping[str, str], query: str, headers: Headers, connection: Connection) -> None:
        """Sends the request to the upstream and the reply to the caller. Raises Refused before the reply has begun, Broken after."""
        watch = DisconnectWatch(self._receive)
        try:
            self._leniency = Leniency(connection.validation, self._route.action.overlay.given_back)
            body = await self._body(values, query, headers)
            await self._sit()  # not before: who sends slowly takes a connection, and no place
            watch.start(self._upload.over if self._upload else None)
            await self._relay(RawInputs(values, query, self._context.headers.sent(headers), body), connection)
        except ClientLeft:
            self._record.outcome = "left"
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            self._task_goes_on()
            self._record.outcome = "left"
        except BodyRefused as error:
            self._refuse_body(error)
        except InputError as error:
            self._record.attempts = 0
            raise Refused(bad_input(error)) from None
        except ConnectorError as error:
            self._meter.failed(error)
            self._fail(error)
        finally:
            self._meter.ended()
            watch.stop()
            self._response.close()
            self._context.bodies.give_back(self._held_bytes, self._caller.name)
            if self._upload is not None:
                self._upload.stop()
                self._record.received = self._upload.received

    async def _relay(self, raw: RawInputs, connection: Connection) -> None:
        """Sends the checked request, and passes its reply on."""
        self._meter.set_aside()
        self._record.attempts = 1
        async with await self._context.connector.relay(self._route.id, raw, connection) as relay:
            await self._context.answered.turn()
            self._note(relay)
            if self._shared and relay.status < _REFUSED:
                self._forget(raw.path)
            await self._response.pass_on(relay)
            self._record.outcome = relay.outcome
            self._meter.ended(relay)

    def _forget(self, values: Mapping[str, str]) -> None:
        """What was deleted is nobody's from now on."""
        if self._context.owners is not None:
            self._context.owners.forget(self._caller, self._route.id, {name: unquote(text) for name, text in values.items()})

    def _task_goes_on(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()

    def _note(self, relay: Passthrough) -> None:
        record = self._record
        record.upstream_status, record.upstream_request_id = relay.status, relay.request_id
        record.attempts, record.streamed = relay.call.attempts, relay.streams

    def _refuse_body(self, error: BodyRefused) -> None:
        if error.refusal is None:
            self._record.outcome = "left"
        elif self._response.begun:
            raise Broken from None
        else:
            raise Refused(error.refusal) from None

    def _fail(self, error: ConnectorError) -> None:
        """Raises the error for a reply that did not come, or not whole."""
        record = self._record
        record.outcome = error.code
        if self._response.begun:
            raise Broken from None
        hints = self._route.action.hints
        raise Refused(of_error(error, repeatable=hints.idempotent, hint=self._context.rules.retry_hint)) from None

    async def _body(self, values: Mapping[str, str], query: str, headers: Headers) -> BytesBody | StreamBody | None:
        """Checks the body and returns it as it goes to the upstream; nothing was sent before. Raises Refused."""
        given = dict(headers)
        length = declared_length(given)
        strict = self._caller.validation != "off"
        faults = list(validation.parameter_faults(self._route, values, query)) if strict and (query or values) else []
        content_type = given.get(b"content-type", b"").decode("latin-1")
        if length == 0:
            self._found([*faults, *self._bodiless()] if strict else faults)
            await self._empty()
            return BytesBody(b"", content_type or None) if content_type and self._route.method not in ("GET", "HEAD") else None
        kind = essence(content_type)
        form = self._route.forms.get(kind)
        self._check_type(kind, known=form is not None)
        is_json = kind.endswith("json") or not self._route.forms
        limit = self._context.limits.body_json if is_json else self._context.limits.body
        if length is not None and length > limit:
            raise Refused(self._too_large(limit, is_json=is_json))
        if is_json:
            return await self._json(content_type, kind, limit, faults)
        self._found(faults)
        return await self._stream(content_type, length, limit, form.required if form and self._caller.validation == "on" else ())

    async def _empty(self) -> None:
        """Receives the empty body, so that the next message is the disconnect."""
        await self._receive()

    def _bodiless(self) -> Iterable[Fault]:
        """The fault of a request without the body that it needs."""
        body = self._route.action.operation.request_body
        if body is None or not body.required:
            return ()
        return (Fault("", "required", "is missing.", f"Send it as {' or '.join(self._route.forms)}."),)

    def _check_type(self, kind: str, *, known: bool) -> None:
        """JSON must not stand in for an upload, whatever is checked otherwise; nor a form for JSON, where anything is checked."""
        forms = self._route.forms
        if known:
            return
        if forms and self._shared:  # what is not read cannot be known to name only the caller's things
            raise Refused(ErrorResponse(415, f"This operation takes {' or '.join(forms)}.", code="content_type"))
        if not forms:
            if self._caller.validation == "on":
                raise Refused(ErrorResponse(400, "This operation takes no body.", code="body"))
        elif self._caller.validation == "on" or (kind.endswith("json") and all(name.startswith("multipart/") for name in forms)):
            raise Refused(ErrorResponse(415, f"This operation takes {' or '.join(forms)}.", code="content_type"))

    def _too_large(self, limit: int, *, is_json: bool) -> ErrorResponse:
        advice = self._context.connector.manifest.defaults.large_body
        return too_large(limit, "body_json", advice) if is_json else too_large(limit, "body")

    async def _json(self, content_type: str, kind: str, limit: int, faults: list[Fault]) -> BytesBody:
        context = self._context
        if not _UTF_8.issuperset(_CHARSET.findall(content_type.lower())):
            raise Refused(ErrorResponse(415, "JSON is UTF-8 (RFC 8259, section 8.1). Leave the charset out.", code="content_type"))
        large = self._too_large(limit, is_json=True)
        raw = await BodyReader(self._receive, limit, context.limits, large, self._response.patience).whole(self._take)
        if context.checks is not None and len(raw) > validation.LARGE:
            found: Iterable[Fault] = await self._ask(context.checks, raw, kind, limit)
        elif len(raw) <= validation.QUICK:
            found = await self._look_into(raw, kind, limit)
        else:  # one body after the other, and in between the loop has a round for all else: many at once hold nobody up
            async with context.turn:
                await asyncio.sleep(0)
                found = await self._look_into(raw, kind, limit)
        self._found([*faults, *found])
        return BytesBody(raw, content_type or None)

    async def _look_into(self, raw: bytes, kind: str, limit: int) -> list[Fault]:
        """The faults of a small body. Raises Refused."""
        context, caller = self._context, self._caller
        form = self._route.forms.get(kind)
        faults: list[Fault] = []
        value: Any = None
        try:
            value = await validation.read_json(raw, limit) if raw or form else None
        except InputError as error:
            if self._shared:
                raise Refused(bad_input(error)) from None
            name = validation.refused_in_text(raw, context.refused)
            if name is not None:
                raise Refused(refused_field(name)) from None
            faults += error.faults
        else:
            name = validation.refused_name(value, context.refused, form)
            if name is not None:
                raise Refused(refused_field(name))
            self._meter.measure(value, len(raw))
            if context.owners is not None and self._shared:
                await self._look(context.owners, value, len(raw))
            if form is not None and caller.validation != "off":
                faults += await validation.body_faults(form, value, len(raw), self._leniency, first=self._route.first)
                self._route.first = False
        return faults

    async def _ask(self, checks: CheckProcesses, raw: bytes, kind: str, limit: int) -> tuple[Fault, ...]:
        """Has a large body checked elsewhere; returns its faults. Raises Refused."""
        refused = tuple(self._context.refused)
        question = BodyQuestion(
            "body",
            self._route.id,
            limit,
            kind,
            check=self._caller.validation != "off",
            texts=self._shared,
            refused=refused,
            validation=self._leniency.validation,
            extent=self._meter.applies,
        )
        try:
            answer = await checks.ask(question, raw, self._caller.name)
        except InputError as error:
            raise Refused(bad_input(error)) from None
        if answer.unread and self._shared:
            raise Refused(bad_fields(answer.faults))
        if answer.refused is not None:
            raise Refused(refused_field(answer.refused))
        self._meter.extent = answer.extent
        owners = self._context.owners
        if owners is not None and self._shared:
            for number, line in enumerate(answer.texts):
                claim, _, text = line.partition(" ")
                self._named.add(text)
                if not owners.permits(self._caller, [(text, Claim[claim])]):
                    raise Refused(HIDDEN)
                if not number % _PAUSE:
                    await asyncio.sleep(0)
        return answer.faults

    async def _look(self, owners: Ownership, value: Any, size: int) -> None:
        """Refuses a body that names an object of another tenant; adds the ids in it to ``named``."""
        if await asyncio.to_thread(self._names, owners, value) if size > validation.LARGE else self._names(owners, value):
            raise Refused(HIDDEN)

    def _names(self, owners: Ownership, value: Any) -> bool:
        self._response.request = value
        self._named.update(text for text, _ in owners.names.in_value(value))
        return not owners.allows_body(self._caller, value)

    async def _sit(self) -> None:
        """Takes a place among the calls under way. Raises Refused."""
        try:
            await self._context.admission.take(self._caller.name, self._caller.allowance, begun=True)
        except Shed as error:
            raise Refused(shed(error.status, error.reason, error.retry_after)) from None
        self.seated = True

    def _take(self, size: int) -> None:
        self._context.bodies.take(size, self._caller.name)
        self._record.received += size
        self._held_bytes += size

    def _found(self, faults: list[Fault]) -> None:
        """Refuses the request for its faults, or counts them."""
        if not faults or self._caller.validation == "off":
            return
        if self._caller.validation == "on":
            raise Refused(bad_fields(faults))
        self._record.faults = len(faults)

    async def _stream(self, content_type: str, length: int | None, limit: int, required: Iterable[str]) -> BytesBody | StreamBody:
        """Returns an upload: whole where it is small, otherwise as a stream."""
        parts = None
        if content_type.lower().startswith("multipart/"):
            mark = multipart.boundary(content_type)
            if mark is None:
                raise Refused(multipart.BAD_BOUNDARY)
            owners, caller = self._context.owners, self._caller
            permits = (lambda fields: owners.allows_fields(caller, fields)) if owners is not None and self._shared else None
            parts = multipart.Parts(mark, self._context.refused, self._meter.noting(permits))
        reader = BodyReader(self._receive, limit, self._context.limits)
        upload = self._upload = UploadStream(reader, parts, required, self._scan())
        small = await upload.begin()
        self._meter.measure_form()
        return BytesBody(small, content_type) if small is not None else StreamBody(upload.pieces(), content_type, length)

    def _scan(self) -> UploadScan | None:
        owners, caller = self._context.owners, self._caller
        return owners.scan(caller) if owners is not None and self._shared else None
