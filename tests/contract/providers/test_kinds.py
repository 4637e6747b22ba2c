"""Other people's descriptions, by kind, at least two of each: what was sent, byte by byte, for what a user gave."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.actions import action_sample
from kosha_connector_openai.errors import ApiError, InputError
from kosha_connector_openai.flows import Pager
from kosha_connector_openai.manifest import read_folder
from kosha_connector_openai.manifest_check import ManifestCheck
from tests.recorder import Recorder, reply

OK: dict[str, Any] = {"responses": {"200": {"description": "d"}}}
TEXT = {"type": "string"}
JSON = "application/json"
Open = Callable[..., tuple[Connector, Connection]]


@pytest.fixture
def opened(tmp_path: Path, upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """A folder without a manifest around a description, and its connection to the recorder."""

    stack = ExitStack()

    def open_folder(description: dict[str, Any], **manifest: Any) -> tuple[Connector, Connection]:
        if manifest:
            (tmp_path / "connector.yaml").write_text(json.dumps(MANIFEST | manifest))
        fields = [{"field": "SERVER_URL", "type": "String"}, {"field": "AUTH_TYPE", "type": "String", "default": "NONE"}]
        (tmp_path / "connector_spec.json").write_text(json.dumps({"version": "2.0.0", "fields": fields}))
        (tmp_path / "openapi.json").write_text(json.dumps(description))
        monkeypatch.setenv("SERVER_URL", upstream.url)
        connector = stack.enter_context(Connector(tmp_path))
        return connector, connector.connection()

    with stack:
        yield open_folder


def oas(path: str, method: str, operation: dict[str, Any], version: str = "3.0.4", **more: Any) -> dict[str, Any]:
    described = {"operationId": "act", **OK, **operation}
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": {path: {method: described}}, **more}


def swagger(path: str, method: str, operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    described = {"operationId": "act", **OK, **operation}
    return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {path: {method: described}}, **more}


def parameter(name: str, location: str, schema: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": schema, "required": location == "path", **more}


def body(schema: Any, *types: str, required: bool = True, **more: Any) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {name: {"schema": schema, **more} for name in types or (JSON,)}}}


MANIFEST: dict[str, Any] = {
    "id": "kinds", "title": "Kinds", "version": "1.0.0", "tagline": "Kinds.", "publisher": {"name": "Kinds"}, "license": "Apache-2.0",
    "connection": {"fields": [{"name": "server_url", "label": "Server", "env": ["SERVER_URL"], "role": "server"}]},
}  # fmt: skip
FORM = "application/x-www-form-urlencoded"
LISTS = {
    "type": "object",
    "properties": {
        "expand": {"type": "array", "items": TEXT},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"price": TEXT}}},
        "meta": {"type": "object", "properties": {"tags": {"type": "array", "items": TEXT}}},
    },
}
DEEP = {"encoding": {name: {"style": "deepObject", "explode": True} for name in LISTS["properties"]}}  # type: ignore[attr-defined]
LISTED = {"expand": ["a", "b"], "lines": [{"price": "p"}, {"price": "q"}], "meta": {"tags": ["t"]}}
NAMED = {"type": "object", "required": ["id", "name"], "properties": {"id": TEXT, "name": TEXT}}
KIND = {"type": "object", "required": ["kind"], "properties": {"kind": TEXT}}
HEADER = {"in": "header", "required": True, "type": "string"}

SENT = [
    # Reserved headers (OpenAPI 3.0.4, section 4.7.12.1)
    pytest.param(oas("/a", "get", {"parameters": [parameter("Accept", "header", required=True)]}), {}, "GET /a", b"", id="header-accept"),
    pytest.param(
        swagger("/a", "get", {"parameters": [{"name": n, **HEADER} for n in ("Authorization", "Content-Type")]}),
        {},
        "GET /a",
        b"",
        id="header-swagger",
    ),
    # One name in several places (OpenAPI 3.0.4, section 4.7.12)
    pytest.param(
        oas("/u/{id}", "put", {"parameters": [parameter("id", "path")], **body(NAMED)}),
        {"path.id": "p", "id": "b", "name": "n"},
        "PUT /u/p",
        b'{"id":"b","name":"n"}',
        id="names-path-and-body",
    ),
    pytest.param(
        oas("/p/{path}", "get", {"parameters": [parameter("path", "path"), parameter("path", "query")]}),
        {"path.path": "a", "query.path": "b"},
        "GET /p/a?path=b",
        b"",
        id="names-path-and-query",
    ),
    pytest.param(
        swagger(
            "/u/{id}",
            "post",
            {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer"},
                    {"name": "id", "in": "formData", "type": "string"},
                    {"name": "id", "in": "query", "type": "string"},
                ]
            },
        ),
        {"path.id": 7, "id": "f", "query.id": "q"},
        "POST /u/7?id=q",
        b"id=f",
        id="names-three-places",
    ),
    # References (OpenAPI 3.1.1, sections 4.8.7.1 and 4.8.9.1)
    pytest.param(
        oas("/x", "get", {}, "3.1.1")
        | {
            "paths": {"/a": {"$ref": "#/components/pathItems/A"}},
            "components": {"pathItems": {"A": {"get": {"operationId": "act", **OK}}}},
        },
        {},
        "GET /a",
        b"",
        id="references-path-item",
    ),
    pytest.param(
        oas("/a", "post", body({"type": "object", "properties": {"a": TEXT, "b": {"$ref": "#/components/schemas/none"}}})),
        {"a": "x"},
        "POST /a",
        b'{"a":"x"}',
        id="references-dangling",
    ),
    pytest.param(
        swagger(
            "/a",
            "post",
            {"parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/A"}}]},
            definitions={"A": {"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "other.json#/x"}}}}},
        ),
        {"a": [1]},
        "POST /a",
        b'{"a":[1]}',
        id="references-another-document",
    ),
    # Faults of answers
    pytest.param(oas("/a", "post", {"responses": {"200": {"content": {"$ref": "x.yml"}}}}), {}, "POST /a", b"", id="answers-content"),
    pytest.param(oas("/a", "post", {"responses": {"200": {"$ref": "#/none"}, "x-a": 1}}), {}, "POST /a", b"", id="answers-reference"),
    # Media types
    pytest.param(
        swagger("/a", "post", {"consumes": ["*/*"], "parameters": [{"name": "b", "in": "body", "required": True, "schema": KIND}]}),
        {"kind": "Pod"},
        "POST /a",
        b'{"kind":"Pod"}',
        id="types-any",
    ),
    pytest.param(oas("/a", "post", body(KIND, "text/json")), {"kind": "k"}, "POST /a", b'{"kind":"k"}', id="types-text-json"),
    pytest.param(
        oas("/a", "post", body(KIND, "application/yaml", "application/xml", JSON)),
        {"kind": "k"},
        "POST /a",
        b'{"kind":"k"}',
        id="types-json-last",
    ),
    pytest.param(oas("/a", "post", body(NAMED, "application/xml")), {"body": "<a>1</a>"}, "POST /a", b"<a>1</a>", id="types-xml-alone"),
    # Optional bodies (OpenAPI 3.0.4, section 4.7.13.1)
    pytest.param(oas("/a", "put", body(NAMED, required=False)), {}, "PUT /a", b"", id="optional-json"),
    pytest.param(
        oas("/a", "put", {"parameters": [parameter("q", "query")], **body(NAMED, "application/x-www-form-urlencoded", required=False)}),
        {"q": "1"},
        "PUT /a?q=1",
        b"",
        id="optional-form",
    ),
    # Read-only (OpenAPI 3.0.4, section 4.7.24.1)
    pytest.param(
        oas("/a/{n}", "get", {"parameters": [parameter("n", "path", {"type": "integer", "readOnly": True})]}),
        {"n": 7},
        "GET /a/7",
        b"",
        id="read-only-parameter",
    ),
    pytest.param(
        oas("/a", "post", body({**NAMED, "properties": {"id": {**TEXT, "readOnly": True}, "name": TEXT}})),
        {"name": "n"},
        "POST /a",
        b'{"name":"n"}',
        id="read-only-field",
    ),
    # Fragments (RFC 3986, section 3.5)
    pytest.param(oas("/a#copy", "get", {}), {}, "GET /a", b"", id="fragment"),
    pytest.param(
        oas("/a?x=1#copy", "get", {"parameters": [parameter("q", "query")]}), {"q": "2"}, "GET /a?x=1&q=2", b"", id="fragment-query"
    ),
    # Schemas with keywords that have no value
    pytest.param(
        oas("/a", "post", body({"type": "object", "properties": {"m": {"type": None, "anyOf": [TEXT, {"enum": ["a"]}]}}}), "3.1.1"),
        {"m": "x"},
        "POST /a",
        b'{"m":"x"}',
        id="keywords-type-null",
    ),
    pytest.param(
        oas("/a", "post", body({"type": "object", "required": True, "properties": {"a": {**TEXT, "required": False}}})),
        {"a": "x"},
        "POST /a",
        b'{"a":"x"}',
        id="keywords-required-boolean",
    ),
    # Lists and objects that OpenAPI leaves open (OpenAPI 3.0.4, sections 4.7.12.3 and 4.7.15.1)
    pytest.param(
        oas("/a", "post", body(LISTS, FORM)),
        LISTED,
        "POST /a",
        b"expand=a&expand=b&lines%5B0%5D%5Bprice%5D=p&lines%5B1%5D%5Bprice%5D=q&meta%5Btags%5D=t",
        id="lists-form",
    ),
    pytest.param(
        oas("/a", "post", body(LISTS, FORM, **DEEP)),
        LISTED,
        "POST /a",
        b"expand=a&expand=b&lines%5B0%5D%5Bprice%5D=p&lines%5B1%5D%5Bprice%5D=q&meta%5Btags%5D=t",
        id="lists-deep-form",
    ),
    pytest.param(
        oas("/a", "get", {"parameters": [parameter("expand", "query", {"type": "array", "items": TEXT}, style="deepObject")]}),
        {"expand": ["a", "b"]},
        "GET /a?expand=a&expand=b",
        b"",
        id="lists-deep-query",
    ),
    # Newer versions
    pytest.param(oas("/a", "get", {}, "3.2.0"), {}, "GET /a", b"", id="newer"),
    pytest.param(oas("/a", "get", {"parameters": [parameter("q", "query")]}, "3.2.0"), {"q": "x"}, "GET /a?q=x", b"", id="newer-parameter"),
]


@pytest.mark.parametrize(("description", "inputs", "line", "sent"), SENT)
def test_what_is_described_is_what_is_sent(
    opened: Open, upstream: Recorder, description: dict[str, Any], inputs: dict[str, Any], line: str, sent: bytes
) -> None:
    """The method, the target and the body; the preview is the same."""
    connector, connection = opened(description)
    preview = connector.preview("act", inputs, connection)
    connector.run("act", inputs, connection)
    assert (f"{upstream.last.method} {upstream.last.target}", upstream.last.body) == (line, sent)
    assert (preview.url.removeprefix(upstream.url), preview.body()) == (upstream.last.target, sent)


@pytest.mark.parametrize(
    ("method", "answers", "given"),
    [
        pytest.param("head", {"200": {"description": "there"}}, reply(200, b""), id="head"),
        pytest.param("head", {"200": {"description": "t", "content": {JSON: {}}}}, reply(200, b""), id="head-that-describes-get"),
        pytest.param("post", {"202": {"description": "taken"}}, reply(202, b""), id="no-content-described"),
        pytest.param("put", {"2XX": {"description": "taken"}}, reply(200, b""), id="no-content-of-a-class"),
        pytest.param("put", {"202": {"description": "taken"}}, reply(200, b""), id="another-status"),
    ],
)
def test_an_answer_without_content_is_empty(upstream: Recorder, opened: Open, method: str, answers: Any, given: Any) -> None:
    """RFC 9110, section 9.3.2, and OpenAPI 3.0.4, section 4.7.17: whatever its Content-Type says, no JSON was promised."""
    upstream.scripts = [given]
    connector, connection = opened(oas("/a", method, {"responses": answers}))
    result = connector.run("act", {}, connection)
    assert (result.kind, result.value) == ("empty", None)


@pytest.mark.parametrize("name", ["User-Agent", "user-agent"])
def test_one_user_agent_is_sent(upstream: Recorder, opened: Open, name: str) -> None:
    """That of the input, where the operation asks for one."""
    connector, connection = opened(oas("/a", "get", {"parameters": [parameter(name, "header", required=True)]}))
    connector.run("act", {name: "mine/1"}, connection)
    assert [value for key, value in upstream.last.headers if key.lower() == "user-agent"] == ["mine/1"]


@pytest.mark.parametrize(
    ("manifest", "sent"),
    [
        pytest.param({"lists": "name[]"}, "expand[]=a&expand[]=b&lines[][price]=p&lines[][price]=q&meta[tags][]=t", id="brackets"),
        pytest.param({"lists": "name[0]"}, "expand[0]=a&expand[1]=b&lines[0][price]=p&lines[1][price]=q&meta[tags][0]=t", id="index"),
    ],
)
def test_the_manifest_says_how_lists_are_written(opened: Open, upstream: Recorder, manifest: dict[str, str], sent: str) -> None:
    """For all actions of the connector; what a form's style says holds still."""
    connector, connection = opened(oas("/a", "post", body(LISTS, FORM, **DEEP)), request=manifest)
    connector.run("act", LISTED, connection)
    assert unquote(upstream.last.body.decode()) == sent


