"""The ASGI application: every request is asked for its name, its token and its place before anything of it is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.transport import load_async_engine
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access import Admission, OriginPolicy, Shed
from kosha_connector_openai.gateway.exchange import (
    Answer,
    Broken,
    ClientLeft,
    HeaderRules,
    Headers,
    Passage,
    Refused,
    Site,
    Store,
    UsageFinder,
)
from kosha_connector_openai.gateway.observe import AuditError, AuditLog, Visit
from kosha_connector_openai.gateway.records import Authenticate, Caller, Observe, Owners, Page, Pages, Receive, Refusal, Scope, Send
from kosha_connector_openai.gateway.replies import (
    FAILED,
    FORBIDDEN,
    HIDDEN,
    ID_HEADER,
    NO_CREDENTIAL,
    NOT_FOUND,
    UNRECORDED,
    UPGRADE,
    method_not_allowed,
    refused_field,
    send_refusal,
    shed,
)
from kosha_connector_openai.gateway.routes import Place, Route, Routes, pairs
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest.parts import RelayRules

LOGGER: Final = logging.getLogger("kosha.gateway")
ABORT: Final = "kosha.abort"
"""Where the server's way to break a connection stands in the scope's state, if it has one."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Who decides, in this order, whether a request comes in; and who is told what came of it."""

    policy: OriginPolicy
    authenticate: Authenticate
    admission: Admission
    observe: Observe
    pages: Pages | None = None
    owners: Owners | None = None
    audit: AuditLog | None = None


