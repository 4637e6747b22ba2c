"""A reply of server-sent events (WHATWG HTML, section 9.2): what comes of work while it goes on, then its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import Response

from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.gateway.exchange import ClientLeft
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.records import Receive, Scope, Send

_ALIVE: Final = 15.0
"""Seconds without an event after which a comment is sent: proxies close what is silent."""
_STALLED: Final = 120.0
"""Seconds that a client may read nothing."""
_HEAD: Final = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]


class EventSender:
    """Writes events; the head goes out with ``open`` or the first of them."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._noted: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._left = False
        self.begun = False

    async def open(self) -> None:
        """Sends the head: from here on a failure is an event. Raises ClientLeft, as all of these do."""
        if not self.begun:
            self.begun = True
            await self._write({"type": "http.response.start", "status": 200, "headers": _HEAD})
            await self._write({"type": "http.response.body", "body": b"", "more_body": True})
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._beat()), loop.create_task(self._pump())]

    async def event(self, name: str, value: Any) -> None:
        """Sends one event: ``value`` as one line of JSON."""
        await self.open()
        data = b"event: " + name.encode() + b"\ndata: " + JsonResponse(200, value).body() + b"\n\n"
        await self._write({"type": "http.response.body", "body": data, "more_body": True})

    def note(self, name: str, value: Any) -> None:
        """Has an event sent, after those noted before it; for functions that cannot wait. The head must be out. Raises ClientLeft."""
        if self._left:
            raise ClientLeft
        self._noted.put_nowait((name, value))

    async def end(self, answer: JsonResponse) -> None:
        """Sends what was noted, then the answer as the last event, ``result`` or ``error``."""
        await self.open()
        await self._noted.join()
        if self._left:
            raise ClientLeft
        await self.event("result" if answer.status < 400 else "error", answer.value)  # noqa: PLR2004
        await self._write({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        """Ends what writes beside the work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_ALIVE)
            await self._write({"type": "http.response.body", "body": b": still at work\n\n", "more_body": True})

    async def _pump(self) -> None:
        while True:
            name, value = await self._noted.get()
            try:
                if not self._left:
                    await self.event(name, value)
            except ClientLeft:
                self._left = True
            finally:
                self._noted.task_done()

    async def _write(self, message: dict[str, Any]) -> None:
        try:
            async with self._lock, asyncio.timeout(_STALLED):
                await self._send(message)
        except TimeoutError:
            raise ClientLeft from None


Work = Callable[[EventSender], Awaitable[JsonResponse]]


class EventResponse(Response):
    """Does the work while it replies. What goes wrong before anything was written is a plain answer with its status."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request; raises what the work raises where nothing was written yet, and ClientLeft."""
        writer = EventSender(send)
        try:
            answer = await self._work(writer)
            if writer.begun or answer.status < 400:  # noqa: PLR2004
                await writer.end(answer)
                return
        finally:
            await writer.close()
        headers = {
            "content-type": "application/json",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            **dict(answer.headers),
        }
        await Response(answer.body(), answer.status, headers)(scope, receive, send)


def wants_events(accept: str) -> bool:
    """Whether a request's Accept names event streams, and not as what it does not want (RFC 9110, section 12.5.1)."""
    for part in accept.lower().split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        if name == EVENT_STREAM:
            return not any(piece.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for piece in rest)
    return False
