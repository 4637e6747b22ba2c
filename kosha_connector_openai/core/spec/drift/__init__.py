"""Two descriptions come in; every difference goes out, each with what it means for senders and for readers."""

from __future__ import annotations

from kosha_connector_openai.core.spec.drift.change import Change
from kosha_connector_openai.core.spec.drift.documents import compare_documents
from kosha_connector_openai.core.spec.drift.intended import Intended, read_intended
from kosha_connector_openai.core.spec.drift.render import to_json, to_markdown, to_text
from kosha_connector_openai.core.spec.drift.report import Report

__all__ = ["Change", "Intended", "Report", "compare_documents", "read_intended", "to_json", "to_markdown", "to_text"]
