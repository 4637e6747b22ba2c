"""The Temporal workflow of a document's run: one task after the other, each an activity. What travels is a name and a number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

STEP: Final = "kosha-workflow-step"
_TASKS: Final = 400
_BEAT: Final = timedelta(seconds=2)
_AGAIN: Final = RetryPolicy(initial_interval=timedelta(milliseconds=200), backoff_coefficient=1.5, maximum_interval=timedelta(seconds=1))


@workflow.defn(name="kosha-workflow")
class StepsWorkflow:
    """Runs the tasks of the run that ``name`` stands for, from ``place`` on."""

    @workflow.run
    async def run(self, name: str, place: int) -> None:
        for number in range(place, place + _TASKS):
            told: dict[str, Any] = await workflow.execute_activity(
                STEP,
                args=[name, number],
                result_type=dict,
                start_to_close_timeout=timedelta(days=1),
                heartbeat_timeout=_BEAT,
                retry_policy=_AGAIN,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            if told["ended"]:
                return
            if told["pause"]:
                await workflow.sleep(told["pause"])
        workflow.continue_as_new(args=[name, place + _TASKS])
