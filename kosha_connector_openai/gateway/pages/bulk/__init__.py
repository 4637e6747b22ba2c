"""The pages on runs over rows. In: rows, and what a caller asks of them. Out: checks, runs that go on without a request, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.bulk.bulk_pages import *
else:
    __getattr__, __all__ = face(__name__, {"bulk_pages": "BulkPages"})
