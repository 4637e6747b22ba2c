"""The facade of bulk for event loops: runs over rows, begun, gone on with and checked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, SetupError
from kosha_connector_openai.flows.arun import ARun
from kosha_connector_openai.flows.bulk.adoption import adopt_rows
from kosha_connector_openai.flows.bulk.batch_file import OpenBatches, batch_target
from kosha_connector_openai.flows.bulk.bucket import library
from kosha_connector_openai.flows.bulk.collector import rare_collections
from kosha_connector_openai.flows.bulk.entry import RowState, no_run
from kosha_connector_openai.flows.bulk.files import check_places, drop_spool, open_run, output_of, shared_name, spooled
from kosha_connector_openai.flows.bulk.job import RowJob
from kosha_connector_openai.flows.bulk.kept_rows import source_of
from kosha_connector_openai.flows.bulk.keys import read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.mapping import Fields, RowMap, unknown_column
from kosha_connector_openai.flows.bulk.opening import check_copy, ledger_of, new_ledger, open_ledger
from kosha_connector_openai.flows.bulk.options import BulkResult, Place, RowCheck, RowOptions, Rows, SendOptions, Watch
from kosha_connector_openai.flows.bulk.output import check_columns, export
from kosha_connector_openai.flows.bulk.row import FaultList, RowSource, Start, refused
from kosha_connector_openai.flows.bulk.rows import open_source
from kosha_connector_openai.flows.bulk.runner import Runner
from kosha_connector_openai.flows.bulk.runners import recover
from kosha_connector_openai.flows.bulk.sending import Ended, Sending, is_ended, progress_of, waits_again
from kosha_connector_openai.flows.bulk.targets import RowTarget, find_target

if TYPE_CHECKING:
    from kosha_connector_openai.outputs import Prices


class AsyncBulk:
    """Runs of an action, a task or a workflow over rows, through one connection, for event loops; ``Bulk`` is the same for threads."""

    def __init__(self, connector: Connector, connection: Connection, *, watch: Watch | None = None, arun: ARun | None = None) -> None:
        """``watch`` is told how a run stands, four times a second; ``arun`` runs each action, where a host checks the calls of a run."""
        self.connector, self.connection, self._watch, self._arun = connector, connection, watch, arun
        self._runner: Runner | None = None
        self._stopped = False

    def stop(self) -> None:
        """As Bulk.stop."""
        self._stopped = True  # the rows may still be being read
        if self._runner is not None:
            self._runner.stop_soon()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """One run; a stop of it is none of the next."""
        try:
            yield
        finally:
            self._runner, self._stopped = None, False

    async def run(
        self, target: str, rows: Rows, out: Place, options: RowOptions = RowOptions(), send: SendOptions = SendOptions()
    ) -> BulkResult:
        """As Bulk.run."""
        await self.connector.aread(self.connection)
        with self._stoppable():
            job, ledger = await asyncio.to_thread(self._begin, target, rows, Path(out), options, send)
            with ledger:
                return await self._send(job, ledger, send, Start())

    def _begin(self, target: str, rows: Rows, out: Path, options: RowOptions, send: SendOptions) -> tuple[RowJob, Ledger]:
        """A new run with its rows in its ledger. Raises InputError and SetupError, and leaves nothing then."""
        library()  # what is not installed is told before anything is written
        whole, out = out, shared_name(out, options.share)
        path = ledger_of(out)
        check_places(out, path)
        job, spool = self._new(target, rows, out, options)
        try:
            ledger = new_ledger(path, whole, sync=send.sync, reference=options.ledger, share=options.share)
        except BaseException:
            drop_spool(spool)
            raise
        try:
            faults = FaultList()
            ledger.add(self._checked(job, faults), self._kept(job))
        except BaseException:
            ledger.discard()
            drop_spool(spool)
            raise
        return job, ledger

    async def resume(
        self, path: Place, send: SendOptions = SendOptions(), *, adopt: bool = False, retry_failed: bool = False
    ) -> BulkResult:
        """As Bulk.resume."""
        await self.connector.aread(self.connection)
        with self._stoppable():
            job, ledger, start = await asyncio.to_thread(self._again, Path(path), send, adopt=adopt, retry_failed=retry_failed)
            with ledger:
                return await self._send(job, ledger, send, start)

    def _again(self, path: Path, send: SendOptions, *, adopt: bool, retry_failed: bool) -> tuple[RowJob, Ledger, Start]:
        """A run that was broken off, and where its first row stands that waits. Raises InputError and SetupError."""
        library()
        ledger = open_ledger(ledger_of(path), sync=send.sync)
        try:
            check_copy(ledger)
            job = self._old(ledger)
            recover(job, ledger)
            start = self._verified(job, ledger, adopt=adopt)
            if retry_failed:
                ledger.move(RowState.FAILED, RowState.PENDING)
                start = Start()
        except BaseException:
            ledger.close()
            raise
        return job, ledger, start

    def check(
        self, target: str, rows: Rows, options: RowOptions = RowOptions(), *, prices: Prices | None = None, show: int = 2
    ) -> RowCheck:
        """As Bulk.check."""
        from kosha_connector_openai.flows.bulk.dry_run import check_rows

        self.connector.catalog_of(self.connection)
        job, spool = self._new(target, rows, Path("-"), options)
        try:
            return check_rows(job.target, job.source, job.row_map, options, prices, show)
        finally:
            drop_spool(spool)

    def request(self, path: Place, row: int) -> dict[str, Any]:
        """As Bulk.request."""
        from kosha_connector_openai.flows.bulk.dry_run import shown

        with open_run(Path(path)) as ledger:
            job = self._old(ledger)
            found = next((each for each in job.source.rows() if each.number == row), None)
        if found is None or found.fault is not None:
            raise found.fault if found and found.fault else InputError("The input has no such row.")
        return shown(job.target, job.row_map.inputs(found))

    # --- parts of a run ---

    def _new(self, target: str, rows: Rows, out: Path, options: RowOptions) -> tuple[RowJob, Path | None]:
        found = find_target(self.connector, self.connection, target, policy=options.if_cut, workflow=options.workflow)
        read_share(options.share)
        if options.via == "batch":
            batch_target(found)
        if options.keep and options.order == "done":
            raise SetupError("The options of the run are wrong.", [Fault("/keep", "order", "needs the output in the order of the input.")])
        check_columns(out, options.keep)
        spool = None
        if not isinstance(rows, (str, Path)):
            spool = spooled(rows, out)
            source = open_source(spool, options.format or "jsonl")
        else:
            source = open_source(Path(rows), options.format)
        try:
            return self._job(found, source, out, options), spool
        except BaseException:
            drop_spool(spool)
            raise

    def _job(self, target: RowTarget, source: RowSource, out: Path, options: RowOptions) -> RowJob:
        source.columns()
        first = next(source.rows(), None)
        if first is None:
            raise refused("/input", "empty", "has no rows.", "Give at least one row.")
        if first.fault is not None:
            faults = FaultList()
            for row in source.rows():
                if row.fault is not None:
                    faults.add(row.fault)
            faults.check()
        columns = source.columns() or tuple(first.values)
        unknown = [unknown_column(name, columns) for name in options.keep if name not in columns]
        if unknown:
            raise InputError("The rows cannot be used; nothing was sent.", unknown)
        fields = Fields.of(target.schema, checked=target.connection.validation != "warn")
        row_map = RowMap(options.map, options.fixed, fields, source, first)
        target.call = self._arun
        return RowJob(target, source, row_map, options, out)

    def _checked(self, job: RowJob, faults: FaultList) -> Iterator[tuple[int, bytes]]:
        """The rows for the ledger; raises InputError after the last one where any has a fault."""
        for row, base in job.bases(faults):
            yield row.number, base
        faults.check()

    def _kept(self, job: RowJob) -> dict[str, Any]:
        options = {**asdict(job.options), "format": job.source.format}
        settings = {
            "target": job.target.name,
            "kind": job.target.kind,
            "description": job.target.digest,
            "document": str(Path(job.target.place).absolute()) if job.target.place else None,
            "input": str(job.source.path.absolute()),
            "out": str(job.out.absolute()),
            "options": options,
        }
        return {
            "id": secrets.token_hex(8),
            "settings": settings,
            "spent": {},
            "input": {"digest": job.input_digest(), "starts": job.starts},
        }

    def _old(self, ledger: Ledger, source: RowSource | None = None) -> RowJob:
        settings = ledger.kept("settings")
        if settings is None:
            raise no_run()
        given = settings["options"]
        options = RowOptions(**{**given, "map": tuple(given["map"]), "keep": tuple(given["keep"])})
        name = settings["document"] or settings["target"]
        workflow = settings["target"] if settings["document"] else None
        target = find_target(self.connector, self.connection, name, policy=options.if_cut, workflow=workflow)
        return self._job(target, source or source_of(ledger), output_of(ledger.path), options)

    def _verified(self, job: RowJob, ledger: Ledger, *, adopt: bool) -> Start:
        """Where the first row stands that waits; raises InputError where input and ledger differ, and none of it may be adopted."""
        settings = ledger.kept("settings")
        changed = settings["description"] != job.target.digest and not adopt
        if changed:
            fix = "Run it with the description of before; or resume with --adopt, and rows that wait are sent by the new one."
            raise InputError(
                "The run cannot go on as it is; nothing was sent.", [Fault("/target", "changed", "has another description.", fix)]
            )
        start = job.first_waiting(ledger)
        if start is not None:
            if settings["description"] != job.target.digest:
                ledger.keep("settings", self._kept(job)["settings"])
            return start
        faults = FaultList()
        fresh = self._kept(job)
        counts = adopt_rows(ledger, self._checked(job, faults), {name: fresh[name] for name in ("settings", "input")}, change=adopt)
        if not adopt:
            words = ", ".join(f"{counts[name]} {name}" for name in ("added", "missing", "changed"))
            fix = f"Give back the input of before; or resume with --adopt: the {counts['unchanged']} unchanged rows keep their answers."
            raise InputError("The input has changed; nothing was sent.", [Fault("/input", "changed", f"has other rows: {words}.", fix)])
        OpenBatches(ledger).rewind()
        return Start()

    async def _send(self, job: RowJob, ledger: Ledger, send: SendOptions, start: Start) -> BulkResult:
        progress = progress_of(ledger)
        if (kept := ledger.kept("send")) is not None:  # it was on Temporal before
            ledger.keep("send", kept | {"temporal": None})
        sending = Sending(self.connector, self.connection, job, ledger, send, self._watch)
        with rare_collections(send.in_flight):
            for last in (False, True):
                runner = self._runner = sending.runner(job.feed(ledger, start), progress)
                if self._stopped:
                    runner.stop_soon()
                await runner.run()
                if runner.stop in ("signal", "failures") and is_ended(ledger, send):
                    runner.stop, runner.reason = "", None
                if runner.stop or last or not waits_again(ledger, send, progress):
                    break
                start = Start()
        return await asyncio.to_thread(self._result, job, ledger, runner)

    def _result(self, job: RowJob, ledger: Ledger, runner: Ended) -> BulkResult:
        stop, reason = runner.stop, runner.reason
        if stop not in ("ledger", "input"):
            try:
                if job.options.dedupe:
                    ledger.copy_equal()
                export(
                    ledger, job.source, job.out, order=job.options.order, texts=self.connector.manifest.result.text, keep=job.options.keep
                )
            except ConnectorError as error:
                stop, reason = stop or ("input" if isinstance(error, InputError) else "ledger"), reason or error
        counts, progress = ledger.counts(), runner.progress
        in_batches = counts[RowState.SENT] if job.options.via == "batch" else 0
        return BulkResult(
            out=job.out,
            ledger=ledger.path,
            total=sum(counts.values()),
            done=counts[RowState.DONE],
            failed=counts[RowState.FAILED],
            unknown=counts[RowState.UNKNOWN] + counts[RowState.SENT] - in_batches,
            waiting=counts[RowState.PENDING] + in_batches,
            stop=stop,
            reason=reason,
            tokens=progress.tokens,
            seconds=progress.seconds,
            refused=progress.refused,
            categories=ledger.categories(),
            unkept=tuple(runner.unkept),
        )
