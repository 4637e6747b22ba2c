"""Small tasks over actions, by data alone: a preset's inputs come in, a typed result with its usage goes out."""

from kosha_connector_openai.core.result.outcome import Policy
from kosha_connector_openai.flows.tasks.plans import Progress
from kosha_connector_openai.flows.tasks.result import TaskResult
from kosha_connector_openai.flows.tasks.runner import TaskInfo, arun_task, find_task, list_tasks, run_task

__all__ = ["Policy", "Progress", "TaskInfo", "TaskResult", "arun_task", "find_task", "list_tasks", "run_task"]
