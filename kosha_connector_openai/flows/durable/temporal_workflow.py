"""The Temporal workflow of a document's run: one task after the other, each an activity. What travels is a name and a number."""

from __future__ import annotations

from typing import Any, Final

from temporalio import workflow

from kosha_connector_openai.flows.temporal_activity import ACTIVITY

STEP: Final = "kosha-workflow-step"
_TASKS: Final = 400


@workflow.defn(name="kosha-workflow")
class StepsWorkflow:
    """Runs the tasks of the run that ``name`` stands for, from ``place`` on."""

    @workflow.run
    async def run(self, name: str, place: int) -> None:
        for number in range(place, place + _TASKS):
            told: dict[str, Any] = await workflow.execute_activity(STEP, args=[name, number], result_type=dict, **ACTIVITY)
            if told["ended"]:
                return
            if told["pause"]:
                await workflow.sleep(told["pause"])
        workflow.continue_as_new(args=[name, place + _TASKS])
