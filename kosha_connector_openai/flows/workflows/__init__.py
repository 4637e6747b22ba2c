"""Workflows: an Arazzo document, a connector and inputs come in; a typed result comes out, or an error that names the step.

A documented subset of Arazzo 1.0.1 runs; everything else is refused when the document is read, with its JSON Pointer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.workflows.builder import Flow as Flow
    from kosha_connector_openai.flows.workflows.builder import Literal as Literal
    from kosha_connector_openai.flows.workflows.commands import Begun as Begun
    from kosha_connector_openai.flows.workflows.commands import RunLimits as RunLimits
    from kosha_connector_openai.flows.workflows.journal import FileJournal as FileJournal
    from kosha_connector_openai.flows.workflows.model import Step as Step
    from kosha_connector_openai.flows.workflows.model import Workflow as Workflow
    from kosha_connector_openai.flows.workflows.model import WorkflowDocument as WorkflowDocument
    from kosha_connector_openai.flows.workflows.outline import draw as draw
    from kosha_connector_openai.flows.workflows.parse_document import read_workflows as read_workflows
    from kosha_connector_openai.flows.workflows.result import StepRecord as StepRecord
    from kosha_connector_openai.flows.workflows.result import WorkflowResult as WorkflowResult
    from kosha_connector_openai.flows.workflows.result import plain as plain
    from kosha_connector_openai.flows.workflows.runner import arun_workflow as arun_workflow
    from kosha_connector_openai.flows.workflows.runner import choose as choose
    from kosha_connector_openai.flows.workflows.runner import run_workflow as run_workflow
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "builder": "Flow Literal",
            "commands": "Begun RunLimits",
            "journal": "FileJournal",
            "model": "Step Workflow WorkflowDocument",
            "outline": "draw",
            "parse_document": "read_workflows",
            "result": "StepRecord WorkflowResult plain",
            "runner": "arun_workflow choose run_workflow",
        },
        old={"Document": "WorkflowDocument", "Limits": "RunLimits"},
    )
