"""OpenAPI schemas of every dialect come out as self-contained JSON Schema 2020-12."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.dialect import Definitions, to_json_schema
from kosha_connector_openai.schema.rust_backend import RustBackend

SHARED = Path(__file__).parents[4] / "shared" / "specs"
NULL = {"type": "null"}
ROOT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Text": {"type": "string"},
            "Tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}}},
            "Unused": {"$ref": "https://example.org/never"},
            "A/B": {"type": "integer"},
            "Set": {"type": "string", "readOnly": True},
        }
    },
    "definitions": {"Text": {"type": "number"}},
    "lists": [{"type": "null"}, {"type": "array"}],
    "paths": {"/a": {"get": {"schema": {"type": "boolean"}}}},
}
TEXT = {"$ref": "#/components/schemas/Text"}


def translate(schema: Any, version: str = "3.1.0", *, request: bool = True) -> dict[str, Any]:
    return to_json_schema(ROOT, schema, version=version, request=request)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"enum": ["a"], "nullable": True}, {"enum": ["a", None]}),
        ({"nullable": True}, {}),
        ({"const": 1, "nullable": True}, {"anyOf": [{"const": 1}, NULL]}),
        ({"anyOf": [{"type": "string"}], "nullable": True}, {"anyOf": [{"type": "string"}, NULL]}),
        ({"oneOf": [{"type": "string"}], "nullable": True}, {"anyOf": [{"type": "string"}, NULL]}),
        (
            {"type": "object", "allOf": [{"minProperties": 1}], "nullable": True, "title": "T"},
            {"anyOf": [{"type": "object", "allOf": [{"minProperties": 1}]}, NULL], "title": "T"},
        ),
    ],
)
def test_nullable_becomes_null(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """``nullable`` lets null in beside any other keyword, in 3.1 files too."""
    assert translate(schema) == translate(schema, "3.0.0") == expected


@pytest.mark.parametrize("version", ["2.0", "3.0.3", "3.1.0"])
def test_nullable_beside_a_reference(version: str) -> None:
    """``nullable`` counts beside a ``$ref`` in every version, since so many descriptions mean it."""
    found = translate(TEXT | {"nullable": True}, version)
    assert found["anyOf"] == [{"$ref": "#/$defs/Text"}, NULL]


def test_neighbours_of_a_reference() -> None:
    """OpenAPI 3.0 ignores what stands beside a ``$ref``; 3.1 applies it."""
    schema = TEXT | {"maxLength": 3}
    assert translate(schema, "3.0.0") == {"$ref": "#/$defs/Text", "$defs": {"Text": {"type": "string"}}}
    assert translate(schema, "3.1.0") == {"$ref": "#/$defs/Text", "maxLength": 3, "$defs": {"Text": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"minimum": 0, "exclusiveMinimum": False}, {"minimum": 0}),
        ({"maximum": 1, "exclusiveMaximum": True}, {"exclusiveMaximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMinimum": 2}, {"exclusiveMinimum": 2}),
        ({"type": "file", "description": "D"}, {"type": "string", "format": "binary", "description": "D"}),
        ({"type": "string", "format": "binary", "maxLength": 1}, {"type": "string", "format": "binary"}),
        ({"type": "any"}, {}),
        ({"type": "integer", "default": "inf"}, {"type": "integer"}),
        ({"type": "integer", "default": True}, {"type": "integer"}),
        ({"type": "integer", "default": 3}, {"type": "integer", "default": 3}),
        ({"enum": ["a"], "default": "b"}, {"enum": ["a"]}),
        ({"required": True, "properties": {}}, {"properties": {}}),
        ({"required": ["a", "a", 3]}, {"required": ["a"]}),
        (
            {"example": 1, "examples": [1], "xml": {}, "externalDocs": {}, "x-y": 1, "$id": "u", "$schema": "s", "$anchor": "a"},
            {},
        ),
        ({"oneOf": [{}], "anyOf": [True]}, {"anyOf": [{}], "allOf": [{"anyOf": [True]}]}),
        (True, {}),
        (False, {"not": {}}),
    ],
)
def test_habits_of_older_dialects(schema: Any, expected: dict[str, Any]) -> None:
    """Boolean bounds, files, bad defaults and annotations leave; what JSON Schema 2020-12 knows stays."""
    assert translate(schema) == expected


def test_choices_of_requests_are_loosened() -> None:
    """``oneOf`` is read as ``anyOf`` in requests only, and keeps its discriminator."""
    schema = {"oneOf": [{"type": "string"}], "discriminator": {"propertyName": "type"}}
    assert translate(schema) == {"anyOf": [{"type": "string"}], "discriminator": {"propertyName": "type"}}
    assert translate(schema, request=False) == schema


def test_fields_of_the_other_direction_are_not_required() -> None:
    """Read-only fields are not required in requests, write-only ones not in responses, references included."""
    schema = {
        "properties": {"id": {"$ref": "#/components/schemas/Set"}, "key": {"writeOnly": True}, "name": {}},
        "required": ["id", "key", "name"],
    }
    assert translate(schema)["required"] == ["key", "name"]
    assert translate(schema, request=False)["required"] == ["id", "name"]


def test_schemas_inside_schemas_are_reached() -> None:
    """Every keyword that holds schemas is followed, and a property may have a keyword's name."""
    old, new = {"nullable": True, "type": "string"}, {"type": ["string", "null"]}
    schema = {
        "properties": {"nullable": old, "example": old},
        "additionalProperties": old,
        "items": old,
        "prefixItems": [old],
        "not": old,
        "if": old,
        "patternProperties": {"^a": old},
        "dependentSchemas": {"a": old},
    }
    expected = {
        "properties": {"nullable": new, "example": new},
        "additionalProperties": new,
        "items": new,
        "prefixItems": [new],
        "not": new,
        "if": new,
        "patternProperties": {"^a": new},
        "dependentSchemas": {"a": new},
    }
    assert translate(schema) == expected


