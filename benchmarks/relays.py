"""The contestants of the gateway's benchmark, each a process of its own: ``python -m benchmarks.relays NAME UPSTREAM`` prints its port.

``ours`` is the gateway as it is served, with its token, its checks and its log; the bare ones do nothing but pass bytes on.
``paced`` is no relay but the upstream of the streams: each event leaves in a write of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any

KEY = "sk-benchmark-0123456789abcdef"
TOKEN = "kosha_benchmark-token-0123456789abcdefghij"
EVENTS = 100
PAUSE = 0.005
EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
)
_END = b"data: [DONE]\n\n"
_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


def ours(upstream: str) -> None:
    """The gateway on the aiohttp engine."""
    from kosha_connector_openai import open_connector
    from kosha_connector_openai.gateway import GatewayServer, make_service, read_settings
    from kosha_connector_openai.gateway.access import hash_token

    os.environ["OPENAI_API_KEY"] = KEY
    values = {"server_url": upstream, "api_key": "env:OPENAI_API_KEY"}
    connection = {"values": values, "options": {"engine": "aiohttp"}}
    limits = dict.fromkeys(("calls", "calls_total", "streams", "streams_total"), 2000)
    given = {
        "token_hashes": (hash_token(TOKEN),),
        "connections": {"default": connection},
        "access_log": "stderr",  # which leads nowhere here; a log must be a plain file
        "limits": limits,
    }
    settings = read_settings(given, environ={})
    with open_connector() as connector:
        service = make_service(connector, settings)
        GatewayServer(service, settings, [_listener()]).run()


def httpx(upstream: str) -> None:
    """What anyone would write first: Starlette, a catch-all route and an httpx client."""
    import httpx as library
    import uvicorn
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    client = library.AsyncClient(base_url=upstream, timeout=60, trust_env=False)

    async def relay(request: Request) -> StreamingResponse:
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP]
        outgoing = client.build_request(request.method, request.url.path, headers=headers, content=await request.body())
        reply = await client.send(outgoing, stream=True)
        kept = {name: value for name, value in reply.headers.items() if name not in _HOP}
        return StreamingResponse(reply.aiter_raw(), reply.status_code, kept, background=BackgroundTask(reply.aclose))

    app = Starlette(routes=[Route("/{path:path}", relay, methods=["GET", "POST"])])
    uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run([_listener()])


def aiohttp(upstream: str) -> None:
    """The least that a relay can be in Python: aiohttp on both sides."""
    import aiohttp as library
    from aiohttp import web

    async def relay(request: web.Request) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        body = await request.read()
        session: library.ClientSession = request.app["session"]
        async with session.request(request.method, upstream + request.path, headers=headers, data=body, allow_redirects=False) as reply:
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _HOP}
            answer = web.StreamResponse(status=reply.status, headers=kept)
            await answer.prepare(request)
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer

    async def session(app: web.Application) -> Any:
        app["session"] = library.ClientSession(connector=library.TCPConnector(limit=0), auto_decompress=False, trust_env=False)
        yield
        await app["session"].close()

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", relay)
    web.run_app(app, sock=_listener(), print=None, access_log=None, handle_signals=False)


class _Paced(asyncio.Protocol):
    """Answers each request with events, one at a time."""

    def __init__(self, events: int, pause: float, size: int) -> None:
        self._events = events
        self._pause = pause
        self._event = (b":%b\n" % (b" " * size) if size else b"") + EVENT
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        # asyncio does so only for sockets that name their protocol; without it a small write waits for the last one's acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, body = self._data.partition(b"\r\n\r\n")
        if mark:
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(body) >= length:
                self._data = body[length:]
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                asyncio.get_running_loop().call_later(self._pause, self._send, 0)

    def _send(self, number: int) -> None:
        if self._transport.is_closing():
            return
        if number == self._events:
            self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_END), _END))
            return
        self._transport.write(b"%x\r\n%b\r\n" % (len(self._event), self._event))
        asyncio.get_running_loop().call_later(self._pause, self._send, number + 1)


def paced(shape: str) -> None:
    """Streams of ``EVENTSxPAUSExSIZE`` until the process ends; the size is that of a comment before each event."""
    events, pause, size = shape.split("x")

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Paced(int(events), float(pause), int(size)), sock=_listener())
        await server.serve_forever()

    asyncio.run(serve())


def _listener() -> socket.socket:
    """A free port of loopback, told to the parent."""
    found = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    print(found.getsockname()[1], flush=True)
    return found


RELAYS = {"ours": ours, "httpx": httpx, "aiohttp": aiohttp, "paced": paced}

if __name__ == "__main__":
    RELAYS[sys.argv[1]](sys.argv[2])
