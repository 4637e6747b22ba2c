"""Jobs and AsyncJobs: the same verbs over the same steps, in a thread and on an event loop."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.errors import ConnectorError, JobError, JobPendingError
from kosha_connector_openai.flows.arun import ARun
from kosha_connector_openai.flows.driving import Steps, adrive, drive
from kosha_connector_openai.flows.jobs import lifecycle as steps
from kosha_connector_openai.flows.jobs import uploads
from kosha_connector_openai.flows.jobs.handle import Handle, check_home, read_handle
from kosha_connector_openai.flows.jobs.results import JobResult, fetch
from kosha_connector_openai.flows.jobs.state import GOES_ON, Status, WaitOptions, kind_of, upload_kind
from kosha_connector_openai.flows.jobs.store import HandleStore

T = TypeVar("T")
Given = Handle | Mapping[str, Any] | str | bytes
"""A handle, or its JSON values or text."""


class _Base:
    """What both share: where handles are kept, and the steps of each verb."""

    def __init__(self, connector: Connector, connection: Connection, *, store: HandleStore | None = None, name: str | None = None) -> None:
        """``store`` keeps each handle from before its job is started; ``name`` is the caller's name for the connection."""
        self.connector = connector
        self.connection = connection
        self.store = store
        self._context = steps.JobContext(connector, connection, name, self._keep, self._drop)

    def _keep(self, handle: Handle) -> None:
        if self.store is not None:
            self.store.keep(handle)

    def _drop(self, handle: Handle) -> None:
        if self.store is not None:
            self.store.drop(handle.name)

    def _handle(self, given: Given) -> Handle:
        handle = read_handle(given)
        check_home(handle, self.connector, self.connection)
        return handle

    def _wait(self, given: Given, options: WaitOptions, source: Any, *, fresh: bool = False) -> Steps[Status]:
        handle = self._handle(given)
        kind = upload_kind(self.connector, handle.kind)
        if kind is not None:
            return uploads.send(self._context, handle, kind, source, options)
        return steps.wait(self._context, handle, options, fresh=fresh)

    def _cancel(self, given: Given) -> Steps[Status]:
        handle = self._handle(given)
        kind = upload_kind(self.connector, handle.kind)
        return uploads.cancel(self._context, handle, kind) if kind else steps.cancel(self._context, handle)

    def _ask(self, given: Given | Status) -> Steps[Status]:
        handle = self._handle(given.handle if isinstance(given, Status) else given)
        if upload_kind(self.connector, handle.kind) is not None:
            return uploads.seen(handle)
        return (yield from steps.ask(self._context, handle))

    def _fetch(self, given: Given | Status, out: Path | None, *, overwrite: bool, order: bool = True) -> Steps[JobResult]:
        status = given if isinstance(given, Status) and given.end else (yield from self._ask(given))
        if status.end and upload_kind(self.connector, status.handle.kind) is not None:
            name = uploads.file_id(status.handle)
            return JobResult("value", status.result.value if status.result else name and {"id": name}, status)
        return (yield from fetch(self._context, status, out, overwrite=overwrite, order=order))

    def run_steps(
        self, action: str, inputs: Mapping[str, Any], options: WaitOptions = WaitOptions(), call: CallOptions = CallOptions()
    ) -> Steps[JobResult]:
        """A job from its start to its result, as a part of another flow; raises JobEndedError where it ends without success."""
        handle = yield from steps.start(self._context, action, inputs, call, mark=True)
        status = yield from self._wait(handle, options, None, fresh=True)
        return (yield from self._fetch(status.check(), None, overwrite=False))

    def _alone(self, given: Given) -> AbstractContextManager[None]:
        """Locks an upload while it is sent, since two processes would send its parts twice. A wait for a job needs no lock."""
        handle = read_handle(given)
        sends = self.store is not None and upload_kind(self.connector, handle.kind) is not None
        return self.store.held(handle) if self.store is not None and sends else nullcontext()

    def _not_cancelled(self, given: Given, cause: ConnectorError) -> JobPendingError:
        message = "The wait was interrupted, and the job could not be cancelled."
        return JobPendingError(message, handle=read_handle(given).to_dict(), hint=GOES_ON, cause=cause)

    def _can_cancel(self, given: Given) -> bool:
        handle = read_handle(given)
        if handle.phase != "started":
            return False
        kind = upload_kind(self.connector, handle.kind) or kind_of(self.connector, handle)
        return kind.cancel is not None


