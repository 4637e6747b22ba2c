"""The two renderings for existing libraries: JSON Schema and uiSchema."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

TEXT = {"type": "string"}
FREE = {"anyOf": [TEXT, {"type": "string", "enum": ["m-1"]}]}


def test_known_texts_are_suggestions(make_form: Any) -> None:
    """Any text is valid; the known ones are examples, which a library offers while one types."""
    schema = make_form({"x": FREE}).to_json_schema()["properties"]["x"]
    assert (schema["type"], schema["examples"], "anyOf" in schema) == ("string", ["m-1"], False)


def test_optional_null_is_left_out(make_form: Any) -> None:
    """A person leaves the field empty; where a value is needed, nothing is a choice of its own."""
    nullable = {"anyOf": [{"type": "object", "properties": {"a": TEXT}}, {"type": "null"}]}
    union = {"anyOf": [{"type": "array", "items": TEXT}, TEXT, {"type": "null"}]}
    properties = make_form({"x": nullable, "y": union, "z": union, "e": {"type": ["string", "null"], "enum": ["a", None]}}, required=["z"])
    schemas = properties.to_json_schema()["properties"]
    assert schemas["x"]["type"] == "object"
    assert len(schemas["y"]["anyOf"]) == 2
    assert schemas["z"]["anyOf"][-1] == {"type": "null", "title": "Nothing"}
    assert (schemas["e"]["type"], schemas["e"]["enum"]) == ("string", ["a"])


def test_alternatives_have_titles_and_a_discriminator(make_form: Any) -> None:
    """Nested unions are one list; a definition stays a reference."""
    one = {"type": "object", "properties": {"type": {"type": "string", "enum": ["one"]}}, "required": ["type"]}
    two = {"type": "object", "properties": {"type": {"const": "two"}}, "required": ["type"]}
    schemas = {"One": one, "Two": two, "Both": {"oneOf": [{"$ref": "#/components/schemas/One"}, {"$ref": "#/components/schemas/Two"}]}}
    schema = make_form({"x": {"$ref": "#/components/schemas/Both"}}, schemas=schemas).to_json_schema()
    found = schema["$defs"]["Both"]
    assert [(part["$ref"], part["title"]) for part in found["anyOf"]] == [("#/$defs/One", "One"), ("#/$defs/Two", "Two")]
    assert found["discriminator"] == {"propertyName": "type"}
    assert schema["$defs"]["One"]["properties"]["type"]["default"] == "one"


def test_conditions_are_schemas(make_form: Any) -> None:
    """A default counts as given; what is needed or excluded is said with the keywords of the dialect."""
    fields = {
        "b": {"visible_when": {"a": ["on"]}},
        "c": {"required_when": {"d": "given"}, "excludes": ["e"]},
        "e": {"excludes": ["c"], "visible_when": {"d": "absent", "a": ["off"]}},
    }
    properties = {"a": {"type": "string", "default": "on"}, **dict.fromkeys("bcde", TEXT)}
    schema = make_form(properties, actions={"act": {"fields": fields}}).to_json_schema()
    check = Draft202012Validator(schema)
    assert sorted(schema["properties"]) == ["a", "c", "d", "extra_body"]
    assert len([rule for rule in schema["allOf"] if "not" in rule]) == 1
    assert not check.is_valid({"b": 7})
    assert check.is_valid({"a": "off", "b": 7})
    assert not check.is_valid({"d": "x"})
    assert check.is_valid({"d": "x", "c": "y"})
    assert not check.is_valid({"c": "y", "e": "z"})
    assert not check.is_valid({"a": "off", "e": 7})
    assert check.is_valid({"e": 7})


def test_conditions_inside_objects_are_schemas_too(make_form: Any) -> None:
    """Where the object has a name, for which the part may say them."""
    thing = {"type": "object", "properties": {"kind": TEXT, "size": {"type": "integer"}}, "required": ["kind"]}
    shapes = {"Thing": {"fields": {"size": {"visible_when": {"kind": ["box"]}}}}}
    schema = make_form({"x": {"$ref": "#/components/schemas/Thing"}}, schemas={"Thing": thing}, shapes=shapes).to_json_schema()
    assert list(schema["$defs"]["Thing"]["properties"]) == ["kind"]
    check = Draft202012Validator(schema)
    assert check.is_valid({"x": {"kind": "box", "size": 1}})
    assert not check.is_valid({"x": {"kind": "box", "size": "big"}})


def test_a_closed_object_keeps_its_names(make_form: Any) -> None:
    """A library draws them always, and what the object takes it still takes."""
    thing = {"type": "object", "properties": {"kind": TEXT, "size": {"type": "integer"}}, "additionalProperties": False}
    shapes = {"Thing": {"fields": {"size": {"visible_when": {"kind": ["box"]}}}}}
    schema = make_form({"x": {"$ref": "#/components/schemas/Thing"}}, schemas={"Thing": thing}, shapes=shapes).to_json_schema()
    assert Draft202012Validator(schema).is_valid({"x": {"kind": "box", "size": 1}})


def test_our_bounds_and_defaults_are_in_the_schema(make_form: Any) -> None:
    """Those of the manifest; the provider's own defaults are placeholders."""
    said = {"x": {"minimum": 1, "maximum": 5, "default": 2}, "y": {"placeholder": "seven"}}
    form = make_form(
        {"x": {"type": "integer"}, "y": {"type": "integer", "default": 7}, "z": {"type": "boolean", "default": True}}, fields=said
    )
    schema, ui = form.to_json_schema()["properties"], form.to_ui_schema()
    assert (schema["x"]["minimum"], schema["x"]["maximum"], schema["x"].get("default")) == (1, 5, 2)
    assert ("default" in schema["y"], ui["y"]["ui:placeholder"], ui["z"]["ui:placeholder"]) == (
        False,
        "seven",
        "left to the provider: true",
    )


