"""Small tasks over actions, by data alone: a task's inputs come in, a typed result with its usage goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.tasks.plans import TaskProgress as TaskProgress
    from kosha_connector_openai.flows.tasks.result import TaskResult as TaskResult
    from kosha_connector_openai.flows.tasks.runner import TaskInfo as TaskInfo
    from kosha_connector_openai.flows.tasks.runner import arun_task as arun_task
    from kosha_connector_openai.flows.tasks.runner import find_task as find_task
    from kosha_connector_openai.flows.tasks.runner import list_tasks as list_tasks
    from kosha_connector_openai.flows.tasks.runner import run_task as run_task
    from kosha_connector_openai.flows.tasks.runner import task_steps as task_steps
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "plans": "TaskProgress",
            "result": "TaskResult",
            "runner": "TaskInfo arun_task find_task list_tasks run_task task_steps",
        },
        old={"Progress": "TaskProgress"},
    )
