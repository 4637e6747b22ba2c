"""Discriminators get the mapping that their schemas show, or go; those of openapi.json all fit their branches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sdk.discriminators import map_discriminators

SCHEMAS: dict[str, Any] = {
    "Cat": {"type": "object", "properties": {"kind": {"const": "cat"}}},
    "Dog": {"type": "object", "properties": {"kind": {"enum": ["dog", "puppy"]}}},
    "Fox": {"allOf": [{"type": "object"}, {"$ref": "#/components/schemas/Vixen"}]},
    "Vixen": {"type": "object", "properties": {"kind": {"$ref": "#/components/schemas/FoxKind"}}},
    "FoxKind": {"enum": ["fox"]},
    "Any": {"type": "object", "properties": {"kind": {"type": "string"}}},
    "Round": {"allOf": [{"$ref": "#/components/schemas/Round"}]},
}
RULE = {"propertyName": "kind"}


def ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def pets(*names: str, union: str = "oneOf", **rule: Any) -> dict[str, Any]:
    return {"items": {union: [{"$ref": ref(name)} for name in names], "discriminator": {**RULE, **rule}}}


@pytest.mark.parametrize("union", ["oneOf", "anyOf"])
def test_values_lead_to_their_schemas(union: str) -> None:
    """By const, by enum and through references; the given schema stays as it was."""
    given = pets("Cat", "Dog", "Fox", union=union)
    found = map_discriminators(given, SCHEMAS)["items"]["discriminator"]
    assert found == {"propertyName": "kind", "mapping": {"cat": ref("Cat"), "dog": ref("Dog"), "puppy": ref("Dog"), "fox": ref("Fox")}}
    assert given == pets("Cat", "Dog", "Fox", union=union)


def test_a_mapping_that_is_there_stays() -> None:
    """Its author knows."""
    given = pets("Cat", "Any", mapping={"x": "y"})
    assert map_discriminators(given, SCHEMAS) == given


@pytest.mark.parametrize("names", [("Cat", "Any"), ("Cat", "Cat"), ("Cat", "Round"), ()])
def test_a_rule_that_cannot_be_told_goes(names: tuple[str, ...]) -> None:
    """Rather none than one that refuses good values."""
    assert "discriminator" not in map_discriminators(pets(*names), SCHEMAS)["items"]


def test_a_branch_that_is_no_reference_has_no_rule() -> None:
    """OpenAPI 3.1, section 4.8.25: inline schemas are not considered."""
    given = {"anyOf": [SCHEMAS["Cat"], {"$ref": ref("Dog")}], "discriminator": RULE}
    assert map_discriminators(given, SCHEMAS) == {"anyOf": given["anyOf"]}


def test_a_property_of_that_name_is_none() -> None:
    """Whatever a schema calls its properties."""
    given = {"properties": {"discriminator": {"type": "string"}}}
    assert map_discriminators(given, {}) == given


def rules(node: Any) -> Iterator[dict[str, Any]]:
    """The schemas of a document that have a discriminator."""
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "propertyName" in (node.get("discriminator") or ()):
        yield node
    for part in parts:
        yield from rules(part)


def test_every_rule_of_the_document_fits_its_branches(root: Path) -> None:
    """Each leads to each of its branches and to nothing else, by a value that the branch has at that property."""
    document = json.loads((root / "openapi.json").read_bytes())
    found = list(rules(document))
    assert len(found) > 80
    for node in found:
        mapping = node["discriminator"]["mapping"]
        branches = [branch["$ref"] for branch in node.get("anyOf") or node["oneOf"]]
        assert set(mapping.values()) == set(branches)
        for value, reference in mapping.items():
            text = json.dumps(document["components"]["schemas"][reference.rpartition("/")[2]])
            assert json.dumps(value) in text or "$ref" in text