def test_an_action_and_a_field_may_say_otherwise(opened: Open, upstream: Recorder) -> None:
    """The nearest word counts: lists of parts by index, the others in brackets."""
    fields = {"lines": {"request": {"lists": "name[0]"}}}
    actions = {"act": {"request": {"lists": "name[]"}, "fields": fields}}
    connector, connection = opened(oas("/a", "post", body(LISTS, FORM)), request={"lists": "name"}, actions=actions)
    connector.run("act", LISTED, connection)
    assert unquote(upstream.last.body.decode()) == "expand[]=a&expand[]=b&lines[0][price]=p&lines[1][price]=q&meta[tags][]=t"


@pytest.mark.parametrize(
    ("request_rules", "names"),
    [
        pytest.param({}, ["attributes", "tags", "tags", "files", "files"], id="openapi"),
        pytest.param(
            {"lists": "name[]", "objects": "name[key]"}, ["attributes[name]", "tags[]", "tags[]", "files[]", "files[]"], id="brackets"
        ),
    ],
)
def test_multipart_lists_and_objects(opened: Open, upstream: Recorder, request_rules: dict[str, str], names: list[str]) -> None:
    """OpenAPI 3.0.4, section 4.7.15.1, ``contentType``: an object is one part of JSON, an item a part; or as the manifest says."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    properties = {"attributes": {"type": "object"}, "tags": {"type": "array", "items": TEXT}, "files": files}
    connector, connection = opened(
        oas("/a", "post", body({"type": "object", "properties": properties}, "multipart/form-data")), request=request_rules
    )
    connector.run("act", {"attributes": {"name": "n"}, "tags": ["t", "u"], "files": [b"1", b"2"]}, connection)
    assert re.findall(r'form-data; name="([^"]*)"', upstream.last.body.decode()) == names
    assert (b"Content-Type: application/json" in upstream.last.body) == (not request_rules)


def patterned(pattern: str) -> dict[str, Any]:
    return {**TEXT, "pattern": pattern}


BASE = {"type": "object", "properties": {"id": TEXT}}
REF = "#/components/schemas/"
SHARED = {
    "Base": BASE,
    "Policy": {"allOf": [{"$ref": REF + "Base"}, {"type": "object", "required": ["id"]}]},
    "Service": {
        "allOf": [{"$ref": REF + "Base"}, {"type": "object", "required": ["policy"], "properties": {"policy": {"$ref": REF + "Policy"}}}]
    },
    "Node": {"type": "object", "properties": {"next": {"allOf": [{"$ref": REF + "Node"}], "description": "d"}, "id": TEXT}},
}
BINARY = {"type": "string", "format": "binary"}
SAMPLED = [
    pytest.param(body({"$ref": REF + "Service"}), {"policy": {"id": "id"}}, {"policy": {"id": "id"}, "id": "id"}, id="shared-base"),
    pytest.param(body({"$ref": REF + "Policy"}), {"id": "id"}, {"id": "id"}, id="shared-base-alone"),
    pytest.param(body({"$ref": REF + "Node"}), {}, {"next": {"id": "id"}, "id": "id"}, id="circle-through-all-of"),
    pytest.param(
        body({"type": "object", "properties": {"a": TEXT, "b": patterned("^(?!0)[0-9]+$")}}), {}, {"a": "a"}, id="pattern-not-made"
    ),
    pytest.param(body({"type": "object", "properties": {"a": {**TEXT, "readOnly": True}, "b": TEXT}}), {}, {"b": "b"}, id="read-only"),
    pytest.param(
        body({"type": "object", "properties": {"o": {"type": "object", "properties": {"a": {**TEXT, "readOnly": True}, "b": TEXT}}}}),
        {},
        {"o": {"b": "b"}},
        id="read-only-inside",
    ),
    pytest.param(body({"type": "object", "properties": {"a": {**TEXT, "writeOnly": True}}}), {}, {"a": "a"}, id="write-only"),
    pytest.param(body({"type": "object", "required": ["i"], "properties": {"i": BINARY}}), {"i": "i"}, {"i": "i"}, id="binary-in-json"),
    pytest.param(
        body({"type": "object", "required": ["i"], "properties": {"i": {"type": "array", "minItems": 1, "items": BINARY}}}),
        {"i": ["i"]},
        {"i": ["i"]},
        id="binaries-in-json",
    ),
    pytest.param(body({**TEXT, "format": "byte"}, "application/octet-stream"), {"body": b"sample\n"}, {"body": b"sample\n"}, id="bytes"),
    pytest.param(body(TEXT, "image/png"), {"body": b"sample\n"}, {"body": b"sample\n"}, id="bytes-of-a-picture"),
    pytest.param(
        body({"type": "object", "required": ["i"], "properties": {
            "i": {"type": "array", "minItems": 3, "uniqueItems": True, "items": patterned("^[0-9]{2}$")}}}),
        {"i": ["00", "10", "20"]},
        {"i": ["00", "10", "20"]},
        id="unique-patterns",
    ),
    pytest.param(
        body({"type": "object", "properties": {
            "i": {"type": "array", "minItems": 2, "uniqueItems": True, "items": patterned("^[^a]x?$")}}}),
        {},
        {"i": ["0", "A"]},
        id="unique-negated",
    ),
    pytest.param({"parameters": [parameter("p", "path", {**TEXT, "default": ""})]}, {"p": "p"}, {"p": "p"}, id="empty-default"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "minimal", "full"), SAMPLED)
def test_samples_fit(opened: Open, upstream: Recorder, operation: dict[str, Any], minimal: Any, full: Any) -> None:
    """The least and the most: both pass the check and can be sent."""
    path = "/a/{p}" if "parameters" in operation else "/a"
    connector, connection = opened(oas(path, "post", operation, components={"schemas": SHARED}))
    for wanted, made in (
        (minimal, action_sample(connector.catalog["act"])),
        (full, action_sample(connector.catalog["act"], minimal=False)),
    ):
        assert {name: value[1] if isinstance(value, tuple) else value for name, value in made.items()} == wanted
        connector.check("act", made)
        connector.run("act", made, connection)


# Keys in the query


KEY = "query-key-0123456789"
QUERY_KEY = {"securitySchemes": {"k": {"type": "apiKey", "in": "query", "name": "key"}}}
GEO = oas("/geo", "get", {"parameters": [parameter("address", "query")]}, security=[{"k": []}], components=QUERY_KEY)
KEYED = {
    "connection": {
        "fields": [
            *MANIFEST["connection"]["fields"],
            {"name": "api_key", "label": "Key", "secret": True, "required": True, "env": ["API_KEY"]},
        ]
    },
    "auth": {"k": {"scheme": "api_key", "fields": {"token": "api_key"}, "settings": {"query": "key"}}},
}


def without_manifest(opened: Open, tmp_path: Path) -> None:
    """The form of a folder without a manifest, which has a field for a header alone."""
    fields = [{"field": "SERVER_URL", "type": "String"}, {"field": "AUTH_TYPE", "type": "String", "default": "API_KEY"}]
    spec = {"version": "2.0.0", "fields": [*fields, {"field": "API_KEY", "type": "password"}]}
    (tmp_path / "connector_spec.json").write_text(json.dumps(spec))
    (tmp_path / "openapi.json").write_text(json.dumps(GEO))


@pytest.mark.parametrize("manifest", [True, False])
def test_a_key_goes_into_the_query_and_nowhere_else(
    opened: Open, upstream: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, manifest: bool
) -> None:
    """OpenAPI 3.0.4, section 4.7.27.1, ``in``: it is in the request line; the preview, records, logs and errors do not have it."""
    monkeypatch.setenv("API_KEY", KEY)
    monkeypatch.setenv("SERVER_URL", upstream.url)
    caplog.set_level(0)
    if manifest:
        opened(GEO, **KEYED)[0].close()
    else:
        without_manifest(opened, tmp_path)
    records: list[Any] = []
    with Connector(tmp_path, record=records.append) as connector:
        connection = connector.connection()
        preview = connector.preview("act", {"address": "a b"}, connection)
        connector.run("act", {"address": "a b"}, connection)
        assert upstream.last.target == f"/geo?address=a%20b&key={KEY}"
        upstream.scripts = [reply(400, {"error": {"message": f"/geo?key={KEY} is wrong"}})]
        with pytest.raises(ApiError) as caught:
            connector.run("act", {}, connection)
    assert preview.url == f"{upstream.url}/geo?address=a%20b&key=********"
    assert KEY not in f"{caught.value} {caught.value.to_dict()} {records} {caplog.text} {preview}"


def test_a_key_is_written_once(opened: Open, upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input of its name does not stand beside it, nor in its place."""
    monkeypatch.setenv("API_KEY", KEY)
    described = oas("/geo", "get", {"parameters": [parameter("key", "query")]}, security=[{"k": []}], components=QUERY_KEY)
    connector, connection = opened(described, **KEYED)
    connector.run("act", {"key": "another"}, connection)
    assert upstream.last.target == f"/geo?key={KEY}"