def test_definitions_are_closed_and_few() -> None:
    """Only what is reachable is defined; a recursive schema is one definition and works."""
    found = translate({"$ref": "#/components/schemas/Tree"})
    assert found == {
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}},
    }
    compiled = RustBackend().compile(found)
    assert compiled.is_valid({"left": {"left": {}}})
    assert not compiled.is_valid({"left": {"left": 3}})


@pytest.mark.parametrize(
    ("reference", "name", "schema"),
    [
        ("#/components/schemas/A~1B", "A-B", {"type": "integer"}),
        ("#/components/schemas/A%7E1B", "A-B", {"type": "integer"}),
        ("#/paths/~1a/get/schema", "paths-a-get-schema", {"type": "boolean"}),
        ("#/lists/1", "lists-1", {"type": "array"}),
        ("#/components/schemas/T%65xt", "Text", {"type": "string"}),
    ],
)
def test_pointers_are_decoded(reference: str, name: str, schema: dict[str, Any]) -> None:
    """Percent and tilde escapes are undone, and any local pointer gets a name that a reference can hold."""
    assert translate({"$ref": reference}) == {"$ref": f"#/$defs/{name}", "$defs": {name: schema}}


def test_equal_names_stay_apart() -> None:
    """Two definitions of one name are two definitions."""
    found = translate({"anyOf": [TEXT, {"$ref": "#/definitions/Text"}]})
    assert found["$defs"] == {"Text": {"type": "string"}, "Text-2": {"type": "number"}}


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/hostname",
        "http://169.254.169.254/latest/meta-data",
        "//example.org/x",
        "other.json#/x",
        "../../secrets.yaml#/x",
        "",
    ],
)
def test_external_references_are_refused(reference: str) -> None:
    """S1, S2: a reference that leaves the document is refused with its place, and nothing is opened."""
    with pytest.raises(DocumentError, match="External reference not allowed") as caught:
        translate({"properties": {"a/b": {"$ref": reference}}})
    assert caught.value.pointer == "/properties/a~1b/$ref"
    assert [fault.pointer for fault in caught.value.faults] == ["/properties/a~1b/$ref"]


@pytest.mark.parametrize("reference", ["#/components/schemas/Nowhere", "#/components/schemas/Text/type/0", "#anchor", 3])
def test_lost_references_are_refused(reference: Any) -> None:
    """A reference that points at nothing is refused with its place."""
    with pytest.raises(DocumentError) as caught:
        translate({"items": {"$ref": reference}})
    assert caught.value.pointer == "/items/$ref"


