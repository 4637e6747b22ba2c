"""Flat inputs: one object of parameters and body fields, split, checked, and told apart where they could be mistaken."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.core.actions.inputs import ABSENT, Inputs, is_file
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.openapi.document import Document

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
FILE = {"type": "string", "format": "binary"}
OBJECT = {"type": "object", "properties": {"name": TEXT, "size": NUMBER}, "required": ["name"]}
JSON, MULTIPART, FORM = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"


def make(
    content: dict[str, Any] | None = None, *, required: bool = True, parameters: tuple[dict[str, Any], ...] = (), **more: Any
) -> Inputs:
    """The inputs of a POST with these media types (name -> schema) and parameters."""
    body = {"required": required, "content": {name: {"schema": schema} for name, schema in (content or {}).items()}}
    raw = {"operationId": "act", "responses": {}, "parameters": [*parameters], **({"requestBody": body} if content else {})}
    document = Document({"openapi": "3.1.0", "paths": {"/things": {"post": raw}}, **more})
    return Inputs(document, document["act"])


def parameter(name: str, location: str = "query", schema: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": schema, **more}


def faults(inputs: Inputs, values: Any) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        inputs.check(values)
    return [(fault.pointer, fault.rule) for fault in caught.value.faults]


# The schema


def test_parameters_and_fields_stand_side_by_side() -> None:
    """Parameters first, then the body's fields, with what each needs and the parameter's own words."""
    inputs = make(
        {JSON: OBJECT}, parameters=(parameter("q", description="What to look for.", required=True), parameter("X-Trace", "header"))
    )
    assert dict(inputs.schema) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"q": {"type": "string", "description": "What to look for."}, "X-Trace": TEXT, "name": TEXT, "size": NUMBER},
        "required": ["q", "name"],
    }


CONSTANTS = {
    "a list of one": parameter("X-Api", "header", {"type": "string", "enum": ["v1"]}, required=True),
    "const": parameter("X-Api", "header", {"const": "v1"}, required=True),
    "a component": parameter("X-Api", "header", {"$ref": "#/components/schemas/Api"}, required=True),
    "a header's default": parameter("X-Api", "header", {"type": "string", "enum": ["v1"], "default": "v1"}),
    "in the query": parameter("api", "query", {"const": "v1"}, required=True),
    "in the path": parameter("api", "path", {"const": "v1"}, required=True),
}
CHOICES = {
    "a header that need not be sent": parameter("X-Api", "header", {"const": "v1"}),
    "a query's default": parameter("api", "query", {"const": "v1", "default": "v1"}),
    "a default that is not the one value": parameter("X-Api", "header", {"const": "v1", "default": "v0"}),
    "two values": parameter("X-Api", "header", {"enum": ["v1", None]}, required=True),
    "no value": parameter("X-Api", "header", {"enum": []}, required=True),
    "a component that is not there": parameter("X-Api", "header", {"$ref": "#/components/schemas/None"}, required=True),
    "anything": parameter("X-Api", "header", True, required=True),
}


@pytest.mark.parametrize("given", CONSTANTS.values(), ids=CONSTANTS)
def test_a_parameter_with_one_value_is_no_input(given: dict[str, Any]) -> None:
    """It is sent always and asked of nobody; given with its value it is taken, with another it is refused."""
    inputs = make(parameters=(given,), components={"schemas": {"Api": {"type": "string", "enum": ["v1"]}}})
    name = given["name"]
    assert (list(inputs.fields), inputs.required, inputs.schema["properties"]) == ([], (), {})
    assert inputs.check({}).parameters == inputs.check({name: "v1"}).parameters == {name: "v1"}
    assert faults(inputs, {name: "v2"})[0][0] == f"/{name}"


@pytest.mark.parametrize("given", CHOICES.values(), ids=CHOICES)
def test_a_parameter_that_may_be_left_out_is_an_input(given: dict[str, Any]) -> None:
    """So is one that allows several values, or whose values are not known."""
    inputs = make(parameters=(given,))
    assert (list(inputs.fields), dict(inputs.constants)) == ([given["name"]], {})


def test_a_cookie_is_no_input() -> None:
    """Nothing here sends cookies."""
    assert list(make(parameters=(parameter("session", "cookie"),)).fields) == []


def test_a_body_that_is_no_object_is_one_field() -> None:
    """It goes under ``body``, which is what must be given."""
    inputs = make({JSON: {"type": "array", "items": NUMBER}})
    assert (list(inputs.fields), inputs.required) == (["body"], ("body",))


def test_an_optional_body_needs_nothing() -> None:
    """Its own required fields count only once it is given."""
    inputs = make({JSON: OBJECT}, required=False)
    assert inputs.required == ()
    assert faults(inputs, {"size": 1}) == [("/name", "required")]


def test_of_several_bodies_only_what_all_need_is_needed() -> None:
    """A field of one form cannot be asked of the others."""
    other = {"type": "object", "properties": {"name": TEXT, "file": FILE}, "required": ["name", "file"]}
    inputs = make({JSON: OBJECT, MULTIPART: other})
    assert (inputs.required, list(inputs.fields)) == (("name",), ["name", "size", "file"])


def test_a_name_with_two_meanings_is_two_inputs() -> None:
    """The field of the body keeps the name; the parameter is called by its place and name, in the schema, in faults and when it is sent."""
    inputs = make({JSON: OBJECT}, parameters=(parameter("name"),))
    assert list(inputs.schema["properties"])[:2] == ["query.name", "name"]
    checked = inputs.check({"query.name": "q", "name": "b"})
    assert (checked.parameters, checked.body) == ({"query.name": "q"}, {"name": "b"})
    with pytest.raises(InputError) as caught:
        inputs.check({"query.name": 7, "name": "b"})
    assert [fault.pointer for fault in caught.value.faults] == ["/query.name"]


def test_a_name_of_two_places_may_be_a_third_inputs_own() -> None:
    """Then it gets its place once more: names are always different."""
    given = (parameter("id", "header"), parameter("id"), parameter("header.id"))
    assert list(make(parameters=given).parameters) == ["header.header.id", "query.id", "header.id"]


def test_a_body_that_is_optional_may_be_left_out() -> None:
    """Its required fields are required of a body that is sent (OpenAPI 3.0.4, section 4.7.13.1, ``required``)."""
    schema = {"type": "object", "required": ["uris"], "properties": {"uris": {"type": "array"}, "note": {}}}
    inputs = make({JSON: schema}, required=False)
    assert inputs.check({}).media_type is None
    with pytest.raises(InputError):
        inputs.check({"note": "n"})


def test_a_parameter_is_required_whatever_its_schema_says_of_reading() -> None:
    """``readOnly`` is said of properties alone (OpenAPI 3.0.4, section 4.7.24.1)."""
    inputs = make(parameters=(parameter("number", schema={"type": "integer", "readOnly": True}, required=True),))
    assert inputs.schema["required"] == ["number"]
    assert "readOnly" not in inputs.schema["properties"]["number"]
    with pytest.raises(InputError):
        inputs.check({})


def test_read_only_fields_are_no_inputs_but_may_be_sent_back() -> None:
    """They should not be sent (OpenAPI 3.0.4, section 4.7.24.1); an object that was read and changed has them still."""
    schema = {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "string", "readOnly": True}, "name": {}}}
    inputs = make({JSON: schema})
    assert (list(inputs.fields), inputs.required) == (["name"], ("name",))
    assert inputs.check({"name": "n", "id": "7"}).body == {"name": "n", "id": "7"}


@pytest.mark.parametrize(
    ("content", "written"),
    [
        pytest.param(["*/*"], "application/json", id="any"),
        pytest.param(["application/*"], "application/json", id="a-range"),
        pytest.param(["text/json"], "text/json", id="text"),
        pytest.param(["application/vnd.a+json; charset=utf-8"], "application/vnd.a+json; charset=utf-8", id="with-a-parameter"),
        pytest.param(["application/yaml"], "application/yaml", id="yaml"),
        pytest.param(["application/yaml", "application/json"], "application/json", id="yaml-before-json"),
        pytest.param(["application/xml", "application/json"], "application/json", id="xml-before-json"),
        pytest.param(["text/plain", "*/*", "application/json"], "application/json", id="three"),
    ],
)
def test_an_object_is_written_as_json_where_that_is_taken(content: list[str], written: str) -> None:
    """Its fields are inputs, the required ones needed, and JSON comes before other spellings of the same object."""
    schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    inputs = make(dict.fromkeys(content, schema))
    assert inputs.required == ("kind",)
    checked = inputs.check({"kind": "Pod"})
    assert checked.media_type is not None
    assert (checked.media_type.name, checked.body) == (written, {"kind": "Pod"})


def test_a_field_that_cannot_be_described_takes_any_value() -> None:
    """A reference to nothing costs the check of that field, not the action."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"$ref": "#/components/schemas/none"}}}
    inputs = make({JSON: schema})
    assert inputs.check({"a": "x", "b": [1]}).body == {"a": "x", "b": [1]}
    with pytest.raises(InputError):
        inputs.check({"a": 1})


