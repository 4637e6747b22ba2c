"""What takes more than one call: a connector, a connection and inputs come in; whole lists, finished jobs and typed results go out.

Flows use the facade alone and know no provider: how its lists page and its jobs end is data, in the parts of its manifest.
The names that a program needs load when they are first used; each folder has a few more of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk import *
    from kosha_connector_openai.flows.catalog_search import *
    from kosha_connector_openai.flows.jobs import *
    from kosha_connector_openai.flows.paging import *
    from kosha_connector_openai.flows.pickers import *
    from kosha_connector_openai.flows.tasks import *
    from kosha_connector_openai.flows.temporal_place import *
    from kosha_connector_openai.flows.triggers import *
    from kosha_connector_openai.flows.workflows import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "bulk": "AsyncBulk Bulk BulkResult Pace RowCheck RowOptions RunProgress SendOptions",
            "catalog_search": "search_catalog",
            "jobs": "AsyncJobs Handle JobResult JobStore Jobs Status WaitOptions",
            "paging": "Listing Page Pager PagingOptions",
            "pickers": "OptionLists PickerOptions",
            "tasks": "TaskResult arun_task find_task list_tasks run_task",
            "temporal_place": "TemporalPlace",
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
