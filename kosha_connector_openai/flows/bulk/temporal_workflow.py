"""The Temporal workflow of a bulk run: a sliding window of spans. What travels is the run's name and numbers, never a row."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio import workflow

from kosha_connector_openai.flows.temporal_activity import ACTIVITY

SPAN: Final = "kosha-bulk-span"
_SPANS: Final = 200
"""Spans of one execution: its history stays short, and the next one goes on."""


@workflow.defn(name="kosha-bulk")
class BulkWorkflow:
    """``plan`` has the ``run``, its ``next`` and ``last`` row, the size of a ``span`` and the ``window``: spans at a time."""

    def __init__(self) -> None:
        self._plan: dict[str, Any] = {}
        self._going: list[asyncio.Task[str]] = []
        self._ending: list[asyncio.Task[str]] = []
        self._begun = 0
        self._stop = ""

    @workflow.run
    async def run(self, plan: dict[str, Any]) -> str:
        """Why it stopped; "" where every row was taken up."""
        self._plan = plan
        try:
            while self._more or self._going:
                while self._more and self._begun < _SPANS and len(self._going) < plan["window"]:
                    self._begin()
                if not self._going:
                    workflow.continue_as_new(plan)
                done, going = await workflow.wait(self._going, return_when=asyncio.FIRST_COMPLETED)
                self._going = list(going)
                self._stop = next(filter(None, [self._stop, *(task.result() for task in done)]), "")
                if self._stop:
                    await self._cancelled()
        except asyncio.CancelledError:
            await self._cancelled()
            return "signal"
        return self._stop

    async def _cancelled(self) -> None:
        """Ends the spans: those that no worker has yet are not taken up. Who cancels while they end waits for the same."""
        self._ending = self._ending or [task for task in self._going if task.cancel()]
        while self._going:
            _, going = await workflow.wait(self._going)
            self._going = list(going)

    @property
    def _more(self) -> bool:
        return not self._stop and self._plan["next"] <= self._plan["last"]

    def _begin(self) -> None:
        first = self._plan["next"]
        self._plan["next"] = first + self._plan["span"]
        self._begun += 1
        span = self._span(first, min(first + self._plan["span"] - 1, self._plan["last"]))
        self._going.append(asyncio.create_task(span))

    async def _span(self, first: int, last: int) -> str:
        stop: str = await workflow.execute_activity(SPAN, args=[self._plan["run"], first, last], result_type=str, **ACTIVITY)
        return stop

    @workflow.query
    def progress(self) -> dict[str, Any]:
        """The first row that no span has yet, and how many spans are under way."""
        return {"next": self._plan.get("next"), "last": self._plan.get("last"), "spans": len(self._going), "stop": self._stop}