def test_a_body_without_a_schema_takes_anything() -> None:
    """The description says no more."""
    inputs = make({JSON: None})
    assert inputs.check({"body": [1]}).body == [1]


def test_a_choice_and_a_wish_are_left_to_the_caller() -> None:
    """Only what is required and has one value is filled in."""
    both = (parameter("mode", schema={"enum": ["a", "b"]}, required=True), parameter("flag", schema={"const": True}))
    inputs = make(parameters=both)
    assert inputs.required == ("mode",)
    assert inputs.check({"mode": "a"}).parameters == {"mode": "a"}


def test_a_union_that_goes_too_deep_is_no_file() -> None:
    """A file is found in a few steps; beyond them lies something else."""
    deep: Any = FILE
    for _ in range(6):
        deep = {"anyOf": [deep]}
    assert make({MULTIPART: {"type": "object", "properties": {"deep": deep}}}).bodies[0].file_fields == frozenset()


# Splitting


def test_inputs_are_split() -> None:
    """Each value goes where the description says; the body keeps the order in which it was given."""
    checked = make({JSON: OBJECT}, parameters=(parameter("q"),)).check({"size": 1, "q": "x", "name": "n"})
    assert checked.parameters == {"q": "x"}
    assert list(checked.body.items()) == [("size", 1), ("name", "n")]
    assert checked.media_type is not None
    assert checked.media_type.name == JSON


