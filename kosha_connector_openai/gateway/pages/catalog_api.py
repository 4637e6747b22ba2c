"""The catalog over HTTP: a builder in any language lists actions, reads their schemas, checks inputs and runs them.

Each answer is a status and JSON values; the HTTP side of it is the app's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, BinaryIO, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.core.actions import BODY, EXTRA_BODY, Action
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.result import Result, SavedFile
from kosha_connector_openai.errors import (
    AccessError,
    ApiError,
    BudgetError,
    ConnectorError,
    Fault,
    InputError,
    NotSentError,
    ReplyError,
    SetupError,
    TransportError,
    UnknownActionError,
)
from kosha_connector_openai.gateway.access import Ownership
from kosha_connector_openai.gateway.exchange import BodyAnswer
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.run_rights import RunRights
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import UPSTREAM_KEY, error_shape
from kosha_connector_openai.manifest.parts import RelayRules

_FILES: Final = "/kosha/v1/files"
_LONGEST_TIMEOUT: Final = 86_400
_STATUS: Final[Mapping[type[BaseException], int]] = {
    UnknownActionError: HTTPStatus.NOT_FOUND,
    BudgetError: HTTPStatus.TOO_MANY_REQUESTS,
    InputError: HTTPStatus.BAD_REQUEST,
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

    def __init__(
        self, connector: Connector, connections: Mapping[str, Connection], downloads: Downloads, owners: Ownership | None = None
    ) -> None:
        """``owners`` tells whose ids are whose, where tenants share a connection."""
        self._prepared: set[str] = set()
        self._connector = connector
        self._connections = connections
        self._downloads = downloads
        self._owners = owners
        rules = connector.part("relay", RelayRules)
        self._refused = frozenset(rules.refused_fields)
        self.rights = RunRights(connector, connections, rules, owners)

    def actions(self, caller: Caller, *, search: str = "", group: str = "") -> JsonResponse:
        """The actions that the caller may run, in the manifest's order."""
        catalog = self._connector.catalog
        offered = {action.id for action in self._connector.offered(self._connections[caller.connection])}
        found = catalog.search(search) if search else tuple(catalog.values())
        shown = [a for a in found if a.id in offered and _covers(caller, a) and group in ("", a.group.id)]
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
            return JsonResponse(200, {"valid": False, "faults": _faults(error.faults), "warnings": []})
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {"valid": True, "faults": [], "warnings": _faults(warnings)})

    def report(self, answer: BodyAnswer) -> JsonResponse:
        """The same for inputs that were checked elsewhere."""
        if answer.unread and not answer.faults:
            return misshapen("", "The body is an object with `inputs`, an object.")
        if answer.unread:
            return failed(InputError("The body cannot be read.", answer.faults))
        return JsonResponse(200, {"valid": not answer.faults, "faults": _faults(answer.faults), "warnings": _faults(answer.warnings)})

    async def run(self, caller: Caller, key: str, body: Any, uploads: Mapping[str, list[UploadedFile]] | None = None) -> JsonResponse:
        """Runs an action and gives the result's envelope; the files in ``uploads`` go where inputs of their names are."""
        wrong = _wrong_run(body)
        if wrong is not None:
            return wrong
        try:
            out = self._downloads.place() if body.get("file") == "link" else None
        except OSError:
            return _NO_ROOM
        try:
            action = self.find(caller, key)
            given = body.get("inputs", {})
            chosen = self._chosen(action, given)
            if chosen is not None:
                return misshapen(chosen, f"`{chosen}` cannot be chosen by a caller: the service's own connection says where calls go.")
            given = self.rights.resolved(caller, action, given)
            inputs = {**given, **_file_inputs(uploads or {})}
            await self.rights.check(caller, action, inputs)
            connection = self._connections[caller.connection]
            options = CallOptions(timeout=_shorter(body.get("timeout"), action, connection), out=out if action.hints.file_out else None)
            await self._prepare(action)
            result = await self._connector.arun(action.id, inputs, connection, options)
        except ConnectorError as error:
            if out is not None:
                out.unlink(missing_ok=True)
            return failed(error)
        if self._owners is not None and self._owners.listens(caller, action.id):
            self.rights.learn(caller, action, given, result)
        return self._envelope(result, caller, short=body.get("result", False))

    async def _prepare(self, action: Action) -> None:
        """Has the action's schemas made in a thread, once: the loop would stand still for that long."""
        if action.id not in self._prepared:
            with suppress(ConnectorError):
                await asyncio.to_thread(self._connector.check, action.id, {})
            self._prepared.add(action.id)

    def _chosen(self, action: Action, given: Mapping[str, Any]) -> str | None:
        """An input, or a field of a body among the inputs, by which the caller would choose the upstream."""
        bodies = [part for part in (given, given.get(BODY), given.get(EXTRA_BODY)) if isinstance(part, Mapping)]
        found = self._refused.intersection(name for part in bodies for name in part) - action.inputs.fields.keys()
        return min(found, default=None)

    def find(self, caller: Caller, key: str) -> Action:
        """The action, if the caller may know of it and its connection has the credential; else UnknownActionError."""
        action = self._connector.catalog[key]
        if not _covers(caller, action) or not self._meets(caller, action):
            raise UnknownActionError("No action has this id.")
        return action

    def _meets(self, caller: Caller, action: Action) -> bool:
        """Whether the caller's connection has the credential; without it the action is not offered."""
        try:
            self._connections[caller.connection].credential(action.operation.security)
        except SetupError:
            return False
        return True

    def _envelope(self, result: Result, caller: Caller, *, short: bool) -> JsonResponse:
        if self._owners is not None and self._owners.narrows(caller, result.action):
            result.value = self._owners.narrow(caller, result.action, result.value)
        value = result.to_dict()
        if short:
            value["result"] = self._connector.outputs.of(result).to_dict()
        if isinstance(result.value, SavedFile):
            kept = self._downloads.keep(result.value.path, owner(caller), result.content_type)
            if kept is None:
                return _NO_ROOM
            saved = result.value
            link = {"href": f"{_FILES}/{kept[0]}", "expires_in": kept[1]}
            value["value"] = {**link, "size": saved.size, "sha256": saved.sha256, "content_type": saved.content_type}
        return JsonResponse(200, value)