# Servers of an operation


@pytest.mark.parametrize(
    ("server", "target"),
    [
        pytest.param("{origin}/upload/2", "/upload/2/a", id="the-same-origin"),
        pytest.param("/upload", "/upload/a", id="relative"),
        pytest.param("https://upload.example.com/2", "/a", id="elsewhere"),
        pytest.param("http://169.254.169.254/", "/a", id="no-server"),
        pytest.param("", "/a", id="empty"),
    ],
)
def test_a_server_of_an_operation_is_used_where_the_key_may_go(opened: Open, upstream: Recorder, server: str, target: str) -> None:
    """OpenAPI 3.0.4, section 4.7.10.1, ``servers``; a description alone does not decide where a credential goes."""
    url = server.replace("{origin}", upstream.url)
    connector, connection = opened(oas("/a", "get", {"servers": [{"url": url}]}))
    assert connector.preview("act", {}, connection).url == upstream.url + target
    connector.run("act", {}, connection)
    assert upstream.last.target == target


# Checks of the author's side


@pytest.mark.parametrize(
    ("auth", "pointer"),
    [
        pytest.param({"kk": KEYED["auth"]["k"]}, "/auth/kk", id="name"),  # type: ignore[index]
        pytest.param({"k": {"scheme": "apikey", "fields": {"token": "api_key"}}}, "/auth/k/scheme", id="scheme"),
        pytest.param({"k": {"scheme": "bearer", "fields": {"token": "api_kee"}}}, "/auth/k/fields/token", id="field"),
        pytest.param({"k": {"scheme": "bearer"}}, "/auth/k/fields", id="part"),
        pytest.param(
            {"k": {"scheme": "api_key", "fields": {"token": "api_key"}, "settings": {"query": "a b"}}}, "/auth/k/settings", id="setting"
        ),
        pytest.param(
            {"k": {"scheme": "api_key", "fields": {"token": "api_key"}, "settings": {"header": "X-Key"}}},
            "/auth/k/settings/query",
            id="place",
        ),
    ],
)
def test_auth_is_checked_against_the_description(opened: Open, tmp_path: Path, auth: dict[str, Any], pointer: str) -> None:
    """A misspelt scheme would end every call."""
    opened(oas("/a", "get", {}))
    (tmp_path / "connector.yaml").write_text(json.dumps({**MANIFEST, **KEYED, "auth": auth}))
    (tmp_path / "openapi.json").write_text(json.dumps(GEO))
    found = ManifestCheck(tmp_path, read_folder(tmp_path)).faults()
    assert pointer in [fault.fault.pointer for fault in found]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b'{"openapi": "3.0.4",\n"paths": {\n"/a": {"get":\n{"parameters": 5}}}}', 4),
        (b"openapi: 3.0.4\npaths:\n  /b: {}\n  /a:\n    get:\n      parameters: 5\n", 6),
        (b"openapi: 3.0.4\npaths:\n  /a:\n  - get: {}\n", 4),
    ],
)
def test_a_fault_of_the_description_has_its_line(opened: Open, tmp_path: Path, text: bytes, line: int) -> None:
    """In JSON and in YAML."""
    opened(oas("/a", "get", {}))
    (tmp_path / "openapi.json").write_bytes(text)
    [found] = ManifestCheck(tmp_path, read_folder(tmp_path)).faults()
    assert found.fault.message.endswith(f"(Line {line}.)")


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        pytest.param(oas("/a", "get", {"parameters": [parameter("s", "cookie", required=True)]}), "cookie", id="cookie"),
        pytest.param(
            oas("/a", "get", {"parameters": [parameter("q", "query", {"type": "string", "pattern": "[a-"}, required=True)]}),
            "schema",
            id="pattern",
        ),
    ],
)
def test_what_can_never_run_is_told(opened: Open, description: dict[str, Any], reason: str) -> None:
    """``doctor`` says it of each listed action."""
    fault = opened(description)[0].catalog["act"].can_run
    assert fault is not None
    assert fault.rule == reason


