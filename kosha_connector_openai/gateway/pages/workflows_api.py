"""Workflows over HTTP: an Arazzo document is checked, run with an event for each step, and cancelled."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import ConnectorError, Fault, UnknownActionError, WorkflowDocumentError, WorkflowError
from kosha_connector_openai.gateway.pages.catalog_api import UploadedFile, file_inputs, owner
from kosha_connector_openai.gateway.pages.failures import NO_ROOM, failed, faults_of, is_object, is_seconds, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.result_files import NoRoomError, ResultFiles
from kosha_connector_openai.gateway.replies import error_shape

if TYPE_CHECKING:
    from kosha_connector_openai.core.result import Result
    from kosha_connector_openai.flows.workflows import Begun, Step, StepRecord, Workflow, WorkflowDocument, WorkflowResult
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.event_response import EventSender
    from kosha_connector_openai.gateway.pages.result_files import FileSheet
    from kosha_connector_openai.gateway.records import Caller

_USUAL: Final = 3_600.0
"""Seconds of a run whose length is not said."""
_RUN: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MOST_RUNS: Final = 10_000


class WorkflowsApi:
    """The answers of the workflows' paths, and the runs under way."""

    def __init__(self, calls: CheckedCalls, files: ResultFiles) -> None:
        self._calls = calls
        self._files = files
        self._runs: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._cancelled: set[tuple[str, str]] = set()

    def check(self, caller: Caller, body: Any) -> JsonResponse:
        """Whether a document can be run by the caller, with every fault; what its workflows take and do. Nothing is sent."""
        if not is_object(body, {"document"}, needed="document") or not isinstance(body["document"], (str, Mapping)):
            return misshapen("", "The body is an object with `document`, a text or an object.")
        try:
            document = self._read(caller, body["document"])
        except WorkflowDocumentError as error:
            faults = error.faults or (Fault("", "document", error.message),)
            return JsonResponse(200, {"valid": False, "faults": faults_of(faults), "warnings": [], "workflows": []})
        except ConnectorError as error:
            return failed(error)
        shown = [_shown(workflow) for workflow in document.workflows.values()]
        return JsonResponse(200, {"valid": True, "faults": [], "warnings": faults_of(document.warnings), "workflows": shown})

    async def run(
        self,
        caller: Caller,
        body: Any,
        uploads: Mapping[str, list[UploadedFile]] | None = None,
        events: EventSender | None = None,
        request_id: str = "",
    ) -> JsonResponse:
        """Runs one workflow of a document to its end; with ``events`` each step is told as it begins, answers and ends."""
        wrong = _wrong(body)
        if wrong is not None:
            return wrong
        key = (owner(caller), body.get("run") or secrets.token_urlsafe(12))
        if key in self._runs or len(self._runs) >= _MOST_RUNS:
            return JsonResponse(409, error_shape("A run of this id is under way.", param="run", code="run"))
        task = asyncio.current_task()
        assert task is not None
        self._runs[key] = task
        try:
            return await self._run(caller, body, key[1], uploads or {}, events, request_id)
        except NoRoomError:
            return NO_ROOM
        except ConnectorError as error:
            return failed(error)
        except asyncio.CancelledError:
            if key not in self._cancelled:
                raise
            task.uncancel()
            return JsonResponse(409, error_shape("The run was cancelled.", code="cancelled", run=key[1]))
        finally:
            self._runs.pop(key, None)
            self._cancelled.discard(key)

    def cancel(self, caller: Caller, run: str) -> JsonResponse:
        """Cancels a run of the caller's that is under way: its call is ended, and no other is made."""
        key = (owner(caller), run)
        task = self._runs.get(key)
        if task is None:
            return JsonResponse(404, error_shape("No run of yours with this id is under way.", param="run"))
        self._cancelled.add(key)
        task.cancel()
        return JsonResponse(200, {"run": run, "cancelled": True})

    async def _run(
        self, caller: Caller, body: Any, run: str, uploads: Mapping[str, list[UploadedFile]], events: EventSender | None, request_id: str
    ) -> JsonResponse:
        from kosha_connector_openai.flows.workflows import RunLimits, arun_workflow, choose

        document = await asyncio.to_thread(self._read, caller, body["document"])
        workflow = choose(document, body.get("workflow"))
        sheet = self._files.sheet(owner(caller), bare=body.get("file") == "link")
        watch = _Watch(events, sheet)
        if events is not None:
            await events.event("run", {"run": run, "workflow": workflow.id, "steps": [_step(step) for step in workflow.steps]})
        arun = self._calls.of_flow(caller, request_id, watch if events is not None else None)
        try:
            result = await arun_workflow(
                document,
                self._calls.connector,
                self._calls.connections[caller.connection],
                {**body.get("inputs", {}), **file_inputs(uploads)},
                workflow=workflow.id,
                limits=RunLimits(seconds=body.get("timeout", _USUAL)),
                watch=watch.step,
                arun=arun,
            )
        except WorkflowError as error:
            answer = failed(error)
            if error.result is not None:
                answer.value["result"] = self._outcome(error.result, run, sheet)
            return answer
        return JsonResponse(200, self._outcome(result, run, sheet))

    @staticmethod
    def _outcome(result: WorkflowResult, run: str, sheet: FileSheet) -> dict[str, Any]:
        sheet.files = []  # those of the steps were told with them
        outputs = sheet.plain(_plain(result.outputs))
        return {**result.to_dict(), "outputs": outputs, "run": run, "files": sheet.files}

    def _read(self, caller: Caller, source: Any) -> WorkflowDocument:
        """The document, if the caller may run all of its actions. Raises WorkflowDocumentError with every fault."""
        from kosha_connector_openai.flows.workflows import read_workflows

        connector, connection = self._calls.connector, self._calls.connections[caller.connection]
        document = read_workflows(source, connector, catalog=connector.catalog_of(connection), validation=connection.validation)
        if faults := list(self._hidden(caller, document)):
            raise WorkflowDocumentError("The document cannot be run.", faults)
        return document

    def _hidden(self, caller: Caller, document: WorkflowDocument) -> Iterator[Fault]:
        from kosha_connector_openai.flows.tasks import find_task

        for workflow in document.workflows.values():
            for step in workflow.steps:
                if step.runner == "workflow":
                    continue
                action = find_task(self._calls.connector, step.target).action if step.runner == "task" else step.target
                try:
                    self._calls.find(caller, action)
                except UnknownActionError as error:
                    yield Fault(step.pointer, "unknown", f"runs `{step.target}`, and there is no such action.", error.hint)


