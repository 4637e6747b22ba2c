"""Runs over rows by HTTP: rows come in once, are checked as often as is wanted, run on without a request, and go out as files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, SetupError
from kosha_connector_openai.gateway.access import Shed
from kosha_connector_openai.gateway.exchange import Refused
from kosha_connector_openai.gateway.pages.bulk.bodies import wrong_body
from kosha_connector_openai.gateway.pages.bulk.live_runs import LiveRun, LiveRuns
from kosha_connector_openai.gateway.pages.bulk.received_rows import received
from kosha_connector_openai.gateway.pages.bulk.run_folders import FullError, RunFolder, RunFolders
from kosha_connector_openai.gateway.pages.bulk.run_states import FILES, kept_settings, standing, status
from kosha_connector_openai.gateway.pages.catalog_api import owner, shorter
from kosha_connector_openai.gateway.pages.failures import failed, faults_of
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.replies import error_shape, shed

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk import AsyncBulk, Format, RowOptions, SendOptions
    from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
    from kosha_connector_openai.gateway.pages.event_response import EventSender
    from kosha_connector_openai.gateway.pages.tasks_api import TasksApi
    from kosha_connector_openai.gateway.records import Caller
    from kosha_connector_openai.outputs import Prices

_USUAL: Final = 300.0
"""Seconds of a wait whose length is not said."""
_TICK: Final = 0.5
_ANSWER: Final = re.compile(r"[0-9]{1,12}\.\w{1,16}")
"""The name of an answer that is a file."""
NONE: Final = JsonResponse(404, error_shape("No run of yours has this id.", param="run"))
LIVE: Final = JsonResponse(409, error_shape("The run is under way. Cancel it, or wait until it ends.", param="run", code="run"))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request about one run of its caller's."""

    caller: Caller
    run: RunFolder
    live: LiveRun | None
    body: Mapping[str, Any]
    request_id: str

    @property
    def owner(self) -> str:
        return owner(self.caller)