def test_a_connection_test_is_proposed(opened: Open, upstream: Recorder) -> None:
    """Where the manifest has none: a plain GET that needs nothing."""
    described = oas("/a", "post", {}) | {
        "paths": {
            "/a": {"get": {"operationId": "needs", "parameters": [parameter("q", "query", required=True)], **OK}},
            "/b": {"post": {"operationId": "writes", **OK}},
            "/c": {"get": {"operationId": "reads", **OK}},
        }
    }
    connector, connection = opened(described)
    assert connector.test(connection).endswith("(reads).")
    assert upstream.last.target == "/c"


# Whole lists


ITEMS = {"type": "array", "items": {"type": "object"}}


def listing(schema: Any, *names: str) -> dict[str, Any]:
    answers = {"200": {"description": "d", "content": {JSON: {"schema": schema}}}}
    return oas("/a", "get", {"parameters": [parameter(name, "query") for name in names], "responses": answers})


def paged(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: ITEMS, **more}}


LINK = ("Link", '<https://elsewhere.example/a?page=2>; rel="next", <https://elsewhere.example/a?page=9>; rel="last"')
LISTS_OF = [
    pytest.param(listing(ITEMS), [reply(200, [{"n": 1}, {"n": 2}])], ["/a"], 2, id="bare"),
    pytest.param(listing(ITEMS, "page"), [reply(200, [1], [LINK]), reply(200, [2])], ["/a", "/a?page=2"], 2, id="link"),
    pytest.param(
        listing(paged("data", has_more={"type": "boolean"}), "starting_after", "limit"),
        [reply(200, {"data": [{"id": "x"}], "has_more": True}), reply(200, {"data": [{"id": "y"}], "has_more": False})],
        ["/a", "/a?starting_after=x"],
        2,
        id="after-the-last",
    ),
    pytest.param(
        listing(paged("records", offset=TEXT), "offset", "pageSize"),
        [reply(200, {"records": [1], "offset": "o1"}), reply(200, {"records": [2]})],
        ["/a", "/a?offset=o1"],
        2,
        id="offset",
    ),
    pytest.param(
        listing(paged("items", nextPageToken=TEXT), "pageToken"),
        [reply(200, {"items": [1], "nextPageToken": "t"}), reply(200, {"items": []})],
        ["/a", "/a?pageToken=t"],
        1,
        id="token",
    ),
]


@pytest.mark.parametrize(("description", "answers", "targets", "number"), LISTS_OF)
def test_a_list_is_recognised_by_its_shape(
    opened: Open, upstream: Recorder, description: dict[str, Any], answers: list[Any], targets: list[str], number: int
) -> None:
    """Without a word of the manifest, where the shape leaves no doubt; a link (RFC 8288) is read for its values and never followed."""
    upstream.scripts = answers
    connector, connection = opened(description)
    found = Pager(connector, "act", {}, connection).collect()
    assert (found.error, found.complete, len(found.items)) == (None, True, number)
    assert [request.target for request in upstream.requests] == targets


@pytest.mark.parametrize(
    "description",
    [
        pytest.param(listing(paged("a", b=ITEMS, next_cursor=TEXT), "cursor"), id="two-lists"),
        pytest.param(listing(paged("items", total={"type": "integer"}), "page"), id="no-cursor"),
        pytest.param(listing({"type": "object"}), id="no-list"),
    ],
)
def test_what_is_no_certain_list_is_said(opened: Open, description: dict[str, Any]) -> None:
    """A guess could leave out half of a list."""
    connector, connection = opened(description)
    with pytest.raises(InputError, match="no list"):
        Pager(connector, "act", {}, connection)
