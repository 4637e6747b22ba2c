"""The catalog over HTTP: a builder in any language lists actions, reads their schemas, checks inputs and runs them.

Each answer is a status and JSON values; the HTTP side of it is the app's.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.core.actions import Action, standing
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import (
    ConnectorError,
    InputError,
    UnknownActionError,
)
from kosha_connector_openai.flows import search_catalog
from kosha_connector_openai.flows.tasks import TaskInfo, list_tasks
from kosha_connector_openai.gateway.exchange import BodyAnswer
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.event_response import EventSender
from kosha_connector_openai.gateway.pages.failures import LONGEST, NO_ROOM, failed, faults_of, is_object, is_seconds, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.result_files import FileSheet, NoRoomError, ResultFiles
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.manifest import Group
from kosha_connector_openai.manifest.parts import CatalogPart
from kosha_connector_openai.text import nearest

_INDEX: Final = {
    "workflows": {verb: f"/kosha/v1/workflows/{verb}" for verb in ("check", "run")},
    "jobs": {verb: f"/kosha/v1/jobs/{verb}" for verb in ("start", "status", "wait", "resume", "cancel", "fetch")},
    "description": "/openapi.json",
    "docs": "/docs",
}

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
        self._shown: dict[str, dict[str, Any]] = {}

    def actions(self, caller: Caller, *, search: str = "", group: str = "", featured: bool = False) -> JsonResponse:
        """The actions and tasks that the caller may run: in the manifest's order, administration and what is retired last, or by rank.

        ``results`` names both in the order of the search.
        """
        catalog, groups = self._connector.catalog, {each.id: each for each in self._connector.catalog.groups}
        if group and group not in groups:
            near = nearest(group, groups)
            return misshapen(
                "group", "No group has this name." + (f" Did you mean `{near}`?" if near else f" There is {', '.join(groups)}.")
            )
        offered = {action.id for action in self._connector.offered(self._connections[caller.connection]) if caller.may(action.id)}
        things = search_catalog(self._connector, search) if search else self._all()
        actions = [thing for thing in things if isinstance(thing, Action) and _wanted(thing, offered, group, featured=featured)]
        tasks = [] if group else [thing for thing in things if isinstance(thing, TaskInfo) and thing.action in offered]
        shown = {*map(id, actions), *map(id, tasks)}
        used = {action.group.id for action in actions}
        value = {
            "connector": self._connector.id,
            "version": self._connector.manifest.version,
            "groups": [
                {"id": each.id, "title": each.title, "help": each.help, "icon": self._icon(each.id)}
                for each in groups.values()
                if each.id in used
            ],
            "actions": [self._listed(action) for action in actions],
            "tasks": [self._task(task, catalog[task.action]) for task in tasks],
            "results": [_named(thing) for thing in things if id(thing) in shown],
        }
        return JsonResponse(200, value)

    def _group(self, group: Group) -> dict[str, str]:
        return {"id": group.id, "title": group.title, "help": group.help, "icon": self._icon(group.id)}

    def _all(self) -> list[Action | TaskInfo]:
        return [*list_tasks(self._connector), *sorted(self._connector.catalog.values(), key=standing)]

    @cached_property
    def _part(self) -> CatalogPart:
        return self._connector.part("catalog", CatalogPart)

    def _icon(self, group: str) -> str:
        return self._part.icons.get(group, "action")

    def _listed(self, action: Action) -> dict[str, Any]:
        """An action as a palette shows it; made once."""
        if action.id not in self._shown:
            job = action.job
            more = {"aliases": list(self._part.aliases.get(action.id, ())), "icon": self._icon(action.group.id), "cost": self._cost(action)}
            self._shown[action.id] = {**action.describe(), **more, "job": job[0] if job else None}
        return self._shown[action.id]

    def _task(self, task: TaskInfo, action: Action) -> dict[str, Any]:
        more = {"aliases": list(self._part.aliases.get(task.name, ())), "icon": self._icon(action.group.id), "cost": self._cost(action)}
        return {**brief(task), "group": action.group.id, **more}

    def _cost(self, action: Action) -> dict[str, Any]:
        """Whether a call is paid for, and by what it is charged, where that is known."""
        charges = self._part.charges
        return {"paid": action.hints.paid, "by": charges.get(action.id, charges.get(action.group.id)) if action.hints.paid else None}

    def action(self, caller: Caller, key: str) -> JsonResponse:
        """One action with the schemas of what it takes and gives."""
        try:
            action = self.find(caller, key)
            schemas = {"input_schema": action.input_schema, "output_schema": action.output_schema}
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {**self._listed(action), **schemas})

    def connector(self, caller: Caller) -> JsonResponse:
        """Who the connector is, who stands behind it, and where the caller's calls go."""
        manifest = self._connector.manifest
        names = ("id", "title", "version", "tagline", "description", "license", "maturity", "categories", "keywords", "links")
        origin = self._connections[caller.connection].server.origin
        more = {"publisher": asdict(manifest.publisher), "hosts": [str(origin)], "icon": "/kosha/v1/icon" if manifest.icon else None}
        return JsonResponse(200, {name: getattr(manifest, name) for name in names} | more)

    @staticmethod
    def index(*, bulk: bool = False) -> JsonResponse:
        """What there is under the catalog's path."""
        more = {"bulk": "/kosha/v1/bulk/runs"} if bulk else {}
        return JsonResponse(200, {name: f"/kosha/v1/{name}" for name in ("actions", "tasks", "connector", "connection")} | _INDEX | more)

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
            options = self.calls.within(caller, CallOptions(timeout=shorter(body.get("timeout"), action, connection), out=out))
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


def _wanted(action: Action, offered: Container[str], group: str, *, featured: bool) -> bool:
    return action.id in offered and group in ("", action.group.id) and (action.overlay.featured or not featured)


def _named(thing: Action | TaskInfo) -> dict[str, str]:
    return {"kind": "action", "id": thing.id} if isinstance(thing, Action) else {"kind": "task", "name": thing.name}


def brief(task: TaskInfo) -> dict[str, Any]:
    """A task as a list shows it."""
    return {"name": task.name, "title": task.title, "summary": task.summary, "action": task.action}


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
        return misshapen("timeout", f"`timeout` is more than 0 and at most {LONGEST} seconds.")
    if body.get("file", "base64") not in ("base64", "link"):
        return misshapen("file", "`file` is `base64` or `link`.")
    if not isinstance(body.get("result", False), bool):
        return misshapen("result", "`result` is true or false.")
    return None
