"""The catalog over HTTP: a builder in any language lists actions, reads their schemas, checks inputs and runs them.

Each answer is a status and JSON values; the HTTP side of it is the app's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Final

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    BudgetError,
    ConnectorError,
    Fault,
    InputError,
    NotSentError,
    ReplyError,
    TransportError,
    UnknownActionError,
    WorkflowDocumentError,
    WorkflowLimitError,
)
from kosha_connector_openai.gateway.exchange import BodyAnswer
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.event_response import EventSender
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.result_files import FileSheet, NoRoomError, ResultFiles
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import UPSTREAM_KEY, error_shape

_LONGEST_TIMEOUT: Final = 86_400
_STATUS: Final[Mapping[type[BaseException], int]] = {
    UnknownActionError: HTTPStatus.NOT_FOUND,
    BudgetError: HTTPStatus.TOO_MANY_REQUESTS,
    InputError: HTTPStatus.BAD_REQUEST,
    WorkflowDocumentError: HTTPStatus.BAD_REQUEST,
    WorkflowLimitError: HTTPStatus.GATEWAY_TIMEOUT,
    NotSentError: HTTPStatus.SERVICE_UNAVAILABLE,
    TransportError: HTTPStatus.GATEWAY_TIMEOUT,
    ReplyError: HTTPStatus.BAD_GATEWAY,
    AccessError: HTTPStatus.BAD_GATEWAY,
    ConnectorError: HTTPStatus.BAD_GATEWAY,
}
"""What our answer's status is for an error; an answer of the upstream keeps its own, but for the upstream's word about *our* key."""


UploadedFile = tuple[str, BinaryIO, str]
"""A file that came with a run: its name as the caller said, its bytes, its type as the caller said."""


class CatalogApi:
    """The answers of the catalog's paths."""

    def __init__(self, calls: CheckedCalls, downloads: Downloads, files: ResultFiles) -> None:
        self._connector = calls.connector
        self._connections = calls.connections
        self._downloads = downloads
        self._files = files
        self.calls = calls

    def actions(self, caller: Caller, *, search: str = "", group: str = "") -> JsonResponse:
        """The actions that the caller may run, in the manifest's order."""
        catalog = self._connector.catalog
        offered = {action.id for action in self._connector.offered(self._connections[caller.connection])}
        found = catalog.search(search) if search else tuple(catalog.values())
        shown = [a for a in found if a.id in offered and caller.may(a.id) and group in ("", a.group.id)]
        used = {action.group.id for action in shown}
        groups = [{"id": each.id, "title": each.title, "help": each.help} for each in catalog.groups if each.id in used]
        value = {
            "connector": self._connector.id,
            "version": self._connector.manifest.version,
            "groups": groups,
            "actions": [action.describe() for action in shown],
        }
        return JsonResponse(200, value)

    def action(self, caller: Caller, key: str) -> JsonResponse:
        """One action with the schemas of what it takes and gives."""
        try:
            action = self.find(caller, key)
            schemas = {"input_schema": action.input_schema, "output_schema": action.output_schema}
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {**action.describe(), **schemas})

    def form(self) -> JsonResponse:
        """The connection form as JSON Schema."""
        return JsonResponse(200, self._connector.form)

    def validate(self, caller: Caller, key: str, body: Any) -> JsonResponse:
        """Whether inputs would be accepted, with every fault; nothing is sent."""
        if not is_object(body, {"inputs"}, needed="inputs") or not isinstance(body["inputs"], Mapping):
            return misshapen("", "The body is an object with `inputs`, an object.")
        try:
            warnings = self._connector.check(self.find(caller, key).id, body["inputs"], self._connections.get(caller.connection))
        except UnknownActionError as error:
            return failed(error)
        except InputError as error:
            return JsonResponse(200, {"valid": False, "faults": faults_of(error.faults), "warnings": []})
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {"valid": True, "faults": [], "warnings": faults_of(warnings)})

    def report(self, answer: BodyAnswer) -> JsonResponse:
        """The same for inputs that were checked elsewhere."""
        if answer.unread and not answer.faults:
            return misshapen("", "The body is an object with `inputs`, an object.")
        if answer.unread:
            return failed(InputError("The body cannot be read.", answer.faults))
        return JsonResponse(200, {"valid": not answer.faults, "faults": faults_of(answer.faults), "warnings": faults_of(answer.warnings)})

    async def run(
        self,
        caller: Caller,
        key: str,
        body: Any,
        uploads: Mapping[str, list[UploadedFile]] | None = None,
        events: EventSender | None = None,
    ) -> JsonResponse:
        """Runs an action and gives the result's envelope; the files in ``uploads`` go where inputs of their names are.

        With ``events`` each event of the upstream's stream is written as it comes; an action that can stream is asked to.
        """
        wrong = wrong_run(body)
        if wrong is not None:
            return wrong
        out: Path | None = None
        sheet = self._files.sheet(owner(caller), bare=body.get("file") == "link")
        try:
            given = _streaming(self.calls.find(caller, key), body.get("inputs", {}), events)
            action, inputs = await self.calls.prepared(caller, key, given, file_inputs(uploads or {}))
            if body.get("file") == "link":
                place = self._downloads.place()  # before anything is paid for
                out = place if action.hints.file_out else None
            connection = self._connections[caller.connection]
            options = CallOptions(timeout=shorter(body.get("timeout"), action, connection), out=out)
            result = self.calls.seen(caller, action, given, await self._called(action.id, inputs, connection, options, events, sheet))
            shown = bool(body.get("result", False))
            short = self._connector.outputs.of(result) if shown or result.kind == "events" else None  # events hold files in pieces
            return JsonResponse(200, sheet.envelope(result, short, shown=shown))
        except (OSError, NoRoomError):
            return NO_ROOM
        except ConnectorError as error:
            if out is not None:
                out.unlink(missing_ok=True)
            return failed(error)

    async def _called(
        self,
        key: str,
        inputs: Mapping[str, Any],
        connection: Connection,
        options: CallOptions,
        events: EventSender | None,
        sheet: FileSheet,
    ) -> Result:
        if events is None:
            return await self._connector.arun(key, inputs, connection, options)
        async with self._connector.astream(key, inputs, connection, options) as stream:
            await events.open()
            async for event in stream:
                await events.event("event", {"type": event.type, "data": sheet.event(event.data), "text": event.text})
        assert stream.result is not None
        return stream.result

    def find(self, caller: Caller, key: str) -> Action:
        """As CheckedCalls.find."""
        return self.calls.find(caller, key)


