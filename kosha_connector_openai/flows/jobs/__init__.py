"""Long jobs: an action and inputs come in, a handle goes out before anything waits; from it any process waits, cancels or fetches.

``Jobs`` is for threads, ``AsyncJobs`` for event loops; both drive the same steps. What kinds of job there are is data.
"""

from __future__ import annotations

from kosha_connector_openai.flows.jobs.batch_lines import LineRow, LineTable
from kosha_connector_openai.flows.jobs.handle import Handle, read_handle
from kosha_connector_openai.flows.jobs.jobs import AsyncJobs, Jobs
from kosha_connector_openai.flows.jobs.results import JobResult
from kosha_connector_openai.flows.jobs.state import Status, Tick, WaitOptions
from kosha_connector_openai.flows.jobs.store import JobStore

__all__ = [
    "AsyncJobs", "Handle", "JobResult", "JobStore", "Jobs", "LineRow", "LineTable", "Status", "Tick", "WaitOptions", "read_handle",
]  # fmt: skip
