"""Workflows on an engine: a document and inputs come in; any of its workers runs the next step; a result comes out.

What a step was given and what came back is kept in a ledger in PostgreSQL; through the engine travel the run's name and numbers alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.durable.steps import *
else:
    __getattr__, __all__ = face(__name__, {"steps": "StepWorker begin_workflow"})
