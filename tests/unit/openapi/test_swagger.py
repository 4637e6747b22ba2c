"""Swagger 2.0 becomes the same records as its OpenAPI 3.0 twin, and a fault stays the fault of its own operation."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.document import Document, parse_document
from kosha_connector_openai.openapi.swagger import from_swagger

OK = {"200": {"description": "d"}}
LIST = {"type": "array", "items": {"type": "string"}}


def swagger(operation: object, path: str = "/a", item: dict[str, object] | None = None, **more: object) -> dict[str, Any]:
    return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {path: {**(item or {}), "post": operation}}, **more}


def operation(parameters: object = (), path: str = "/a", item: dict[str, object] | None = None, **more: object) -> dict[str, Any]:
    root = swagger({"operationId": "o", "parameters": parameters, "responses": OK, **more}, path, item)
    return dict(from_swagger(root)["paths"][path]["post"])


@pytest.mark.parametrize(
    "root",
    [
        {"openapi": "3.0.0", "basePath": "/v1", "paths": {"/a": {}}},
        {"swagger": "1.2", "paths": {}},
        {"swagger": "2.0", "paths": []},
        {},
    ],
)
def test_anything_else_is_left_alone(root: dict[str, Any]) -> None:
    """What is not a Swagger 2.0 description comes back as the same object."""
    assert from_swagger(root) is root


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("/api/v1", "/api/v1/a"),
        ("/api/v1/", "/api/v1/a"),
        ("/", "/a"),
        ("", "/a"),
        (None, "/a"),
        ("//x", "//x/a"),
        ("https://x", "/a"),
        (7, "/a"),
    ],
)
def test_the_base_path_stands_before_each_path(base: object, path: str) -> None:
    """Paths carry the prefix, since servers are the operator's; host and schemes are dropped."""
    root = swagger({"operationId": "o", "responses": OK}, host="attacker.example", schemes=["http"], basePath=base)
    found = from_swagger(root)
    assert list(found["paths"]) == [path]
    assert not {"host", "schemes", "basePath", "swagger", "servers"} & found.keys()


def test_a_base_path_that_leaves_the_server_is_refused() -> None:
    """A base path with a dot segment makes the operation faulty, and is not repaired."""
    root = swagger({"operationId": "o", "responses": OK}, basePath="/v1/..")
    assert [fault.rule for fault in Document(root).faults()] == ["path"]


def test_a_parameters_keys_become_its_schema() -> None:
    """What OpenAPI keeps in the schema moves there; name, place, need and description stay."""
    given_ = {"name": "n", "in": "query", "required": True, "description": "d", "type": "integer", "minimum": 1, "enum": [1, 2]}
    schema = {"type": "integer", "minimum": 1, "enum": [1, 2]}
    assert operation([given_])["parameters"] == [{"name": "n", "in": "query", "required": True, "description": "d", "schema": schema}]


@pytest.mark.parametrize(
    ("collection", "place", "style"),
    [
        (None, "query", {"explode": False}),
        ("csv", "query", {"explode": False}),
        ("multi", "query", {"style": "form", "explode": True}),
        ("ssv", "query", {"style": "spaceDelimited", "explode": False}),
        ("pipes", "query", {"style": "pipeDelimited", "explode": False}),
        ("tsv", "query", {"style": "tabDelimited", "explode": False}),
        ("csv", "path", {}),
        (None, "header", {}),
    ],
)
def test_a_lists_format_becomes_a_style(collection: str | None, place: str, style: dict[str, object]) -> None:
    """Lists are written as Swagger says: with commas unless told otherwise."""
    own = {"collectionFormat": collection} if collection else {}
    (found,) = operation([{"name": "n", "in": place, **LIST, **own}])["parameters"]
    assert found == {"name": "n", "in": place, **style, "schema": LIST}


@pytest.mark.parametrize(
    ("consumes", "types"),
    [(None, ["application/json"]), (["application/xml", "text/x"], ["application/xml", "text/x"]), ([], ["application/json"])],
)
def test_a_body_parameter_becomes_the_request_body(consumes: object, types: list[str]) -> None:
    """Its media types are the operation's."""
    body = {"name": "b", "in": "body", "required": True, "description": "d", "schema": {"$ref": "#/definitions/B"}}
    own = {} if consumes is None else {"consumes": consumes}
    found = operation([body], **own)
    content = {name: {"schema": {"$ref": "#/definitions/B"}} for name in types}
    assert found["requestBody"] == {"content": content, "required": True, "description": "d"}
    assert found["parameters"] == []


