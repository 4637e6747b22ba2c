"""Merging: facts that agree, facts that differ and who is right, and what comes over from the client."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sdk.difference import Precedence
from kosha_connector_openai.sdk.merge import SOURCE, Merged
from kosha_connector_openai.sdk.node import Node
from tools.spec.merging import merge, read_sides

CLIENT = "openai-python 9.1.0"
PUBLISHED = "OpenAI API 1.0"
TEXT = {"type": "string"}
JSON = "application/json"
EVERYTHING = [Precedence("client", "test", ("*",))]
NOTHING = [Precedence("description", "test", ("*",))]


def operation(name: str, body: Node | None = None, answer: Node | None = None, **more: Any) -> Node:
    out: Node = {
        "operationId": name,
        "responses": {"200": {"description": "", "content": {JSON: {"schema": answer or {"type": "object"}}}}},
    }
    if body:
        out["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return {**out, **more}


def described(paths: Node, schemas: Node | None = None, **more: Any) -> Node:
    return {
        "openapi": "3.1.0",
        "info": {"title": "OpenAI API", "version": "1.0"},
        "paths": paths,
        "components": {"schemas": schemas or {}},
        **more,
    }


def client(paths: Node, schemas: Node | None = None, webhooks: Node | None = None) -> Node:
    head = {"title": "openai-python", "version": "9.1.0"}
    return {**described(paths, schemas), "info": head, SOURCE: head, "webhooks": webhooks or {}}


def both(
    ours: Node, theirs: Node, sides: list[Precedence] = EVERYTHING, schemas: Node | None = None, client_schemas: Node | None = None
) -> Merged:
    """The merge of one operation, `POST /things`, in both."""
    return merge(described({"/things": {"post": ours}}, schemas), client({"/things": {"post": theirs}}, client_schemas), sides)


def bodies(ours: Node, theirs: Node, sides: list[Precedence] = EVERYTHING, **more: Node | None) -> tuple[Merged, Node]:
    """The merge of one operation with these bodies, and its body."""
    made = both(operation("createThing", ours), operation("createThing", theirs), sides, **more)
    schema: Node = made.document["paths"]["/things"]["post"]["requestBody"]["content"][JSON]["schema"]
    return made, schema


def kinds(made: Merged) -> list[str]:
    return [difference.kind for difference, _ in made.decided]


def obj(required: list[str] | None = None, **properties: Node) -> Node:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


SAME: list[tuple[str, Node, Node]] = [
    ("two ways to write a union", {"oneOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
    ("two ways to write null", {"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ("null beside a union", {"anyOf": [TEXT, {"type": "integer"}, {"type": "null"}]}, {"type": ["string", "integer", "null"]}),
    ("a constant and an enum of one", {"type": "string", "enum": ["a"]}, {"type": "string", "const": "a"}),
    ("values in another order", {"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["b", "a"]}),
    (
        "a text and names of texts",
        {"anyOf": [TEXT, {"type": "string", "enum": ["a"]}]},
        {"anyOf": [{"type": "string", "const": "a"}, TEXT]},
    ),
    ("an enum without a type", {"enum": ["a"]}, {"type": "string", "const": "a"}),
    ("bounds that a client has not", {"type": "integer", "minimum": 1, "maximum": 5}, {"type": "integer"}),
    ("a format that a client has not", {"type": "string", "format": "uri"}, TEXT),
    ("lists", {"type": "array", "items": TEXT, "maxItems": 3}, {"type": "array", "items": TEXT}),
    ("maps", {"type": "object", "additionalProperties": TEXT}, {"type": "object", "additionalProperties": TEXT}),
    ("parts that add up", {"allOf": [obj(a=TEXT), obj(b=TEXT)]}, obj(a=TEXT, b=TEXT)),
    ("anything", {}, TEXT),
]


@pytest.mark.parametrize(("ours", "theirs"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_spelling_is_no_difference(ours: Node, theirs: Node) -> None:
    """Only what is accepted counts, and what the description alone can say stays."""
    made, schema = bodies(obj(x=ours), obj(x=theirs))
    assert kinds(made) == []
    for name in ("minimum", "maximum", "format", "maxItems"):
        assert schema["properties"].get("x", {}).get(name) == ours.get(name)


def test_references_are_opened() -> None:
    """A component here, another there, and none: one thing."""
    made, _ = bodies(
        {"$ref": "#/components/schemas/Thing"},
        obj(a={"$ref": "#/components/schemas/Inner"}),
        schemas={"Thing": obj(a=obj(b=TEXT))},
        client_schemas={"Inner": obj(b=TEXT)},
    )
    assert kinds(made) == []


def test_types_that_contain_themselves_end() -> None:
    """Each pair is compared once."""
    tree = {"Tree": obj(child={"$ref": "#/components/schemas/Tree"}, a=TEXT)}
    made, _ = bodies(
        {"$ref": "#/components/schemas/Tree"}, {"$ref": "#/components/schemas/Tree"}, schemas=tree, client_schemas=copy.deepcopy(tree)
    )
    assert kinds(made) == []
    assert made.agreed["request"] > 0


def test_field_of_the_client_comes_over_and_says_so() -> None:
    """With its schema and its source; the others stay unmarked."""
    made, schema = bodies(obj(["a"], a=TEXT), obj(["a"], a=TEXT, b={"type": "integer"}))
    assert kinds(made) == ["field-only-client"]
    assert schema["properties"] == {"a": TEXT, "b": {"type": "integer", SOURCE: CLIENT}}
    assert schema["required"] == ["a"]


def test_field_of_the_description_stays() -> None:
    """A client that does not name it takes nothing away; the difference is listed."""
    made, schema = bodies(obj(a=TEXT, b=TEXT), obj(a=TEXT))
    assert kinds(made) == ["field-only-description"]
    assert list(schema["properties"]) == ["a", "b"]


CHANGES: dict[str, tuple[Node, Node, str, Node]] = {
    "values": (
        {"type": "string", "enum": ["a"]},
        {"type": "string", "enum": ["a", "b"]},
        "value-only-client",
        {"type": "string", "enum": ["a", "b"]},
    ),
    "values beside null": (
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": ["string", "null"], "enum": ["a", "b", None]},
        "value-only-client",
        {"type": ["string", "null"], "enum": ["a", "b", None]},
    ),
    "any value": ({"type": "string", "enum": ["a"]}, TEXT, "any-value", TEXT),
    "null": (TEXT, {"type": ["string", "null"]}, "null", {"type": ["string", "null"]}),
    "a type": (TEXT, {"anyOf": [TEXT, {"type": "integer"}]}, "type-only-client", {"anyOf": [TEXT, {"type": "integer", SOURCE: CLIENT}]}),
}


@pytest.mark.parametrize(("ours", "theirs", "kind", "result"), CHANGES.values(), ids=CHANGES)
def test_who_is_right_decides(ours: Node, theirs: Node, kind: str, result: Node) -> None:
    """The client's side changes the description, and says so; the description's leaves it as it is."""
    made, schema = bodies(obj(x=ours), obj(x=theirs))
    assert kinds(made) == [kind]
    assert schema["properties"]["x"] == {**result, SOURCE: CLIENT}
    made, schema = bodies(obj(x=ours), obj(x=theirs), NOTHING)
    assert kinds(made) == [kind]
    assert schema["properties"]["x"] == ours


@pytest.mark.parametrize(("ours", "theirs"), [(["a"], None), (None, ["a"])])
def test_required_as_the_right_side_says(ours: list[str] | None, theirs: list[str] | None) -> None:
    """In either direction."""
    made, schema = bodies(obj(ours, a=TEXT), obj(theirs, a=TEXT))
    assert kinds(made) == ["required"]
    assert schema.get("required", []) == (theirs or [])


def test_objects_of_a_union_find_their_partners() -> None:
    """By the field that tells them; one that the client alone has is a further branch, and a mapping that would miss it goes."""
    ours = {
        "oneOf": [obj(type={"const": "a"}, x=TEXT), obj(type={"const": "b"}, x=TEXT)],
        "discriminator": {"propertyName": "type", "mapping": {}},
    }
    theirs = {"anyOf": [obj(type={"const": kind}, x=TEXT) for kind in ("c", "b", "a")]}
    made, schema = bodies(obj(v=ours), obj(v=theirs))
    assert kinds(made) == ["branch-only-client"]
    assert [branch["properties"]["type"]["const"] for branch in schema["properties"]["v"]["oneOf"]] == ["a", "b", "c"]
    assert schema["properties"]["v"]["discriminator"] == {"propertyName": "type"}


def test_object_without_a_union_gets_a_branch() -> None:
    """What was one object is then one of two."""
    _, schema = bodies(obj(v=obj(type={"const": "a"})), obj(v={"anyOf": [obj(type={"const": "a"}), obj(type={"const": "b"})]}))
    assert [branch["properties"]["type"]["const"] for branch in schema["properties"]["v"]["anyOf"]] == ["a", "b"]


def test_twin_of_a_branch_is_not_added_twice() -> None:
    """The client has a class for what it sends and one for what it gets, the description one for both."""
    shared = {"Item": {"oneOf": [obj(type={"const": "a"}), obj(type={"const": "x"})]}}
    news = {name: obj(type={"const": "b"}) for name in ("New", "NewParam")}
    old = obj(type={"const": "a"})
    ours = operation("createThing", obj(i={"$ref": "#/components/schemas/Item"}), obj(i={"$ref": "#/components/schemas/Item"}))
    theirs = operation(
        "createThing",
        obj(i={"anyOf": [old, {"$ref": "#/components/schemas/NewParam"}]}),
        obj(i={"anyOf": [old, {"$ref": "#/components/schemas/New"}]}),
    )
    made = both(ours, theirs, schemas=shared, client_schemas=news)
    assert len(made.document["components"]["schemas"]["Item"]["oneOf"]) == 3


def test_components_come_over_under_free_names() -> None:
    """One that was found to be the description's is that; another with a name that is taken gets its own."""
    ours = obj(same={"$ref": "#/components/schemas/Ours"})
    theirs = obj(
        same={"$ref": "#/components/schemas/Theirs"},
        new=obj(again={"$ref": "#/components/schemas/Theirs"}, other={"$ref": "#/components/schemas/Taken"}),
    )
    made, schema = bodies(
        ours,
        theirs,
        schemas={"Ours": obj(a={"type": "string", "maxLength": 5}), "Taken": obj(z=TEXT)},
        client_schemas={"Theirs": obj(a=TEXT), "Taken": obj(q=TEXT)},
    )
    new = schema["properties"]["new"]["properties"]
    assert new == {"again": {"$ref": "#/components/schemas/Ours"}, "other": {"$ref": "#/components/schemas/ClientTaken"}}
    schemas = made.document["components"]["schemas"]
    assert schemas["ClientTaken"] == obj(q=TEXT)
    assert "Theirs" not in schemas


