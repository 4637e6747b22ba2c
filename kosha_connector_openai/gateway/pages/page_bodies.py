"""The bodies that come to our own pages: read within the limits, and counted in memory and on disk together with all others."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Final, Self

from starlette.datastructures import UploadFile
from starlette.requests import Request

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.exchange import (
    LARGE_LIMITS,
    PAGE_LIMITS,
    QUICK,
    BodyBudget,
    BodyQuestion,
    BodyReader,
    BodyRefused,
    CheckProcesses,
    ClientLeft,
    DisconnectWatch,
    declared_length,
    too_large,
)
from kosha_connector_openai.gateway.pages.catalog_api import UploadedFile
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.records import CALLER, ErrorResponse
from kosha_connector_openai.gateway.settings import ServiceLimits
from kosha_connector_openai.text import decode, loads_strict

_ADVICE: Final = "Send what is large as files of a form, to the operation's own path, or first as a file of the provider's."
_MOST_FILES: Final = 32
_MOST_FIELDS: Final = 64
_FIELD: Final = 1024 * 1024
"""Bytes of a form's field, and of a file from which on it is on disk."""
_IN_MEMORY: Final = (_MOST_FILES + _MOST_FIELDS) * _FIELD
"""Bytes of a form that may be in memory at once."""


class PageBodies:
    """Reads them; each counts as long as its block lasts."""

    def __init__(self, limits: ServiceLimits, memory: BodyBudget, disk: BodyBudget, checks: CheckProcesses | None = None) -> None:
        """``checks``: where large bodies are read first."""
        self._limits = limits
        self._memory = memory
        self._disk = disk
        self._checks = checks
        self._json = limits.body_json
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def whole(self, request: Request, limit: int | None = None) -> AsyncIterator[bytes]:
        """The whole body, by default one of JSON. Raises BodyRefused and ClientLeft."""
        most = self._json if limit is None else limit
        large = too_large(most, "body_json", _ADVICE) if limit is None else too_large(most)
        _check_length(request, most, large)
        with _Held(self._memory, token_of(request)) as held:
            yield await BodyReader(request.receive, most, self._limits, large).whole(held.take)

    async def into(self, request: Request, file: BinaryIO, most: int, setting: str) -> None:
        """Writes the body to a file as it comes. ``setting`` is what says how large it may be. Raises BodyRefused and ClientLeft."""
        large = too_large(most, advice=f"That is the service's `{setting}`.")
        _check_length(request, most, large)
        reader = BodyReader(request.receive, most, self._limits, large)
        more = True
        try:
            with _Held(self._disk, token_of(request)) as held:
                while more:
                    message = await reader.next()
                    if message["type"] == "http.disconnect":
                        raise ClientLeft
                    held.take(len(message.get("body", b"")))
                    file.write(message.get("body", b""))
                    more = message.get("more_body", False)
        finally:
            reader.close()

    async def values(self, raw: bytes, token: str, *, what: str = "body") -> Any:
        """The values of strict JSON, of which a large one is read in a process first. Raises InputError."""
        if len(raw) <= QUICK:
            return loads_strict(raw, PAGE_LIMITS, what=what)
        if self._checks is None:
            return await asyncio.to_thread(loads_strict, raw, LARGE_LIMITS, what=what)
        answer = await self._checks.ask(BodyQuestion("page"), raw, token)
        if answer.unread:
            raise InputError(f"The {what} cannot be read.", answer.faults)
        return await self.known_good(raw)

    async def known_good(self, raw: bytes) -> Any:
        """The values of JSON that a process found good: one body after the other, and the loop has a round for all else in between."""
        async with self._turn:
            await asyncio.sleep(0)
            return decode(raw, LARGE_LIMITS)

    @asynccontextmanager
    async def form(self, request: Request) -> AsyncIterator[tuple[str, dict[str, list[UploadedFile]]]]:
        """The text of the part ``run``, and the files by the names of their parts. Raises BodyRefused and ClientLeft."""
        _check_length(request, self._limits.body, too_large(self._limits.body))
        reader = BodyReader(request.receive, self._limits.body, self._limits)
        token = token_of(request)
        with _Held(self._disk, token) as disk, _Held(self._memory, token, _IN_MEMORY) as memory:

            async def counted() -> Any:
                message = await reader.next()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                disk.take(len(message.get("body", b"")))
                memory.take(len(message.get("body", b"")))
                return message

            try:
                form_request = Request(request.scope, counted)
                async with form_request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_FIELD) as form:
                    uploads: dict[str, list[UploadedFile]] = {}
                    for name, value in form.multi_items():
                        if isinstance(value, UploadFile):
                            content_type = value.content_type or "application/octet-stream"
                            uploads.setdefault(name, []).append((value.filename or "file", value.file, content_type))
                    text = form.get("run")
                    yield (text if isinstance(text, str) else ""), uploads
            finally:
                reader.close()

    @asynccontextmanager
    async def run(self, request: Request, limit: int | None = None) -> AsyncIterator[tuple[Any, dict[str, list[UploadedFile]]]]:
        """The JSON of a run, and the files that came with it. Raises InputError for what is no JSON, BodyRefused and ClientLeft."""
        token = token_of(request)
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with self.whole(request, limit) as body:
                yield await self.values(body or b"{}", token), {}
            return
        async with self.form(request) as (text, uploads):
            yield await self.values(text.encode() or b"{}", token, what="part `run`"), uploads


class _Held:
    """Bytes that one request holds of what all share, until the block is left."""

    def __init__(self, budget: BodyBudget, token: str, most: float = math.inf) -> None:
        """``token``: whose they are; ``most``: bytes from which on it holds no more."""
        self._budget = budget
        self._token = token
        self._most = most
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._budget.give_back(self._size, self._token)

    def take(self, size: int) -> None:
        """Reserves bytes. Raises BodyRefused."""
        size = int(min(size, self._most - self._size))
        self._budget.take(size, self._token)
        self._size += size


def token_of(request: Request) -> str:
    """The name of the token that a request came with."""
    return str(request.scope.get("state", {}).get(CALLER, ""))


def _check_length(request: Request, limit: int, large: ErrorResponse) -> None:
    """Refuses a body by what its head says of it. Raises BodyRefused."""
    length = declared_length(dict(request.scope["headers"]))
    if length is not None and length > limit:
        raise BodyRefused(large)


def parsed(body: bytes) -> Any:
    """JSON values, read as strictly as everywhere; None, which every handler refuses, for what is no JSON."""
    try:
        return loads_strict(body)
    except InputError:
        return None


async def while_there(request: Request, work: Awaitable[JsonResponse]) -> JsonResponse:
    """Returns what the work gives, and cancels it once the client has gone. Raises ClientLeft."""
    watch = DisconnectWatch(request.receive)
    watch.start()
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not watch.gone or task is None:
            raise
        task.uncancel()
        raise ClientLeft from None
    finally:
        watch.stop()
