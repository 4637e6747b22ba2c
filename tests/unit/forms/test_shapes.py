"""Each kind of schema gets the widget, bounds, choices and variants that fit it."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.forms import Form

REF = "#/components/schemas/"


def field(form: Form, name: str = "x") -> dict[str, Any]:
    return next(entry for entry in form.fields if entry["name"] == name)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"widget": "text", "type": "string"}),
        ({"type": "string", "maxLength": 4000}, {"widget": "multiline", "max_length": 4000}),
        ({"type": "string", "format": "date"}, {"widget": "date", "date": "date"}),
        ({"type": "string", "format": "date-time"}, {"widget": "date", "date": "date-time"}),
        ({"type": "integer", "format": "unixtime"}, {"widget": "date", "date": "unix", "type": "integer"}),
        ({"type": "boolean"}, {"widget": "switch"}),
        ({"type": "number", "minimum": 0, "maximum": 2}, {"widget": "slider", "minimum": 0, "maximum": 2, "step": 0.1}),
        ({"type": "integer", "minimum": 1}, {"widget": "number", "minimum": 1}),
        ({"type": "integer", "minimum": 1, "maximum": 100_000}, {"widget": "number"}),
        ({"type": "number", "exclusiveMinimum": 0}, {"widget": "number", "above": 0}),
        (
            {"type": "string", "enum": ["a_b", "c"]},
            {"widget": "select", "enum": [{"value": "a_b", "label": "A b"}, {"value": "c", "label": "C"}]},
        ),
        ({"type": "array", "items": {"type": "string", "enum": ["a"]}}, {"widget": "multi-select"}),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, {"widget": "list", "min_items": 2}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"widget": "key-value", "values": {"widget": "text", "type": "string"}},
        ),
        ({"type": "object"}, {"widget": "json", "raw": True}),
        ({}, {"widget": "json", "type": "any"}),
        ({"type": ["string", "null"]}, {"widget": "text", "nullable": True}),
        ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]}, {"widget": "number", "minimum": 3, "nullable": True}),
        ({"type": "integer", "enum": [1, 2]}, {"widget": "select", "enum": [{"value": 1, "label": "1"}, {"value": 2, "label": "2"}]}),
    ],
)
def test_a_schema_has_its_widget(make_form: Any, schema: Any, expected: Any) -> None:
    """What is expected is among the field's facts."""
    found = field(make_form({"x": schema}))
    assert {key: found.get(key) for key in expected} == expected


def test_known_and_free_texts_are_one_open_select(make_form: Any) -> None:
    """The usual way in which a description lists models: the list helps, and any other text is taken."""
    found = field(make_form({"x": {"anyOf": [{"type": "string"}, {"type": "string", "enum": ["m-1", "m_2"]}]}}))
    assert (found["widget"], found["open"]) == ("select", True)
    assert found["enum"] == [{"value": "m-1", "label": "m-1"}, {"value": "m_2", "label": "m_2"}]


def test_a_text_or_a_list_of_parts_are_variants(make_form: Any) -> None:
    """Each with a label, and with a schema that tells which of them a value is."""
    part = {"type": "object", "properties": {"type": {"const": "part"}}, "required": ["type"]}
    found = field(make_form({"x": {"oneOf": [{"type": "string"}, {"type": "array", "items": part}]}}))
    assert found["widget"] == "variants"
    assert [(variant["id"], variant["label"], variant["when"]) for variant in found["variants"]] == [
        ("string", "Text", {"type": "string"}),
        ("array", "List of objects", {"type": "array", "items": {"type": "object"}}),
    ]


