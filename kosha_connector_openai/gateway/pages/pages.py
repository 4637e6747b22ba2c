"""The service's own pages by path: Kosha's endpoints, the catalog, the description, metrics and probes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.gateway.exchange import (
    BodyBudget,
    BodyRefused,
    CheckProcesses,
    ClientLeft,
    Refused,
)
from kosha_connector_openai.gateway.observe import Metrics
from kosha_connector_openai.gateway.pages.bulk import BulkPages
from kosha_connector_openai.gateway.pages.catalog_pages import CatalogPages
from kosha_connector_openai.gateway.pages.catalog_reply import CatalogReplies
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.description import ACCESS, served_document, service_document
from kosha_connector_openai.gateway.pages.docs_page import DocsPages
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.event_response import EventResponse
from kosha_connector_openai.gateway.pages.failures import failed
from kosha_connector_openai.gateway.pages.flow_pages import FlowPages
from kosha_connector_openai.gateway.pages.kosha_api import HEADERS, LARGEST, JsonResponse, Tries, labels
from kosha_connector_openai.gateway.pages.mcp_page import McpPage
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies
from kosha_connector_openai.gateway.pages.result_files import ResultFiles
from kosha_connector_openai.gateway.pages.sign_in import SignIn
from kosha_connector_openai.gateway.pages.sign_in_page import SignInPage
from kosha_connector_openai.gateway.pages.studio_page import studio_file
from kosha_connector_openai.gateway.pages.workbench import Workbench
from kosha_connector_openai.gateway.records import Caller, Receive, Scope, Send, ServicePage
from kosha_connector_openai.gateway.replies import error_shape

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.core.connection import Connection
    from kosha_connector_openai.gateway.access import Admission, Ownership, TokenBudgets
    from kosha_connector_openai.gateway.observe import AuditLog
    from kosha_connector_openai.gateway.settings import Settings
    from kosha_connector_openai.outputs import Prices

Handler = Callable[..., Awaitable[ASGIApp | JsonResponse]]
"""Takes the request, the caller, and the path's variables by name."""


@dataclass(frozen=True, slots=True)
class PagesContext:
    """What the pages share."""

    connector: Connector
    connections: Mapping[str, Connection]
    settings: Settings
    tries: Tries
    metrics: Metrics
    downloads: Downloads
    ready: Callable[[], bool]
    bodies: BodyBudget
    """Bytes of bodies in memory, those of relayed calls among them."""
    disk: BodyBudget
    """Bytes of forms on disk."""
    checks: CheckProcesses | None = None
    """Where large bodies are checked."""
    owners: Ownership | None = None
    admission: Admission | None = None
    audit: AuditLog | None = None
    sign_in: SignIn | None = None
    spending: TokenBudgets | None = None
    workbench: Workbench | None = None
    prices: Prices | None = None


