"""Long jobs: an action and inputs come in, a handle goes out before anything waits; from it any process waits, cancels or fetches.

``Jobs`` is for threads, ``AsyncJobs`` for event loops; both drive the same steps. What kinds of job there are is data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.jobs.batch_lines import *
    from kosha_connector_openai.flows.jobs.handle import *
    from kosha_connector_openai.flows.jobs.jobs import *
    from kosha_connector_openai.flows.jobs.results import *
    from kosha_connector_openai.flows.jobs.state import *
    from kosha_connector_openai.flows.jobs.store import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "batch_lines": "LineRow LineTable",
            "handle": "Handle read_handle",
            "jobs": "AsyncJobs Jobs",
            "results": "JobResult",
            "state": "Status Tick WaitOptions",
            "store": "HandleStore JobStore",
        },
    )
