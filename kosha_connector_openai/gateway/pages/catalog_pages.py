"""The pages of the catalog: actions with their forms, samples, options, checks and runs, and who the connector is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.errors import ConnectorError, InputError
from kosha_connector_openai.gateway.exchange import QUICK, BodyAnswer, BodyQuestion, CheckProcesses
from kosha_connector_openai.gateway.pages.builder_api import BuilderApi
from kosha_connector_openai.gateway.pages.catalog_api import CatalogApi, owner
from kosha_connector_openai.gateway.pages.downloads import SECONDS, Downloads, file_reply
from kosha_connector_openai.gateway.pages.event_response import EventResponse, EventSender, wants_events
from kosha_connector_openai.gateway.pages.failures import failed
from kosha_connector_openai.gateway.pages.kosha_api import HEADERS, LARGEST, JsonResponse
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies, parsed, while_there
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import error_shape

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.result_files import ResultFiles


class CatalogPages:
    """Their handlers by operation id of service.yaml."""

    def __init__(
        self,
        calls: CheckedCalls,
        files: ResultFiles,
        bodies: PageBodies,
        downloads: Downloads,
        checks: CheckProcesses | None,
        *,
        bulk_offered: bool,
    ) -> None:
        """``checks``: where large inputs are checked; ``bulk_offered``: whether the index names the pages on rows."""
        self._calls = calls
        self._bodies = bodies
        self._downloads = downloads
        self._checks = checks
        self._bulk_offered = bulk_offered
        self._catalog = CatalogApi(calls, downloads, files)
        self._builder = BuilderApi(calls)
        self._lists = asyncio.Lock()
        """Held while a list of actions is made: several at once would take turns in the interpreter, before the event loop."""
        self.handlers: Mapping[str, Callable[..., Awaitable[JsonResponse | Response]]] = {
            "readCatalog": self._index,
            "readConnector": self._connector,
            "readConnectorIcon": self._icon,
            "readConnectionForm": self._form,
            "listCatalogActions": self._actions,
            "readCatalogAction": self._action,
            "readCatalogForm": self._action_form,
            "readCatalogSample": self._sample,
            "listCatalogOptions": self._options,
            "validateCatalogAction": self._validate,
            "runCatalogAction": self._run,
            "readCatalogFile": self._file,
        }

    async def _actions(self, request: Request, caller: Caller) -> JsonResponse:
        query = request.query_params
        search, group, featured = query.get("search", ""), query.get("group", ""), query.get("featured") == "true"
        async with self._lists:
            return await asyncio.to_thread(self._catalog.actions, caller, search=search, group=group, featured=featured)

    async def _index(self, _: Request, __: Caller) -> JsonResponse:
        return self._catalog.index(bulk=self._bulk_offered)

    async def _connector(self, _: Request, caller: Caller) -> JsonResponse:
        return self._catalog.connector(caller)

    async def _icon(self, _: Request, __: Caller) -> Response | JsonResponse:
        logo = await asyncio.to_thread(self._calls.connector.icon)
        if logo is None:
            return JsonResponse(404, error_shape("The connector has no logo."))
        kind = "image/svg+xml" if logo.lstrip().startswith(b"<") else "image/png"
        return Response(logo, headers={**HEADERS, "content-type": kind, "content-security-policy": "default-src 'none'; sandbox"})

    async def _form(self, _: Request, __: Caller) -> JsonResponse:
        return self._catalog.form()

    async def _action(self, _: Request, caller: Caller, *, action: str) -> JsonResponse:
        return await asyncio.to_thread(self._catalog.action, caller, action)  # a schema is made when it is first asked for

    async def _action_form(self, request: Request, caller: Caller, *, action: str) -> JsonResponse:
        return await asyncio.to_thread(self._builder.form, caller, action, drawn=request.query_params.get("as") == "rjsf")

    async def _sample(self, _: Request, caller: Caller, *, action: str) -> JsonResponse:
        return await asyncio.to_thread(self._builder.sample, caller, action)

    async def _options(self, request: Request, caller: Caller, *, action: str, field: str) -> JsonResponse:
        async with self._bodies.whole(request, LARGEST) as body:
            return await self._builder.options(caller, action, field, parsed(body) if body else {})

    async def _validate(self, request: Request, caller: Caller, *, action: str) -> JsonResponse:
        async with self._bodies.whole(request) as body:
            try:
                answer = await self._checked(caller, action, body)
            except ConnectorError as error:
                return failed(error)
            if answer is not None:
                return self._catalog.report(answer)
            return await asyncio.to_thread(self._catalog.validate, caller, action, parsed(body))

    async def _run(self, request: Request, caller: Caller, *, action: str) -> JsonResponse | Response:
        if wants_events(request.headers.get("accept", "")):
            return EventResponse(partial(self._ran, request, caller, action))
        return await self._ran(request, caller, action)

    async def _ran(self, request: Request, caller: Caller, action: str, events: EventSender | None = None) -> JsonResponse:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with self._bodies.whole(request) as body:
                try:
                    answer = await self._checked(caller, action, body)
                    if answer is not None and answer.faults:
                        raise InputError(answer.message or "The body cannot be read.", answer.faults)
                    value = parsed(body) if answer is None else await self._bodies.known_good(body)
                except ConnectorError as error:
                    return failed(error)
                return await while_there(request, self._catalog.run(caller, action, value, events=events))
        async with self._bodies.form(request) as (text, uploads):
            try:
                value = await self._bodies.values(text.encode() or b"{}", caller.name, what="part `run`")
            except InputError as error:
                return failed(error)
            return await while_there(request, self._catalog.run(caller, action, value, uploads, events))

    async def _checked(self, caller: Caller, action: str, body: bytes) -> BodyAnswer | None:
        """What is wrong with a large body of inputs; None where it is small, or there is no process to ask. Raises ConnectorError."""
        if self._checks is None or len(body) <= QUICK:
            return None
        validation = self._calls.connections[caller.connection].validation
        question = BodyQuestion("inputs", self._catalog.find(caller, action).id, validation=validation)
        return await self._checks.ask(question, body, caller.name)

    async def _file(self, _: Request, caller: Caller, *, file: str) -> Response | JsonResponse:
        kept = self._downloads.find(file, owner(caller))
        if kept is None:
            return JsonResponse(404, error_shape(f"No file has this name. A file is kept for {SECONDS:.0f} seconds: run the action again."))
        return file_reply(kept.path, kept.content_type)
