"""Compares two descriptions. In: two Documents. Out: a DiffReport of Changes, each with its verdict for requests or responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.openapi.diff.change import *
    from kosha_connector_openai.openapi.diff.documents import *
    from kosha_connector_openai.openapi.diff.intended import *
    from kosha_connector_openai.openapi.diff.render import *
    from kosha_connector_openai.openapi.diff.report import *
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
