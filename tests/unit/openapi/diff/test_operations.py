"""Edits of what stands around the schemas: parameters, bodies, answers, credentials, ids and paths."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.diff import Change, compare_documents
from kosha_connector_openai.openapi.document import Document
from tests.unit.openapi.diff.describe import document, edited, json_content, seen

B, C, I = "breaking", "compatible", "information"  # noqa: E741 - as in the table of kinds

ROOT: dict[str, Any] = {
    "openapi": "3.1.0",
    "security": [{"key": []}],
    "paths": {
        "/pets/{id}": {
            "post": {
                "operationId": "feed",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 9}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "object"}},
                        "multipart/form-data": {"schema": {"type": "object"}, "encoding": {"file": {"contentType": "image/png"}}},
                    }
                },
                "responses": {"200": {"content": json_content({"type": "object"})}, "404": {"description": "None."}},
            }
        }
    },
}
FEED = "/paths/~1pets~1{id}/post"
QUERY = "/paths/~1pets~1{id}/post/parameters"
BODY = "/paths/~1pets~1{id}/post/requestBody"
ANSWERS = "/paths/~1pets~1{id}/post/responses"
MORE = {"name": "more", "in": "query", "schema": {"type": "string"}}

EDITS = [
    (
        "optional parameter",
        {f"{QUERY}/3": MORE},
        [("request.header/x-trace", "field-removed", B), ("request.query/more", "field-added", C)],
    ),
    (
        "required parameter",
        {f"{QUERY}/1": {**MORE, "required": True}},
        [("request.query/limit", "field-removed", B), ("request.query/more", "required-field-added", B)],
    ),
    ("parameter became required", {f"{QUERY}/1/required": True}, [("request.query/limit", "now-required", B)]),
    ("parameter of another type", {f"{QUERY}/1/schema/type": "string"}, [("request.query/limit", "type-changed", B)]),
    ("parameter with a tighter bound", {f"{QUERY}/1/schema/maximum": 5}, [("request.query/limit", "limit-tightened", B)]),
    ("parameter in another place", {f"{QUERY}/1/in": "header"}, [("request.query/limit", "field-moved", B)]),
    ("parameter deprecated", {f"{QUERY}/1/deprecated": True}, [("request.query/limit", "deprecated", I)]),
    ("list written with commas", {f"{QUERY}/2/explode": False}, [("request.query/tags", "style-changed", B)]),
    ("single value exploded or not", {f"{QUERY}/1/explode": False}, []),
    (
        "parameter as JSON",
        {f"{QUERY}/2": {"name": "tags", "in": "query", "content": json_content({"type": "array", "items": {"type": "string"}})}},
        [("request.query/tags", "style-changed", B)],
    ),
    ("name of a header in another case", {f"{QUERY}/3/name": "x-trace"}, []),
    ("body became required", {f"{BODY}/required": True}, [("request.body", "now-required", B)]),
    ("body gone", {BODY: None}, [("request.body", "field-removed", B)]),
    ("media type added", {f"{BODY}/content/text~1plain": {}}, [("request.body.text/plain", "media-type-added", C)]),
    ("media type gone", {f"{BODY}/content/application~1json": None}, [("request.body.application/json", "media-type-removed", B)]),
    (
        "part written otherwise",
        {f"{BODY}/content/multipart~1form-data/encoding/file/contentType": "image/gif"},
        [("request.body.multipart/form-data/file", "style-changed", B)],
    ),
    ("answer added", {f"{ANSWERS}/202": {"description": "Later."}}, [("response.202", "answer-added", B)]),
    ("answer gone", {f"{ANSWERS}/200": None}, [("response.200", "answer-removed", B)]),
    ("error added", {f"{ANSWERS}/default": {"description": "Bad."}}, [("response.default", "error-answer-added", C)]),
    ("error gone", {f"{ANSWERS}/404": None}, [("response.404", "error-answer-removed", C)]),
    ("answer in another media type too", {f"{ANSWERS}/200/content/text~1csv": {}}, [("response.200.text/csv", "media-type-added", C)]),
    ("media type with parameters", {f"{ANSWERS}/200/content": {"Application/JSON; charset=utf-8": {"schema": {"type": "object"}}}}, []),
    ("answer without its media type", {f"{ANSWERS}/200/content": None}, [("response.200.application/json", "media-type-removed", B)]),
    ("operation deprecated", {f"{FEED}/deprecated": True}, [("operation", "deprecated", I)]),
    ("another credential", {f"{FEED}/security": [{"admin": []}]}, [("request.security", "credential-changed", B)]),
    ("two credentials at once", {f"{FEED}/security": [{"key": [], "admin": []}]}, [("request.security", "credential-changed", B)]),
    ("a credential more", {f"{FEED}/security": [{"key": []}, {"admin": []}]}, [("request.security", "credential-added", C)]),
    ("no credential", {f"{FEED}/security": []}, [("request.security", "credential-added", C)]),
    ("operation gone", {"/paths": {}}, [("operation", "operation-removed", B)]),
    ("operation renamed", {f"{FEED}/operationId": "nourish"}, [("operation", "operation-renamed", B)]),
]


@pytest.mark.parametrize(("edits", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edit_and_its_verdict(edits: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    """Exactly these changes are found, each at its place and with its verdict."""
    found = compare_documents(Document(ROOT), Document(edited(ROOT, edits))).changes
    assert [row[1:] for row in seen(found)] == expected


def test_what_is_new_is_compatible() -> None:
    """An operation, a parameter and a body that were not there before break nobody, unless they are required."""
    get = {"operationId": "a", "responses": {}}
    old = document({"/a": {"get": get}})
    new = document(
        {"/a": {"get": {**get, "parameters": [MORE], "requestBody": {"content": json_content({})}}, "put": {**get, "operationId": "b"}}}
    )
    assert seen(compare_documents(old, new).changes) == [
        ("request", "request.query/more", "field-added", C),
        ("request", "request.body", "field-added", C),
        ("request", "operation", "operation-added", C),
    ]


def test_a_prefix_that_most_paths_have_is_found() -> None:
    """One description has /v1 in its paths and the other in its servers: that is no difference; another path is."""
    old = document({path: {"get": {"operationId": name}} for name, path in (("a", "/a"), ("b", "/b"), ("c", "/c"))})
    new = document({path: {"get": {"operationId": name}} for name, path in (("a", "/v1/a"), ("b", "/v1/b"), ("c", "/v1/d"))})
    report = compare_documents(old, new)
    assert report.prefix == "/v1"
    assert report.changes == (
        Change("c", "request", "operation", "operation-moved", "GET /c", "GET /d", "breaking", "The operation has another method or path."),
    )


def test_a_prefix_can_be_named_or_refused() -> None:
    """With an empty prefix every path that moved is told; with a named one ids may differ and the place still tells."""
    old = document({"/a": {"get": {"operationId": "a"}}})
    new = document({"/v2/a": {"get": {"operationId": "a"}}})
    renamed = document({"/v2/a": {"get": {"operationId": "b"}}})
    assert [change.kind for change in compare_documents(old, new, prefix="").changes] == ["operation-moved"]
    assert [change.kind for change in compare_documents(old, renamed).changes] == ["operation-removed", "operation-added"]
    assert [(change.kind, change.before, change.after) for change in compare_documents(old, renamed, prefix="/v2/").changes] == [
        ("operation-renamed", "a", "b")
    ]


def test_names_of_path_variables_do_not_move_an_operation() -> None:
    """The path is the same on the wire; the input has another name, which callers must learn."""
    old = document({"/a/{x}": {"get": {"operationId": "a", "parameters": [{"name": "x", "in": "path", "schema": {}}]}}})
    new = document({"/a/{y}": {"get": {"operationId": "a", "parameters": [{"name": "y", "in": "path", "schema": {}}]}}})
    assert [change.kind for change in compare_documents(old, new).changes] == ["field-removed", "required-field-added"]


def test_a_query_in_the_path_tells_operations_apart() -> None:
    """Two operations at one path, told apart by the path's own query, are matched by it."""
    old = document({"/a": {"get": {"operationId": "a"}}, "/a?beta=true": {"get": {"operationId": "b"}}})
    new = document({"/a": {"get": {"operationId": "a"}}, "/a?beta=true": {"get": {"operationId": "c"}}})
    assert [(change.operation, change.kind) for change in compare_documents(old, new).changes] == [("b", "operation-renamed")]


def test_texts_of_operations_and_parameters() -> None:
    """Where texts are asked for, those of operations and parameters are told as information."""
    new = Document(edited(ROOT, {f"{FEED}/summary": "Feeds.", f"{QUERY}/1/description": "How much."}))
    assert compare_documents(Document(ROOT), new).changes == ()
    assert [row[1:] for row in seen(compare_documents(Document(ROOT), new, texts=True).changes)] == [
        ("operation", "text-changed", I),
        ("request.query/limit", "text-changed", I),
    ]


def test_a_faulty_operation_is_an_error_and_never_equal() -> None:
    """A description that cannot be read in full is not compared in part."""
    faulty = Document(edited(ROOT, {f"{QUERY}/1/schema": {"$ref": "#/nowhere"}}))
    with pytest.raises(DocumentError, match="points at nothing"):
        compare_documents(Document(ROOT), faulty)
