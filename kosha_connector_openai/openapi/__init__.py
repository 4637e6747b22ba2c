"""What a provider publishes. In: OpenAPI 3.0, 3.1 or Swagger 2.0. Out: a Document with its Operations, in JSON Schema 2020-12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.openapi.dialect import *
    from kosha_connector_openai.openapi.document import *
    from kosha_connector_openai.openapi.operation import *
    from kosha_connector_openai.openapi.refreshed import *
    from kosha_connector_openai.openapi.texts import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "dialect": "Definitions to_json_schema",
            "document": "Document MAX_BYTES METHODS parse_document read_document",
            "operation": "Encoding MediaType Operation Parameter Schema",
            "refreshed": "REFRESHED read_refreshed refreshed_pin write_refreshed",
            "texts": "with_texts",
        },
    )