class Jobs(_Base):
    """Jobs of one connection, for threads."""

    def start(self, action: str, inputs: Mapping[str, Any], call: CallOptions = CallOptions(), *, mark: bool = True) -> Handle:
        """Starts a job, once, and gives its handle without waiting.

        ``mark`` puts the handle's name among the job's metadata where the API has a place for it, so that a start whose answer was lost
        can be looked up. Raises InputError for what starts no job, JobUnknownError where it may have been started.
        """
        return self._drive(steps.start(self._context, action, inputs, call, mark=mark))

    def start_upload(self, source: Any, inputs: Mapping[str, Any], kind: str = "upload") -> Handle:
        """Announces a large file; ``wait`` sends its parts. ``source`` is what a file input takes; raises as ``start`` does."""
        return self._drive(uploads.start(self._context, source, inputs, kind))

    def status(self, handle: Given) -> Status:
        """Asks once for the job's state and returns it."""
        return self._drive(self._ask(handle))

    def wait(self, handle: Given, options: WaitOptions = WaitOptions(), *, source: Any = None, fresh: bool = False) -> Status:
        """Waits until the job ends, from any process that has its handle; nothing is started.

        ``fresh`` is for a job that was just started: the first question comes after a pause. ``source`` is an upload's file where the
        handle names none. Raises JobPendingError where time is up.
        """
        try:
            with self._alone(handle):
                return self._drive(self._wait(handle, options, source, fresh=fresh))
        except KeyboardInterrupt:
            if options.cancel and self._can_cancel(handle):
                self._cancel_now(handle)
            raise

    def _cancel_now(self, handle: Given) -> None:
        try:
            self.cancel(handle)
        except ConnectorError as error:
            raise self._not_cancelled(handle, error) from None

    resume = wait

    def cancel(self, handle: Given) -> Status:
        """Cancels the job upstream and returns its state afterwards; the job may not have ended yet."""
        return self._drive(self._cancel(handle))

    def events(self, handle: Given, most: int | None = None) -> list[Any]:
        """Returns the job's events as the API lists them, ``most`` at most."""
        return self._drive(steps.events(self._context, self._handle(handle), most))

    def fetch(self, handle: Given | Status, out: Path | None = None, *, overwrite: bool = False, order: bool = True) -> JobResult:
        """Returns the result of an ended job; ``out`` is the path for a file. Without ``order`` lines are found by their keys alone, and
        the input file is not read."""
        return self._drive(self._fetch(handle, out, overwrite=overwrite, order=order))

    def run(self, action: str, inputs: Mapping[str, Any], options: WaitOptions = WaitOptions()) -> JobResult:
        """Starts, waits and fetches; raises JobEndedError where the job ends without success."""
        return self.fetch(self.wait(self.start(action, inputs), options, fresh=True).check())

    def _drive(self, flow: Steps[T]) -> T:
        try:
            return drive(flow, self.connector, self.connection)
        except JobError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is its own cause; the frames hold inputs


class AsyncJobs(_Base):
    """Jobs of one connection, for event loops."""

    def __init__(
        self,
        connector: Connector,
        connection: Connection,
        *,
        store: HandleStore | None = None,
        name: str | None = None,
        arun: ARun | None = None,
    ) -> None:
        """``arun`` runs each action, ``connector.arun`` by default; the others as in Jobs."""
        super().__init__(connector, connection, store=store, name=name)
        self._arun = arun

    async def start(self, action: str, inputs: Mapping[str, Any], call: CallOptions = CallOptions(), *, mark: bool = True) -> Handle:
        """As Jobs.start."""
        return await self._drive(steps.start(self._context, action, inputs, call, mark=mark))

    async def start_upload(self, source: Any, inputs: Mapping[str, Any], kind: str = "upload") -> Handle:
        """As Jobs.start_upload."""
        return await self._drive(uploads.start(self._context, source, inputs, kind))

    async def status(self, handle: Given) -> Status:
        """As Jobs.status."""
        return await self._drive(self._ask(handle))

    async def wait(self, handle: Given, options: WaitOptions = WaitOptions(), *, source: Any = None, fresh: bool = False) -> Status:
        """As Jobs.wait; with ``options.cancel`` a cancelled task cancels the job upstream, too."""
        import asyncio

        try:
            with self._alone(handle):
                return await self._drive(self._wait(handle, options, source, fresh=fresh))
        except asyncio.CancelledError:
            if options.cancel and self._can_cancel(handle):
                await asyncio.shield(self.cancel(handle))
            raise

    resume = wait

    async def cancel(self, handle: Given) -> Status:
        """As Jobs.cancel."""
        return await self._drive(self._cancel(handle))

    async def events(self, handle: Given, most: int | None = None) -> list[Any]:
        """As Jobs.events."""
        return await self._drive(steps.events(self._context, self._handle(handle), most))

    async def fetch(self, handle: Given | Status, out: Path | None = None, *, overwrite: bool = False, order: bool = True) -> JobResult:
        """As Jobs.fetch."""
        return await self._drive(self._fetch(handle, out, overwrite=overwrite, order=order))

    async def run(self, action: str, inputs: Mapping[str, Any], options: WaitOptions = WaitOptions()) -> JobResult:
        """As Jobs.run."""
        return await self.fetch((await self.wait(await self.start(action, inputs), options, fresh=True)).check())

    async def _drive(self, flow: Steps[T]) -> T:
        try:
            return await adrive(flow, self.connector, self.connection, self._arun)
        except JobError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is its own cause; the frames hold inputs
