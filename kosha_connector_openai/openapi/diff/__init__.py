"""Compares two descriptions. In: two Documents. Out: a DiffReport of Changes, each with its verdict for requests or responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.openapi.diff.change import Change as Change
    from kosha_connector_openai.openapi.diff.change import Direction as Direction
    from kosha_connector_openai.openapi.diff.change import Verdict as Verdict
    from kosha_connector_openai.openapi.diff.documents import compare_documents as compare_documents
    from kosha_connector_openai.openapi.diff.intended import Intended as Intended
    from kosha_connector_openai.openapi.diff.intended import Judged as Judged
    from kosha_connector_openai.openapi.diff.intended import judge as judge
    from kosha_connector_openai.openapi.diff.intended import read_intended as read_intended
    from kosha_connector_openai.openapi.diff.render import to_json as to_json
    from kosha_connector_openai.openapi.diff.render import to_markdown as to_markdown
    from kosha_connector_openai.openapi.diff.render import to_text as to_text
    from kosha_connector_openai.openapi.diff.report import DiffReport as DiffReport
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "change": "Change Direction Verdict",
            "documents": "compare_documents",
            "intended": "Intended Judged judge read_intended",
            "render": "to_json to_markdown to_text",
            "report": "DiffReport",
        },
    )
