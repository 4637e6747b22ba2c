"""What takes more than one call: a connector, a connection and inputs come in; whole lists, finished jobs and typed results go out.

Flows use the facade alone and know no provider: how its lists page and its jobs end is data, in the parts of its manifest.
The names that a program needs load when they are first used; each folder has a few more of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import AsyncJobs, Handle, JobResult, Jobs, JobStore, Status, WaitOptions
    from kosha_connector_openai.flows.paging import Listing, Page, Pager, PagingOptions
    from kosha_connector_openai.flows.pickers import OptionLists
    from kosha_connector_openai.flows.tasks import TaskResult, arun_task, find_task, list_tasks, run_task
    from kosha_connector_openai.flows.triggers import MemoryGuard, TriggerEvent, apoll, poll, verify
    from kosha_connector_openai.flows.workflows import (
        FileJournal,
        Flow,
        Limits,
        Literal,
        WorkflowResult,
        arun_workflow,
        read_workflows,
        run_workflow,
    )

_NAMES = {
    "jobs": ("AsyncJobs", "Handle", "JobResult", "JobStore", "Jobs", "Status", "WaitOptions"),
    "pickers": ("OptionLists",),
    "paging": ("Listing", "Page", "Pager", "PagingOptions"),
    "presets": ("TaskResult", "arun_task", "find_task", "list_tasks", "run_task"),
    "triggers": ("MemoryGuard", "TriggerEvent", "apoll", "poll", "verify"),
    "workflows": ("FileJournal", "Flow", "Limits", "Literal", "WorkflowResult", "arun_workflow", "read_workflows", "run_workflow"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = [
    "AsyncJobs",
    "FileJournal",
    "Flow",
    "Handle",
    "JobResult",
    "JobStore",
    "Jobs",
    "Limits",
    "Listing",
    "Literal",
    "MemoryGuard",
    "OptionLists",
    "Page",
    "Pager",
    "PagingOptions",
    "Status",
    "TaskResult",
    "TriggerEvent",
    "WaitOptions",
    "WorkflowResult",
    "apoll",
    "arun_task",
    "arun_workflow",
    "find_task",
    "list_tasks",
    "poll",
    "read_workflows",
    "run_task",
    "run_workflow",
    "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