@pytest.mark.parametrize(("content", "required"), [(None, True), ({JSON: {"type": "object", "properties": {"name": TEXT}}}, False)])
def test_no_fields_are_no_body(content: dict[str, Any] | None, required: bool) -> None:
    """Nothing given is nothing sent, not an empty object."""
    checked = make(content, required=required).check({})
    assert (checked.body, checked.media_type) == (ABSENT, None)
    assert repr(ABSENT) == "ABSENT"


def test_a_needed_body_without_fields_is_an_empty_object() -> None:
    """Where the description demands a body, an empty one is sent."""
    checked = make({JSON: {"type": "object", "properties": {"name": TEXT}}}).check({})
    assert checked.body == {}
    assert checked.media_type is not None


def test_a_null_body_is_a_body() -> None:
    """None is a JSON value where the schema takes it."""
    assert make({JSON: {"type": ["array", "null"], "items": NUMBER}}).check({"body": None}).body is None


def test_a_missing_body() -> None:
    """Needed: a fault; not needed: no body."""
    assert faults(make({JSON: {"type": "array"}}), {}) == [("/body", "required")]
    assert make({JSON: {"type": "array"}}, required=False).check({}).body is ABSENT


def test_faults_of_a_body_are_placed_below_it() -> None:
    """The pointer leads from the inputs to the fault."""
    assert faults(make({JSON: {"type": "array", "items": NUMBER}}), {"body": [1, "x"]}) == [("/body/1", "type")]


@pytest.mark.parametrize("name", ["text/plain", "application/octet-stream", "application/sdp"])
def test_a_body_that_is_no_json_is_not_held_against_a_schema(name: str) -> None:
    """Bytes and texts are checked when they are written."""
    assert make({name: FILE}).check({"body": b"\x00"}).body == b"\x00"


# Faults