def test_objects_are_told_apart_by_a_property(make_form: Any) -> None:
    """Also where the description declares no discriminator; unions inside unions are one list."""
    user = {
        "type": "object",
        "properties": {"role": {"type": "string", "enum": ["user"]}, "content": {"type": "string"}},
        "required": ["role"],
    }
    tool = {"type": "object", "properties": {"role": {"const": "tool"}, "id": {"type": "string"}}, "required": ["role", "id"]}
    admin = {"type": "object", "properties": {"role": {"const": "admin"}}, "required": ["role"]}
    schemas = {"User": user, "Tool": tool, "Admin": admin, "Inner": {"oneOf": [{"$ref": f"{REF}Tool"}, {"$ref": f"{REF}Admin"}]}}
    form = make_form({"x": {"anyOf": [{"$ref": f"{REF}User"}, {"$ref": f"{REF}Inner"}]}}, schemas=schemas)
    found = field(form)
    assert found["discriminator"] == "role"
    assert [(variant["id"], variant["$ref"]) for variant in found["variants"]] == [
        ("user", "#/$defs/User"), ("tool", "#/$defs/Tool"), ("admin", "#/$defs/Admin"),
    ]  # fmt: skip
    assert found["variants"][1]["when"] == {"type": "object", "properties": {"role": {"enum": ["tool"]}}, "required": ["role", "id"]}
    role = form.definition("#/$defs/Tool")["fields"][0]
    assert (role["constant"], role["visibility"]) == ("tool", "internal")


def test_a_schema_that_contains_itself_ends(make_form: Any) -> None:
    """It is drawn once and refers to itself."""
    schemas = {"Node": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": f"{REF}Node"}}}}}
    form = make_form({"x": {"$ref": f"{REF}Node"}}, schemas=schemas)
    assert list(form.definitions) == ["Node"]
    assert form.definitions["Node"]["fields"][0]["items"]["$ref"] == "#/$defs/Node"


def test_a_schema_that_is_only_itself_ends_too(make_form: Any) -> None:
    """References in a circle say nothing, and cost nothing."""
    form = make_form({"x": {"anyOf": [{"$ref": f"{REF}A"}, {"type": "string"}]}}, schemas={"A": {"allOf": [{"$ref": f"{REF}A"}]}})
    assert field(form)["widget"] == "variants"


def test_parts_that_all_apply_are_one_object(make_form: Any) -> None:
    """Their properties and what they require together."""
    base = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    more = {"type": "object", "properties": {"b": {"type": "integer"}}}
    form = make_form({"x": {"allOf": [{"$ref": f"{REF}Base"}, more]}}, schemas={"Base": base})
    assert [(entry["name"], entry["required"]) for entry in field(form)["fields"]] == [("a", True), ("b", False)]


def test_common_properties_are_in_every_variant(make_form: Any) -> None:
    """What stands beside the alternatives belongs to each of them."""
    kinds = [{"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in ("one", "two")]
    form = make_form({"x": {"type": "object", "properties": {"name": {"type": "string"}}, "anyOf": kinds}})
    names = [[entry["name"] for entry in variant["fields"]] for variant in field(form)["variants"]]
    assert names == [["kind", "name"], ["kind", "name"]]


@pytest.mark.parametrize(
    ("schema", "multiple", "kind"),
    [
        ({"type": "string", "format": "binary"}, None, "string"),
        ({"type": "array", "items": {"type": "string", "format": "binary"}}, True, "array"),
        (
            {
                "anyOf": [
                    {"type": "string", "format": "binary"},
                    {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 4},
                ]
            },
            True,
            "any",
        ),
    ],
)
def test_files_are_files(make_form: Any, schema: Any, multiple: bool | None, kind: str) -> None:
    """One, a list, or either; with the ways to give them and the connection's own limit."""
    found = field(make_form({"x": schema}, media="multipart/form-data"))
    assert (found["widget"], found.get("multiple"), found["type"]) == ("file", multiple, kind)
    assert found["file"] == {"sources": ["data-url", "base64", "text", "path"], "max_bytes": 512 * 1024 * 1024}


def test_numbers_of_any_kind_are_one(make_form: Any) -> None:
    """A whole number is a number; a person is not asked which."""
    found = field(make_form({"x": {"type": ["integer", "number", "string"]}}))
    assert [variant["label"] for variant in found["variants"]] == ["Number", "Text"]


def test_a_union_without_end_is_cut(make_form: Any) -> None:
    """A hostile description cannot make a form of any size."""
    found = field(make_form({"x": {"anyOf": [{"type": "object", "properties": {f"p{n}": {}}} for n in range(500)]}}))
    assert len(found["variants"]) == 120