def test_widgets_are_those_of_the_library(make_form: Any) -> None:
    """Several lines, choices, passwords, dates; a slider only where a value is needed, since it cannot show that there is none."""
    slider = {"type": "number", "minimum": 0, "maximum": 1}
    properties = {
        "lines": {**TEXT, "maxLength": 5000},
        "some": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "hidden": TEXT,
        "day": {"type": "string", "format": "date"},
        "at": {"type": "integer", "format": "unixtime"},
        "maybe": slider,
        "needed": slider,
    }
    form = make_form(properties, required=["needed"], fields={"hidden": {"secret": True}})
    ui = form.to_ui_schema()
    widgets = {name: ui[name].get("ui:widget") for name in properties}
    assert widgets == {
        "lines": "textarea", "some": "checkboxes", "hidden": "password", "day": "date", "at": None, "maybe": "updown", "needed": "range",
    }  # fmt: skip
    assert ui["ui:order"][0] == "needed"
    assert ui["ui:order"][-1] == "*"
    assert form.to_json_schema()["properties"]["some"]["uniqueItems"] is True


def test_files_name_what_they_accept(make_form: Any) -> None:
    """For the browser's file dialog."""
    file = {"type": "string", "format": "binary"}
    said = {"x": {"file": {"types": ["image/png"], "extensions": [".png"]}}}
    form = make_form({"x": file, "y": {"type": "array", "items": file}}, media="multipart/form-data", fields=said)
    ui = form.to_ui_schema()
    assert (ui["x"]["ui:widget"], ui["x"]["ui:options"]["accept"]) == ("file", "image/png,.png")
    assert ui["y"]["ui:widget"] == "files"
    assert form.to_json_schema()["properties"]["x"] == {"type": "string", "title": "X", "description": "`x` \u00b7 X of this request."}


def test_nested_values_are_reached_and_end(make_form: Any) -> None:
    """Several lines inside a list of variants; a schema that contains itself is left to the library."""
    node = {"type": "object", "properties": {"body": {**TEXT, "maxLength": 5000}, "inner": {"$ref": "#/components/schemas/Node"}}}
    kinds = {"type": "array", "items": {"anyOf": [TEXT, {"$ref": "#/components/schemas/Node"}]}}
    ui = make_form({"x": kinds}, schemas={"Node": node}).to_ui_schema()
    assert ui["x"]["items"]["anyOf"][1]["body"]["ui:widget"] == "textarea"
    assert "inner" not in ui["x"]["items"]["anyOf"][1]


def test_the_name_of_the_api_stands_below_the_label(make_form: Any) -> None:
    """At the beginning of the description, as code, which react-jsonschema-form is told to draw as Markdown; in objects too."""
    thing = {"type": "object", "properties": {"max_files": {"type": "integer"}}}
    form = make_form({"max_output_tokens": {"type": "integer", "description": "The most *tokens*."}, "thing": thing})
    schema = form.to_json_schema()["properties"]
    told = {"type": "integer", "title": "Max output tokens", "description": "`max_output_tokens` \u00b7 The most *tokens*."}
    assert schema["max_output_tokens"] == told
    assert schema["thing"]["properties"]["max_files"]["description"] == "`max_files`"
    assert form.to_ui_schema()["ui:globalOptions"] == {"enableMarkdownInDescription": True}


def test_a_better_label_is_one_line_of_the_part(make_form: Any) -> None:
    """The form, the JSON Schema and its alternatives take it; nothing else is touched."""
    said = {"fields": {"stop": {"label": "Stop sequences", "label_reason": "Known by this name."}}}
    form = make_form({"stop": TEXT}, actions={"act": said})
    assert (form.fields[0]["name"], form.fields[0]["label"], form.fields[0]["origin"]["label"]) == ("stop", "Stop sequences", "overlay")
    assert form.to_json_schema()["properties"]["stop"]["title"] == "Stop sequences"


def test_an_alternative_of_one_value_needs_no_widget(make_form: Any) -> None:
    """Whoever chooses it has filled it in: the schema gives the value, and nothing is drawn for it."""
    form = make_form({"x": {"anyOf": [{"type": "string", "enum": ["auto"]}, {"type": "integer"}]}})
    assert form.to_json_schema()["properties"]["x"]["anyOf"][0] == {"type": "string", "enum": ["auto"], "title": "Auto", "default": "auto"}
    assert form.to_ui_schema()["x"]["anyOf"] == [{"ui:widget": "hidden"}, {}]


def test_labels_of_values_go_beside(make_form: Any) -> None:
    """In the order of the schema's values."""
    ui = make_form({"x": {"type": "string", "enum": ["a_b", "c"]}}, fields={"x": {"enum": {"c": "See"}}}).to_ui_schema()
    assert ui["x"]["ui:options"]["enumNames"] == ["A b", "See"]