def shorter(asked: float | None, action: Action, connection: Connection) -> float | None:
    """The caller's limit of time where it is shorter than the operator's."""
    return None if asked is None else min(asked, connection.total(action.overlay.timeout))


def owner(caller: Caller) -> str:
    """Who owns the files that a caller's runs make."""
    return f"{caller.tenant}/{caller.name}"


def _streaming(action: Action, given: Mapping[str, Any], events: EventSender | None) -> Mapping[str, Any]:
    """The inputs; where events are asked for and the action has the switch, with it on, unless the caller says otherwise."""
    switch = action.overlay.events
    return {**switch, **given} if events is not None and switch and next(iter(switch)) not in given else given


def file_inputs(uploads: Mapping[str, list[UploadedFile]]) -> dict[str, Any]:
    """Uploads as inputs: one file, or a list where the name ends in ``[]`` or comes several times."""
    return {
        name.removesuffix("[]"): files if len(files) > 1 or name.endswith("[]") else files[0] for name, files in uploads.items() if files
    }


def wrong_run(body: Any) -> JsonResponse | None:
    """What is wrong with the body of a run; None where nothing is."""
    if not is_object(body, {"inputs", "timeout", "file", "result"}):
        return misshapen("", "The body is an object with `inputs`, and maybe `timeout`, `file` and `result`.")
    if not isinstance(body.get("inputs", {}), Mapping):
        return misshapen("inputs", "`inputs` is an object.")
    if body.get("timeout") is not None and not is_seconds(body["timeout"]):
        return misshapen("timeout", f"`timeout` is more than 0 and at most {_LONGEST_TIMEOUT} seconds.")
    if body.get("file", "base64") not in ("base64", "link"):
        return misshapen("file", "`file` is `base64` or `link`.")
    if not isinstance(body.get("result", False), bool):
        return misshapen("result", "`result` is true or false.")
    return None


def is_seconds(value: Any) -> bool:
    """Whether a value is a time that something may take."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST_TIMEOUT


def is_object(value: Any, known: set[str], *, needed: str = "") -> bool:
    """Whether a body is an object with no other keys, and with the needed one."""
    return isinstance(value, Mapping) and value.keys() <= known and (not needed or needed in value)


def faults_of(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Faults as JSON-ready values."""
    return [asdict(fault) for fault in faults]


def misshapen(param: str, message: str) -> JsonResponse:
    """The answer to a body of another shape than is asked for."""
    return JsonResponse(400, error_shape(message, param=param or None))


NO_ROOM: Final = JsonResponse(503, error_shape("There is no room for files just now. Ask for `base64`, or try again later.", "overloaded"))


def failed(error: ConnectorError) -> JsonResponse:
    """The answer to an error: in the provider's shape, with all that the core says of it beside."""
    if isinstance(error, ApiError) and error.status == HTTPStatus.UNAUTHORIZED:
        detail = {"code": error.code, "status": error.status}
        return JsonResponse(
            UPSTREAM_KEY.status, error_shape(UPSTREAM_KEY.message, UPSTREAM_KEY.type, code=UPSTREAM_KEY.code, detail=detail)
        )
    status = _status(error)
    faults = getattr(error, "faults", ())
    param = faults[0].pointer.removeprefix("/").replace("/", ".") if faults else None
    kind = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004
    message = " ".join(part for part in (error.message, *(str(fault) for fault in faults), error.hint) if part)
    return JsonResponse(status, error_shape(message, kind, param, error.code, detail=error.to_dict()))


def _status(error: ConnectorError) -> int:
    if isinstance(error, ApiError) and not isinstance(error, AccessError) and error.status >= HTTPStatus.BAD_REQUEST:
        return error.status  # else it came inside a stream whose status was a good one
    return int(next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS))
