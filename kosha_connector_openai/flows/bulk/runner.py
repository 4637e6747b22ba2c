"""Sends the rows of a run that are still to be sent: claims, calls, answers and pauses, on one event loop.

One module: which row may leave, which answer is kept and when all stops are one state, read together.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from kosha_connector_openai.core import Attempt, CallOptions
from kosha_connector_openai.core.transport import may_have_run, turned_away
from kosha_connector_openai.errors import AccessError, ApiError, BudgetError, ConnectorError, InputError, NotSentError, SetupError
from kosha_connector_openai.flows.bulk.entry import Claim, Moved, RowAnswer, RowEntry, RowState
from kosha_connector_openai.flows.bulk.in_flight import InFlight
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.notes import CallNotes
from kosha_connector_openai.flows.bulk.pace import Granted, Pace
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.spending import KeptBudget

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.mapping import RowMap
    from kosha_connector_openai.flows.bulk.row import Row
    from kosha_connector_openai.flows.bulk.targets import RowTarget
    from kosha_connector_openai.outputs import Budget

Stop = Literal["", "signal", "budget", "access", "failures", "input", "ledger"]
Item = tuple[RowEntry, "Row"]
DRAIN: Final = 30.0
"""Seconds in which what is under way ends after a signal."""
IN_A_ROW: Final = 20
"""Failures one after the other that stop a run."""
_WINDOW: Final = 100
_PATIENCE: Final = 86_400.0
"""Seconds: limits are of a minute or a day; a run does not wait for what asks for more."""
_BACKOFF: Final = (0.5, 20.0)
_PARTS: Final = 5
"""Into so many commits the claims of all rows under way are parted at least, where commits take time: else rows would go in step, and
wait together for the slowest of them."""
_ABREAST: Final = 8
"""Rows that begin in one turn of the loop at most: those of a turn go in step from then on, and each waits for the work of all others."""
_IDLE: Final = 0.5
"""Seconds after which who found no row looks again."""
_COUNTED: Final = {RowState.DONE: "done", RowState.FAILED: "failed", RowState.UNKNOWN: "unknown"}
"""Where the progress counts the rows that end so."""


@dataclass
class Runner:
    """One process's work on a run. ``feed`` gives the rows that wait, each with its entry."""

    target: RowTarget
    ledger: Ledger
    row_map: RowMap
    feed: Iterator[Item]
    pace: Pace
    flight: InFlight
    attempts: int = 3
    timeout: float | None = None
    budget: Budget | None = None
    watch: Callable[[RunProgress], None] | None = None
    count: Callable[[Any], float | None] = lambda _: None
    progress: RunProgress = field(default_factory=RunProgress)
    stop: Stop = ""
    reason: ConnectorError | None = None
    is_open: bool = False
    """Whether more rows may come when ``feed`` is at its end."""
    over: Callable[[set[int]], None] | None = None
    """Is told the numbers of rows that need nothing more: their answers are kept, or another process has them."""
    room: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)
    """Is held by each row under way; one for several runners keeps them together below what a process may have under way."""

    def __post_init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._claims: list[tuple[Claim, asyncio.Future[bool | float]]] = []
        self._moved: list[Moved] = []
        self._calls: list[tuple[int, int, dict[str, Any]]] = []
        self._aside = False
        self._flushing: asyncio.Task[None] | None = None
        self._later: list[tuple[float, int, Item]] = []
        self._order = itertools.count()
        self._done_order = self.ledger.last_done()
        self._streak = 0
        self._last: deque[bool] = deque(maxlen=_WINDOW)
        self._failures = 0
        self._gates: list[asyncio.Future[None]] = []
        self._active = 0
        self._ended_feed = False
        self._recent: deque[float] = deque(maxlen=2_000)
        self._began = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._deadline: float | None = None

    async def run(self) -> None:
        """Sends until nothing waits, or a rule or a signal stops it; ``stop`` and ``reason`` say which."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.create_task(self._worker(place)) for place in range(self.flight.most)]
        ticker = asyncio.create_task(self._tick())
        try:
            await self._wait_all()
        finally:
            ticker.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, ticker, return_exceptions=True)
            await self._flushed(last=True)
            self._show()

    @property
    def _here(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    async def _wait_all(self) -> None:
        waiting = set(self._tasks)
        while waiting:
            left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            done, waiting = await asyncio.wait(
                waiting, timeout=0.2 if left is None else min(0.2, left), return_when=asyncio.FIRST_EXCEPTION
            )
            for task in done:
                if (error := task.exception()) is not None:
                    raise error
            if left == 0.0 or (self.stop and not self.progress.in_flight):  # who still waits for room sends nothing
                return

    def stop_soon(self) -> None:
        """``drain`` from a signal handler or another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.drain)
        else:
            self.stop = "signal"

    def drain(self, stop: Stop = "signal", reason: ConnectorError | None = None) -> None:
        """Nothing new leaves; what is under way ends within 30 seconds."""
        if self.stop:
            return
        self.stop, self.reason = stop, reason
        self._deadline = time.monotonic() + DRAIN
        self.wake()

    def wake(self) -> None:
        """Who waits looks again whether a row may leave."""
        gates, self._gates = self._gates, []
        for gate in gates:
            if not gate.done():
                gate.set_result(None)

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, but no longer than until the run stops."""
        if self.stop:
            return
        gate = self._here.create_future()
        self._gates.append(gate)
        timer = self._here.call_later(seconds, lambda: None if gate.done() else gate.set_result(None))
        try:
            await gate
        finally:
            timer.cancel()
            if gate in self._gates:
                self._gates.remove(gate)

    async def _worker(self, place: int) -> None:
        while not self.stop:
            item = self._next() if place < self.flight.size else None
            if item is None:
                if self._ended_feed and not self._later and not self._active:
                    break
                wait = self._later[0][0] - time.monotonic() if self._later else _IDLE
                await self._sleep(max(0.01, min(wait, _IDLE)))
                continue
            self._active += 1
            try:
                async with self.room:
                    await self._under_way(item)
            finally:
                self._active -= 1
        self.wake()  # the others end, too

    async def _under_way(self, item: Item) -> None:
        self.progress.in_flight += 1
        try:
            await self._work(*item)
        finally:
            self.progress.in_flight -= 1

    def close(self) -> None:
        """Ends when nothing waits."""
        self.is_open = False
        self.wake()

    def _next(self) -> Item | None:
        if self._later and self._later[0][0] <= time.monotonic():
            return heapq.heappop(self._later)[2]
        if self._ended_feed:
            return None
        try:
            item = next(self.feed, None)
        except InputError as error:
            item = None
            self.drain("input", error)
        self._ended_feed = item is None and not self.is_open
        return item

    def _work(self, entry: RowEntry, row: Row) -> Coroutine[Any, Any, None]:
        """What a worker does with a row that it took."""
        return self._one(entry, row)

    async def _one(self, entry: RowEntry, row: Row) -> None:
        try:
            inputs = self.row_map.inputs(row)
            if not self.target.single:
                self.target.check(inputs)
        except InputError as error:
            self._end(entry, RowState.FAILED, "input", RowAnswer(b"null", facts_of(error)))
            return
        pace: Any = self.pace
        if self.target.single:
            attempt = Attempt(self.target.name, self.target.model(inputs), len(row.raw) if row.raw else _size(inputs))
            pace = Granted(self.pace, attempt, lambda: bool(self.stop))
        else:
            attempt = None
        try:
            if not await self._taken(entry, row, attempt):
                return
        except ConnectorError:
            return  # the ledger takes nothing any more, and the run stops
        await self._send(entry, row, inputs, pace)
        if attempt is not None:
            self.pace.release(attempt)  # a call that was refused here never asked for its slot

    async def _taken(self, entry: RowEntry, row: Row, attempt: Attempt | None) -> bool:
        """Waits for the pace and claims the row; where processes share a pace, the claim takes the slot."""
        while attempt is not None and not self.stop and (wait := self.pace.before_claim(attempt)) > 0:
            await self._sleep(min(wait, 5.0))
        while not self.stop:
            taken = await self._claim(entry, attempt)
            if isinstance(taken, bool):
                if attempt is not None and not taken:
                    self.pace.release(attempt)
                return taken
            await self._sleep(min(taken, 5.0))
        if attempt is not None:
            self.pace.release(attempt)
        self._back(entry, row, wait=0.0)
        return False

    def _kept_budget(self, pace: Any) -> Any:
        """The pace of a row's calls; with a budget, a call leaves when what it set aside is kept: so it counts if the process is killed."""
        if self.budget is None:
            return pace
        return KeptBudget(pace, self.budget, self._keep_aside)

    def _keep_aside(self) -> asyncio.Future[None]:
        self._aside = True
        return asyncio.ensure_future(self._flushed())

    async def _send(self, entry: RowEntry, row: Row, inputs: dict[str, Any], pace: Any) -> None:
        options = CallOptions(
            attempts=1 if self.target.single else self.attempts,
            timeout=self.timeout,
            pace=self._kept_budget(pace),
            budget=self.budget,
            policy="pass" if self.target.single else self.target.policy,
            named_files=False,
        )
        try:
            answer, ended = await self.target.run(inputs, options, CallNotes(self.keep_calls, entry.n))
        except ConnectorError as error:
            self._refused(entry, row, error)
        else:
            self._succeeded(entry, answer, ended)

    def _succeeded(self, entry: RowEntry, answer: RowAnswer, ended: str) -> None:
        used = self.count(answer.facts.get("usage"))
        self.progress.tokens += int(used or 0)
        self._count(failed=bool(ended))
        if self.flight.answered():
            self.wake()
        if ended:
            self._end(entry, RowState.FAILED, ended, answer)
        else:
            self._done_order += 1
            entry.done = self._done_order
            self._end(entry, RowState.DONE, "", answer)

    def _refused(self, entry: RowEntry, row: Row, error: ConnectorError) -> None:
        if turned_away(error) or (self.stop and isinstance(error, NotSentError)):
            self.flight.busy(time.monotonic())
            self._back(entry, row, wait=0.0, counted=False)
            if isinstance(error, ApiError) and (error.retry_after or 0.0) > _PATIENCE:
                self.drain("access", error)
        elif isinstance(error, BudgetError):
            self._back(entry, row, wait=0.0, counted=False)
            self.drain("budget", error)
        elif may_have_run(error):
            self.flight.busy(time.monotonic())
            self._end(entry, RowState.UNKNOWN, _category(error), RowAnswer(b"null", facts_of(error)))
            self._count(failed=True, error=error)
        elif isinstance(error, (AccessError, SetupError)):
            self._back(entry, row, wait=0.0, counted=False)
            self.drain("access", error)
        elif (isinstance(error, NotSentError) or error.retryable) and (entry.tries < self.attempts or isinstance(error, NotSentError)):
            self.flight.busy(time.monotonic())
            first, most = _BACKOFF
            wait = random.random() * min(most, first * 2**entry.tries)  # noqa: S311 - spreads retries # nosec B311
            self._back(entry, row, wait=max(0.05, wait), counted=not isinstance(error, NotSentError) or entry.tries < self.attempts)
            self._count(failed=True, error=error)
        else:
            self._end(entry, RowState.FAILED, _category(error), RowAnswer(b"null", facts_of(error)))
            self._count(failed=not isinstance(error, InputError), error=error)

    def _count(self, *, failed: bool, error: ConnectorError | None = None) -> None:
        """The rules that stop a run in which nothing works any more."""
        if len(self._last) == _WINDOW:
            self._failures -= self._last[0]
        self._last.append(failed)
        self._failures += failed
        self._streak = self._streak + 1 if failed else 0
        if self._streak >= IN_A_ROW or (len(self._last) == _WINDOW and self._failures * 2 >= _WINDOW):
            self.drain("failures", error)

    # --- the ledger ---

    def _claim(self, entry: RowEntry, attempt: Attempt | None = None) -> asyncio.Future[bool | float]:
        future: asyncio.Future[bool | float] = self._here.create_future()
        self._claims.append(((entry, attempt), future))
        self._ask_flush()
        return future

    def _end(self, entry: RowEntry, state: RowState, category: str, answer: RowAnswer) -> None:
        entry.state, entry.category, entry.at = state, category, time.time()
        self._moved.append((entry, answer))
        name = _COUNTED[state]
        setattr(self.progress, name, getattr(self.progress, name) + 1)
        self._recent.append(time.monotonic())
        self._ask_flush()

    def _back(self, entry: RowEntry, row: Row, *, wait: float, counted: bool = True) -> None:
        """The row waits again; nothing of it has left, or it was refused."""
        if entry.state != RowState.PENDING:
            entry.state, entry.tries = RowState.PENDING, entry.tries if counted else max(0, entry.tries - 1)
            self._moved.append((entry, None))
            self._ask_flush()
        heapq.heappush(self._later, (time.monotonic() + wait, next(self._order), (entry, row)))

    def _ask_flush(self) -> asyncio.Task[None]:
        """All claims and answers of one turn of the loop share a commit, and those that come while one is under way the next."""
        if self._flushing is None or self._flushing.done():
            self._flushing = self._here.create_task(self._flush())
        return self._flushing

    async def _flushed(self, *, last: bool = False) -> None:
        """Waits until all that there is has been kept; raises SetupError where it could not be, but for the ``last``: the run tells it."""
        await asyncio.shield(self._ask_flush())
        if last:
            if self._moved:
                await self._commit()
            if self.stop == "ledger" and await self._is_again() and self._moved:
                await self._commit()
        elif self.stop == "ledger" and self.reason is not None:
            raise self.reason

    async def _is_again(self) -> bool:
        """Whether a ledger that was lost is there again: a database that is restarted soon is."""
        end = time.monotonic() + DRAIN
        while True:
            try:
                return await asyncio.to_thread(self.ledger.again)
            except SetupError:
                if time.monotonic() > end:
                    return False
            await asyncio.sleep(_IDLE)

    async def _flush(self) -> None:
        while self._claims or ((self._moved or self._calls or self._aside) and self.stop != "ledger"):
            if self.stop == "ledger":
                claims, self._claims = self._claims, []
                _fail(claims, self.reason)
            else:
                await self._commit()

    async def _commit(self) -> None:
        count = len(self._claims)
        if self.ledger.in_parts:
            count = max(1, self.progress.in_flight // _PARTS, count // _PARTS)
        claims, self._claims = self._claims[:count], self._claims[count:]
        moved, calls, self._aside = len(self._moved), len(self._calls), False
        try:
            spent = self.budget.kept if self.budget is not None else None
            taken = await self.ledger.acommit([claim for claim, _ in claims], self._moved[:moved], self._calls[:calls], spent)
        except ConnectorError as error:
            _fail(claims, error)
            self.drain("ledger", error)
            if self.stop != "ledger":
                self.stop, self.reason = "ledger", error
            return
        kept = self._moved[:moved]
        del self._moved[:moved], self._calls[:calls]
        if self.budget is not None:
            self.budget.go_on(self.ledger.elsewhere)
        for place, ((_, future), ours) in enumerate(zip(claims, taken, strict=True), 1):
            if not future.done():
                future.set_result(ours)
            if place % _ABREAST == 0:
                await asyncio.sleep(0)
        if self.over is not None:
            self.over({entry.n for entry, answer in kept if answer is not None})
            self.over({entry.n for ((entry, _), _), ours in zip(claims, taken, strict=True) if ours is False})

    @property
    def unkept(self) -> list[int]:
        """The rows whose answers came and could not be kept."""
        return sorted(entry.n for entry, answer in self._moved if answer is not None)

    async def keep_calls(self, n: int, calls: list[tuple[int, dict[str, Any]]]) -> None:
        """Keeps which calls of a row were answered, before its next one leaves."""
        self._calls += [(n, place, facts) for place, facts in calls]
        await self._flushed()

    # --- progress ---

    async def _tick(self) -> None:
        while True:
            self._show()
            await asyncio.sleep(0.25)

    def _show(self) -> None:
        now, progress = time.monotonic(), self.progress
        progress.waiting = progress.total - progress.done - progress.failed - progress.unknown - progress.in_flight
        progress.seconds, progress.pause, progress.refused = now - self._began, self.pace.paused, self.pace.refused
        recent = [at for at in self._recent if now - at <= 10.0]  # noqa: PLR2004 - seconds
        progress.rate = len(recent) / max(0.5, min(10.0, now - self._began)) if recent else 0.0
        if len(recent) == self._recent.maxlen:
            progress.rate = len(recent) / max(0.001, now - recent[0])
        if self.budget is not None:
            progress.cost = self.budget.spent["cost"]
        if self.watch is not None:
            self.watch(progress)


def _fail(claims: list[tuple[Claim, asyncio.Future[bool | float]]], error: ConnectorError | None) -> None:
    for _, future in claims:
        if not future.done():
            future.set_exception(error or SetupError("The ledger cannot be written."))


def _size(inputs: dict[str, Any]) -> int:
    return sum(
        len(value) if isinstance(value, str) else len(repr(value)) for value in inputs.values() if isinstance(value, (str, list, dict))
    )


def _category(error: ConnectorError) -> str:
    return error.category if isinstance(error, ApiError) else error.code


def facts_of(error: ConnectorError) -> dict[str, Any]:
    """What is kept of an error: its words, and where it says so the status and the request's id."""
    return {name: value for name, value in error.to_dict().items() if value not in (None, "")}
