"""What an author may write, and what becomes of it: each kind once, by the section of the specification that decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi import Document, parse_document

OK: dict[str, Any] = {"responses": {"200": {"description": "d"}}}
TEXT = {"type": "string"}


def load(paths: Any, version: str = "3.0.4", **more: Any) -> Document:
    return parse_document(json.dumps({"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, **more}).encode())


def act(raw: Any, version: str = "3.0.4", **more: Any) -> Document:
    """One operation, and a good one beside it."""
    return load({"/a": {"post": {"operationId": "act", **OK, **raw}}, "/b": {"get": {"operationId": "good", **OK}}}, version, **more)


def parameter(name: str, location: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": TEXT, **more}


# Header parameters that are none


@pytest.mark.parametrize("version", ["3.0.4", "3.1.1"])
@pytest.mark.parametrize("name", ["Accept", "accept", "Content-Type", "Authorization", "AUTHORIZATION"])
def test_reserved_header_parameters_are_ignored(name: str, version: str) -> None:
    """OpenAPI 3.0.4, section 4.7.12.1, and 3.1.1, section 4.8.12.1, ``name``: the definition is ignored, required or not."""
    document = act({"parameters": [parameter(name, "header", required=True), parameter(name, "query")]}, version)
    assert [(entry.name, entry.location) for entry in document["act"].parameters] == [(name, "query")]
    assert document.notes() == ()


def test_a_shared_reserved_header_is_ignored_too() -> None:
    """Those of the path item are of every operation of it (OpenAPI 3.0.4, section 4.7.9.1, ``parameters``)."""
    shared = {"parameters": [{"$ref": "#/components/parameters/H"}], "get": {"operationId": "act", **OK}}
    document = load({"/a": shared}, components={"parameters": {"H": parameter("Content-Type", "header")}})
    assert document["act"].parameters == ()


@pytest.mark.parametrize("name", ["X-API-Key", "Host", "Date", "X-Forwarded-For"])
def test_headers_of_the_connection_are_no_inputs(name: str) -> None:
    """An input may not set them, so none is asked for; the description's author is told."""
    document = act({"parameters": [parameter(name, "header", required=True)]})
    assert document["act"].parameters == ()
    assert [(fault.pointer, fault.rule) for fault in document.notes()] == [("/paths/~1a/post/parameters/0", "protected")]


# References of path items and operations


def test_a_path_item_may_stand_elsewhere() -> None:
    """OpenAPI 3.1.1, sections 4.8.7.1 (``pathItems``) and 4.8.9.1 (``$ref``); what stands beside the reference counts."""
    items = {"A": {"get": {"operationId": "read", **OK}, "parameters": [parameter("q", "query")]}}
    document = load(
        {"/a": {"$ref": "#/components/pathItems/A", "put": {"operationId": "write", **OK}}}, "3.1.1", components={"pathItems": items}
    )
    assert {key: document[key].path for key in document} == {"read": "/a", "write": "/a"}
    assert [entry.name for entry in document["read"].parameters] == ["q"]


def test_a_path_item_may_be_another_path_s() -> None:
    """A reference into ``paths`` is a local one as well, in Swagger 2.0 with the base path in front (section 5.2.7)."""
    paths = {"/a": {"get": {"responses": {"200": {"description": "d"}}}}, "/b": {"$ref": "#/paths/~1a"}}
    swagger = {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "basePath": "/v1", "paths": paths}
    document = parse_document(json.dumps(swagger).encode())
    assert {key: document[key].path for key in document} == {"getV1A": "/v1/a", "getV1B": "/v1/b"}


def test_a_path_item_of_another_file_is_named() -> None:
    """Nothing outside is read; the fault says which document is missing."""
    document = load({"/a": {"$ref": "other.yaml#/a"}, "/b": {"get": {"operationId": "good", **OK}}})
    [fault] = document.faults()
    assert (list(document), fault.pointer) == (["good"], "/paths/~1a")
    assert "'other.yaml#/a' is another document" in fault.message


def test_an_operation_of_another_file_is_no_empty_operation() -> None:
    """It cannot be run: what it needs is not known."""
    document = load({"/a": {"post": {"$ref": "resources/create.yml"}}, "/a/{id}": {"delete": {"$ref": "resources/delete.yml"}}})
    assert [fault.pointer for fault in document.faults()] == ["/paths/~1a/post", "/paths/~1a~1{id}/delete"]
    for fault, name in zip(document.faults(), ["create", "delete"], strict=True):
        assert f"'resources/{name}.yml' is another document" in fault.message


def test_an_operation_may_be_a_local_reference() -> None:
    """No version allows it, several tools write it; its id is that of what it leads to."""
    document = load({"/a": {"get": {"$ref": "#/x-operations/read"}}}, **{"x-operations": {"read": {"operationId": "read", **OK}}})
    assert document["read"].path == "/a"


# Answers


@pytest.mark.parametrize(
    ("responses", "pointer"),
    [
        pytest.param({"200": {"content": {"$ref": "elsewhere.yml"}}}, "/responses/200/content", id="content-elsewhere"),
        pytest.param({"200": {"$ref": "#/components/responses/none"}}, "/responses/200", id="nothing-there"),
        pytest.param({"200": {"content": {"application/json": 3}}}, "/responses/200/content/application~1json", id="no-media-type"),
        pytest.param({"200": None, "201": {"description": "d"}}, "/responses/200", id="null"),
        pytest.param([1], "/responses", id="a-list"),
    ],
)
def test_a_fault_of_an_answer_is_told_and_costs_no_operation(responses: Any, pointer: str) -> None:
    """A call needs its request; OpenAPI 3.0.4, section 4.7.16.1: clients have to expect answers that are not described."""
    document = act({"responses": responses})
    assert document["act"].method == "POST"
    assert (document.faults(), [fault.pointer for fault in document.notes()]) == ((), [f"/paths/~1a/post{pointer}"])