def parameter(name: str, place: str = "query", **more: Any) -> Node:
    return {"name": name, "in": place, "schema": TEXT, **more}


def test_parameters() -> None:
    """By place and name, a path's by position; a list's two spellings are one name; new ones come over with their source."""
    ours = operation("createThing", parameters=[parameter("thing_id", "path", required=True), parameter("ids"), parameter("old")])
    theirs = operation("createThing", parameters=[parameter("id", "path", required=True), parameter("ids[]"), parameter("new")])
    made = both(ours, theirs)
    assert kinds(made) == ["name", "parameter-only-description", "parameter-only-client"]
    found = made.document["paths"]["/things"]["post"]["parameters"]
    assert [one["name"] for one in found] == ["thing_id", "ids", "old", "new"]
    assert found[-1]["schema"] == {**TEXT, SOURCE: CLIENT}


def test_marks_of_an_operation() -> None:
    """Deprecation and the key that it needs."""
    made = both(operation("createThing"), operation("createThing", deprecated=True, security=[{"AdminApiKeyAuth": []}]))
    assert kinds(made) == ["deprecated", "security"]
    assert made.document["paths"]["/things"]["post"]["deprecated"] is True
    assert made.document["paths"]["/things"]["post"]["security"] == [{"AdminApiKeyAuth": []}]


