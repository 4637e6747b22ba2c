"""The sending of a run's rows, put together; in one process, or in one of many for a span of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.bulk.entry import RowState
from kosha_connector_openai.flows.bulk.in_flight import InFlight
from kosha_connector_openai.flows.bulk.job import RowJob, wide
from kosha_connector_openai.flows.bulk.keys import read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.options import SendOptions, Watch
from kosha_connector_openai.flows.bulk.pace import Pace
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.runner import Item, Runner
from kosha_connector_openai.flows.bulk.runners import runner_of
from kosha_connector_openai.outputs import total_tokens


class Ended(Protocol):
    """How the sending ended: as a Runner tells it."""

    @property
    def stop(self) -> str: ...

    @property
    def reason(self) -> ConnectorError | None: ...

    @property
    def progress(self) -> RunProgress: ...

    @property
    def unkept(self) -> list[int]: ...


@dataclass(slots=True)
class Sending:
    """What all runners of one process share: the connection's room, the budget, the pace and the rows under way, at first ``start``."""

    connector: Connector
    connection: Connection
    job: RowJob
    ledger: Ledger
    send: SendOptions
    watch: Watch | None = None
    start: int | None = None
    pace: Pace = field(init=False)
    count: Callable[[Any], float | None] = field(init=False)
    """The tokens of an answer's usage."""
    flight: InFlight = field(init=False)

    def __post_init__(self) -> None:
        self.job.target.connection = wide(self.connection, self.send.in_flight)
        _, parts = read_share(self.job.options.share)
        if self.send.budget is not None:
            self.send.budget.divide(parts)
            self.send.budget.go_on(self.ledger.kept("spent") or {})
        self.count = partial(total_tokens, part=self.connector.outputs.part)
        again = not self.job.target.single
        self.pace = self.ledger.pace(1 / parts, requests=self.send.requests, tokens=self.send.tokens, again=again, count=self.count)
        # A limit that is told bounds how quickly rows begin; else they feel their way.
        told = self.send.requests or self.send.tokens
        self.flight = InFlight(self.send.in_flight, start=self.start or (self.send.in_flight if told else max(8, self.send.in_flight // 4)))

    def runner(self, feed: Iterator[Item], progress: RunProgress) -> Runner:
        """What sends the rows of ``feed``."""
        return runner_of(self.job, self.ledger)(
            self.job.target, self.ledger, self.job.row_map, feed, self.pace, self.flight, self.send.attempts, self.send.timeout,
            self.send.budget, self.watch, self.count, progress,
        )  # fmt: skip


def progress_of(ledger: Ledger) -> RunProgress:
    """How a run stands by its ledger."""
    counts = ledger.counts()
    done, failed, unknown = (counts[state] for state in (RowState.DONE, RowState.FAILED, RowState.UNKNOWN))
    return RunProgress(total=sum(counts.values()), done=done, failed=failed, unknown=unknown)


def is_ended(ledger: Ledger, send: SendOptions) -> bool:
    """Whether nothing is left to go on with: each row has ended, and none is to be decided about."""
    counts = ledger.counts()
    return not (counts[RowState.PENDING] or counts[RowState.SENT] or (counts[RowState.UNKNOWN] and send.unknown != "hold"))


def waits_again(ledger: Ledger, send: SendOptions, progress: RunProgress) -> bool:
    """Decides about the rows that may have run; whether they wait to be sent again."""
    if send.unknown == "hold" or not ledger.counts()[RowState.UNKNOWN]:
        return False
    progress.unknown = 0
    if send.unknown == "retry":
        ledger.move(RowState.UNKNOWN, RowState.PENDING)
        return True
    progress.failed += ledger.move(RowState.UNKNOWN, RowState.FAILED, "unknown")
    return False
