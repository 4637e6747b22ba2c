"""A user's schema made strict: what is sent, what is refused, how an answer is read back."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.tasks.strict_schema import StrictSchema
from kosha_connector_openai.manifest.parts.tasks import StrictRules, Tasks


@pytest.fixture(scope="module")
def rules() -> StrictRules:
    with open_connector() as connector:
        return connector.part("tasks", Tasks).strict


def strict(schema: dict[str, Any], rules: StrictRules) -> StrictSchema:
    return StrictSchema(schema, rules, "/schema")


def one(part: Any, **more: Any) -> dict[str, Any]:
    """An object with one required property."""
    return {"type": "object", "properties": {"a": part}, "required": ["a"], **more}


def test_every_object_is_closed_and_every_property_required(rules: StrictRules) -> None:
    """At every depth; what was optional may be null, whatever says its type."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "x"},
            "tags": {"type": "array", "items": {"type": "object", "properties": {"t": {"type": "integer"}}}},
            "kind": {"enum": ["a", "b"]},
            "other": {"$ref": "#/$defs/other"},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        },
        "required": ["name"],
        "$defs": {"other": one({"type": ["string", "null"]})},
    }
    sent = strict(schema, rules).sent
    assert sent == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "tags": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "properties": {"t": {"type": ["integer", "null"]}},
                    "required": ["t"],
                    "additionalProperties": False,
                },
            },
            "kind": {"anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]},
            "other": {"anyOf": [{"$ref": "#/$defs/other"}, {"type": "null"}]},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        },
        "$defs": {"other": {**one({"type": ["string", "null"]}), "additionalProperties": False}},
        "required": ["name", "tags", "kind", "other", "either"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        (one({"type": "strin"}), "/schema/properties/a/type"),
        (one({"type": "string", "pattern": "("}), "/schema/properties/a/pattern"),
        (one({"$ref": "#/$defs/gone"}), "/schema"),
        (one({"type": "integer", "minimum": "low"}), "/schema/properties/a/minimum"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused_before_it_is_sent(schema: dict[str, Any], pointer: str, rules: StrictRules) -> None:
    """An answer that nobody could check would be paid for in vain."""
    with pytest.raises(InputError) as caught:
        strict(schema, rules)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert {fault.rule for fault in caught.value.faults} == {"schema"}


def test_the_given_schema_is_not_changed(rules: StrictRules) -> None:
    """The user's own schema is what the answer is checked against."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    strict(schema, rules)
    assert schema == {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "pointer", "fix"),
    [
        ({"type": "array", "items": {"type": "string"}}, "/schema", "Make it the property of an object."),
        ({"type": "object", "anyOf": [one({"type": "string"})]}, "/schema", "Make it the property of an object."),
        (one({"type": "string"}, additionalProperties=True), "/schema/additionalProperties", "Name each property"),
        (one({"type": "object", "additionalProperties": {"type": "string"}}), "/schema/properties/a/additionalProperties", "Name each"),
        (one({"type": "string"}, patternProperties={"^x": {}}), "/schema/patternProperties", "Name each property"),
        (one({"allOf": [{"type": "string"}], "type": "string"}), "/schema/properties/a/allOf", "one object"),
        (one({"oneOf": [{"type": "string"}], "type": "string"}), "/schema/properties/a/oneOf", "Write `anyOf`."),
        (one({"not": {"type": "string"}, "type": "string"}), "/schema/properties/a/not", "Say what is allowed"),
        (one({"type": "string"}, **{"if": one({"const": 1})}), "/schema/if", "Write the cases under `anyOf`."),
        (one({"type": "string"}, dependentRequired={"a": ["b"]}), "/schema/dependentRequired", "Leave it out."),
        (one({"type": "array", "prefixItems": [{"type": "string"}]}), "/schema/properties/a/prefixItems", "a property of an object"),
        (one({"$ref": "https://example.org/schema"}), "/schema/properties/a/$ref", "Refer to `#`"),
        (one({"type": "object"}), "/schema/properties/a/properties", "Name them."),
        (one({}), "/schema/properties/a", "Give it a type."),
        (one(True), "/schema/properties/a", "Give it a type."),
        ({"type": "object", "properties": {}}, "/schema/properties", "Name them."),
        (one({"type": "array"}), "/schema/properties/a/items", "Say what the list holds."),
        (one({"type": "string"}, required=["a", "b"]), "/schema/required/1", "Describe it under `properties`"),
        (
            one({"type": "array", "items": one({"allOf": [], "type": "string"})}),
            "/schema/properties/a/items/properties/a/allOf",
            "one object",
        ),
    ],
)
def test_what_strict_cannot_do_is_refused_with_its_place(schema: dict[str, Any], pointer: str, fix: str, rules: StrictRules) -> None:
    """Each refusal names the keyword by its pointer, and what to write instead."""
    with pytest.raises(InputError) as caught:
        strict(schema, rules)
    assert any(fault.pointer == pointer and fix in fault.fix for fault in caught.value.faults), caught.value.faults


def test_all_refusals_come_at_once(rules: StrictRules) -> None:
    """Nobody corrects a schema fault by fault."""
    schema = {"type": "object", "properties": {"a": {"oneOf": [], "type": "string"}, "b": {"not": {}, "type": "string"}}}
    with pytest.raises(InputError) as caught:
        strict(schema, rules)
    assert {fault.pointer for fault in caught.value.faults} == {"/schema/properties/a/oneOf", "/schema/properties/b/not"}


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ({"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(5_001)}}, "properties"),
        (one({"type": "string", "enum": [str(number) for number in range(1_001)]}), "enum"),
        (one({"type": "string", "enum": ["x" * 120_001]}), "characters"),
    ],
    ids=["properties", "values", "characters"],
)
def test_sizes_are_known_before_it_is_sent(schema: dict[str, Any], rule: str, rules: StrictRules) -> None:
    """The upstream's limits are data and are kept here."""
    with pytest.raises(InputError) as caught:
        strict(schema, rules)
    assert [fault.rule for fault in caught.value.faults] == [rule]


@pytest.mark.parametrize("levels", [11, 60, 3_000])
def test_depth_is_bounded(levels: int, rules: StrictRules) -> None:
    """A schema of any depth ends in a refusal and never in a crash; ten levels pass."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(10):
        deep = one(deep)
    assert strict(deep, rules).sent["additionalProperties"] is False
    for _ in range(levels - 10):
        deep = one(deep)
    with pytest.raises(InputError) as caught:
        strict(deep, rules)
    assert {fault.rule for fault in caught.value.faults} == {"depth"}


def test_what_does_not_bind_is_checked_later_and_said(rules: StrictRules) -> None:
    """A length and an unknown format are not sent; a warning tells of each."""
    made = strict(one({"type": "string", "maxLength": 3, "format": "iri"}), rules)
    assert made.sent["properties"]["a"] == {"type": "string"}
    assert [warning.pointer for warning in made.warnings] == ["/schema/properties/a/maxLength", "/schema/properties/a/format"]


def test_nulls_of_optional_properties_are_left_out_again(rules: StrictRules) -> None:
    """Where the user's schema allows null it stays; where it does not, the property is missing, at every depth."""
    inner = {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": ["string", "null"]}}}
    schema = {
        "type": "object",
        "properties": {
            "a": inner,
            "list": {"type": "array", "items": inner},
            "ref": {"$ref": "#/$defs/r"},
            "any": {"anyOf": [inner, {"type": "null"}]},
        },
        "required": ["list"],
        "$defs": {"r": inner},
    }
    made = strict(schema, rules)
    nulls = {"x": None, "y": None}
    assert made.read_back({"a": None, "list": [nulls, {"x": "1", "y": None}], "ref": nulls, "any": nulls}) == {
        "list": [{"y": None}, {"x": "1", "y": None}],
        "ref": {"y": None},
        "any": {"y": None},
    }
    assert made.read_back({"a": nulls, "list": [], "ref": None, "any": None}) == {"a": {"y": None}, "list": [], "any": None}


def test_a_recursive_schema(rules: StrictRules) -> None:
    """A reference to the whole schema is kept and followed."""
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}, "required": ["name"]}
    made = strict(tree, rules)
    assert made.sent["properties"]["child"] == {"anyOf": [{"$ref": "#"}, {"type": "null"}]}
    assert made.read_back({"name": "a", "child": {"name": "b", "child": None}}) == {"name": "a", "child": {"name": "b"}}
