"""JSON Schema 2020-12 alone. In: schemas and values. Out: faults, samples, fields and alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.schema.alternatives import Branch as Branch
    from kosha_connector_openai.schema.alternatives import Flat as Flat
    from kosha_connector_openai.schema.alternatives import Flattener as Flattener
    from kosha_connector_openai.schema.alternatives import Node as Node
    from kosha_connector_openai.schema.alternatives import target as target
    from kosha_connector_openai.schema.backend import NOT_JSON as NOT_JSON
    from kosha_connector_openai.schema.backend import Compiled as Compiled
    from kosha_connector_openai.schema.backend import default_backend as default_backend
    from kosha_connector_openai.schema.fields import flatten_properties as flatten_properties
    from kosha_connector_openai.schema.keywords import BOUNDS as BOUNDS
    from kosha_connector_openai.schema.keywords import LIST as LIST
    from kosha_connector_openai.schema.keywords import LOWER as LOWER
    from kosha_connector_openai.schema.keywords import MAP as MAP
    from kosha_connector_openai.schema.keywords import ONE as ONE
    from kosha_connector_openai.schema.keywords import SAME_VALUE as SAME_VALUE
    from kosha_connector_openai.schema.keywords import UPPER as UPPER
    from kosha_connector_openai.schema.keywords import children as children
    from kosha_connector_openai.schema.keywords import common_types as common_types
    from kosha_connector_openai.schema.keywords import with_children as with_children
    from kosha_connector_openai.schema.messages import a_type as a_type
    from kosha_connector_openai.schema.messages import json_type as json_type
    from kosha_connector_openai.schema.messages import safe as safe
    from kosha_connector_openai.schema.reader import UNIONS as UNIONS
    from kosha_connector_openai.schema.reader import SchemaReader as SchemaReader
    from kosha_connector_openai.schema.references import Tokens as Tokens
    from kosha_connector_openai.schema.references import circle as circle
    from kosha_connector_openai.schema.references import follow as follow
    from kosha_connector_openai.schema.references import is_flagged as is_flagged
    from kosha_connector_openai.schema.references import keeps_neighbours as keeps_neighbours
    from kosha_connector_openai.schema.references import reference_target as reference_target
    from kosha_connector_openai.schema.references import reference_tokens as reference_tokens
    from kosha_connector_openai.schema.references import refused as refused
    from kosha_connector_openai.schema.samples import candidates as candidates
    from kosha_connector_openai.schema.samples import sample as sample
    from kosha_connector_openai.schema.samples import with_files as with_files
    from kosha_connector_openai.schema.validator import CheckReport as CheckReport
    from kosha_connector_openai.schema.validator import SchemaValidator as SchemaValidator
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "alternatives": "Branch Flat Flattener Node target",
            "backend": "Compiled NOT_JSON default_backend",
            "fields": "flatten_properties",
            "keywords": "BOUNDS LIST LOWER MAP ONE SAME_VALUE UPPER children common_types with_children",
            "messages": "a_type json_type safe",
            "reader": "SchemaReader UNIONS",
            "references": "Tokens circle follow is_flagged keeps_neighbours reference_target reference_tokens refused",
            "samples": "candidates sample with_files",
            "validator": "CheckReport SchemaValidator",
        },
    )
