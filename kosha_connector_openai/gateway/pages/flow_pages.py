"""The pages of what takes more than one call: tasks, workflows and jobs, from a request to an answer or to events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.pages.event_response import EventResponse, EventSender, wants_events
from kosha_connector_openai.gateway.pages.failures import failed
from kosha_connector_openai.gateway.pages.jobs_api import HANDLE, VERBS, JobsApi
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies, while_there
from kosha_connector_openai.gateway.pages.tasks_api import TasksApi
from kosha_connector_openai.gateway.pages.workflows_api import WorkflowsApi
from kosha_connector_openai.gateway.records import REQUEST, Caller

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.result_files import ResultFiles

Answer = Callable[[Any, Any, EventSender | None, str], Awaitable[JsonResponse]]
"""Takes the body, the files that came with it, where events go, and the request's id."""


class BodyAnswers:
    """Answers requests by what their bodies hold."""

    def __init__(self, bodies: PageBodies) -> None:
        self._bodies = bodies

    async def reply(self, request: Request, answer: Answer, limit: int | None = None) -> JsonResponse | Response:
        """The answer, or a reply of events where they are asked for; ``limit``: bytes of the body, where it is no run's."""
        read = partial(self.read, request, answer, limit=limit)
        return EventResponse(read) if wants_events(request.headers.get("accept", "")) else await read()

    async def read(self, request: Request, answer: Answer, events: EventSender | None = None, *, limit: int | None = None) -> JsonResponse:
        """Reads the body and answers it; a caller who leaves cancels what is under way. Raises BodyRefused and ClientLeft."""
        try:
            async with self._bodies.run(request, limit) as (body, uploads):
                return await while_there(request, answer(body, uploads, events, request.scope.get("state", {}).get(REQUEST, "")))
        except InputError as error:
            return failed(error)


class FlowPages:
    """Their handlers by operation id of service.yaml."""

    def __init__(self, calls: CheckedCalls, files: ResultFiles, bodies: PageBodies) -> None:
        self._answers = BodyAnswers(bodies)
        self._tasks = TasksApi(calls, files)
        self._workflows = WorkflowsApi(calls, files)
        self._jobs = JobsApi(calls, files)
        self.handlers: Mapping[str, Callable[..., Awaitable[JsonResponse | Response]]] = {
            "listCatalogTasks": self._list_tasks,
            "readCatalogTask": self._task,
            "readCatalogTaskForm": self._task_form,
            "readCatalogTaskSample": self._task_sample,
            "validateCatalogTask": self._validate_task,
            "runCatalogTask": self._run_task,
            "checkWorkflow": self._check_workflow,
            "runWorkflow": self._run_workflow,
            "cancelWorkflow": self._cancel_workflow,
            **{f"{verb}Job": partial(self._job, verb=verb) for verb in VERBS},
        }

    async def _list_tasks(self, _: Request, caller: Caller) -> JsonResponse:
        return await asyncio.to_thread(self._tasks.tasks, caller)

    async def _task(self, _: Request, caller: Caller, *, task: str) -> JsonResponse:
        return await asyncio.to_thread(self._tasks.task, caller, task)

    async def _task_form(self, request: Request, caller: Caller, *, task: str) -> JsonResponse:
        return await asyncio.to_thread(self._tasks.form, caller, task, drawn=request.query_params.get("as") == "rjsf")

    async def _task_sample(self, _: Request, caller: Caller, *, task: str) -> JsonResponse:
        return await asyncio.to_thread(self._tasks.sample, caller, task)

    async def _validate_task(self, request: Request, caller: Caller, *, task: str) -> JsonResponse:
        return await self._answers.read(request, lambda body, _, __, ___: asyncio.to_thread(self._tasks.validate, caller, task, body))

    async def _run_task(self, request: Request, caller: Caller, *, task: str) -> JsonResponse | Response:
        return await self._answers.reply(request, partial(self._tasks.run, caller, task))

    async def _check_workflow(self, request: Request, caller: Caller) -> JsonResponse:
        return await self._answers.read(request, lambda body, _, __, ___: asyncio.to_thread(self._workflows.check, caller, body))

    async def _run_workflow(self, request: Request, caller: Caller) -> JsonResponse | Response:
        return await self._answers.reply(request, partial(self._workflows.run, caller))

    async def _cancel_workflow(self, _: Request, caller: Caller, *, run: str) -> JsonResponse:
        return self._workflows.cancel(caller, run)

    async def _job(self, request: Request, caller: Caller, *, verb: str) -> JsonResponse | Response:
        return await self._answers.reply(request, partial(self._jobs.answer, caller, verb), None if verb == "start" else HANDLE)
