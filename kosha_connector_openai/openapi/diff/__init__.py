"""Two descriptions come in; every difference goes out, each with what it means for senders and for readers."""

from __future__ import annotations

from kosha_connector_openai.openapi.diff.change import Change, Direction, Verdict
from kosha_connector_openai.openapi.diff.documents import compare_documents
from kosha_connector_openai.openapi.diff.intended import Intended, Judged, judge, read_intended
from kosha_connector_openai.openapi.diff.render import to_json, to_markdown, to_text
from kosha_connector_openai.openapi.diff.report import Report

__all__ = [
    "Change",
    "Direction",
    "Intended",
    "Judged",
    "Report",
    "Verdict",
    "compare_documents",
    "judge",
    "read_intended",
    "to_json",
    "to_markdown",
    "to_text",
]
