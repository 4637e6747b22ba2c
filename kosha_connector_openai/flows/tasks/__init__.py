"""Small tasks over actions, by data alone: a task's inputs come in, a typed result with its usage goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.tasks.form import *
    from kosha_connector_openai.flows.tasks.plans import *
    from kosha_connector_openai.flows.tasks.result import *
    from kosha_connector_openai.flows.tasks.runner import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "form": "TaskForm",
            "plans": "TaskProgress",
            "result": "TaskResult",
            "runner": "TaskInfo arun_task find_task list_tasks run_task task_steps",
        },
        old={"Progress": "TaskProgress"},
    )
