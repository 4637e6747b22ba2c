"""The bodies that come to our own pages: read within the limits, and counted in memory and on disk together with all others."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from starlette.datastructures import UploadFile
from starlette.requests import Request

from kosha_connector_openai.gateway.exchange import BodyBudget, BodyReader, BodyRefused, ClientLeft, declared_length, too_large
from kosha_connector_openai.gateway.pages.catalog_api import UploadedFile
from kosha_connector_openai.gateway.settings import ServiceLimits

_MOST_FILES: Final = 32
_MOST_FIELDS: Final = 64
_FIELD: Final = 1024 * 1024
"""Bytes of a form's field, and of a file from which on it is on disk."""
_IN_MEMORY: Final = (_MOST_FILES + _MOST_FIELDS) * _FIELD
"""Bytes of a form that may be in memory at once."""


class PageBodies:
    """Reads them; each counts as long as its block lasts."""

    def __init__(self, limits: ServiceLimits, memory: BodyBudget, disk: BodyBudget) -> None:
        self._limits = limits
        self._memory = memory
        self._disk = disk

    @asynccontextmanager
    async def whole(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The whole body. Raises BodyRefused and ClientLeft."""
        _check_length(request, limit)
        with _Held(self._memory) as held:
            yield await BodyReader(request.receive, limit, self._limits).whole(held.take)

    @asynccontextmanager
    async def form(self, request: Request) -> AsyncIterator[tuple[str, dict[str, list[UploadedFile]]]]:
        """The text of the part ``run``, and the files by the names of their parts. Raises BodyRefused and ClientLeft."""
        _check_length(request, self._limits.body)
        reader = BodyReader(request.receive, self._limits.body, self._limits)
        with _Held(self._disk) as disk, _Held(self._memory, _IN_MEMORY) as memory:

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


class _Held:
    """Bytes that one request holds of what all share, until the block is left."""

    def __init__(self, budget: BodyBudget, most: float = math.inf) -> None:
        """``most``: bytes from which on it holds no more."""
        self._budget = budget
        self._most = most
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._budget.give_back(self._size)

    def take(self, size: int) -> None:
        """Reserves bytes. Raises BodyRefused."""
        size = int(min(size, self._most - self._size))
        self._budget.take(size)
        self._size += size


def _check_length(request: Request, limit: int) -> None:
    """Refuses a body by what its head says of it. Raises BodyRefused."""
    length = declared_length(dict(request.scope["headers"]))
    if length is not None and length > limit:
        raise BodyRefused(too_large(limit))
