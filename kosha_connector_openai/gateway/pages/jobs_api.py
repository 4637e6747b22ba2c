"""Long jobs over HTTP: each verb takes a handle and gives a newer one, so that any process can go on with it. Nothing is kept here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, JobPendingError
from kosha_connector_openai.gateway.pages.catalog_api import UploadedFile, file_inputs, owner
from kosha_connector_openai.gateway.pages.failures import NO_ROOM, failed, is_object, is_seconds, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.result_files import NoRoomError, ResultFiles

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import AsyncJobs, Handle, JobResult, Status
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.event_response import EventSender
    from kosha_connector_openai.gateway.records import Caller

_USUAL: Final = 300.0
"""Seconds of a wait whose length is not said."""
_LONGEST: Final = 86_400
_ROWS: Final = 1_000
"""Rows of a table in one answer; all of them are in its file."""
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "start": frozenset({"action", "inputs", "timeout"}),
    "status": frozenset({"handle"}),
    "wait": frozenset({"handle", "timeout"}),
    "resume": frozenset({"handle", "timeout"}),
    "cancel": frozenset({"handle"}),
    "fetch": frozenset({"handle", "file"}),
}
VERBS: Final = tuple(_KEYS)
HANDLE: Final = 16 * 1024
"""Bytes of a body with a handle, which holds some names and ids."""


class JobsApi:
    """The answers of the jobs' paths."""

    def __init__(self, calls: CheckedCalls, files: ResultFiles) -> None:
        self._calls = calls
        self._files = files
        self._verbs: Mapping[str, Callable[[AsyncJobs, Caller, Any, EventSender | None], Awaitable[JsonResponse]]] = {
            "status": self._status,
            "wait": self._wait,
            "resume": self._wait,
            "cancel": self._cancel,
            "fetch": self._fetch,
        }

    async def answer(
        self,
        caller: Caller,
        verb: str,
        body: Any,
        uploads: Mapping[str, list[UploadedFile]] | None = None,
        events: EventSender | None = None,
        request_id: str = "",
    ) -> JsonResponse:
        """Does what ``verb`` says; a wait with ``events`` tells each question's answer."""
        from kosha_connector_openai.flows.jobs import AsyncJobs

        wrong = _wrong(verb, body)
        if wrong is not None:
            return wrong
        connection = self._calls.connections[caller.connection]
        jobs = AsyncJobs(self._calls.connector, connection, name=caller.connection, arun=self._calls.of_flow(caller, request_id))
        try:
            if verb == "start":
                return await self._start(jobs, caller, body, uploads or {})
            return await self._verbs[verb](jobs, caller, {**body, "handle": self._handle(body["handle"])}, events)
        except NoRoomError:
            return NO_ROOM
        except ConnectorError as error:
            return failed(error)

    async def _start(self, jobs: AsyncJobs, caller: Caller, body: Any, uploads: Mapping[str, list[UploadedFile]]) -> JsonResponse:
        given, files = body.get("inputs", {}), file_inputs(uploads)
        inputs = {**given, **files}
        action, _ = await self._calls.held(caller, body["action"], inputs)
        handle = await jobs.start(action.id, inputs, CallOptions(timeout=body.get("timeout")))
        return JsonResponse(200, {"handle": handle.to_dict()})

    def _handle(self, given: Any) -> Handle:
        """The handle, if it is one of a job: an upload's names a file, and none of this machine's may be named here."""
        from kosha_connector_openai.flows.jobs import read_handle
        from kosha_connector_openai.manifest.parts import JobsPart

        handle = read_handle(given)
        if handle.source is not None or handle.kind in self._calls.connector.part("jobs", JobsPart).uploads:
            fault = Fault("/handle/source", "source", "names a file of another machine.", "Send the file with the action itself.")
            raise InputError("An upload cannot go on here.", [fault])
        return handle

    async def _status(self, jobs: AsyncJobs, _: Caller, body: Any, __: EventSender | None) -> JsonResponse:
        return _seen(await jobs.status(body["handle"]))

    async def _wait(self, jobs: AsyncJobs, _: Caller, body: Any, events: EventSender | None) -> JsonResponse:
        from kosha_connector_openai.flows.jobs import WaitOptions

        tell = (lambda tick: events.note("tick", tick.to_dict())) if events else None
        if events is not None:
            await events.open()
        try:
            return _seen(await jobs.wait(body["handle"], WaitOptions(timeout=body.get("timeout", _USUAL), progress=tell)))
        except JobPendingError as error:
            if error.reason is not None:
                raise
            return JsonResponse(200, {"handle": error.handle, "state": error.handle.get("state"), "end": None, "message": error.message})

    async def _cancel(self, jobs: AsyncJobs, _: Caller, body: Any, __: EventSender | None) -> JsonResponse:
        return _seen(await jobs.cancel(body["handle"]))

    async def _fetch(self, jobs: AsyncJobs, caller: Caller, body: Any, _: EventSender | None) -> JsonResponse:
        with await jobs.fetch(body["handle"]) as found:
            sheet = self._files.sheet(owner(caller), bare=body.get("file") == "link")
            value, more = await self._value(found)
            status = found.status
            return JsonResponse(
                200,
                {
                    "handle": status.handle.to_dict(),
                    "state": status.state,
                    "end": status.end,
                    "kind": found.kind,
                    "value": sheet.plain(value),
                    **({"rows": sheet.plain(more)} if more else {}),
                    "usage": found.usage,
                    "outcome": found.outcome,
                    "warnings": list(found.warnings),
                    "files": sheet.files,
                },
            )

    @staticmethod
    async def _value(found: JobResult) -> tuple[Any, dict[str, Any]]:
        """What the job left; of a table the first rows, and how many there are, with all of them as a file of JSON lines."""
        from kosha_connector_openai.flows.jobs import LineTable

        table = found.value
        if not isinstance(table, LineTable):
            return table, {}
        lines = await asyncio.to_thread(lambda: [JsonResponse(200, row.to_dict()).body() for row in table])
        first = [row.to_dict() for row in islice(table, _ROWS)]
        return first, {"total": len(lines), "all": b"\n".join(lines) + b"\n"} if len(lines) > _ROWS else {"total": len(lines)}


def _wrong(verb: str, body: Any) -> JsonResponse | None:
    keys = _KEYS[verb]
    needed = "action" if verb == "start" else "handle"
    if not is_object(body, set(keys), needed=needed):
        return misshapen(
            "", f"The body is an object with `{needed}`, and maybe {', '.join(f'`{key}`' for key in sorted(keys - {needed}))}."
        )
    if not isinstance(body[needed], str if verb == "start" else Mapping):
        return misshapen(needed, f"`{needed}` is {'an action' if verb == 'start' else 'an object'}.")
    if not isinstance(body.get("inputs", {}), Mapping):
        return misshapen("inputs", "`inputs` is an object.")
    if not is_seconds(body.get("timeout", 1)):
        return misshapen("timeout", f"`timeout` is more than 0 and at most {_LONGEST} seconds.")
    if body.get("file", "base64") not in ("base64", "link"):
        return misshapen("file", "`file` is `base64` or `link`.")
    return None


def _seen(status: Status) -> JsonResponse:
    return JsonResponse(200, status.to_dict())
