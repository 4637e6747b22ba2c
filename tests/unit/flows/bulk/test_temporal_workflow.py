"""The workflow of a run over rows, without a server: its spans are tasks of this event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


async def test_who_cancels_a_run_that_stops_waits_for_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """One span tells that the run stops, and Temporal cancels it while another keeps what is under way: the run ends after that one."""
    workflow = pytest.importorskip("temporalio.workflow", reason="make e2e installs it")
    from kosha_connector_openai.flows.bulk.temporal_workflow import BulkWorkflow

    may_end, ends, cancelled = asyncio.Event(), asyncio.Event(), 0

    async def span(_: str, args: list[Any], **more: Any) -> str:
        nonlocal cancelled
        if args[1] == 1:
            return "signal"
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            cancelled += 1
            ends.set()
            await may_end.wait()
        return "signal"

    monkeypatch.setattr(workflow, "execute_activity", span)
    monkeypatch.setattr(workflow, "wait", asyncio.wait)
    run = asyncio.create_task(BulkWorkflow().run({"run": "r", "next": 1, "last": 20, "span": 10, "window": 2}))
    async with asyncio.timeout(30):
        await ends.wait()
        run.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not run.done()
        may_end.set()
        assert await run == "signal"
    assert cancelled == 1
