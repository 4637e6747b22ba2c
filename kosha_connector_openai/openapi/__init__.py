"""What a provider publishes. In: OpenAPI 3.0, 3.1 or Swagger 2.0. Out: a Document with its Operations, in JSON Schema 2020-12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.openapi.dialect import Definitions as Definitions
    from kosha_connector_openai.openapi.dialect import to_json_schema as to_json_schema
    from kosha_connector_openai.openapi.document import MAX_BYTES as MAX_BYTES
    from kosha_connector_openai.openapi.document import METHODS as METHODS
    from kosha_connector_openai.openapi.document import Document as Document
    from kosha_connector_openai.openapi.document import parse_document as parse_document
    from kosha_connector_openai.openapi.document import read_document as read_document
    from kosha_connector_openai.openapi.operation import Encoding as Encoding
    from kosha_connector_openai.openapi.operation import MediaType as MediaType
    from kosha_connector_openai.openapi.operation import Operation as Operation
    from kosha_connector_openai.openapi.operation import Parameter as Parameter
    from kosha_connector_openai.openapi.operation import Schema as Schema
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "dialect": "Definitions to_json_schema",
            "document": "Document MAX_BYTES METHODS parse_document read_document",
            "operation": "Encoding MediaType Operation Parameter Schema",
        },
    )