class OwnPages:
    """Finds the page at a path; made once."""

    def __init__(self, context: PagesContext) -> None:
        self._context = context
        self._bodies = PageBodies(context.settings.limits, context.bodies, context.disk, context.checks)
        calls = self._calls = CheckedCalls(
            context.connector, context.connections, context.owners, context.admission, context.audit, context.spending, context.checks
        )
        self._files = ResultFiles(context.connector, context.downloads)
        flows = FlowPages(calls, self._files, self._bodies)
        self.bulk = BulkPages(calls, self._files, self._bodies, context.settings.bulk, context.prices)
        catalog = CatalogPages(calls, self._files, self._bodies, context.downloads, context.checks, bulk_offered=self.bulk.offered)
        self._mcp = McpPage(calls, context.downloads, self._bodies)
        self._offers = {"docs": context.settings.docs != "off", "owner": context.workbench is not None, **context.settings.offers}
        self._handlers: Mapping[str, Handler] = {
            **self._service_handlers(),
            **_sign_in_handlers(context, self._bodies),
            **catalog.handlers,
            **flows.handlers,
            **self.bulk.handlers,
            **(context.workbench.handlers(self._bodies) if context.workbench else {}),
            "callMcp": self._mcp.answer,
            "endMcp": self._mcp.answer,
            "readStudio": studio_file,
            "readStudioFile": studio_file,
        }
        """What answers each operation of service.yaml, by its id."""
        self._replies = CatalogReplies()
        self._fixed: dict[str, ServicePage] = {}
        self._patterns: list[tuple[re.Pattern[str], str, Mapping[str, Handler], bool]] = []
        for path, item in service_document()["paths"].items():
            self._add(path, item)

    def find(self, path: str) -> ServicePage | None:
        """The page at a raw path without its query."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        for pattern, name, methods, public in self._patterns:
            if parts := pattern.fullmatch(path):
                values = {key: unquote(text, errors="replace") for key, text in parts.groupdict().items()}
                return _page(name, {method: partial(handler, **values) for method, handler in methods.items()}, public=public)
        return None

    async def aclose(self) -> None:
        """Ends what outlives a request: the sessions of MCP clients."""
        await self._mcp.aclose()

    def _service_handlers(self) -> Mapping[str, Handler]:
        """Probes, metrics, descriptions, and what the platform asks a connector."""
        return {
            "isAlive": self._alive,
            "isHealthy": self._alive,
            "isReady": self._ready,
            "readMetrics": self._metrics,
            "readDescription": self._openapi,
            "readDocs": lambda request, _: self._docs.answer(request),
            "listSpecification": self._list,
            "listSpecificationV2": self._list,
            "testSpecification": self._test,
            "testSpecificationV2": self._test,
        }

    def _add(self, path: str, item: Mapping[str, Any]) -> None:
        """A page of service.yaml, where the settings offer it."""
        access, settings = item[ACCESS], self._context.settings
        if not self._offers.get(access, True):
            return
        public = access in ("everyone", "people", "studio") or (access == "docs" and settings.docs == "on")
        found = {method.upper(): operation for method, operation in item.items() if method != ACCESS}
        methods = {method: self._handlers[operation["operationId"]] for method, operation in found.items()}
        if access == "catalog":
            methods = {method: self._replies.of(method, found[method], handler) for method, handler in methods.items()}
        if "{" in path:
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
            self._patterns.append((pattern, path, methods, public))
        else:
            self._fixed[path] = _page(path, methods, public=public)

    async def _alive(self, _: Request, __: Caller) -> JsonResponse:
        return JsonResponse(200, {"status": "alive"})

    async def _ready(self, _: Request, __: Caller) -> JsonResponse:
        ready = self._context.ready()
        return JsonResponse(200 if ready else 503, {"status": "ready"} if ready else error_shape("The service is stopping.", "overloaded"))

    async def _metrics(self, _: Request, __: Caller) -> Response:
        metrics = self._context.metrics
        return Response(metrics.expose(), headers={**HEADERS, "content-type": metrics.content_type})

    async def _list(self, _: Request, __: Caller) -> JsonResponse:
        return JsonResponse(200, labels(self._context.connector))

    async def _test(self, request: Request, caller: Caller) -> JsonResponse:
        async with self._bodies.whole(request, LARGEST) as body:
            try:
                self._calls.count(caller)
            except ConnectorError as error:
                return failed(error)
            return await self._context.tries.answer(body, self._context.connections.get(caller.connection))

    async def _openapi(self, _: Request, __: Caller) -> Response:
        # Made once, in a thread: streams must not wait for it.
        document = await asyncio.to_thread(lambda: self._document)
        return Response(document, headers={**HEADERS, "content-type": "application/json"})

    @cached_property
    def _document(self) -> bytes:
        return served_document(self._context.connector, protected=self._context.settings.protected, offered=self._offers)

    @cached_property
    def _docs(self) -> DocsPages:
        settings = self._context.settings
        return DocsPages(self._context.connector, protected=settings.protected, catalog=settings.catalog)


def _sign_in_handlers(context: PagesContext, bodies: PageBodies) -> Mapping[str, Handler]:
    sign_in = context.sign_in or SignIn()
    page = SignInPage(sign_in, bodies, context.connector.manifest.title)
    return {
        "readSignIn": page.show,
        "signIn": page.take,
        "startSession": partial(sign_in.start, bodies),
        "endSession": sign_in.end,
    }


def _page(name: str, methods: Mapping[str, Handler], *, public: bool = False) -> ServicePage:
    return ServicePage({method: partial(_endpoint, handler) for method, handler in methods.items()}, public, name)


async def _endpoint(handler: Handler, scope: Scope, receive: Receive, send: Send, caller: Caller | None) -> None:
    try:
        # Public pages are answered without a caller: their handlers ask nothing of it.
        response = await handler(Request(scope, receive), caller)
        if isinstance(response, EventResponse):
            await response(scope, receive, send)
            return
    except BodyRefused as error:
        raise (Refused(error.refusal) if error.refusal else ClientLeft()) from None
    except MultiPartException:
        response = JsonResponse(400, error_shape("The form cannot be read."))
    if isinstance(response, JsonResponse):
        headers = {**HEADERS, "content-type": "application/json", **dict(response.headers)}
        response = Response(response.body(), response.status, headers)
    await response(scope, receive, send)
