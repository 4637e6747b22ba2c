"""A worker on Temporal: it sends spans of rows of runs whose ledger is in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.bulk.bucket import library
from kosha_connector_openai.flows.bulk.bulk import AsyncBulk
from kosha_connector_openai.flows.bulk.collector import rare_collections
from kosha_connector_openai.flows.bulk.job import RowJob
from kosha_connector_openai.flows.bulk.kept_rows import KeptRows
from kosha_connector_openai.flows.bulk.opening import dsn_of, shared_ledger
from kosha_connector_openai.flows.bulk.options import SendOptions
from kosha_connector_openai.flows.bulk.postgres import PostgresLedger
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.row import refused
from kosha_connector_openai.flows.bulk.runner import Item, Runner
from kosha_connector_openai.flows.bulk.sending import Sending
from kosha_connector_openai.flows.temporal import Failures, finished, queue_of, run_worker
from kosha_connector_openai.flows.temporal_place import TemporalPlace

WORK: Final = "bulk"
"""What workers of runs over rows take from a connector's queues."""
KEPT: Final = ("requests", "tokens", "attempts", "timeout", "in_flight")
"""The options of a run that its workers need."""


@dataclass(slots=True)
class SpanWorker:
    """Sends spans of rows; ``ledger`` is the reference to the DSN. ``in_flight`` rows at most in all ``spans`` that it sends at a time."""

    connector: Connector
    connection: Connection
    ledger: str
    in_flight: int = 100
    spans: int = 2
    reached: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """How many rows of a run were under way at most when its last span ended: the next one begins with them."""
    _senders: list[_Sender] = field(default_factory=list, init=False, repr=False)
    _room: asyncio.Semaphore = field(init=False, repr=False)
    """For the rows of all runs: one whose part has shrunk still has more under way, until they are answered."""
    _failures: Failures = field(default_factory=Failures, init=False, repr=False)
    _stops: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    """Why runs stop, by Temporal's name of their execution."""

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.in_flight)

    async def run(self, place: TemporalPlace) -> None:
        """Works until it is asked to end; what is under way is then finished and kept."""
        from kosha_connector_openai.flows.bulk.temporal_workflow import SPAN, BulkWorkflow

        library()  # what is not there, or is wrong, is told before there is work
        dsn_of(self.ledger)
        await self.connector.aread(self.connection)
        with rare_collections(self.in_flight):
            await run_worker(place, queue_of(self.connector, WORK), BulkWorkflow, {SPAN: self.span}, self.spans)

    async def span(self, run: str, first: int, last: int) -> str:
        """Sends the rows from ``first`` to ``last`` that wait; "" or why the whole run stops."""
        from temporalio import activity
        from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

        execution = activity.info().workflow_run_id
        if execution in self._stops:  # Temporal had handed it out before it knew
            return self._stops[execution]
        sender = self._sender(run)
        try:
            stop, cancelled = await finished(self._sent(sender, first, last), sender.drain)
        except ConnectorError as error:
            raise self._failures.told(error) from None
        if sender.is_asked_to_stop:
            stop = "signal"
        elif cancelled:  # so is a span that Temporal gave to another worker: the run may go on
            return "signal"
        elif stop == "ledger" and sender.reason is not None:
            raise self._failures.told(sender.reason)
        elif stop == "signal":
            raise ApplicationError("This worker ends; another takes the rest.", type=stop, category=ApplicationErrorCategory.BENIGN)
        if stop:
            self._stops[execution] = stop
        return stop

    def _sender(self, run: str) -> _Sender:
        """The one that takes more rows of the run, or a new one."""
        sender = next((each for each in self._senders if each.run == run and not each.stop), None)
        if sender is None:
            sender = _Sender(self, run)
            self._senders.append(sender)
        sender.under_way += 1
        return sender

    async def _sent(self, sender: _Sender, first: int, last: int) -> str:
        try:
            self._share_out()  # another run's rows make room while this one is opened
            await sender.open()
            self._share_out()
            return await sender.send(first, last)
        finally:
            sender.under_way -= 1
            if not sender.under_way:
                self._senders.remove(sender)
                await sender.close()
            self._share_out()

    def _share_out(self) -> None:
        """Each run has its spans' part of the rows under way."""
        spans = sum(sender.under_way for sender in self._senders)
        for sender in self._senders:
            sender.allow(sender.under_way / spans)


@dataclass(slots=True, eq=False)
class _Span:
    """Rows that are to be sent; ``over`` when none of them is left."""

    left: set[int]
    over: asyncio.Event = field(default_factory=asyncio.Event)


