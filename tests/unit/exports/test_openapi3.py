"""The description in the older dialect: valid, and nothing in it that 3.0 does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.exports import chosen_actions, write_openapi3
from kosha_connector_openai.exports.openapi3 import schema3

TABLE: list[tuple[Any, dict[str, Any]]] = [
    (True, {}),
    (False, {"not": {}}),
    ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ({"type": ["string", "null"], "enum": ["a", "b"]}, {"type": "string", "nullable": True, "enum": ["a", "b", None]}),
    ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ({"const": "a"}, {"enum": ["a"]}),
    ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0, "exclusiveMinimum": True}),
    ({"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/A"}),
    (
        {"$ref": "#/components/schemas/A", "description": "x"},
        {"allOf": [{"$ref": "#/components/schemas/A"}], "description": "x"},
    ),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}], "nullable": True}),
    ({"type": "array"}, {"type": "array", "items": {}}),
    ({"type": "array", "prefixItems": [{"type": "string"}]}, {"type": "array", "items": {"anyOf": [{"type": "string"}]}}),
    ({"type": "string", "examples": ["a"]}, {"type": "string", "example": "a"}),
    ({"type": "string", "contentMediaType": "application/octet-stream"}, {"type": "string", "format": "binary"}),
    ({"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
    ({"type": "object", "propertyNames": {}, "unevaluatedProperties": False}, {"type": "object"}),
]
_NEWER = frozenset(
    {"const", "$defs", "prefixItems", "propertyNames", "unevaluatedProperties", "if", "then", "else", "contentMediaType", "$schema"}
)


def test_schemas_are_written_in_the_older_dialect() -> None:
    """Each spelling of JSON Schema 2020-12 by its counterpart; what has none is left out."""
    assert [(given, schema3(given)) for given, _ in TABLE] == TABLE


def schemas(value: Any, *, inside: bool = False) -> Iterator[dict[str, Any]]:
    """Every schema of a document."""
    if isinstance(value, dict):
        if inside:
            yield value
        for name, each in value.items():
            if name == "schema":
                yield from schemas(each, inside=True)
            elif name in ("schemas", "properties"):
                for inner in each.values() if isinstance(each, dict) else ():
                    yield from schemas(inner, inside=True)
            elif name in ("items", "additionalProperties", "not"):
                yield from schemas(each, inside=isinstance(each, dict))
            elif name in ("anyOf", "allOf", "oneOf"):
                for inner in each:
                    yield from schemas(inner, inside=True)
            elif name not in ("example", "examples", "default", "enum"):
                yield from schemas(each)
    elif isinstance(value, list):
        for each in value:
            yield from schemas(each)


def test_no_schema_has_what_is_newer(connector: Connector) -> None:
    """Over all operations: no list of types, no newer keyword, a list always says of what; and nothing that is not referred to."""
    document = write_openapi3(connector.catalog.document.root, chosen_actions(connector, whole=True), server="https://gateway.example")
    found = list(schemas(document))
    assert len(found) > 5_000
    wrong = [
        each
        for each in found
        if isinstance(each.get("type"), list) or _NEWER & each.keys() or (each.get("type") == "array" and "items" not in each)
    ]
    assert wrong == []
    assert document["servers"] == [{"url": "https://gateway.example"}]
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=[pytest.mark.e2e, pytest.mark.slow])])
def test_the_document_is_valid(connector: Connector, whole: bool) -> None:
    """By an independent validator of 3.0.3: the chosen actions, and in full."""
    names = () if whole else ("createChatCompletion", "createImageEdit", "createSpeech", "listFiles", "downloadFile")
    document = write_openapi3(connector.catalog.document.root, chosen_actions(connector, names, whole=whole), server="/")
    assert [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()] == []
    assert whole or len(document["paths"]) == 5


def test_a_choice_of_what_is_not_there(connector: Connector) -> None:
    """Every unknown name at once, each with its place."""
    with pytest.raises(InputError) as caught:
        chosen_actions(connector, ("listModel",), ("Imagess",))
    assert [fault.pointer for fault in caught.value.faults] == ["/actions/0", "/groups/0"]