@pytest.mark.parametrize("values", [None, [], "x", 5, {1: "x"}, {"name": "n", None: 1}])
def test_inputs_are_an_object(values: Any) -> None:
    """Anything else is refused as a whole."""
    assert faults(make({JSON: OBJECT}), values) == [("", "type")]


def test_every_fault_of_every_part_comes_at_once() -> None:
    """Parameters and body are checked together, and counted."""
    inputs = make({JSON: OBJECT}, parameters=(parameter("q", required=True), parameter("n", schema=NUMBER)))
    with pytest.raises(InputError) as caught:
        inputs.check({"n": "x", "size": "y"})
    assert {(fault.pointer, fault.rule) for fault in caught.value.faults} == {
        ("/q", "required"),
        ("/n", "type"),
        ("/name", "required"),
        ("/size", "type"),
    }
    assert caught.value.message == "The inputs of act have 4 faults:"


def test_one_fault_is_one_fault() -> None:
    """Grammar."""
    with pytest.raises(InputError, match="The inputs of act have 1 fault:"):
        make({JSON: OBJECT}).check({})


def test_a_misspelt_name_is_a_fault_and_a_new_one_a_warning() -> None:
    """P15: nothing is dropped; a slip is told, and what a provider has added since is passed on."""
    inputs = make({JSON: OBJECT})
    assert faults(inputs, {"name": "n", "sizee": 1})[0] == ("/sizee", "unknown")
    checked = inputs.check({"name": "n", "colour": "blue"})
    assert (checked.body, [fault.pointer for fault in checked.warnings]) == ({"name": "n", "colour": "blue"}, ["/colour"])


def test_without_a_body_an_unknown_name_becomes_a_query() -> None:
    """A GET has no other place; a slip is a fault there, too."""
    inputs = make(parameters=(parameter("limit_of_all"),))
    checked = inputs.check({"colour": "blue"})
    assert (checked.extra_query, [fault.pointer for fault in checked.warnings]) == ({"colour": "blue"}, ["/colour"])
    assert faults(inputs, {"limit_of_al": "x"}) == [("/limit_of_al", "unknown")]


def test_beside_a_body_that_is_no_object_an_unknown_name_has_no_place() -> None:
    """It is at least warned of."""
    checked = make({"text/plain": TEXT}).check({"body": "x", "colour": "blue"})
    assert [fault.pointer for fault in checked.warnings] == ["/colour"]


# extra_body


def test_extra_body_goes_into_the_body_as_it_is() -> None:
    """The way past the schema is explicit: fields are added and not checked."""
    checked = make({JSON: OBJECT}).check({"name": "n", "extra_body": {"sizee": "any"}})
    assert checked.body == {"name": "n", "sizee": "any"}


@pytest.mark.parametrize(
    ("content", "values", "fault"),
    [
        ({JSON: OBJECT}, {"name": "n", "extra_body": [1]}, ("/extra_body", "type")),
        ({JSON: OBJECT}, {"name": "n", "extra_body": {"name": "m"}}, ("/extra_body/name", "twice")),
        ({"text/plain": TEXT}, {"body": "x", "extra_body": {"a": 1}}, ("/extra_body", "body")),
        (None, {"extra_body": {"a": 1}}, ("/extra_body", "body")),
    ],
)
def test_extra_body_is_refused(content: dict[str, Any] | None, values: dict[str, Any], fault: tuple[str, str]) -> None:
    """It must be an object, in a body that has fields, and never says anything twice."""
    assert faults(make(content), values) == [fault]


def test_a_field_of_that_name_is_a_field() -> None:
    """A provider may have one of its own."""
    own = {"type": "object", "properties": {"extra_body": TEXT}}
    assert make({JSON: own}).check({"extra_body": "x"}).body == {"extra_body": "x"}


# Files


def test_a_file_field_takes_files() -> None:
    """The field is known as one, also within a list or a union, and only in multipart bodies."""
    schema = {
        "type": "object",
        "properties": {
            "one": FILE,
            "many": {"type": "array", "items": FILE},
            "either": {"anyOf": [{"$ref": "#/components/schemas/File"}, {"type": "null"}]},
            "octets": {"type": "string", "contentMediaType": "application/octet-stream"},
            "text": TEXT,
        },
    }
    inputs = make({MULTIPART: schema}, components={"schemas": {"File": FILE}})
    values = {"one": b"x", "many": [b"x", io.BytesIO(b"y")], "either": None, "octets": Path("x"), "text": "t"}
    checked = inputs.check(values)
    assert checked.file_fields == {"one", "many", "either", "octets"}
    assert checked.body == values
    assert make({JSON: schema}).bodies[0].file_fields == frozenset()


