"""Long jobs: an action and inputs come in, a handle goes out before anything waits; from it any process waits, cancels or fetches.

``Jobs`` is for threads, ``AsyncJobs`` for event loops; both drive the same steps. What kinds of job there are is data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs.batch_lines import LineRow as LineRow
    from kosha_connector_openai.flows.jobs.batch_lines import LineTable as LineTable
    from kosha_connector_openai.flows.jobs.handle import Handle as Handle
    from kosha_connector_openai.flows.jobs.handle import read_handle as read_handle
    from kosha_connector_openai.flows.jobs.jobs import AsyncJobs as AsyncJobs
    from kosha_connector_openai.flows.jobs.jobs import Jobs as Jobs
    from kosha_connector_openai.flows.jobs.results import JobResult as JobResult
    from kosha_connector_openai.flows.jobs.state import Status as Status
    from kosha_connector_openai.flows.jobs.state import Tick as Tick
    from kosha_connector_openai.flows.jobs.state import WaitOptions as WaitOptions
    from kosha_connector_openai.flows.jobs.store import JobStore as JobStore
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "batch_lines": "LineRow LineTable",
            "handle": "Handle read_handle",
            "jobs": "AsyncJobs Jobs",
            "results": "JobResult",
            "state": "Status Tick WaitOptions",
            "store": "JobStore",
        },
    )
