"""Workflows: an Arazzo document, a connector and inputs come in; a typed result comes out, or an error that names the step.

A documented subset of Arazzo 1.0.1 runs; everything else is refused when the document is read, with its JSON Pointer.
"""

from __future__ import annotations

from kosha_connector_openai.flows.workflows.builder import Flow, Literal
from kosha_connector_openai.flows.workflows.commands import Begun, Limits
from kosha_connector_openai.flows.workflows.journal import FileJournal
from kosha_connector_openai.flows.workflows.model import Document, Step, Workflow
from kosha_connector_openai.flows.workflows.parse_document import read_workflows
from kosha_connector_openai.flows.workflows.result import StepRecord, WorkflowResult
from kosha_connector_openai.flows.workflows.runner import arun_workflow, run_workflow

__all__ = [
    "Begun", "Document", "FileJournal", "Flow", "Limits", "Literal", "Step", "StepRecord", "Workflow", "WorkflowResult", "arun_workflow",
    "read_workflows", "run_workflow",
]  # fmt: skip
