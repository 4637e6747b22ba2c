"""The ASGI application: it checks the Host, the token and the limits of each request before it reads anything else of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlencode

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.request import is_cut
from kosha_connector_openai.core.transport import load_async_engine
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access import Admission, OriginPolicy, Ownership, Shed, TokenBudgets
from kosha_connector_openai.gateway.connections import wide
from kosha_connector_openai.gateway.exchange import (
    BodyBudget,
    Broken,
    CallContext,
    CheckProcesses,
    ClientLeft,
    HeaderRules,
    Passage,
    Refused,
    UpstreamResponse,
    UsageFinder,
)
from kosha_connector_openai.gateway.observe import AuditError, AuditLog, ExchangeRecord, Observe
from kosha_connector_openai.gateway.other_scopes import answer_other
from kosha_connector_openai.gateway.pages import OwnPages, sign_in_first
from kosha_connector_openai.gateway.records import Authenticate, Caller, ErrorResponse, Headers, Receive, Scope, Send, ServicePage, mark
from kosha_connector_openai.gateway.replies import (
    FAILED,
    FORBIDDEN,
    FULL,
    HIDDEN,
    ID_HEADER,
    NO_CREDENTIAL,
    NOT_FOUND,
    UNRECORDED,
    UPGRADE,
    bad_fields,
    method_not_allowed,
    refused_field,
    send_refusal,
    shed,
    slash_fault,
)
from kosha_connector_openai.gateway.routes import PathMatch, Route, RouteTable, pairs
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest.parts import RelayRules

LOGGER: Final = logging.getLogger("kosha.gateway")
ABORT: Final = "kosha.abort"
"""The key in the scope's state of a function that breaks the connection, where the server has one."""
KNOWN: Final = "kosha.known"
"""The same of a function that is called once a request was let in: its connection then need not give way to others."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The checks that a request passes, in this order, and the observers of its end."""

    policy: OriginPolicy
    authenticate: Authenticate
    admission: Admission
    observe: Observe
    pages: OwnPages | None = None
    owners: Ownership | None = None
    audit: AuditLog | None = None
    spending: TokenBudgets | None = None
    bodies: BodyBudget | None = None
    """What the bodies of relayed calls share with those of the pages."""
    checks: CheckProcesses | None = None