class BulkApi:
    """The answers of the paths of runs over rows."""

    def __init__(self, calls: CheckedCalls, tasks: TasksApi, folders: RunFolders, prices: Prices | None = None) -> None:
        """``prices`` tell what rows cost."""
        self._calls, self._tasks, self._folders, self._prices = calls, tasks, folders, prices
        self.live = LiveRuns(folders)
        self._writers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._turns = asyncio.Semaphore(2)
        """Reads of all rows at once: each takes turns with the event loop."""
        self._verbs: Mapping[str, Callable[[_Asked, EventSender | None], Any]] = {
            "check": self._check,
            "start": self._start,
            "wait": self._wait,
            "resume": self._resume,
            "cancel": self._cancel,
        }

    async def take(self, caller: Caller, path: Path, form: Format, name: str) -> JsonResponse:
        """Takes the rows that have come into the folder ``path``: counts them, and names their columns."""
        try:
            async with self._turns:
                facts = await asyncio.to_thread(received, path, form, name, self._folders.entry.rows)
            run = await asyncio.to_thread(self._folders.keep, path, facts)
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(201, status(run, None))

    async def list(self, caller: Caller) -> JsonResponse:
        """The caller's runs, newest first."""
        found = await asyncio.to_thread(self._folders.all, owner(caller))
        live = [self.live.find(owner(caller), run.id) for run in found]
        return JsonResponse(200, {"runs": await asyncio.to_thread(lambda: [standing(*each) for each in zip(found, live, strict=True)])})

    async def read(self, caller: Caller, name: str) -> JsonResponse:
        """How one run stands."""
        run, live = await self._find(caller, name)
        return await self._status(run, live) if run is not None else NONE

    async def remove(self, caller: Caller, name: str) -> JsonResponse:
        """Deletes a run with its rows and answers."""
        run, live = await self._find(caller, name)
        if run is None or live is not None:
            return NONE if run is None else LIVE
        async with self._turn_of(run):
            if self.live.find(owner(caller), name) is not None:
                return LIVE
            await asyncio.to_thread(self._folders.remove, run.path)
        return JsonResponse(200, {"run": run.id, "removed": True})

    async def file(self, caller: Caller, name: str, file: str) -> JsonResponse | tuple[Path, str]:
        """A file with what came of a run, made anew, and its media type."""
        run, live = await self._find(caller, name)
        if run is None or live is not None:
            return NONE if run is None else LIVE
        try:
            if file in FILES:
                async with self._turn_of(run), self._turns:
                    if self.live.find(owner(caller), name) is not None:
                        return LIVE
                    path, kind = await asyncio.to_thread(self._written, run, file), FILES[file]
            else:
                path, kind = run.ledger.with_name(f"{run.ledger.name}.answers") / file, guess_type(file)[0] or "application/octet-stream"
        except ConnectorError as error:
            return failed(error)
        if (file not in FILES and not _ANSWER.fullmatch(file)) or path.is_symlink() or not path.is_file():
            return JsonResponse(404, error_shape("The run has no such file.", param="file"))
        return path, kind

    async def answer(
        self, caller: Caller, name: str, verb: str, body: Any, events: EventSender | None = None, request_id: str = ""
    ) -> JsonResponse:
        """Does what ``verb`` says."""
        run, live = await self._find(caller, name)
        if run is None:
            return NONE
        wrong = wrong_body(verb, body)
        if wrong is not None:
            return wrong
        try:
            found: JsonResponse = await self._verbs[verb](_Asked(caller, run, live, body, request_id), events)
        except FullError as error:
            return JsonResponse(429, error_shape(str(error), "rate_limit_error", code="bulk_room"))
        except ConnectorError as error:
            return failed(error)
        return found

    # --- verbs ---

    async def _check(self, asked: _Asked, _: EventSender | None) -> JsonResponse:
        self._allowed(asked.caller, asked.body["target"], asked.body.get("inputs", {}))
        bulk = self._bulk(asked.caller)
        try:
            options = self._options(asked)
            async with self._turns:
                found = await asyncio.to_thread(bulk.check, asked.body["target"], asked.run.rows, options, prices=self._prices)
        except InputError as error:
            facts = {"rows": asked.run.facts["rows"], "fault_count": len(error.faults), "first": [], "tokens": None, "cost": None}
            return JsonResponse(200, {"valid": False, "message": error.message, "faults": faults_of(error.faults), **facts})
        return JsonResponse(200, {"valid": not found.fault_count, **found.to_dict()})

    async def _start(self, asked: _Asked, _: EventSender | None) -> JsonResponse:
        if asked.live is not None or asked.run.ledger.exists():
            return LIVE if asked.live is not None else JsonResponse(409, error_shape("The run was started. Resume it.", code="run"))
        action = self._allowed(asked.caller, asked.body["target"], asked.body.get("inputs", {}))
        target, options = asked.body["target"], self._options(asked)
        live, send = await self._admit(asked, action)
        bulk = live.bulk = self._bulk(asked.caller, live, asked.request_id)
        return await self._begin(asked, live, lambda: bulk.run(target, asked.run.rows, asked.run.out, options, send))

    async def _resume(self, asked: _Asked, _: EventSender | None) -> JsonResponse:
        if asked.live is not None or not asked.run.ledger.exists():
            return LIVE if asked.live is not None else JsonResponse(409, error_shape("The run was not started.", code="run"))
        settings = await asyncio.to_thread(kept_settings, asked.run)
        action = self._allowed(asked.caller, settings["target"], settings["options"]["fixed"])
        live, send = await self._admit(asked, action)
        bulk = live.bulk = self._bulk(asked.caller, live, asked.request_id)
        again = bool(asked.body.get("retry_failed"))
        return await self._begin(asked, live, lambda: bulk.resume(asked.run.ledger, send, retry_failed=again))

    async def _wait(self, asked: _Asked, events: EventSender | None) -> JsonResponse:
        end, told = monotonic() + asked.body.get("timeout", _USUAL), None
        live = asked.live
        try:
            with self._calls.watching(asked.caller):
                if events is not None:
                    await events.open()
                while live is not None and live.task is not None and not live.task.done() and (left := end - monotonic()) > 0:
                    now = standing(asked.run, live)
                    if events is not None and now != told:
                        events.note("progress", now)
                        told = now
                    await asyncio.wait({live.task}, timeout=min(_TICK, left))
        except Shed as error:
            raise Refused(shed(error.status, error.reason, error.retry_after)) from None
        return await self.read(asked.caller, asked.run.id)

    async def _cancel(self, asked: _Asked, _: EventSender | None) -> JsonResponse:
        if asked.live is not None:
            asked.live.end("cancelled")
        return await self._status(asked.run, asked.live)

    # --- parts ---

    async def _find(self, caller: Caller, name: str) -> tuple[RunFolder | None, LiveRun | None]:
        return await asyncio.to_thread(self._folders.find, owner(caller), name), self.live.find(owner(caller), name)

    async def _status(self, run: RunFolder, live: LiveRun | None) -> JsonResponse:
        try:
            return JsonResponse(200, await asyncio.to_thread(status, run, live))
        except ConnectorError as error:
            return failed(error)

    def _allowed(self, caller: Caller, target: str, fixed: Mapping[str, Any]) -> Action:
        """The action of the target, or of the task that it is. Raises UnknownActionError where the caller may not run it, InputError for a
        fixed input that it may not name."""
        catalog = self._calls.connector.catalog
        action = self._calls.find(caller, target if target in catalog else self._tasks.find(caller, target).action)
        self._calls.check_fields(action, fixed)
        return action

    def _options(self, asked: _Asked) -> RowOptions:
        from kosha_connector_openai.flows.bulk import MapRule, RowOptions

        rules = tuple(asked.body.get("map", ()))
        for number, rule in enumerate(rules):
            if MapRule.parse(rule).sign == "@":
                fault = Fault(f"/map/{number}", "file", "names a column of files, and those of this machine are not the caller's.")
                raise InputError("The rows cannot be used; nothing was sent.", [fault])
        more = {name: asked.body[name] for name in ("dedupe", "if_cut") if name in asked.body}
        keep = tuple(asked.body.get("keep", ()))
        return RowOptions(map=rules, fixed=asked.body.get("inputs", {}), format=asked.run.facts["format"], keep=keep, **more)

    async def _admit(self, asked: _Asked, action: Action) -> tuple[LiveRun, SendOptions]:
        """What a run begins with, within what its token may take. Raises FullError, and InputError for caps that cannot be kept."""
        from kosha_connector_openai.flows.bulk import SendOptions

        body, allowance = asked.body, asked.caller.allowance
        await asyncio.to_thread(self._folders.check_room, asked.owner)
        try:
            budget = self._calls.connector.outputs.budget(prices=self._prices, **body.get("budget", {}))
        except SetupError as error:
            raise InputError(error.message, error.faults) from None
        most = min(self._folders.entry.in_flight, allowance.calls)
        send = SendOptions(
            in_flight=min(body.get("in_flight", most), most),
            requests=allowance.calls_per_minute or None,
            timeout=shorter(body.get("timeout"), action, self._calls.connections[asked.caller.connection]),
            unknown=body.get("unknown", "hold"),
            budget=budget,
        )
        return LiveRun(asked.owner, asked.run, budget), send

    def _bulk(self, caller: Caller, live: LiveRun | None = None, request_id: str = "") -> AsyncBulk:
        from kosha_connector_openai.flows.bulk import AsyncBulk

        connection = self._calls.connections[caller.connection]
        if live is None:
            return AsyncBulk(self._calls.connector, connection)
        arun = self._calls.of_rows(caller, live.goes_on, request_id)
        return AsyncBulk(self._calls.connector, connection, watch=live.watch, arun=arun)

    async def _begin(self, asked: _Asked, live: LiveRun, work: Callable[[], Any]) -> JsonResponse:
        most = self._folders.entry.running
        async with self._turn_of(asked.run):
            if self.live.find(asked.owner, asked.run.id) is not None:  # another request was first
                return LIVE
            if self.live.count(asked.owner) >= most:
                raise FullError(f"This token may have {most} runs under way. Wait until one ends, or cancel one.")
            await self.live.begin(live, work)
        return await self.read(asked.caller, asked.run.id)

    def _turn_of(self, run: RunFolder) -> asyncio.Lock:
        """Held by whoever writes the files of a run."""
        return self._writers.setdefault(run.id, asyncio.Lock())

    def _written(self, run: RunFolder, file: str) -> Path:
        """Writes a file of FILES from the ledger."""
        from kosha_connector_openai.flows.bulk import export, failed_path, kept_options, open_run, source_of

        texts = self._calls.connector.manifest.result.text
        out = run.out if file == "failed.jsonl" else run.path / file
        settings = kept_settings(run)
        with open_run(run.ledger) as ledger:
            export(ledger, source_of(ledger), out, texts=texts, keep=kept_options(settings))
        return failed_path(out) if file == "failed.jsonl" else out