@pytest.mark.parametrize(
    ("schemas", "chain"),
    [
        ({"a": {"$ref": "#/a"}}, "#/a -> #/a"),
        ({"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}, "#/a -> #/b -> #/a"),
        ({"a": {"allOf": [{"$ref": "#/a"}], "title": "A"}}, "#/a -> #/a"),
        ({"a": {"anyOf": [{"type": "string"}, {"not": {"$ref": "#/b"}}]}, "b": {"if": {"$ref": "#/a"}}}, "#/a -> #/b -> #/a"),
    ],
)
def test_circles_are_refused(schemas: dict[str, Any], chain: str) -> None:
    """S5: a schema that applies itself to its own value is refused with the chain; by way of a property it is legal."""
    with pytest.raises(DocumentError) as caught:
        to_json_schema(schemas, {"$ref": "#/a"}, version="3.1.0", request=True)
    assert chain in caught.value.message


def test_a_circle_behind_a_required_field_is_refused() -> None:
    """S5: looking for a mark behind a reference ends on a circle too."""
    schemas = {"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}
    with pytest.raises(DocumentError, match="circle: #/a -> #/b -> #/a"):
        to_json_schema(schemas, {"properties": {"x": {"$ref": "#/a"}}, "required": ["x"]}, version="3.1.0", request=True)


def test_what_is_no_schema_is_refused() -> None:
    """A text where a schema should be is named with its place."""
    with pytest.raises(DocumentError) as caught:
        translate({"properties": {"a": "string"}})
    assert caught.value.pointer == "/properties/a"


def test_long_chains_of_definitions_work() -> None:
    """S11: the depth of the call stack does not grow with the number of definitions."""
    schemas: dict[str, Any] = {f"L{n}": {"items": {"$ref": f"#/L{n + 1}"}} for n in range(5_000)}
    found = to_json_schema(schemas | {"L5000": {}}, {"$ref": "#/L0"}, version="3.1.0", request=True)
    assert len(found["$defs"]) == 5_001


def schemas_of(document: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    operations = [value for item in document["paths"].values() for value in item.values() if isinstance(value, dict)]
    for operation in operations:
        contents = [(operation.get("requestBody", {}).get("content", {}), True)]
        contents += [(response.get("content", {}), False) for response in operation.get("responses", {}).values()]
        for content, request in contents:
            yield from ((media["schema"], request) for media in content.values() if "schema" in media)
        yield from ((one["schema"], True) for one in operation.get("parameters", ()) if "schema" in one)


@pytest.mark.parametrize(("name", "least"), [("kosha-openai-24ops-oas30.json", 24), ("openai-2.3.0-oas31.json", 288)])
def test_published_descriptions_translate(name: str, least: int) -> None:
    """All 312 operations of two published descriptions translate and compile, and the documents are not changed."""
    path = SHARED / name
    if not path.exists():
        pytest.skip("the published descriptions are not part of the project")
    document = json.loads(path.read_bytes())
    before = copy.deepcopy(document)
    started = time.perf_counter()
    found = [to_json_schema(document, schema, version=document["openapi"], request=request) for schema, request in schemas_of(document)]
    assert len(found) >= least
    assert all(RustBackend().compile(schema) for schema in found)
    assert document == before
    assert time.perf_counter() - started < 30


def test_definitions_are_translated_once_and_shared() -> None:
    """Many users of one document's schemas refer to the same definitions; one that nobody asked for is unknown."""
    schemas = {"A": {"type": "string", "nullable": True}, "B": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}
    definitions = Definitions({"components": {"schemas": schemas}}, "3.1.0")
    assert definitions.schema({"$ref": "#/components/schemas/B"}) == {"$ref": "#/$defs/B"}
    assert definitions["B"] == {"type": "array", "items": {"$ref": "#/$defs/A"}}
    assert definitions["A"] == {"type": ["string", "null"]}
    assert definitions["A"] is definitions["A"]
    with pytest.raises(KeyError):
        definitions["C"]