# Paths


def test_a_fragment_tells_two_operations_of_one_path_apart() -> None:
    """It is never sent (RFC 3986, section 3.5), and the query before it is."""
    item = {"put": {**OK, "parameters": [parameter("id", "path", required=True)]}}
    document = load({"/files/{id}": item, "/files/{id}#lock": item, "/files/{id}?a=1#x": item})
    assert [(key, document[key].path, document[key].query) for key in document] == [
        ("putFilesById", "/files/{id}", ()),
        ("putFilesByIdLock", "/files/{id}", ()),
        ("putFilesByIdX", "/files/{id}", (("a", "1"),)),
    ]


# Newer than we know


def test_openapi_3_2_is_read_as_3_1_and_what_is_new_is_named() -> None:
    """OpenAPI 3.2.0: ``query`` and ``additionalOperations`` of a path item, ``itemSchema``, the place ``querystring``."""
    lines = {"200": {"description": "d", "content": {"application/jsonl": {"itemSchema": TEXT}}}}
    document = load(
        {
            "/a": {"get": {"operationId": "act", "responses": lines}, "query": OK, "additionalOperations": {"COPY": OK}},
            "/b": {"get": {"operationId": "whole", "parameters": [parameter("q", "querystring")], **OK}},
        },
        "3.2.0",
    )
    assert document["act"].path == "/a"
    assert [fault.pointer for fault in document.faults()] == ["/paths/~1b/get/parameters/0/in"]
    assert sorted(fault.pointer for fault in document.notes()) == [
        "/paths/~1a/additionalOperations",
        "/paths/~1a/get/responses/200/content/application~1jsonl/itemSchema",
        "/paths/~1a/query",
    ]


# Schemas


def test_a_reference_to_nothing_deep_inside_is_told_with_its_place() -> None:
    """The action works, and what the reference stands in takes any value."""
    witness = {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/none"}}}
    schema = {"type": "object", "properties": {"w": {"$ref": "#/components/schemas/witness"}, "o": {"$ref": "other.json#/o"}}}
    document = act({"requestBody": {"content": {"application/json": {"schema": schema}}}}, components={"schemas": {"witness": witness}})
    assert document.faults() == ()
    assert [fault.pointer for fault in document.notes()] == [
        "/paths/~1a/post/requestBody/content/application~1json/schema/properties/o/$ref",
        "/components/schemas/witness/properties/x/$ref",
    ]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("type", None), ("type", 5), ("required", True), ("properties", 5), ("enum", "a"), ("allOf", {}), ("pattern", 5), ("minLength", "3")],
)
def test_a_keyword_without_a_value_is_passed_over(keyword: str, value: Any) -> None:
    """The rest of the schema holds, and the place is told."""
    schema = {"type": "object", "properties": {"a": TEXT}, keyword: value}
    document = act({"requestBody": {"content": {"application/json": {"schema": schema}}}})
    where = f"/paths/~1a/post/requestBody/content/application~1json/schema/{keyword}"
    assert [(fault.pointer, fault.rule) for fault in document.notes()] == [(where, keyword)]
    assert document.faults() == ()


# Faults of one operation


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ({"parameters": 5}, "/parameters"),
        ({"parameters": [{"name": "x", "in": []}]}, "/parameters/0"),
        ({"parameters": [{"name": "x", "in": "query", "content": {"application/json": None}}]}, "/parameters/0/content/application~1json"),
        ({"parameters": [{"name": "x", "in": "query", "content": 7}]}, "/parameters/0/content"),
        ({"parameters": [{"name": "x", "in": "query", "schema": 7}]}, "/parameters/0/schema"),
        ({"parameters": [{"name": "x", "in": "query", "style": "matrix", "schema": TEXT}]}, "/parameters/0/style"),
        ({"parameters": [{"name": "x", "in": "query", "explode": "no", "schema": TEXT}]}, "/parameters/0/explode"),
        ({"requestBody": 5}, "/requestBody"),
        ({"requestBody": {"content": []}}, "/requestBody/content"),
        ({"requestBody": {"content": {"application/json": None}}}, "/requestBody/content/application~1json"),
        ({"requestBody": {"content": {"application/json": {"schema": "x"}}}}, "/requestBody/content/application~1json/schema"),
        ({"security": 5}, "/security"),
        ({"security": [[]]}, "/security"),
    ],
)
def test_a_fault_of_the_request_takes_its_operation_and_no_other(raw: Any, pointer: str) -> None:
    """It is told with its place."""
    document = act(raw)
    with pytest.raises(DocumentError) as caught:
        document["act"]
    assert [fault.pointer for fault in caught.value.faults] == [f"/paths/~1a/post{pointer}"]
    assert (document["good"].path, document.faults()) == ("/b", tuple(caught.value.faults))


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ({"tags": 5}, "/tags"),
        ({"summary": {}}, "/summary"),
        ({"description": 1}, "/description"),
        ({"operationId": [1]}, "/operationId"),
        ({"servers": 5}, "/servers"),
        (
            {"requestBody": {"content": {"multipart/form-data": {"encoding": {"file": None}, "schema": {"type": "object"}}}}},
            "/requestBody/content/multipart~1form-data/encoding/file",
        ),
    ],
)
def test_what_a_call_can_do_without_is_passed_over(raw: Any, pointer: str) -> None:
    """And told."""
    document = act(raw)
    assert document.faults() == ()
    assert [fault.pointer for fault in document.notes()] == [f"/paths/~1a/post{pointer}"]
