"""What takes more than one call: a connector, a connection and inputs come in; whole lists, finished jobs and typed results go out.

Flows use the facade alone and know no provider: how its lists page and its jobs end is data, in the parts of its manifest.
The names that a program needs load when they are first used; each folder has a few more of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs import AsyncJobs as AsyncJobs
    from kosha_connector_openai.flows.jobs import Handle as Handle
    from kosha_connector_openai.flows.jobs import JobResult as JobResult
    from kosha_connector_openai.flows.jobs import Jobs as Jobs
    from kosha_connector_openai.flows.jobs import JobStore as JobStore
    from kosha_connector_openai.flows.jobs import Status as Status
    from kosha_connector_openai.flows.jobs import WaitOptions as WaitOptions
    from kosha_connector_openai.flows.paging import Listing as Listing
    from kosha_connector_openai.flows.paging import Page as Page
    from kosha_connector_openai.flows.paging import Pager as Pager
    from kosha_connector_openai.flows.paging import PagingOptions as PagingOptions
    from kosha_connector_openai.flows.pickers import OptionLists as OptionLists
    from kosha_connector_openai.flows.pickers import PickerOptions as PickerOptions
    from kosha_connector_openai.flows.tasks import TaskResult as TaskResult
    from kosha_connector_openai.flows.tasks import arun_task as arun_task
    from kosha_connector_openai.flows.tasks import find_task as find_task
    from kosha_connector_openai.flows.tasks import list_tasks as list_tasks
    from kosha_connector_openai.flows.tasks import run_task as run_task
    from kosha_connector_openai.flows.triggers import MemoryGuard as MemoryGuard
    from kosha_connector_openai.flows.triggers import TriggerEvent as TriggerEvent
    from kosha_connector_openai.flows.triggers import apoll as apoll
    from kosha_connector_openai.flows.triggers import poll as poll
    from kosha_connector_openai.flows.triggers import verify as verify
    from kosha_connector_openai.flows.workflows import FileJournal as FileJournal
    from kosha_connector_openai.flows.workflows import Flow as Flow
    from kosha_connector_openai.flows.workflows import Literal as Literal
    from kosha_connector_openai.flows.workflows import RunLimits as RunLimits
    from kosha_connector_openai.flows.workflows import WorkflowResult as WorkflowResult
    from kosha_connector_openai.flows.workflows import arun_workflow as arun_workflow
    from kosha_connector_openai.flows.workflows import read_workflows as read_workflows
    from kosha_connector_openai.flows.workflows import run_workflow as run_workflow
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "jobs": "AsyncJobs Handle JobResult JobStore Jobs Status WaitOptions",
            "paging": "Listing Page Pager PagingOptions",
            "pickers": "OptionLists PickerOptions",
            "tasks": "TaskResult arun_task find_task list_tasks run_task",
            "triggers": "MemoryGuard TriggerEvent apoll poll verify",
            "workflows": "FileJournal Flow Literal RunLimits WorkflowResult arun_workflow read_workflows run_workflow",
        },
        old={
            "Limits": "RunLimits",
            "PresetResult": "TaskResult",
            "arun_preset": "arun_task",
            "find_preset": "find_task",
            "list_presets": "list_tasks",
            "run_preset": "run_task",
        },
    )
