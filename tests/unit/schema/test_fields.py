"""The fields of a body: one flat map, whatever an object schema is wrapped in."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.dialect import flatten_properties

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
ROOT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Pet": {"type": "object", "properties": {"name": TEXT, "tag": TEXT}, "required": ["name"]},
            "Alias": {"$ref": "#/components/schemas/Pet"},
            "Loop": {"allOf": [{"$ref": "#/components/schemas/Back"}]},
            "Back": {"$ref": "#/components/schemas/Loop"},
            "Id": {"type": "string", "readOnly": True},
        }
    }
}
PET = {"$ref": "#/components/schemas/Pet"}


def fields(schema: Any, version: str = "3.1.0") -> Any:
    return flatten_properties(ROOT, schema, version)


def test_a_plain_object() -> None:
    """Properties, required names and closedness are taken as they stand."""
    schema = {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "additionalProperties": False}
    assert fields(schema) == ({"a": TEXT}, ("a",), True)


@pytest.mark.parametrize(
    "schema",
    [
        PET,
        {"$ref": "#/components/schemas/Alias"},
        {"allOf": [PET]},
        {"oneOf": [PET]},
        {"anyOf": [PET, {"type": "null"}]},
        {"allOf": [{"description": "Only words."}, PET]},
        {"type": ["object", "null"], "allOf": [PET]},
    ],
)
def test_wrappers_change_nothing(schema: dict[str, Any]) -> None:
    """A reference, a chain of them, and a composition of one are seen through."""
    assert fields(schema) == ({"name": TEXT, "tag": TEXT}, ("name",), False)


def test_all_of_merges() -> None:
    """``allOf`` joins properties and required names; a name in two parts must fit both."""
    schema = {"allOf": [PET, {"properties": {"age": NUMBER, "tag": NUMBER}, "required": ["age", "name"]}]}
    expected = {"name": TEXT, "tag": {"allOf": [TEXT, NUMBER]}, "age": NUMBER}
    assert fields(schema) == (expected, ("name", "age"), False)


def test_any_of_is_a_union() -> None:
    """Of branches all properties are taken, and only what every branch requires is required."""
    schema = {
        "properties": {"own": TEXT},
        "required": ["own"],
        "anyOf": [PET, {"properties": {"name": NUMBER}, "required": ["name"]}, {"properties": {"name": TEXT}, "required": ["name", "own"]}],
    }
    found = fields(schema)
    assert set(found[0]) == {"own", "name", "tag"}
    assert found[0]["name"] == {"anyOf": [{"anyOf": [TEXT, NUMBER]}, TEXT]}
    assert found[1:] == (("own", "name"), False)


@pytest.mark.parametrize("schema", [True, {}, TEXT, {"type": "array", "items": PET}, {"anyOf": [PET, TEXT]}, {"allOf": [PET, NUMBER]}])
def test_what_is_no_object_has_no_fields(schema: Any) -> None:
    """Texts, lists, mixed branches and schemas that say nothing have no map of fields."""
    assert fields(schema) is None


def test_read_only_fields_are_not_required() -> None:
    """What only the provider may set need not be given, also where the mark stands behind a reference."""
    schema = {"properties": {"id": {"$ref": "#/components/schemas/Id"}, "a": TEXT}, "required": ["id", "a"]}
    assert fields(schema)[1] == ("a",)


def test_neighbours_of_a_reference_count_from_3_1_on() -> None:
    """Before OpenAPI 3.1 the keywords beside a ``$ref`` are ignored."""
    schema = PET | {"properties": {"more": TEXT}}
    assert "more" in fields(schema, "3.1.0")[0]
    assert "more" not in fields(schema, "3.0.3")[0]


def test_a_circle_is_refused() -> None:
    """S5: references that lead only back to themselves are refused with the chain."""
    with pytest.raises(DocumentError, match="#/components/schemas/Loop -> #/components/schemas/Back -> #/components/schemas/Loop"):
        fields({"$ref": "#/components/schemas/Loop"})


def test_branches_upon_branches_stay_cheap() -> None:
    """S11: each definition is read once, however many ways lead to it."""
    levels = {f"L{n}": {"allOf": [{"$ref": f"#/components/schemas/L{n + 1}"}] * 8} for n in range(30)}
    root = {"components": {"schemas": levels | {"L30": {"properties": {"a": TEXT}}}}}
    assert flatten_properties(root, {"$ref": "#/components/schemas/L0"}, "3.1.0") == ({"a": TEXT}, (), False)