class Gateway:
    """``await gateway(scope, receive, send)``, as any ASGI server calls it. It owns nothing that it is given."""

    def __init__(self, connector: Connector, connections: Mapping[str, Connection], settings: Settings, doors: Doors) -> None:
        """``connections`` are those that callers may name, by name. Raises ManifestError, DocumentError."""
        rules = connector.part("relay", RelayRules)
        most = settings.limits.calls_total + settings.limits.streams_total
        self._connections = {name: _wide(each, most) for name, each in connections.items()}
        for each in self._connections.values():
            load_async_engine(each)
        self._retired = frozenset(name for name, entry in settings.connections.items() if entry.retired)
        self._doors = doors
        self._met: dict[tuple[str, str], bool] = {}
        self._routes = Routes(connector.catalog)
        self._site = Site(
            connector=connector,
            limits=settings.limits,
            rules=rules,
            headers=HeaderRules(rules, connector.manifest.result.headers),
            admission=doors.admission,
            usage=UsageFinder(connector.manifest.result.usage),
            refused=frozenset(rules.refused_fields),
            store=Store(settings.limits.bodies_total),
            owners=doors.owners,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, and tells the observer."""
        if scope["type"] != "http":
            await _other(scope, receive, send)
            return
        visit = Visit(scope)
        more = list(self._doors.policy.response_headers(scope["headers"]))
        try:
            await self._serve(visit, scope, receive, send, more)
        except Refused as refused:
            visit.refused(refused.refusal)
            visit.sent = await send_refusal(send, refused.refusal, visit.request_id, more)
        except ClientLeft:
            visit.outcome = "left"
        except AuditError:
            visit.refused(UNRECORDED)
            visit.sent = await send_refusal(send, UNRECORDED, visit.request_id, more)
        except Broken:
            await _abort(scope)
        except Exception as error:
            # Without its text and its frames: both may quote the request.
            LOGGER.error("A request failed in the gateway: %s (%s).", type(error).__name__, visit.request_id)  # noqa: TRY400
            visit.outcome, visit.status = "internal_error", visit.status or FAILED.status
            if visit.first_byte is not None:
                await _abort(scope)
            else:
                visit.sent = await send_refusal(send, FAILED, visit.request_id, more)
        finally:
            if visit.outcome == "left":
                await _abort(scope)  # whoever does not read keeps no connection
            record = visit.record()
            if self._doors.audit is not None:
                self._doors.audit.end(record)
            self._doors.observe(record)

    async def _serve(self, visit: Visit, scope: Scope, receive: Receive, send: Send, more: Headers) -> None:
        headers: Headers = scope["headers"]
        refusal = self._doors.policy.refuse(headers)
        if refusal is not None:
            raise Refused(Refusal(refusal.status, refusal.message, code="host_or_origin"))
        preflight = self._doors.policy.preflight(visit.method, headers)
        if preflight is not None:
            visit.operation, visit.status = "page:preflight", preflight.status
            await send({"type": "http.response.start", "status": preflight.status, "headers": list(preflight.headers)})
            await send({"type": "http.response.body", "body": b""})
            return
        path = scope["raw_path"].decode("latin-1")
        place = self._routes.find(path)
        page = self._doors.pages.find(path) if place is None and self._doors.pages else None
        if page is not None and page.public:
            await self._page(page, visit, scope, receive, send, more)
            return
        caller = await self._doors.authenticate(scope)
        if isinstance(caller, Refusal):
            raise Refused(caller)
        visit.caller = caller
        if any(name == b"upgrade" for name, _ in headers):
            raise Refused(UPGRADE)
        if page is not None:
            await self._page(page, visit, scope, receive, send, more)
            return
        await self._operation(visit, scope, receive, send, place or self._routes.alias(path), more)

    async def _page(self, page: Page, visit: Visit, scope: Scope, receive: Receive, send: Send, more: Headers) -> None:
        visit.operation = f"page:{page.name}"
        endpoint = page.methods.get(visit.method)
        if endpoint is None:
            raise Refused(method_not_allowed(page.methods))
        own = [*more, (ID_HEADER, visit.request_id.encode())]

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *own]}
                visit.begins(message["status"])
            else:
                visit.sent += len(message.get("body", b""))
            await send(message)

        caller, audit = visit.caller, self._doors.audit
        if caller is None or visit.method == "GET":
            await endpoint(scope, receive, with_headers, caller)
            return
        await self._take(caller)
        try:
            if audit is not None:
                audit.page(visit.request_id, visit.method, page.name, scope["raw_path"].decode("latin-1"), caller)
            await endpoint(scope, receive, with_headers, caller)
        finally:
            self._doors.admission.give_back(caller.name)

    async def _operation(self, visit: Visit, scope: Scope, receive: Receive, send: Send, place: Place | None, more: Headers) -> None:
        caller = visit.caller
        assert caller is not None
        query = scope["query_string"].decode("latin-1")
        route = self._route(visit, place, query, caller)
        headers: Headers = scope["headers"]
        assert place is not None
        values = dict(zip(route.names, place.values, strict=True))
        named: set[str] = set()
        self._may(route, caller, headers, values, query, named)
        await self._take(caller)
        owners = self._doors.owners
        if owners is not None and owners.listens(caller, route.id):
            send = owners.hearing(caller, route.id, send, named)
        answer = Answer(self._site, visit, send, caller, route, more, named)
        passage = Passage(self._site, visit, receive, answer, caller, route, named)
        connection = self._connections[caller.connection]
        try:
            if self._doors.audit is not None:
                self._doors.audit.call(visit.request_id, visit.method, route, caller, connection)
            await passage.run(values, query, headers, connection)
        finally:
            self._doors.admission.give_back(caller.name, answer.kind)

    def _route(self, visit: Visit, place: Place | None, query: str, caller: Caller) -> Route:
        if place is None:
            raise Refused(NOT_FOUND)
        route = place.find(visit.method, query)
        if route is None:
            raise Refused(NOT_FOUND if visit.method in place.methods else method_not_allowed(place.methods))
        visit.operation = route.id
        if not caller.may(route.id, route.group):
            raise Refused(FORBIDDEN)
        if not self._meets(route, caller.connection):
            raise Refused(NO_CREDENTIAL)
        if route.retired is not None and caller.connection not in self._retired:
            raise Refused(Refusal(410, route.retired, code="retired"))
        return route

    def _meets(self, route: Route, name: str) -> bool:
        """Whether the connection has what the operation asks for; an administration key, say. Looked up once for each."""
        known = self._met.get((name, route.id))
        if known is None:
            try:
                self._connections[name].credential(route.action.operation.security)
                known = True
            except SetupError:
                known = False
            self._met[name, route.id] = known
        return known

    def _may(self, route: Route, caller: Caller, headers: Headers, values: Mapping[str, str], query: str, named: set[str]) -> None:
        """Refuses what the caller may not name in headers, path and query; what is named in the latter two is added to ``named``."""
        name = self._site.headers.refused(headers)
        if name is not None:
            raise Refused(refused_field(name))
        owners = self._doors.owners
        if owners is None or not (values or query):
            return
        from urllib.parse import unquote  # noqa: PLC0415 - most services have no owners

        given = {name: unquote(text) for name, text in values.items()}
        if not owners.narrows(caller, route.id):  # a list of the whole account may be asked to go on after another's item
            given |= {f"?{number}": value for number, (_, value) in enumerate(pairs(query))}
        if not owners.allows(caller, route.id, given):
            raise Refused(HIDDEN)
        named.update(given.values())

    async def _take(self, caller: Caller) -> None:
        try:
            await self._doors.admission.take(caller.name, caller.allowance)
        except Shed as error:
            raise Refused(shed(error.status, error.reason, error.retry_after)) from None


def _wide(connection: Connection, most: int) -> Connection:
    """The connection with room for all that may be under way; whether it may is decided before, by admission."""
    if connection.options.limits is not None:
        return connection
    return replace(connection, limits=connection.limits.model_copy(update={"connections": most}))


async def _abort(scope: Scope) -> None:
    """Breaks the connection, so that the client sees a reply that is not whole; without a way to, the server does it when we return."""
    abort = scope.get("state", {}).get(ABORT)
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # the server learns of it in the loop's next round


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """The start and the end of the server, and WebSockets, of which there are none."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1002})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
