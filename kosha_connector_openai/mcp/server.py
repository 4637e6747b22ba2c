"""Tools -> a server of the official ``mcp`` package, for both eras of the protocol; the same one behind standard input and HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
    Tool,
)

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.mcp.answers import INLINE
from kosha_connector_openai.mcp.backend import SCOPE, KeptFile
from kosha_connector_openai.mcp.calls import ToolSession, call_tool

_INSTRUCTIONS: Final = (
    "Each call is checked before it is sent: an error names the input by a JSON Pointer, and nothing was sent then. "
    "Tools marked Paid cost money. search_actions finds what is not in the list; describe_action and run_action use it."
)
Context = ServerRequestContext[Any, Any]


def make_server(connector: Connector, session: ToolSession | None = None) -> Server[Any]:
    """The server of a connector. Without ``session`` each request brings its own, in its ASGI scope under ``SCOPE``."""
    answers = _Answers(session)
    return Server(
        connector.id,
        version=connector.manifest.version,
        title=connector.manifest.title,
        instructions=_INSTRUCTIONS,
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
        on_list_resources=_no_resources,
        on_list_resource_templates=_no_templates,
        on_read_resource=answers.read_resource,
        get_tool_input_schema=lambda _: None,  # no input of a tool comes in a header
    )


class _Answers:
    """What the server answers from the session of each request."""

    def __init__(self, session: ToolSession | None) -> None:
        self._session = session

    async def list_tools(self, context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool.model_validate(tool.describe()) for tool in self._of(context).tools.tools.values()])

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        session = self._of(context)
        arguments = params.arguments or {} if session.arguments is None else session.arguments
        return await call_tool(session, params.name, arguments, context.session.report_progress)

    async def read_resource(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        kept = self._of(context).backend.find(uri)
        if kept is None:
            raise MCPError(code=INVALID_PARAMS, message="No file has this address. It may have expired: make it again.")
        if kept.path.stat().st_size > INLINE:
            raise MCPError(code=INVALID_PARAMS, message=f"The file is larger than {INLINE} bytes. Fetch it at {kept.address}.")
        return ReadResourceResult(contents=[await asyncio.to_thread(_contents, uri, kept)])

    def _of(self, context: Context) -> ToolSession:
        if self._session is not None:
            return self._session
        assert context.request is not None
        found = context.request.scope[SCOPE]
        assert isinstance(found, ToolSession)
        return found


async def _no_resources(_: Context, __: PaginatedRequestParams | None) -> ListResourcesResult:
    """An empty list: the answers that make files name them."""
    return ListResourcesResult(resources=[])


async def _no_templates(_: Context, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """An empty list: a client that asks may take "no such method" for a fault."""
    return ListResourceTemplatesResult(resource_templates=[])


async def serve_stdio(connector: Connector, session: ToolSession, close: Callable[[], Awaitable[None]]) -> None:
    """Serves one client over standard input and output until it closes them, and then closes what its calls have opened."""
    server = make_server(connector, session)
    try:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
    finally:
        await close()


def _contents(uri: str, kept: KeptFile) -> TextResourceContents | BlobResourceContents:
    content_type, data = kept.content_type, kept.path.read_bytes()
    if content_type.startswith("text/") or content_type.endswith("json"):
        try:
            return TextResourceContents(uri=uri, mime_type=content_type, text=data.decode())
        except UnicodeDecodeError:
            pass
    return BlobResourceContents(uri=uri, mime_type=content_type, blob=base64.b64encode(data).decode())