class Gateway:
    """``await gateway(scope, receive, send)``, as any ASGI server calls it. It closes nothing that it is given."""

    def __init__(self, connector: Connector, connections: Mapping[str, Connection], settings: Settings, guards: Guards) -> None:
        """``connections`` are the upstreams by name. Raises ManifestError, DocumentError."""
        rules = connector.part("relay", RelayRules)
        self._most = settings.limits.calls_total + settings.limits.streams_total
        self._connections = {name: wide(each, self._most) for name, each in connections.items()}
        for each in self._connections.values():
            load_async_engine(each)
        self._retired = frozenset(name for name, entry in settings.connections.items() if entry.retired)
        self._guards = guards
        self._met: dict[tuple[str, str], bool] = {}
        self._routes = RouteTable(connector.catalog, rules.slashes)
        self._context = CallContext(
            connector=connector,
            limits=settings.limits,
            rules=rules,
            headers=HeaderRules(rules, connector.manifest.result.headers),
            admission=guards.admission,
            usage=UsageFinder(connector.manifest.result.usage),
            refused=frozenset(rules.refused_fields),
            bodies=guards.bodies or BodyBudget(settings.limits.bodies_total, settings.limits.body_json),
            checks=guards.checks,
            bounds=connector.outputs.part,
            owners=guards.owners,
            spending=guards.spending,
        )

    def replace(self, name: str, connection: Connection) -> None:
        """Takes another connection under a name, for calls that begin from now on."""
        self._connections[name] = wide(connection, self._most)
        load_async_engine(connection)
        self._met.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request and gives its record to the observers."""
        if scope["type"] != "http":
            await answer_other(scope, receive, send)
            return
        record = ExchangeRecord(scope["method"])
        more = list(self._guards.policy.response_headers(scope["headers"]))
        try:
            await self._serve(record, scope, receive, send, more)
        except Refused as refused:
            record.refuse(refused.refusal)
            record.sent = await send_refusal(send, refused.refusal, record.request_id, more)
        except ClientLeft:
            record.outcome = "left"
        except AuditError:
            record.refuse(UNRECORDED)
            record.sent = await send_refusal(send, UNRECORDED, record.request_id, more)
        except Broken:
            await _abort(scope)
        except Exception as error:
            # Without its text and its frames: both may quote the request.
            LOGGER.error("A request failed in the gateway: %s (%s).", type(error).__name__, record.request_id)  # noqa: TRY400
            record.outcome, record.status = "internal_error", record.status or FAILED.status
            if record.first_byte is not None:
                await _abort(scope)
            else:
                record.sent = await send_refusal(send, FAILED, record.request_id, more)
        finally:
            if record.outcome == "left":
                await _abort(scope)  # whoever does not read keeps no connection
            record.end()
            if self._guards.audit is not None:
                self._guards.audit.end(record)
            self._guards.observe(record)

    async def _serve(self, record: ExchangeRecord, scope: Scope, receive: Receive, send: Send, more: Headers) -> None:
        headers: Headers = scope["headers"]
        refusal = self._guards.policy.refuse(headers)
        if refusal is not None:
            raise Refused(refusal)
        preflight = self._guards.policy.preflight(record.method, headers)
        if preflight is not None:
            record.operation, record.status = "page:preflight", preflight.status
            await send({"type": "http.response.start", "status": preflight.status, "headers": list(preflight.headers)})
            await send({"type": "http.response.body", "body": b""})
            return
        path = scope["raw_path"].decode("latin-1")
        match = self._routes.find(path)
        page = self._guards.pages.find(path) if match is None and self._guards.pages else None
        if page is not None and page.public:
            await self._page(page, None, record, scope, receive, send, more)
            return
        caller = await self._guards.authenticate(scope)
        if isinstance(caller, ErrorResponse):
            raise Refused(sign_in_first(page, record.method, headers) or caller)
        record.identify(caller)
        known = scope.get("state", {}).get(KNOWN)
        if known is not None:
            known()
        if any(name == b"upgrade" for name, _ in headers):
            raise Refused(UPGRADE)
        if page is not None:
            await self._page(page, caller, record, scope, receive, send, more)
            return
        await self._operation(match or self._routes.alias(path), caller, record, scope, receive, send, more)

    async def _page(
        self, page: ServicePage, caller: Caller | None, record: ExchangeRecord, scope: Scope, receive: Receive, send: Send, more: Headers
    ) -> None:
        record.operation = f"page:{page.name}"
        endpoint = page.methods.get(record.method)
        if endpoint is None:
            raise Refused(method_not_allowed(page.methods))
        answer = _recorded(send, record, more)
        mark(scope, record.request_id, record.caller)
        if caller is None:
            await endpoint(scope, receive, answer, caller)
            return
        seated = False
        self._begin(caller)

        async def then_sit() -> Any:
            nonlocal seated
            message = await receive()
            record.received += len(message.get("body", b""))
            if not seated and message["type"] == "http.request" and not message.get("more_body"):
                await self._sit(caller)
                seated = True
            return message

        try:
            if self._guards.audit is not None and record.method != "GET":
                self._guards.audit.page(record.request_id, record.method, page.name, scope["raw_path"].decode("latin-1"), caller)
            await endpoint(scope, then_sit, answer, caller)
        finally:
            if seated:
                self._guards.admission.give_back(caller.name)

    async def _operation(
        self, match: PathMatch | None, caller: Caller, record: ExchangeRecord, scope: Scope, receive: Receive, send: Send, more: Headers
    ) -> None:
        query = scope["query_string"].decode("latin-1")
        route = self._route(record, match, query, caller)
        headers: Headers = scope["headers"]
        assert match is not None
        values = dict(zip(route.names, match.values, strict=True))
        named: set[str] = set()
        self._stays(route, caller, values, scope["raw_path"].decode("latin-1"))
        query = self._may(route, caller, headers, values, query, named)
        self._begin(caller)
        owners = self._guards.owners
        if owners is not None and owners.listens(caller, route.id):
            send = owners.hearing(caller, route.id, send, named)
        response = UpstreamResponse(self._context, record, send, caller, route, more, named)
        passage = Passage(self._context, record, receive, response, caller, route, named)
        connection = self._connections[caller.connection]
        try:
            if self._guards.audit is not None:
                self._guards.audit.call(record.request_id, record.method, route, caller, connection)
            await passage.run(values, query, headers, connection)
        finally:
            if passage.seated:
                self._guards.admission.give_back(caller.name, response.kind)

    def _route(self, record: ExchangeRecord, match: PathMatch | None, query: str, caller: Caller) -> Route:
        if match is None:
            raise Refused(NOT_FOUND)
        route = match.find(record.method, query)
        if route is None:
            raise Refused(NOT_FOUND if record.method in match.methods else method_not_allowed(match.methods))
        record.operation = route.id
        if not caller.may(route.id):
            raise Refused(FORBIDDEN)
        if not self._meets(route, caller.connection):
            raise Refused(NO_CREDENTIAL)
        if route.retired is not None and caller.connection not in self._retired:
            raise Refused(ErrorResponse(410, route.retired, code="retired"))
        return route

    def _meets(self, route: Route, name: str) -> bool:
        """Whether the connection has the credential that the operation needs, such as an administration key. Looked up once for each."""
        key = name, route.id
        if key not in self._met:
            try:
                self._connections[name].credential(route.action.operation.security)
                self._met[key] = True
            except SetupError:
                self._met[key] = False
        return self._met[key]

    def _may(self, route: Route, caller: Caller, headers: Headers, values: Mapping[str, str], query: str, named: set[str]) -> str:
        """Returns the query to send; refuses headers and objects that the caller may not name, and adds to ``named`` what it does name."""
        name = self._context.headers.refused(headers)
        if name is not None:
            raise Refused(refused_field(name))
        owners = self._guards.owners
        if owners is None or not owners.applies_to(caller):
            return query
        if owners.is_full(caller, route.id):
            raise Refused(FULL)
        given = {name: unquote(text) for name, text in values.items()}
        asked = list(pairs(query)) if query else []
        if not owners.allows(caller, route.id, given) or not owners.allows_query(caller, route.id, asked):
            raise Refused(HIDDEN)
        named.update(given.values())
        named.update(text for _, text in asked)
        goes_on = [(name, owners.resolve(caller, route.id, text)) for name, text in asked]
        return query if goes_on == asked else urlencode(goes_on)

    def _stays(self, route: Route, caller: Caller, values: Mapping[str, str], path: str) -> None:
        """Refuses a value that a server could take for more of the path, where the operation that it would find is not the caller's too."""
        cut = [name for name, text in values.items() if is_cut(text)]
        owners = self._guards.owners
        for name in cut:
            if name not in self._context.rules.slashes:
                raise Refused(bad_fields([slash_fault(name)]))
            for other, found in self._routes.decoded(route.method, path):
                if not caller.may(other.id) or (owners is not None and not owners.allows(caller, other.id, found)):
                    raise Refused(bad_fields([slash_fault(name)]))

    def _begin(self, caller: Caller) -> None:
        """Counts a call before its body is read."""
        try:
            self._guards.admission.begin(caller.name, caller.allowance)
        except Shed as error:
            raise Refused(shed(error.status, error.reason, error.retry_after)) from None

    async def _sit(self, caller: Caller) -> None:
        """Takes a place among the calls under way."""
        try:
            await self._guards.admission.take(caller.name, caller.allowance, begun=True)
        except Shed as error:
            raise Refused(shed(error.status, error.reason, error.retry_after)) from None


def _recorded(send: Send, record: ExchangeRecord, more: Headers) -> Send:
    """``send`` for a page: it adds ``more`` headers and the request's id, and notes in the record what goes out."""
    own = [*more, (ID_HEADER, record.request_id.encode())]

    async def recorded(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *own]}
            record.begin(message["status"])
        else:
            record.sent += len(message.get("body", b""))
        await send(message)

    return recorded


async def _abort(scope: Scope) -> None:
    """Breaks the connection, so that the client sees that its reply is cut; where the server gives no way to, it does so by itself."""
    abort = scope.get("state", {}).get(ABORT)
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # the server learns of it in the loop's next round
