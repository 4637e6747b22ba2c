"""The page that MCP clients speak to: the tools of the caller's token, over the protocol's streamable HTTP, within the service's limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai._face import load
from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.errors import ApiError, ConnectorError, Fault, InputError, SetupError
from kosha_connector_openai.gateway.exchange import QUICK, BodyRefused, ClientLeft, Refused
from kosha_connector_openai.gateway.pages.catalog_api import owner
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.failures import failed
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies
from kosha_connector_openai.gateway.pages.result_files import FILES
from kosha_connector_openai.gateway.records import REQUEST, Caller, ErrorResponse, Receive, Scope, Send
from kosha_connector_openai.gateway.replies import UPSTREAM_KEY, error_shape
from kosha_connector_openai.mcp import SCOPE, KeptFile, ToolChoice, ToolList
from kosha_connector_openai.text import install

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from kosha_connector_openai.core.actions import Action
    from kosha_connector_openai.core.connection import Connection
    from kosha_connector_openai.core.result import Result
    from kosha_connector_openai.mcp import EventSink

_FILES: Final = "kosha://files/"
_QUERY: Final = frozenset({"actions", "groups", "only", "search"})
_SESSION: Final = b"mcp-session-id"
_SESSIONS: Final = 64
_IDLE: Final = 30 * 60.0
"""After which the ``mcp`` package forgets a session."""
_WRONG: Final = 400
_LARGEST: Final = 16 * 1024
"""Bytes of a message without the arguments of its tool: the protocol's package reads it on the event loop."""
_LISTS: Final = 64
"""Lists of tools that are kept, each of one caller and one choice."""


