"""Discriminators get the mapping that their schemas show, or go."""

from typing import Any

import pytest

from kosha_connector_openai.gateway.discriminators import mapped

SCHEMAS: dict[str, Any] = {
    "Cat": {"type": "object", "properties": {"kind": {"const": "cat"}}},
    "Dog": {"type": "object", "properties": {"kind": {"enum": ["dog", "puppy"]}}},
    "Any": {"type": "object", "properties": {"kind": {"type": "string"}}},
}
RULE = {"propertyName": "kind"}


def pets(*names: str, **rule: Any) -> dict[str, Any]:
    return {"items": [{"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names], "discriminator": {**RULE, **rule}}]}


def test_values_lead_to_their_schemas():
    """By const and by enum; nothing else changes, and the given object stays as it was."""
    given = pets("Cat", "Dog")
    found = mapped(given, SCHEMAS)["items"][0]["discriminator"]
    refs = {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog", "puppy": "#/components/schemas/Dog"}
    assert found == {"propertyName": "kind", "mapping": refs}
    assert given == pets("Cat", "Dog")


def test_a_mapping_that_is_there_stays():
    """Its author knows."""
    given = pets("Cat", "Any", mapping={"x": "y"})
    assert mapped(given, SCHEMAS) == given


@pytest.mark.parametrize("names", [("Cat", "Any"), ("Cat", "Cat"), ("Cat", "None"), ()])
def test_a_rule_that_cannot_be_told_goes(names: tuple[str, ...]):
    """Rather none than one that refuses good values."""
    assert "discriminator" not in mapped(pets(*names), SCHEMAS)["items"][0]


def test_a_property_of_that_name_is_none():
    """Whatever a schema calls its properties."""
    given = {"properties": {"discriminator": {"type": "string"}}}
    assert mapped(given, {}) == given
