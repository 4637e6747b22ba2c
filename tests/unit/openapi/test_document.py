"""Loading descriptions: lazily, whole, without fetching, one operation's fault not taking the others down."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.document import Document, derive_id, parse_document, read_document


def description(paths: object, **more: object) -> dict:
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def load(root: object) -> Document:
    return parse_document(json.dumps(root).encode())


OK = {"responses": {"200": {"description": "d"}}}


def test_operations_are_found_by_their_own_id() -> None:
    """An operation keeps its id verbatim, its method and its path."""
    document = load(description({"/v1/a": {"get": {"operationId": "list-a", **OK}}}))
    assert (document["list-a"].method, document["list-a"].path) == ("GET", "/v1/a")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/a/{b}/c", "getAByBC"),
        ("post", "/v1/fine-tunes", "postV1FineTunes"),
        ("get", "/{a.b}", "getByAB"),
        ("delete", "/x?beta=true", "deleteX"),
    ],
)
def test_an_operation_without_an_id_gets_one_from_method_and_path(method: str, path: str, expected: str) -> None:
    """The derived id is stable and readable."""
    assert derive_id(method, path) == expected


def test_a_path_keys_own_query_is_kept_apart() -> None:
    """A path key with a query string gives the path and the query separately."""
    operation = load(description({"/r?beta=true": {"get": {"operationId": "r", **OK}}}))["r"]
    assert (operation.path, operation.query) == ("/r", (("beta", "true"),))


def test_parameters_get_their_default_style() -> None:
    """Query parameters are form and exploded, path parameters simple and required (OpenAPI 3.1, section 4.8.12)."""
    parameters = [{"name": "q", "in": "query", "schema": {}}, {"name": "p", "in": "path", "schema": {}}]
    operation = load(description({"/{p}": {"get": {"operationId": "o", "parameters": parameters, **OK}}}))["o"]
    assert [(p.style, p.explode, p.required) for p in operation.parameters] == [("form", True, False), ("simple", False, True)]


def test_an_operations_parameter_replaces_the_paths_own() -> None:
    """The same name and location at the operation wins over the path item."""
    item = {
        "parameters": [{"name": "q", "in": "query", "schema": {"type": "integer"}}],
        "get": {"operationId": "o", "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}], **OK},
    }
    assert [p.schema for p in load(description({"/a": item}))["o"].parameters] == [{"type": "string"}]


@pytest.mark.parametrize(
    ("case", "reference"),
    [
        ("S1", "file:///proc/self/environ"),
        ("S2", "http://169.254.169.254/latest/meta-data"),
        ("S3", "../../secrets.yaml#/x"),
        ("S3", "..%2fsecrets.yaml"),
    ],
)
def test_external_references_are_refused(case: str, reference: str) -> None:
    """S1-S3: the operation with an outside reference is refused with the reference's pointer, and nothing is opened or fetched."""
    document = load(
        description(
            {"/a": {"get": {"operationId": "a", "parameters": [{"$ref": reference}], **OK}}, "/b": {"get": {"operationId": "b", **OK}}}
        )
    )
    with pytest.raises(DocumentError) as caught:
        document["a"]
    assert caught.value.faults[0].pointer == "/paths/~1a/get/parameters/0"
    assert "external reference not allowed" in str(caught.value)
    assert document["b"].id == "b"


def test_circular_references_are_refused_with_their_chain() -> None:
    """S5: references that only point at each other are refused, and the chain is shown."""
    components = {"parameters": {"x": {"$ref": "#/components/parameters/y"}, "y": {"$ref": "#/components/parameters/x"}}}
    operation = {"operationId": "a", "parameters": [{"$ref": "#/components/parameters/x"}], **OK}
    document = load(description({"/a": {"get": operation}}, components=components))
    with pytest.raises(DocumentError, match=r"circle.*parameters/x -> .*parameters/y -> .*parameters/x"):
        document["a"]


def test_two_operations_with_one_id_are_named_both() -> None:
    """S13: a doubled id is a fault that lists both places; the other operations stay usable."""
    paths = {"/a": {"get": {"operationId": "x", **OK}, "post": {"operationId": "x", **OK}}, "/b": {"get": {"operationId": "b", **OK}}}
    document = load(description(paths))
    with pytest.raises(DocumentError) as caught:
        document["x"]
    assert [fault.pointer for fault in caught.value.faults] == ["/paths/~1a/get", "/paths/~1a/post"]
    assert document["b"].method == "GET"


def test_doubled_keys_in_json_are_refused() -> None:
    """S13: of two equal keys no silent winner is chosen."""
    with pytest.raises(DocumentError) as caught:
        parse_document(b'{"openapi": "3.1.0", "paths": {"/a": {}, "/a": {}}}')
    assert caught.value.faults[0].pointer == "/paths/~1a"


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"{" + b'"a":[' * 5_000])
def test_deep_documents_are_refused(data: bytes) -> None:
    """S9: hostile depth ends in a typed error, in JSON and in YAML."""
    with pytest.raises(DocumentError):
        parse_document(data)


def test_large_documents_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """S9: the size is looked at before the text."""
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with pytest.raises(DocumentError, match="larger than"):
        read_document(path)


def test_a_pinned_description_must_be_that_file(tmp_path: Path) -> None:
    """S15: another file under the same name is refused, and the digest that it has is told."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(description({})))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_document(path, sha256=digest).digest == digest
    path.write_text(json.dumps(description({"/a": {}})))
    with pytest.raises(DocumentError, match="SHA-256"):
        read_document(path, sha256=digest)


def test_faults_of_all_operations_are_listed_at_once() -> None:
    """Every fault has the pointer of its place; sound operations give none."""
    paths = {
        "/a": {"get": {"operationId": "a", "parameters": [{"in": "query"}], **OK}},
        "/{x}": {"get": {"operationId": "x", **OK}},
        "/ok": {"get": OK},
        "/b": 3,
    }
    assert [fault.pointer for fault in load(description(paths)).faults()] == [
        "/paths/~1b",
        "/paths/~1a/get/parameters/0",
        "/paths/~1{x}/get",
    ]


@pytest.mark.parametrize("root", [[], 3, {"swagger": "1.2"}, {"openapi": "4.0.0", "paths": {}}, {"openapi": "3.1.0", "paths": []}])
def test_what_is_no_description_is_refused(root: object) -> None:
    """Other JSON ends in a typed error."""
    with pytest.raises(DocumentError):
        load(root)


def test_servers_of_a_description_are_information_only() -> None:
    """S4: no operation carries a server: where the key goes is the connection's affair."""
    servers = [{"url": "https://attacker.example"}]
    operation = load(description({"/a": {"servers": servers, "get": {"operationId": "a", "servers": servers, **OK}}}, servers=servers))["a"]
    assert "attacker" not in repr(operation)


def test_yaml_and_json_give_the_same(tmp_path: Path) -> None:
    """A YAML description is read by the same code; bare response codes are text."""
    text = b"openapi: 3.1.0\npaths:\n  /a:\n    get:\n      operationId: a\n      responses:\n        200: {description: d}\n"
    assert parse_document(text)["a"] == load(description({"/a": {"get": {"operationId": "a", **OK}}}))["a"]


@pytest.mark.parametrize(("name", "count"), [("kosha-openai-24ops-oas30.json", 24), ("openai-2.3.0-oas31.json", 288)])
def test_the_published_descriptions_load_whole(specs: Path, name: str, count: int) -> None:
    """Both descriptions load with every operation and without a fault."""
    document = read_document(specs / name)
    assert (len(document), document.faults()) == (count, ())