def _shorter(asked: float | None, action: Action, connection: Connection) -> float | None:
    """The caller's limit of time where it is shorter than the operator's."""
    return None if asked is None else min(asked, connection.total(action.overlay.timeout))


def owner(caller: Caller) -> str:
    """Who owns the files that a caller's runs make."""
    return f"{caller.tenant}/{caller.name}"


def _covers(caller: Caller, action: Action) -> bool:
    """Whether the caller may know of the action at all."""
    return caller.may(action.id)


def _file_inputs(uploads: Mapping[str, list[UploadedFile]]) -> dict[str, Any]:
    """Uploads as inputs: one file, or a list where the name ends in ``[]`` or comes several times."""
    return {
        name.removesuffix("[]"): files if len(files) > 1 or name.endswith("[]") else files[0] for name, files in uploads.items() if files
    }


def _wrong_run(body: Any) -> JsonResponse | None:
    if not is_object(body, {"inputs", "timeout", "file", "result"}):
        return misshapen("", "The body is an object with `inputs`, and maybe `timeout`, `file` and `result`.")
    if not isinstance(body.get("inputs", {}), Mapping):
        return misshapen("inputs", "`inputs` is an object.")
    timeout = body.get("timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST_TIMEOUT):
        return misshapen("timeout", f"`timeout` is more than 0 and at most {_LONGEST_TIMEOUT} seconds.")
    if body.get("file", "base64") not in ("base64", "link"):
        return misshapen("file", "`file` is `base64` or `link`.")
    if not isinstance(body.get("result", False), bool):
        return misshapen("result", "`result` is true or false.")
    return None


def is_object(value: Any, known: set[str], *, needed: str = "") -> bool:
    """Whether a body is an object with no other keys, and with the needed one."""
    return isinstance(value, Mapping) and value.keys() <= known and (not needed or needed in value)


def _faults(faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
    return [asdict(fault) for fault in faults]


def misshapen(param: str, message: str) -> JsonResponse:
    """The answer to a body of another shape than is asked for."""
    return JsonResponse(400, error_shape(message, param=param or None))


_NO_ROOM: Final = JsonResponse(503, error_shape("There is no room for files just now. Ask for `base64`, or try again later.", "overloaded"))


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
    if isinstance(error, ApiError) and not isinstance(error, AccessError):
        return error.status
    return int(next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS))