class _Feed:
    """The rows of all spans. Every other one is of the oldest span, so that not all end together; the rest is in turn: none waits long."""

    def __init__(self) -> None:
        self._spans: list[deque[Item]] = []
        self._turns = count()

    def add(self, items: Iterable[Item]) -> None:
        self._spans.append(deque(items))

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Raises StopIteration while there is no row; there may be one again."""
        while self._spans:
            turn = next(self._turns)
            place = 0 if turn % 2 else turn // 2 % len(self._spans)
            if self._spans[place]:
                return self._spans[place].popleft()
            del self._spans[place]
        raise StopIteration


@dataclass(slots=True, eq=False)
class _Sender:
    """What a worker sends of one run: the rows of all its spans there, over one ledger and at one pace, so that they share commits."""

    worker: SpanWorker
    run: str
    under_way: int = 0
    """How many spans."""
    _spans: list[_Span] = field(default_factory=list)
    _feed: _Feed = field(default_factory=_Feed)
    _opening: asyncio.Task[None] | None = None
    _sending: asyncio.Task[None] | None = None
    _ledger: PostgresLedger | None = None
    _job: RowJob | None = None
    _runner: Runner | None = None
    _is_drained: bool = False
    is_asked_to_stop: bool = False
    """Whether the whole run is, not this worker."""

    @property
    def stop(self) -> str:
        """Why it takes no more rows; "" while it does."""
        return self._runner.stop if self._runner is not None else "signal" if self._is_drained else ""

    @property
    def reason(self) -> ConnectorError | None:
        """What it stops for, where that is an error."""
        return self._runner.reason if self._runner is not None else None

    def drain(self) -> None:
        """Nothing new leaves; it may come before there is a runner."""
        self._is_drained = True
        if self._runner is not None:
            self._runner.drain()

    def _asked_to_stop(self) -> None:
        self.is_asked_to_stop = True
        self.drain()

    def allow(self, part: float) -> None:
        """Other runs have the rest of the rows under way."""
        if self._runner is not None:
            self._runner.flight.allow(part)

    async def open(self) -> None:
        """Opens the ledger and begins to send, once for all spans. Raises ConnectorError where it cannot."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await self._opening

    async def _open(self) -> None:
        # In a thread, since the rows of other runs are on the same event loop.
        ledger = await asyncio.to_thread(shared_ledger, self.worker.ledger, self.run, shared=True)
        self._ledger = ledger
        soon = asyncio.get_running_loop().call_soon_threadsafe
        await asyncio.to_thread(ledger.when_asked_to_stop, partial(soon, self._asked_to_stop))
        runner = self._runner = await asyncio.to_thread(self._made, ledger)
        if self._is_drained:
            runner.drain()
        self._sending = asyncio.create_task(runner.run())

    def _made(self, ledger: PostgresLedger) -> Runner:
        """The local runner, whose rows come span by span."""
        worker, settings, kept = self.worker, ledger.kept("settings"), ledger.kept("send")
        source = KeptRows(ledger, Path(settings["input"]), settings["options"]["format"])
        job = self._job = AsyncBulk(worker.connector, worker.connection)._old(ledger, source)
        if job.target.digest != settings["description"]:
            raise refused("/target", "changed", "has another description here.", "Give all workers the connector that the run began with.")
        budget = worker.connector.outputs.budget_of(kept["budget"]) if kept.get("budget") else None  # the ledger adds up all workers'
        send = replace(SendOptions(**{name: kept[name] for name in KEPT}), in_flight=worker.in_flight, budget=budget)
        sending = Sending(worker.connector, worker.connection, job, ledger, send, start=worker.reached.get(self.run))
        runner = sending.runner(self._feed, RunProgress())
        runner.is_open, runner.over, runner.room = True, self._over, worker._room
        return runner

    async def send(self, first: int, last: int) -> str:
        """Sends the rows from ``first`` to ``last`` that wait; "" or why some of them were left."""
        assert self._runner is not None
        assert self._sending is not None
        items = await asyncio.to_thread(self._items, first, last)
        span = _Span({entry.n for entry, _ in items})
        if not span.left:
            return ""
        self._spans.append(span)
        self._feed.add(items)
        self._runner.wake()
        over = asyncio.create_task(span.over.wait())
        await asyncio.wait([over, self._sending], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        self._spans.remove(span)
        if self._sending.done():
            self._sending.result()
        return self._runner.stop if span.left else ""

    def _items(self, first: int, last: int) -> list[Item]:
        assert self._ledger is not None
        assert self._job is not None
        dedupe = self._job.options.dedupe
        return [(entry, row) for entry, row in self._ledger.span(first, last) if not (dedupe and entry.occurrence)]

    def _over(self, numbers: set[int]) -> None:
        for span in self._spans:
            span.left -= numbers
            if not span.left:
                span.over.set()

    async def close(self) -> None:
        """Ends it, once no span is under way."""
        if self._runner is not None and self._sending is not None:
            self._runner.close()
            await asyncio.gather(self._sending, return_exceptions=True)  # its spans have told what was wrong
            self.worker.reached = {self.run: self._runner.flight.size}
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)
