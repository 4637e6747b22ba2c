"""The order in which a worker sends the rows of its spans."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.bulk import RowEntry, SpanWorker, span_worker
from kosha_connector_openai.flows.bulk.row import Row
from kosha_connector_openai.flows.bulk.runner import Item
from kosha_connector_openai.flows.bulk.span_worker import _Feed


def span(first: int, last: int) -> list[Item]:
    return [(RowEntry(n, b""), Row(n, n, {})) for n in range(first, last + 1)]


def test_every_other_row_is_of_the_oldest_span_and_no_span_waits_long() -> None:
    """Two spans that begin together end apart, so that there are rows until the next one comes; a new one begins at once."""
    feed = _Feed()
    feed.add(span(1, 6))
    feed.add(span(101, 106))
    begun = [next(feed)[0].n for _ in range(8)]
    assert begun == [1, 2, 101, 3, 4, 5, 102, 6]
    feed.add(span(201, 203))
    rest = [entry.n for entry, _ in feed]
    assert 201 in rest[:4]
    assert sorted(rest) == [103, 104, 105, 106, 201, 202, 203]


def test_a_feed_without_rows_may_get_some() -> None:
    """What has ended gives rows again, each once."""
    feed = _Feed()
    assert next(feed, None) is None
    for _ in range(2):
        feed.add(span(1, 3))
        assert [entry.n for entry, _ in feed] == [1, 2, 3]
        assert next(feed, None) is None


@pytest.mark.usefixtures("key")
async def test_a_span_that_is_cancelled_alone_stops_no_other(opened: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Temporal gave it to another worker: the next span of the run is sent. What stops one stops those that follow."""
    activity = pytest.importorskip("temporalio.activity")
    monkeypatch.setattr(activity, "info", lambda: SimpleNamespace(workflow_run_id="execution"))
    ends, sent = [("signal", True), ("", False), ("access", False)], []

    async def finished(work: Coroutine[Any, Any, str], drain: Callable[[], None]) -> tuple[str, bool]:
        work.close()
        sent.append(drain)
        return ends[len(sent) - 1]

    monkeypatch.setattr(span_worker, "finished", finished)
    worker = SpanWorker(opened, opened.connection({"api_key": "env:OPENAI_API_KEY"}), "env:LEDGER")
    assert [await worker.span("run", 1, 9) for _ in range(4)] == ["signal", "", "access", "access"]
    assert len(sent) == 3
