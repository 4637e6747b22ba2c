"""Workflows: an Arazzo document, a connector and inputs come in; a typed result comes out, or an error that names the step.

A documented subset of Arazzo 1.0.1 runs; everything else is refused when the document is read, with its JSON Pointer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.workflows.builder import *
    from kosha_connector_openai.flows.workflows.commands import *
    from kosha_connector_openai.flows.workflows.interpreter import *
    from kosha_connector_openai.flows.workflows.journal import *
    from kosha_connector_openai.flows.workflows.model import *
    from kosha_connector_openai.flows.workflows.outline import *
    from kosha_connector_openai.flows.workflows.parse_document import *
    from kosha_connector_openai.flows.workflows.result import *
    from kosha_connector_openai.flows.workflows.runner import *
    from kosha_connector_openai.flows.workflows.scope import *
    from kosha_connector_openai.flows.workflows.step_runners import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "builder": "Flow Literal",
            "commands": "Begun End RunLimits StepCall",
            "interpreter": "checked_inputs",
            "journal": "FileJournal",
            "model": "Step Workflow WorkflowDocument",
            "outline": "draw",
            "parse_document": "read_workflows",
            "result": "StepRecord WorkflowResult plain",
            "runner": "WorkflowRun arun_workflow choose run_workflow",
            "scope": "StepReply",
            "step_runners": "Worker",
        },
        old={"Document": "WorkflowDocument", "Limits": "RunLimits"},
    )