class _Watch:
    """Tells what a run does: a step that begins, text as it grows, what each call gave, and how the step ended."""

    def __init__(self, events: EventSender | None, sheet: FileSheet) -> None:
        self._events = events
        self._sheet = sheet
        self._step = ""

    def step(self, move: Begun | StepRecord) -> None:
        from kosha_connector_openai.flows.workflows import StepRecord

        if isinstance(move, StepRecord):
            self._note("ended", move.to_dict())
        else:
            self._step = move.step.id
            self._note("begun", {"workflow": move.workflow, **_step(move.step), "attempt": move.attempt})

    def text(self, action: str, text: str) -> None:
        """A piece of an answer, as it comes."""
        self._note("text", {"step": self._step, "action": action, "text": text})

    def answer(self, result: Result, short: Any) -> None:
        """What one call gave."""
        self._sheet.files = []
        self._note("answer", {"step": self._step, **self._sheet.envelope(result, short, shown=True)})

    def _note(self, name: str, value: dict[str, Any]) -> None:
        if self._events is not None:
            self._events.note(name, value)


def _wrong(body: Any) -> JsonResponse | None:
    if not is_object(body, {"document", "workflow", "inputs", "timeout", "file", "run"}, needed="document"):
        return misshapen("", "The body is an object with `document`, and maybe `workflow`, `inputs`, `timeout`, `file` and `run`.")
    for name, (fits, message) in _FITS.items():
        if name in body and not fits(body[name]):
            return misshapen(name, message)
    return None


_FITS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "document": (lambda value: isinstance(value, (str, Mapping)), "`document` is a text or an object."),
    "inputs": (lambda value: isinstance(value, Mapping), "`inputs` is an object."),
    "workflow": (lambda value: isinstance(value, str), "`workflow` is the id of a workflow."),
    "timeout": (is_seconds, "`timeout` is more than 0 and at most 86400 seconds."),
    "file": (lambda value: value in ("base64", "link"), "`file` is `base64` or `link`."),
    "run": (
        lambda value: isinstance(value, str) and _RUN.fullmatch(value) is not None,
        "`run` is an id of 8 to 64 letters, digits, `-` and `_`.",
    ),
}


def _shown(workflow: Workflow) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "summary": workflow.summary,
        "inputs": workflow.inputs.schema,
        "steps": [_step(step) for step in workflow.steps],
        "outputs": list(workflow.outputs),
    }


def _step(step: Step) -> dict[str, Any]:
    return {"step": step.id, "runner": step.runner, "target": step.target, "pointer": step.pointer}


def _plain(value: Any) -> Any:
    """Outputs as values whose bytes and files are still there: what else is no JSON says itself what it is."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (str, int, float, bool, bytes, bytearray)):
        return value
    return _plain(value.to_dict()) if hasattr(value, "to_dict") else str(value)