@pytest.mark.parametrize(
    ("kind", "consumes", "types"),
    [
        ("string", None, ["application/x-www-form-urlencoded"]),
        ("string", ["multipart/form-data"], ["multipart/form-data"]),
        ("string", ["application/json"], ["application/x-www-form-urlencoded"]),
        ("file", None, ["multipart/form-data"]),
        ("file", ["application/x-www-form-urlencoded"], ["multipart/form-data"]),
    ],
)
def test_form_parameters_become_one_object(kind: str, consumes: object, types: list[str]) -> None:
    """A file needs a form with parts, whatever the operation says that it consumes."""
    fields = [{"name": "a", "in": "formData", "type": kind, "required": True}, {"name": "b", "in": "formData", **LIST}]
    found = operation(fields, **({"consumes": consumes} if consumes else {}))["requestBody"]
    assert (list(found["content"]), found["required"]) == (types, True)
    media = found["content"][types[0]]
    first = {"type": "string", "format": "binary"} if kind == "file" else {"type": "string"}
    assert media["schema"] == {"type": "object", "properties": {"a": first, "b": LIST}, "required": ["a"]}
    assert media["encoding"] == {"b": {"style": "form", "explode": False}}


def test_an_operations_parameter_replaces_the_paths_own() -> None:
    """Of one name and place, and of bodies, the operation's own counts."""
    item = {"parameters": [{"name": "q", "in": "query", "type": "string"}, {"name": "x", "in": "body", "schema": {"type": "string"}}]}
    own = [{"name": "q", "in": "query", "type": "integer"}, {"name": "y", "in": "body", "schema": {"type": "object"}}]
    found = operation(own, item=item)
    assert [parameter["schema"] for parameter in found["parameters"]] == [{"type": "integer"}]
    assert found["requestBody"]["content"]["application/json"]["schema"] == {"type": "object"}


def test_answers_get_the_media_types_that_are_produced() -> None:
    """A schema becomes content of each produced type; references to shared answers are followed."""
    shared = {"description": "d", "schema": {"type": "string"}, "examples": {"text/x": "e"}, "headers": {}}
    root = swagger({"operationId": "o", "responses": {"200": {"$ref": "#/responses/S"}, "404": {"description": "n"}}})
    root |= {"responses": {"S": shared}, "produces": ["text/x", "text/y"]}
    media = {"schema": {"type": "string"}}
    assert from_swagger(root)["paths"]["/a"]["post"]["responses"] == {
        "200": {"description": "d", "headers": {}, "content": {"text/x": media, "text/y": media}},
        "404": {"description": "n"},
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"parameters": [{"$ref": "#/parameters/none"}]},
        {"parameters": [{"$ref": "other.json#/p"}]},
        {"parameters": [7]},
    ],
)
def test_a_fault_takes_no_other_operation_down(bad: dict[str, object]) -> None:
    """The faulty operation is named by its pointer; its neighbour is built."""
    root = swagger({"operationId": "bad", "responses": OK, **bad})
    root["paths"]["/b"] = {"get": {"operationId": "good", "responses": OK}}
    document = parse_document(json.dumps(root).encode())
    assert document["good"].path == "/b"
    with pytest.raises(DocumentError):
        document["bad"]
    assert all(fault.pointer.startswith("/paths/~1a/post") for fault in document.faults())


def test_yaml_is_read_too() -> None:
    """A version that YAML takes for a number is the version that it says."""
    text = b"swagger: 2.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get: {operationId: o, responses: {200: {description: d}}}\n"
    assert list(parse_document(text)) == ["o"]


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["body", "query", "formData", "file", "#/x", "array", "n"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "in", "type", "schema", "$ref", "parameters", "get", "post", "responses", "consumes"]), inner
        )
    ),
    max_leaves=15,
)


@given(_ANY)
@settings(max_examples=300, deadline=None)
def test_whatever_is_described_is_read_or_refused_by_the_document(value: object) -> None:
    """No description makes the translation itself fail, and none is changed by it."""
    root = {"swagger": "2.0", "paths": {"/a": value}, "consumes": value, "produces": value, "parameters": value, "basePath": value}
    before = copy.deepcopy(root)
    assert from_swagger(root)["openapi"] == "3.0.3"
    assert root == before
