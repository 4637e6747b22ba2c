"""Tasks over HTTP: listed, described, drawn, checked and run as actions are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.errors import ConnectorError, InputError, UnknownActionError
from kosha_connector_openai.gateway.pages.catalog_api import UploadedFile, brief, file_inputs, owner, shorter, wrong_run
from kosha_connector_openai.gateway.pages.failures import NO_ROOM, failed, faults_of, is_object, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.result_files import NoRoomError, ResultFiles

if TYPE_CHECKING:
    from kosha_connector_openai.flows.tasks import TaskInfo
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.event_response import EventSender
    from kosha_connector_openai.gateway.records import Caller


class TasksApi:
    """The answers of the tasks' paths."""

    def __init__(self, calls: CheckedCalls, files: ResultFiles) -> None:
        self._calls = calls
        self._files = files

    def tasks(self, caller: Caller) -> JsonResponse:
        """The tasks whose action the caller may run."""
        try:
            found = [task for task in self._all() if self._may(caller, task)]
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {"tasks": [brief(task) for task in found]})

    def task(self, caller: Caller, name: str) -> JsonResponse:
        """One task with its schemas."""
        try:
            return JsonResponse(200, self.find(caller, name).describe())
        except ConnectorError as error:
            return failed(error)

    def form(self, caller: Caller, name: str, *, drawn: bool = False) -> JsonResponse:
        """The form; ``drawn``: as JSON Schema 2020-12 with the uiSchema of react-jsonschema-form."""
        try:
            task = self.find(caller, name)
            value = {"schema": _for_drawing(task.input_schema), "ui_schema": {}} if drawn else task.drawn_form(self._calls.connector)
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, value)

    def sample(self, caller: Caller, name: str) -> JsonResponse:
        """Inputs that would be accepted, but for files, and a value as it could come. No call is made."""
        try:
            task = self.find(caller, name)
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {"inputs": task.example, "result": task.sample, "result_schema": task.output_schema(task.example)})

    def validate(self, caller: Caller, name: str, body: Any) -> JsonResponse:
        """Whether inputs would be accepted, with every fault; nothing is sent."""
        if not is_object(body, {"inputs"}, needed="inputs") or not isinstance(body["inputs"], Mapping):
            return misshapen("", "The body is an object with `inputs`, an object.")
        try:
            self.find(caller, name).form.check(body["inputs"])
        except InputError as error:
            return JsonResponse(200, {"valid": False, "faults": faults_of(error.faults), "warnings": []})
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, {"valid": True, "faults": [], "warnings": []})

    async def run(
        self,
        caller: Caller,
        name: str,
        body: Any,
        uploads: Mapping[str, list[UploadedFile]] | None = None,
        events: EventSender | None = None,
        request_id: str = "",
    ) -> JsonResponse:
        """Runs a task; with ``events`` each of its calls is told when it has ended."""
        from kosha_connector_openai.flows.tasks import arun_task

        wrong = wrong_run(body)
        if wrong is not None:
            return wrong
        try:
            task = self.find(caller, name)
            inputs = {**body.get("inputs", {}), **file_inputs(uploads or {})}
            task.form.check(inputs)
            if events is not None:
                await events.open()
            result = await arun_task(
                self._calls.connector,
                name,
                inputs,
                connection := self._calls.connections[caller.connection],
                options=CallOptions(timeout=shorter(body.get("timeout"), self._calls.connector.catalog[task.action], connection)),
                progress=(lambda seen: events.note("progress", asdict(seen))) if events else (lambda _: None),
                arun=self._calls.of_flow(caller, request_id),
            )
            sheet = self._files.sheet(owner(caller), bare=body.get("file") == "link")
            return JsonResponse(200, {**result.to_dict(), "value": sheet.plain(result.value), "files": sheet.files})
        except NoRoomError:
            return NO_ROOM
        except ConnectorError as error:
            return failed(error)

    def _all(self) -> tuple[TaskInfo, ...]:
        from kosha_connector_openai.flows.tasks import list_tasks

        return list_tasks(self._calls.connector)

    def find(self, caller: Caller, name: str) -> TaskInfo:
        """The task, if the caller may run its action. Raises UnknownActionError."""
        from kosha_connector_openai.flows.tasks import find_task

        try:
            found = find_task(self._calls.connector, name)
        except InputError as error:
            raise UnknownActionError(error.message, hint=error.faults[0].fix if error.faults else "") from None
        self._calls.find(caller, found.action)
        return found

    def _may(self, caller: Caller, task: TaskInfo) -> bool:
        try:
            self._calls.find(caller, task.action)
        except UnknownActionError:
            return False
        return True


def _for_drawing(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with files as data URLs, which is what a form library can fill in."""

    def drawn(value: Any) -> Any:
        if isinstance(value, Mapping):
            if value.get("format") == "binary":
                return {**value, "format": "data-url"}
            return {key: drawn(inner) for key, inner in value.items()}
        return [drawn(inner) for inner in value] if isinstance(value, list) else value

    found: dict[str, Any] = drawn(schema)
    return found