def test_body_and_media_types() -> None:
    """A body that one side alone has, a media type of the request or of the answer."""
    form = operation("createThing")
    form["requestBody"] = {"required": True, "content": {JSON: {"schema": obj(a=TEXT)}, "multipart/form-data": {"schema": obj(a=TEXT)}}}
    form["responses"]["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    made = both(operation("createThing", obj(a=TEXT)), form)
    assert kinds(made) == ["media-type-only-client", "reply-only-client"]
    found = made.document["paths"]["/things"]["post"]
    assert list(found["requestBody"]["content"]) == [JSON, "multipart/form-data"]
    assert list(found["responses"]["200"]["content"]) == [JSON, "text/event-stream"]
    assert kinds(both(operation("createThing"), form)) == ["body-only-client", "reply-only-client"]


def test_replies_are_compared_by_whether_a_field_is_there() -> None:
    """A client writes "absent or null" alike: an optional field and a nullable one are the same there."""
    made = both(operation("createThing", None, obj(a=TEXT)), operation("createThing", None, obj(a={"type": ["string", "null"]})))
    assert kinds(made) == []
    made = both(operation("createThing", None, obj(["a"], a=TEXT)), operation("createThing", None, obj(a=TEXT)))
    assert kinds(made) == ["required"]


def test_answer_under_201_is_the_answer() -> None:
    """The client does not tell which status went well."""
    ours = operation("createThing", None, obj(a=TEXT))
    ours["responses"] = {"201": ours["responses"]["200"]}
    made = both(ours, operation("createThing", None, obj(a=TEXT)))
    assert kinds(made) == []
    assert list(made.document["paths"]["/things"]["post"]["responses"]) == ["201"]


def test_operation_of_the_client_alone() -> None:
    """It comes over under the spelling that its path has already, with its pages and its source."""
    new = operation("deleteThing", parameters=[parameter("id", "path", required=True)], **{"x-kosha-page": "CursorPage"})
    known = operation("getThing", parameters=[parameter("thing_id", "path", required=True)])
    made = merge(described({"/things/{thing_id}": {"get": known}}), client({"/things/{id}": {"delete": new}}), EVERYTHING)
    assert made.added == ["deleteThing"]
    found = made.document["paths"]["/things/{thing_id}"]["delete"]
    assert found["parameters"][0]["name"] == "thing_id"
    assert found["x-kosha-page"] == "CursorPage"
    assert found[SOURCE] == CLIENT


def test_operation_of_the_description_alone() -> None:
    """It stays, with its source, and is listed."""
    made = merge(described({"/old": {"get": operation("getOld")}}), client({}), EVERYTHING)
    assert kinds(made) == ["operation-only-description"]
    assert made.document["paths"]["/old"]["get"][SOURCE] == PUBLISHED


def test_operation_of_both_names_both_sources_and_its_pages() -> None:
    """Pages are a fact that only the client has."""
    made = both(operation("listThings"), operation("listThings", **{"x-kosha-page": "CursorPage"}))
    found = made.document["paths"]["/things"]["post"]
    assert found[SOURCE] == [PUBLISHED, CLIENT]
    assert found["x-kosha-page"] == "CursorPage"


@pytest.mark.parametrize(("sides", "path"), [(EVERYTHING, "/things/cancel"), (NOTHING, "/things")])
def test_operation_that_moved(sides: list[Precedence], path: str) -> None:
    """The same id at another place is one operation, which is where the right side says; its facts are compared all the same."""
    made = merge(
        described({"/things": {"post": operation("cancelThing", obj(a=TEXT))}}),
        client({"/things/cancel": {"post": operation("cancelThing", obj(a=TEXT, b=TEXT))}}),
        sides,
    )
    assert sorted(kinds(made)) == ["field-only-client", "path"]
    assert made.added == []
    assert [key for key, item in made.document["paths"].items() if item] == [path]


def test_webhook_events_of_the_client_alone() -> None:
    """Under the description's spelling of names."""
    event = {"post": {"requestBody": {"content": {JSON: {"schema": TEXT}}}, "responses": {"200": {"description": ""}}}}
    old = described({}, webhooks={"thing_done": event})
    made = merge(old, client({}, webhooks={"thing.done": event, "thing.failed": event}), EVERYTHING)
    assert list(made.document["webhooks"]) == ["thing_done", "thing_failed"]
    assert made.document["webhooks"]["thing_failed"][SOURCE] == CLIENT


def test_nothing_but_facts_comes_over_and_nothing_given_is_changed() -> None:
    """No sentence of the description; the inputs are as they were, and the same inputs give the same bytes."""
    ours = operation("createThing", obj(a={**TEXT, "description": "SENTENCE", "example": "SENTENCE"}), summary="SENTENCE")
    description = described({"/things": {"post": ours}})
    other = client(
        {"/things": {"post": operation("createThing", obj(a=TEXT, b={"$ref": "#/components/schemas/New"}))}}, {"New": obj(c=TEXT)}
    )
    before = json.dumps([description, other])
    first, second = (json.dumps(merge(description, other, EVERYTHING).document) for _ in range(2))
    assert first == second
    assert "SENTENCE" not in first
    assert json.dumps([description, other]) == before


def test_difference_without_an_entry_is_undecided() -> None:
    """It is named, and the description stays as it is."""
    made, schema = bodies(obj(a=TEXT), obj(a=TEXT, b=TEXT), [])
    assert [str(one) for one in made.undecided] == ["createThing request.body/b field-only-client: None | b"]
    assert list(schema["properties"]) == ["a"]
    assert "undecided" in made.report()
    assert "1 differ" in made.summary()


def test_first_entry_that_fits_decides() -> None:
    """By kind, operation, place and values; an entry that decides nothing is named."""
    sides = [
        Precedence("client", "other", ("field-*",), operations=("getThing",)),
        Precedence("description", "this", ("field-*",), where=("request.body/*",), values=("None | b",)),
        Precedence("client", "all", ("*",)),
    ]
    made, schema = bodies(obj(a=TEXT), obj(a=TEXT, b=TEXT, c=TEXT), sides)
    assert list(schema["properties"]) == ["a", "c"]
    assert [side.reason for side in made.unused(sides)] == ["other"]
    assert "right: description: this" in made.report()


@pytest.mark.parametrize(
    "entry", ["- {right: both, reason: x, kinds: [a]}", "- {right: client, kinds: [a]}", "- {right: client, reason: '', kinds: [a]}"]
)
def test_entry_needs_a_side_and_a_reason(tmp_path: Path, entry: str) -> None:
    """So that a reviewer can check it."""
    path = tmp_path / "sides.yaml"
    path.write_text(entry, encoding="utf-8")
    with pytest.raises(ValueError, match=r"sides\.yaml: an entry needs"):
        read_sides(path)
