"""The pages of runs over rows, from a request to an answer, to events or to a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.gateway.pages.bulk.api import BulkApi
from kosha_connector_openai.gateway.pages.bulk.bodies import KEYS
from kosha_connector_openai.gateway.pages.bulk.run_folders import FullError, RunFolders, new_file, rows_path
from kosha_connector_openai.gateway.pages.catalog_api import owner
from kosha_connector_openai.gateway.pages.downloads import file_reply
from kosha_connector_openai.gateway.pages.failures import misshapen
from kosha_connector_openai.gateway.pages.flow_pages import BodyAnswers
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.tasks_api import TasksApi
from kosha_connector_openai.gateway.replies import error_shape
from kosha_connector_openai.text import essence, install

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk import Format
    from kosha_connector_openai.gateway.bulk_entry import BulkEntry
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.page_bodies import PageBodies
    from kosha_connector_openai.gateway.pages.result_files import ResultFiles
    from kosha_connector_openai.gateway.records import Caller
    from kosha_connector_openai.outputs import Prices

_FORMS: Final[Mapping[str, Format]] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
}
_NAME: Final = 200
"""Characters of a name."""
_IDS: Final = ("sendBulkRows", "listBulkRuns", "readBulkRun", "removeBulkRun", "readBulkFile", *(f"{verb}BulkRun" for verb in KEYS))
"""The operations of service.yaml that are answered here."""
_OFF: Final = "This service keeps no runs over rows: its operator names no folder for them (`bulk`)."
_MISSING: Final = "Runs over rows need the extra `bulk` where this service runs."
_NO_ROOM: Final = JsonResponse(503, error_shape("The rows cannot be kept just now. Tell the service's operator.", "overloaded"))
Handler = Callable[..., Awaitable[JsonResponse | Response]]


class BulkPages:
    """Their handlers by operation id of service.yaml."""

    def __init__(self, calls: CheckedCalls, files: ResultFiles, bodies: PageBodies, entry: BulkEntry, prices: Prices | None = None) -> None:
        """Raises SetupError where the folder of ``entry`` cannot be used."""
        self._bodies, self._answers = bodies, BodyAnswers(bodies)
        self._api: BulkApi | None = None
        self.handlers: Mapping[str, Handler] = dict.fromkeys(_IDS, _without)
        if entry.folder is not None and find_spec("pyrate_limiter") is not None:
            folders = RunFolders(entry)
            api = self._api = BulkApi(calls, TasksApi(calls, files), folders, prices)
            self.handlers = self._handlers(api, folders)
        elif entry.folder is not None:
            self.handlers = dict.fromkeys(_IDS, _not_installed)

    def _handlers(self, api: BulkApi, folders: RunFolders) -> Mapping[str, Handler]:
        return {
            "sendBulkRows": partial(self._send, api, folders),
            "listBulkRuns": lambda _, caller: api.list(caller),
            "readBulkRun": lambda _, caller, *, run: api.read(caller, run),
            "removeBulkRun": lambda _, caller, *, run: api.remove(caller, run),
            "readBulkFile": partial(self._file, api),
            **{f"{verb}BulkRun": partial(self._verb, api, verb=verb) for verb in KEYS},
        }

    @property
    def offered(self) -> bool:
        """Whether there are runs over rows here."""
        return self._api is not None

    def stop(self) -> None:
        """Tells all runs to stop: the service is about to end."""
        if self._api is not None:
            self._api.live.stop()

    async def aclose(self, seconds: float) -> None:
        """Waits so long until all runs have stopped, and ends the others."""
        if self._api is not None:
            await self._api.live.aclose(seconds)

    async def _verb(self, api: BulkApi, request: Request, caller: Caller, *, run: str, verb: str) -> JsonResponse | Response:
        async def answer(body: Any, _: Any, events: Any, request_id: str) -> JsonResponse:
            return await api.answer(caller, run, verb, body, events, request_id)

        return await self._answers.reply(request, answer)

    async def _send(self, api: BulkApi, folders: RunFolders, request: Request, caller: Caller) -> JsonResponse:
        """Takes rows; what came of a body that breaks off, or that cannot be used, is deleted."""
        asked = cast("Format | None", request.query_params.get("format"))  # one of those of service.yaml
        form = asked or _FORMS.get(essence(request.headers.get("content-type", "")))
        name = "".join(char for char in request.query_params.get("name", "")[:_NAME] if char.isprintable())
        if form is None:
            return misshapen("format", f"Say what the rows are: `format`, or a Content-Type of {', '.join(_FORMS)}.")
        try:
            path = await asyncio.to_thread(folders.new, owner(caller))
        except FullError as error:
            return JsonResponse(429, error_shape(str(error), "rate_limit_error", code="bulk_room"))
        answer = None
        try:
            with os.fdopen(new_file(rows_path(path, form)), "wb") as file:
                await self._bodies.into(request, file, folders.entry.bytes, "bulk.bytes")
            answer = await api.take(caller, path, form, name)
        except OSError:
            answer = _NO_ROOM
        finally:
            if answer is None or answer.status >= 400:  # noqa: PLR2004
                folders.remove(path)
        return answer

    async def _file(self, api: BulkApi, _: Request, caller: Caller, *, run: str, file: str) -> JsonResponse | Response:
        found = await api.file(caller, run, file)
        if isinstance(found, JsonResponse):
            return found
        return file_reply(*found)


async def _without(*_: Any, **__: str) -> JsonResponse:
    return JsonResponse(404, error_shape(_OFF, code="bulk_off"))


async def _not_installed(*_: Any, **__: str) -> JsonResponse:
    return JsonResponse(501, error_shape(f"{_MISSING} {install('bulk')}", "unsupported", code="extra"))