def test_a_file_in_a_text_field_is_a_fault() -> None:
    """Bytes are no JSON value."""
    schema = {"type": "object", "properties": {"file": FILE, "text": TEXT}}
    assert [pointer for pointer, _ in faults(make({MULTIPART: schema}), {"file": b"x", "text": b"y"})] == ["/text"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"x", True),
        (bytearray(b"x"), True),
        (memoryview(b"x"), True),
        (Path("x"), True),
        (io.BytesIO(), True),
        ("data:text/plain,x", True),
        ("file-123", False),
        ({"path": "x"}, True),
        ({"base64": "eA=="}, True),
        ({"url": "x"}, False),
        (("name", b"x"), True),
        (("name",), False),
        ([b"x"], True),
        (["x"], False),
        ([], False),
        (None, False),
        (5, False),
    ],
)
def test_what_is_a_file(value: Any, expected: bool) -> None:
    """The forms in which a file may be given."""
    assert is_file(value) is expected


# Choosing among bodies

PICTURE = {"type": "object", "properties": {"image": FILE, "prompt": TEXT}, "required": ["prompt"]}
LINK = {"type": "object", "properties": {"image": TEXT, "prompt": TEXT, "url": TEXT}, "required": ["prompt"]}


@pytest.mark.parametrize(
    ("content", "values", "chosen"),
    [
        ({JSON: OBJECT, MULTIPART: {"type": "object", "properties": {"file": FILE}}}, {"file": b"x"}, MULTIPART),
        ({JSON: OBJECT, MULTIPART: {"type": "object", "properties": {"file": FILE}}}, {"name": "n"}, JSON),
        ({JSON: LINK, MULTIPART: PICTURE}, {"prompt": "p", "image": b"x"}, MULTIPART),
        ({JSON: LINK, MULTIPART: PICTURE}, {"prompt": "p", "image": "file-1"}, JSON),
        ({MULTIPART: PICTURE, JSON: LINK}, {"prompt": "p"}, JSON),
        ({JSON: OBJECT, "text/plain": TEXT}, {"body": "x"}, "text/plain"),
        ({JSON: OBJECT, "text/plain": TEXT}, {"name": "n"}, JSON),
        ({JSON: OBJECT, FORM: LINK}, {"prompt": "p", "url": "u"}, FORM),
        ({"text/plain": TEXT, "application/octet-stream": FILE}, {"body": "x"}, "text/plain"),
    ],
)
def test_the_inputs_choose_the_body(content: dict[str, Any], values: dict[str, Any], chosen: str) -> None:
    """A file means multipart, ``body`` means the form without fields, else the one that knows most of the names."""
    checked = make(content).check(values)
    assert checked.media_type is not None
    assert checked.media_type.name == chosen


def test_cookies_are_refused() -> None:
    """A declared cookie is a fault where it is given or required: nothing here sends cookies."""
    parameters = [{"name": "session", "in": "cookie", "required": True, "schema": {"type": "string"}}]
    root = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a", "parameters": parameters, "responses": {"200": {}}}}}}
    document = Document(root)
    with pytest.raises(InputError) as caught:
        Inputs(document, document["a"]).check({})
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/session", "cookie")]


def test_json_without_the_files_does_not_make_them_optional() -> None:
    """A form asks for what the whole body needs; a call without it goes as JSON, which has the other fields alone."""
    whole = {"type": "object", "properties": {"files": FILE, "name": TEXT}, "required": ["files"]}
    inputs = make({MULTIPART: whole, JSON: {"type": "object", "properties": {"name": TEXT}}})
    assert inputs.required == ("files",)
    sent = [inputs.check(values).media_type for values in ({"name": "a"}, {"files": b"x", "name": "a"})]
    assert [kind.name for kind in sent if kind] == [JSON, MULTIPART]
