"""JSON Schema 2020-12 alone. In: schemas and values. Out: faults, samples, fields and alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.schema.alternatives import *
    from kosha_connector_openai.schema.backend import *
    from kosha_connector_openai.schema.backend_choice import *
    from kosha_connector_openai.schema.fields import *
    from kosha_connector_openai.schema.keywords import *
    from kosha_connector_openai.schema.messages import *
    from kosha_connector_openai.schema.reader import *
    from kosha_connector_openai.schema.references import *
    from kosha_connector_openai.schema.samples import *
    from kosha_connector_openai.schema.validator import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "alternatives": "Branch Flat Flattener Node target",
            "backend": "Compiled NOT_JSON",
            "backend_choice": "default_backend",
            "fields": "flatten_properties",
            "keywords": "BOUNDS LIST LOWER MAP ONE SAME_VALUE UPPER children common_types with_children",
            "messages": "a_type json_type safe",
            "reader": "SchemaReader UNIONS",
            "references": "Tokens circle follow is_flagged keeps_neighbours outside reference_target reference_tokens refused",
            "samples": "candidates sample with_files",
            "validator": "CheckReport SchemaValidator",
        },
    )
