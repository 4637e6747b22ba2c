"""The drift report on our own description: each edit that a new release could bring, and what it must say about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.openapi.diff import compare_documents
from kosha_connector_openai.openapi.document import Document
from tests.unit.openapi.diff.describe import edited

B, C, N = "breaking", "compatible", "information"
SCHEMAS = "/components/schemas"
MODELS = ("text-embedding-ada-002", "text-embedding-3-small", "text-embedding-3-large")
EMBEDDING = f"{SCHEMAS}/CreateEmbeddingRequest"
LIST, FILES, FILE = "/paths/~1v1~1files/get", "/paths/~1v1~1files/post", "/paths/~1v1~1files~1{file_id}"
EMBED, SPEECH, COMPLETE = "/paths/~1v1~1embeddings/post", "/paths/~1v1~1audio~1speech/post", "/paths/~1v1~1completions/post"
PATHS = ("/v1/files", "/v1/files/{file_id}", "/v1/embeddings", "/v1/audio/speech", "/v1/completions")
S: dict[str, Any] = {"type": "string"}
JSON, FORM = "request.body.application/json", "request.body.multipart/form-data"
ANSWER = "response.200.application/json"
VARIABLE = {"name": "file_id", "in": "path", "required": True, "schema": S}
NEW = {"operationId": "copyFile", "parameters": [VARIABLE], "responses": {"200": {"description": "d"}}, "security": [{"ApiKeyAuth": []}]}

Row = tuple[str, dict[str, Any], list[tuple[str, str, str, str]]]
EDITS: list[Row] = [
    ("new operation", {f"{FILE}/put": NEW}, [("copyFile", "operation", "operation-added", C)]),
    ("operation gone", {f"{FILE}/delete": None}, [("deleteFile", "operation", "operation-removed", B)]),
    ("operation renamed", {f"{EMBED}/operationId": "embed"}, [("createEmbedding", "operation", "operation-renamed", B)]),
    ("operation deprecated", {f"{COMPLETE}/deprecated": True}, [("createCompletion", "operation", "deprecated", N)]),
    (
        "optional query field",
        {f"{LIST}/parameters/3": {"name": "before", "in": "query", "schema": S}},
        [("listFiles", "request.query/after", "field-removed", B), ("listFiles", "request.query/before", "field-added", C)],
    ),
    ("query field needed", {f"{LIST}/parameters/0/required": True}, [("listFiles", "request.query/purpose", "now-required", B)]),
    (
        "query field of another type",
        {f"{LIST}/parameters/1/schema/type": "string"},
        [("listFiles", "request.query/limit", "type-changed", B), ("listFiles", "request.query/limit", "default-changed", N)],
    ),
    ("query field bounded", {f"{LIST}/parameters/1/schema/maximum": 100}, [("listFiles", "request.query/limit", "limit-tightened", B)]),
    ("query default", {f"{LIST}/parameters/1/schema/default": 20}, [("listFiles", "request.query/limit", "default-changed", N)]),
    (
        "query value more",
        {f"{LIST}/parameters/2/schema/enum": ["asc", "desc", "none"]},
        [("listFiles", "request.query/order", "values-added", C)],
    ),
    ("query value less", {f"{LIST}/parameters/2/schema/enum": ["desc"]}, [("listFiles", "request.query/order", "values-removed", B)]),
    ("query values open", {f"{LIST}/parameters/2/schema/enum": None}, [("listFiles", "request.query/order", "values-opened", C)]),
    ("query field in a header", {f"{LIST}/parameters/3/in": "header"}, [("listFiles", "request.query/after", "field-moved", B)]),
    ("query field deprecated", {f"{LIST}/parameters/3/deprecated": True}, [("listFiles", "request.query/after", "deprecated", N)]),
    ("credential changed", {f"{LIST}/security": [{"AdminApiKeyAuth": []}]}, [("listFiles", "request.security", "credential-changed", B)]),
    (
        "another credential too",
        {f"{LIST}/security": [{"ApiKeyAuth": []}, {"AdminApiKeyAuth": []}]},
        [("listFiles", "request.security", "credential-added", C)],
    ),
    ("body optional", {f"{EMBED}/requestBody/required": None}, [("createEmbedding", "request.body", "now-optional", C)]),
    ("body gone", {f"{EMBED}/requestBody": None}, [("createEmbedding", "request.body", "field-removed", B)]),
    (
        "body as form too",
        {f"{FILES}/requestBody/content/application~1json": {"schema": {"type": "object"}}},
        [("createFile", "request.body.application/json", "media-type-added", C)],
    ),
    (
        "body field more",
        {f"{EMBEDDING}/properties/seed": {"type": "integer"}},
        [("createEmbedding", f"{JSON}/seed", "field-added", C)],
    ),
    (
        "body field more and needed",
        {
            f"{EMBEDDING}/properties/seed": {"type": "integer"},
            f"{EMBEDDING}/required": ["model", "input", "seed"],
        },
        [("createEmbedding", f"{JSON}/seed", "required-field-added", B)],
    ),
    (
        "body field gone",
        {f"{EMBEDDING}/properties/user": None},
        [("createEmbedding", f"{JSON}/user", "field-removed", B)],
    ),
    (
        "body field needed",
        {f"{EMBEDDING}/required": ["model", "input", "user"]},
        [("createEmbedding", f"{JSON}/user", "now-required", B)],
    ),
    (
        "body field free",
        {f"{EMBEDDING}/required": ["input"]},
        [("createEmbedding", f"{JSON}/model", "now-optional", C)],
    ),
    (
        "body field may be null",
        {f"{EMBEDDING}/properties/user/type": ["string", "null"]},
        [("createEmbedding", f"{JSON}/user", "null-added", C)],
    ),
    (
        "body field not null",
        {f"{SCHEMAS}/CreateCompletionRequest/properties/echo/type": "boolean"},
        [("createCompletion", f"{JSON}/echo", "null-removed", B)],
    ),
    (
        "body bound lower",
        {f"{SCHEMAS}/CreateCompletionRequest/properties/n/maximum": 64},
        [("createCompletion", f"{JSON}/n", "limit-tightened", B)],
    ),
    (
        "body bound higher",
        {f"{SCHEMAS}/CreateCompletionRequest/properties/n/maximum": 256},
        [("createCompletion", f"{JSON}/n", "limit-loosened", C)],
    ),
    (
        "body text shorter",
        {f"{SCHEMAS}/CreateSpeechRequest/properties/input/maxLength": 100},
        [("createSpeech", f"{JSON}/input", "limit-tightened", B)],
    ),
    (
        "body text without bound",
        {f"{SCHEMAS}/CreateSpeechRequest/properties/input/maxLength": None},
        [("createSpeech", f"{JSON}/input", "limit-loosened", C)],
    ),
    (
        "known model more",
        {
            f"{EMBEDDING}/properties/model/anyOf/1/enum": [
                "text-embedding-ada-002",
                "text-embedding-3-small",
                "text-embedding-3-large",
                "x",
            ]
        },
        [("createEmbedding", f"{JSON}/model", "known-values-changed", N)],
    ),
    (
        "models closed",
        {f"{EMBEDDING}/properties/model": {"type": "string", "enum": ["text-embedding-3-small"]}},
        [("createEmbedding", f"{JSON}/model", "values-closed", B)],
    ),
    (
        "whole numbers only",
        {f"{SCHEMAS}/CreateSpeechRequest/properties/speed/type": "integer"},
        [("createSpeech", f"{JSON}/speed", "type-removed", B), ("createSpeech", f"{JSON}/speed", "limit-tightened", B)],
    ),
    (
        "pattern more",
        {f"{EMBEDDING}/properties/user/pattern": "^[a-z]+$"},
        [("createEmbedding", f"{JSON}/user", "rule-added", B)],
    ),
    (
        "kind of input gone",
        {f"{EMBEDDING}/properties/input": S},
        [("createEmbedding", f"{JSON}/input", "type-removed", B)],
    ),
    (
        "object closed",
        {f"{EMBEDDING}/additionalProperties": False},
        [("createEmbedding", JSON, "object-closed", B)],
    ),
    (
        "purpose more",
        {f"{SCHEMAS}/CreateFileRequest/properties/purpose/enum": ["assistants", "batch", "fine-tune", "vision", "user_data", "evals", "x"]},
        [("createFile", f"{FORM}/purpose", "values-added", C)],
    ),
    (
        "form field gone",
        {f"{SCHEMAS}/CreateFileRequest/properties/expires_after": None},
        [("createFile", f"{FORM}/expires_after", "field-removed", B)],
    ),
    (
        "form part written otherwise",
        {f"{FILES}/requestBody/content/multipart~1form-data/encoding": {"file": {"contentType": "text/plain"}}},
        [("createFile", f"{FORM}/file", "style-changed", B)],
    ),
    (
        "answer field more",
        {f"{SCHEMAS}/DeleteFileResponse/properties/at": {"type": "integer"}},
        [("deleteFile", f"{ANSWER}/at", "field-added", C)],
    ),
    (
        "answer field gone",
        {f"{SCHEMAS}/DeleteFileResponse/properties/deleted": None, f"{SCHEMAS}/DeleteFileResponse/required": ["id", "object"]},
        [("deleteFile", f"{ANSWER}/deleted", "field-removed", B)],
    ),
    (
        "answer field may lack",
        {f"{SCHEMAS}/DeleteFileResponse/required": ["id", "object"]},
        [("deleteFile", f"{ANSWER}/deleted", "now-optional", B)],
    ),
    (
        "answer field may be null",
        {f"{SCHEMAS}/DeleteFileResponse/properties/deleted/type": ["boolean", "null"]},
        [("deleteFile", f"{ANSWER}/deleted", "null-added", B)],
    ),
    (
        "answer value more",
        {f"{SCHEMAS}/DeleteFileResponse/properties/object/enum": ["file", "folder"]},
        [("deleteFile", f"{ANSWER}/object", "values-added", B)],
    ),
    (
        "answer field of another type",
        {f"{SCHEMAS}/DeleteFileResponse/properties/deleted/type": "string"},
        [("deleteFile", f"{ANSWER}/deleted", "type-changed", B)],
    ),
    (
        "answer field always there",
        {f"{SCHEMAS}/OpenAIFile/required": ["id", "object", "bytes", "created_at", "filename", "purpose", "status", "expires_at"]},
        [
            ("listFiles", f"{ANSWER}/data/items/expires_at", "now-required", C),
            ("createFile", f"{ANSWER}/expires_at", "now-required", C),
            ("retrieveFile", f"{ANSWER}/expires_at", "now-required", C),
        ],
    ),
    (
        "sound of another kind",
        {f"{SPEECH}/responses/200/content/audio~1ogg": {"schema": {"type": "string", "format": "binary"}}},
        [("createSpeech", "response.200.audio/ogg", "media-type-added", C)],
    ),
    (
        "sound without a kind",
        {f"{SPEECH}/responses/200/content/audio~1flac": None},
        [("createSpeech", "response.200.audio/flac", "media-type-removed", B)],
    ),
    (
        "stream gone",
        {f"{COMPLETE}/responses/200/content/text~1event-stream": None},
        [("createCompletion", "response.200.text/event-stream", "media-type-removed", B)],
    ),
    ("answer later", {f"{EMBED}/responses/202": {"description": "Later."}}, [("createEmbedding", "response.202", "answer-added", B)]),
    ("error gone", {f"{EMBED}/responses/429": None}, [("createEmbedding", "response.429", "error-answer-removed", C)]),
    ("title and text", {f"{EMBED}/summary": "Other", f"{EMBED}/description": "Other."}, []),
    ("order of fields", {f"{EMBEDDING}/required": ["input", "model"]}, []),
]


@pytest.fixture(scope="module")
def root() -> dict[str, Any]:
    """Our description, with five of its paths and everything that they refer to."""
    whole = json.loads((Path(__file__).parents[2] / "openapi.json").read_bytes())
    return {**whole, "paths": {path: whole["paths"][path] for path in PATHS}}


@pytest.mark.parametrize(("edits", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edit_of_ours_and_its_verdict(root: dict[str, Any], edits: dict[str, Any], expected: list[tuple[str, str, str, str]]) -> None:
    """Exactly these changes are found, of these operations, and no other."""
    found = compare_documents(Document(root), Document(edited(root, edits))).changes
    assert sorted((c.operation, c.where, c.kind, str(c.verdict)) for c in found) == sorted(expected)


def test_there_are_enough() -> None:
    """At least forty edits, both verdicts and both directions among them."""
    assert len(EDITS) >= 40
    assert {row[3] for _, _, rows in EDITS for row in rows} == {B, C, N}
