"""Two descriptions come in; every difference goes out, each with what it means for senders and for readers."""

from __future__ import annotations

from kosha_connector_openai.core.spec.drift.change import Change, Direction, Verdict
from kosha_connector_openai.core.spec.drift.documents import compare_documents
from kosha_connector_openai.core.spec.drift.intended import Intended, Judged, judge, read_intended
from kosha_connector_openai.core.spec.drift.render import to_json, to_markdown, to_text
from kosha_connector_openai.core.spec.drift.report import Report

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