class OpenSessions:
    """The sessions that each caller has open, so that one cannot take the room of all; time in seconds."""

    def __init__(self, most: int = _SESSIONS, idle: float = _IDLE, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._idle = idle
        self._clock = clock
        self._open: dict[str, dict[str, float]] = {}

    def check(self, owner: str) -> None:
        """Raises Refused where the caller has as many as it may."""
        known = self._open.get(owner, {})
        late = self._clock() - self._idle
        self._open[owner] = known = {key: used for key, used in known.items() if used > late}
        if len(known) >= self._most:
            text = f"This token has {self._most} MCP sessions open. End some, or wait until they are forgotten."
            raise Refused(ErrorResponse(429, text, type="rate_limit_error", code="too_many_sessions"))

    def use(self, owner: str, key: str) -> None:
        """Notes that a session was opened or used."""
        self._open.setdefault(owner, {})[key] = self._clock()

    def end(self, owner: str, key: str) -> None:
        """Forgets a session."""
        self._open.get(owner, {}).pop(key, None)


class McpPage:
    """Answers POST and DELETE; there is no stream of its own for GET, since nothing is told unasked."""

    def __init__(self, calls: CheckedCalls, downloads: Downloads, bodies: PageBodies) -> None:
        self._calls = calls
        self._connector = calls.connector
        self._downloads = downloads
        self._bodies = bodies
        self._lists: dict[tuple[Any, ...], ToolList] = {}
        self._manager: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None
        self._sessions = OpenSessions()
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()

    async def answer(self, request: Request, caller: Caller) -> JsonResponse | _Exchange:
        """The exchange that answers the request."""
        try:
            tools = await asyncio.to_thread(self._tools, caller, _choice(request))
        except ConnectorError as error:
            return failed(error)
        try:
            manager = await self._running()
        except ModuleNotFoundError:
            return JsonResponse(501, error_shape(f"MCP is not installed here. {install('mcp')}", "server_error", code="not_installed"))
        backend = _CallerBackend(self._calls, caller, self._downloads, request.scope.get("state", {}).get(REQUEST, ""))
        return _Exchange(manager, tools, backend, self._bodies, self._sessions)

    async def aclose(self) -> None:
        """Ends all sessions."""
        self._stop.set()
        if self._task is not None:
            await self._task

    def _tools(self, caller: Caller, choice: ToolChoice) -> ToolList:
        key = (caller.connection, caller.actions, choice)
        found = self._lists.get(key)
        if found is None:
            found = ToolList(self._connector, choice, lambda action: self._calls.offers(caller, action))
            while len(self._lists) >= _LISTS:
                self._lists.pop(next(iter(self._lists)))
            self._lists[key] = found
        return found

    async def _running(self) -> StreamableHTTPSessionManager:
        """The sessions, which a task of their own keeps: whoever makes the first request may leave."""
        if self._manager is None:
            await asyncio.to_thread(_load)
        if self._manager is None:  # else another request was first
            from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

            from kosha_connector_openai.mcp import make_server

            self._manager = StreamableHTTPSessionManager(make_server(self._connector), max_request_body_size=2**62)
            self._task = asyncio.create_task(self._keep(self._manager))
        await self._ready.wait()
        return self._manager

    async def _keep(self, manager: StreamableHTTPSessionManager) -> None:
        async with manager.run():
            self._ready.set()
            await self._stop.wait()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request of a client and its answer, as an ASGI application."""

    manager: StreamableHTTPSessionManager
    tools: ToolList
    backend: _CallerBackend
    bodies: PageBodies
    sessions: OpenSessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
        from mcp.server.auth.provider import AccessToken

        from kosha_connector_openai.mcp import ToolSession

        # A session answers only whoever opened it.
        user = AuthenticatedUser(AccessToken(token="", client_id=owner(self.backend.caller), scopes=[]))
        noted = self._counted(scope, send)
        try:
            async with self.bodies.whole(Request(scope, receive)) as body:
                message, arguments = await self._read(body)
                own = {**scope, "user": user, SCOPE: ToolSession(self.tools, self.backend, arguments)}
                await self.manager.handle_request(own, _replayed(message, receive, self.backend.left), noted)
        except InputError as error:
            answer = failed(error)
            await Response(answer.body(), answer.status, media_type="application/json")(scope, receive, send)
        except BodyRefused as error:
            raise (Refused(error.refusal) if error.refusal else ClientLeft()) from None

    def _counted(self, scope: Scope, send: Send) -> Send:
        """``send`` that notes the session of the answer. Raises Refused where the request would open one too many."""
        name, ends = owner(self.backend.caller), scope["method"] == "DELETE"
        key = dict(scope["headers"]).get(_SESSION, b"").decode("latin-1")
        if not key:
            self.sessions.check(name)
        elif ends:
            self.sessions.end(name, key)

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start" and not ends and message["status"] < _WRONG:
                opened = next((value.decode("latin-1") for header, value in message["headers"] if header.lower() == _SESSION), "")
                if opened:
                    self.sessions.use(name, opened)
            await send(message)

        return noted

    async def _read(self, body: bytes) -> tuple[bytes, Mapping[str, Any] | None]:
        """The message, and the arguments of its tool where it is large without them. Raises InputError."""
        if not body:
            return body, None
        value = await self.bodies.values(body, self.backend.caller.name, what="message")
        if faults := list(_faults(value)):
            raise InputError("The message is wrong.", faults)
        if len(body) <= QUICK:
            return body, None
        params = value.get("params") if isinstance(value, dict) and value.get("method") == "tools/call" else None
        arguments = params.pop("arguments", None) if isinstance(params, dict) else None
        message = orjson.dumps(value)
        if arguments is not None and not isinstance(arguments, dict):
            raise InputError("The message is wrong.", [Fault("/params/arguments", "type", "is no object.")])
        if len(message) > _LARGEST:
            size = Fault("", "size", f"is larger than {_LARGEST} bytes without the arguments of a tool.", allowed=_LARGEST)
            raise InputError("The message is wrong.", [size])
        return message, arguments


class _CallerBackend:
    """Runs actions within the rights of one caller, until its client leaves."""

    def __init__(self, calls: CheckedCalls, caller: Caller, downloads: Downloads, request_id: str) -> None:
        self.connector = calls.connector
        self.caller = caller
        self.left = asyncio.Event()
        self._calls = calls
        self._count = 0
        self._request_id = request_id
        self._downloads = downloads

    async def connection(self) -> Connection:
        return self._calls.connections[self.caller.connection]

    def offers(self, action: Action) -> bool:
        return self._calls.offers(self.caller, action)

    async def run(self, action: Action, inputs: Mapping[str, Any], options: CallOptions, sink: EventSink | None = None) -> Result:
        """One call; it ends with the client's connection, also in the era that would let it go on."""
        self._count += 1
        run = self._calls.run(self.caller, action.id, inputs, options, sink, first=self._count == 1, request_id=self._request_id)
        call = asyncio.ensure_future(run)
        left = asyncio.ensure_future(self.left.wait())
        try:
            await asyncio.wait({call, left}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise SetupError("The client left.")
            return call.result()
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:  # about the service's key, whose ends it may quote
                raise SetupError(UPSTREAM_KEY.message) from None
            raise
        finally:
            left.cancel()
            if not call.done():
                call.cancel()
                await asyncio.wait({call})

    def keep(self, name: str, content_type: str, data: bytes) -> str | None:
        try:
            kept = self._downloads.store(data, owner(self.caller), content_type)
        except OSError:
            return None
        return None if kept is None else f"{_FILES}{kept[0]}"

    def find(self, uri: str) -> KeptFile | None:
        if not uri.startswith(_FILES):
            return None
        key = uri.removeprefix(_FILES)
        kept = self._downloads.find(key, owner(self.caller))
        return None if kept is None else KeptFile(kept.path, kept.content_type, f"{FILES}/{key}")


def _faults(value: Any) -> Iterator[Fault]:
    """What is wrong with a message as one of JSON-RPC 2.0; the protocol's package would repeat what was sent."""
    if not isinstance(value, dict):
        yield Fault("", "type", "is no object.", "Send one message of JSON-RPC 2.0.")
        return
    if value.get("jsonrpc") != "2.0":
        yield Fault("/jsonrpc", "const", "is not `2.0`.", 'Write "jsonrpc": "2.0".')
    if not (isinstance(value.get("method"), str) or value.keys() & {"result", "error"}):
        yield Fault("/method", "required", "is missing, or no text.", "Name a method, such as tools/list.")
    if isinstance(value.get("id", ""), bool) or not isinstance(value.get("id", ""), (str, int)):
        yield Fault("/id", "type", "is no text and no whole number.", "Leave it out in a notification alone.")
    if not isinstance(value.get("params", {}), dict):
        yield Fault("/params", "type", "is no object.", "Give the parameters by name.")


def _load() -> None:
    """Imports the protocol's package, which takes most of a second: in a thread. Raises ModuleNotFoundError."""
    for module in ("streamable_http_manager", "auth.provider", "auth.middleware.bearer_auth"):
        import_module(f"mcp.server.{module}")
    load("kosha_connector_openai.mcp")


def _choice(request: Request) -> ToolChoice:
    """The choice that the address makes: ``actions``, ``groups``, ``only`` and ``search``. Raises InputError."""
    query = request.query_params
    unknown = [
        Fault(f"/{name[:60]}", "unknown", "is no choice.", "There are actions, groups, only and search.")
        for name in query
        if name not in _QUERY
    ]
    faults = [
        *unknown,
        *(Fault(f"/{name}", "enum", "is `on` or `off`.") for name in ("only", "search") if query.get(name, "on") not in ("on", "off")),
    ]
    if faults:
        raise InputError("The address is wrong.", faults)
    names = {key: tuple(name for text in query.getlist(key) for name in text.split(",") if name) for key in ("actions", "groups")}
    return ToolChoice(names["actions"], names["groups"], only=query.get("only") == "on", search=query.get("search", "on") == "on")


def _replayed(body: bytes, receive: Receive, left: asyncio.Event) -> Receive:
    """The body once more, whole; then what comes after it, and ``left`` once that is the end."""
    given = False

    async def again() -> Any:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        message = await receive()
        if message["type"] == "http.disconnect":
            left.set()
        return message

    return again
