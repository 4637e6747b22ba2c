"""Rows S1 to S13: a description that an operator loads, written by someone who means harm or by nobody in particular."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector, ConnectorError
from kosha_connector_openai.errors import DocumentError, InputError
from tests.audit import audit
from tests.cap import capped
from tests.recorder import Recorder
from tests.threats.conftest import House, document, failure, parameter

Build = Callable[..., Connector]
Cottage = Callable[..., House]


def reachable(connector: Connector) -> list[ConnectorError]:
    """All that a connector is asked for without a network: its actions, their schemas, a check; the errors of it."""
    errors = []
    for ask in (
        lambda: connector.catalog["go"].input_schema,
        lambda: connector.catalog["go"].output_schema,
        lambda: connector.check("go", {"a": 1}),
    ):
        try:
            ask()
        except ConnectorError as error:
            errors.append(error)
    return errors


def told(connector: Connector) -> str:
    """What the author is told of the description."""
    catalog = connector.catalog
    return "\n".join(map(str, (*catalog.faults(), *catalog.document.notes())))


def responding(schema: Any) -> dict[str, Any]:
    """A description whose answer has this schema."""
    return document(responses={"200": {"description": "d", "content": {"application/json": {"schema": schema}}}})


PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "body": lambda ref: document(schema={"type": "object", "properties": {"a": ref}}),
    "whole-body": lambda ref: document(schema=ref),
    "items": lambda ref: document(schema={"type": "object", "properties": {"a": {"type": "array", "items": ref}}}),
    "component": lambda ref: document(
        schema={"$ref": "#/components/schemas/A"}, schemas={"A": {"type": "object", "properties": {"a": ref}}}
    ),
    "union": lambda ref: document(schema={"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, ref]}}}),
    "query": lambda ref: document(parameters=[parameter("a", "query", schema=ref)]),
    "parameter": lambda ref: document(parameters=[ref]),
    "request": lambda ref: document(requestBody=ref, method="post"),
    "media-type": lambda ref: document(requestBody={"content": {"application/json": ref}}, method="post"),
    "answer": responding,
    "response": lambda ref: document(responses={"200": ref}),
}
OUTSIDE = {
    "S1-file": "file:///proc/self/environ",
    "S1-file-fragment": "file:///etc/passwd#/root",
    "S1-path": "/etc/passwd",
    "S2-http": "http://169.254.169.254/latest/meta-data",
    "S2-https": "https://attacker.invalid/x.json#/a",
    "S2-network-path": "//attacker.invalid/x",
    "S2-loopback": "http://127.0.0.1:PORT/x",
    "S3-up": "../../secrets.yaml#/x",
    "S3-sibling": "secret.json#/x",
    "S3-link": "link.json#/x",
    "S3-encoded": "..%2fsecret.json",
    "S3-here": "./secret.json",
    "S3-other": "urn:x:y",
    "S3-empty-scheme": ":x",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reference", OUTSIDE.values(), ids=OUTSIDE)
def test_an_outside_reference_is_refused_and_never_followed(build: Build, tmp_path: Path, place: str, reference: str) -> None:
    """S1-S3: it is named with its place; besides the two files of the connector nothing is opened, looked up or connected to."""
    (tmp_path / "secret.json").write_text('{"x": {"const": "do-not-read"}}')
    (tmp_path / "link.json").symlink_to(tmp_path / "secret.json")
    with Recorder() as outside:
        connector = build(PLACES[place]({"$ref": reference.replace("PORT", outside.url.rpartition(":")[2])}))
        with audit(files=[tmp_path / "openapi.json", tmp_path / "connector.yaml"]) as watch:
            errors = reachable(connector)
            words = told(connector)
        assert outside.silent
    assert "external reference not allowed" in words
    assert "do-not-read" not in words
    assert all("do-not-read" not in str(error) for error in errors)
    assert {Path(name).name for name in watch.files if Path(name).parent == tmp_path} <= {"openapi.json"}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"$dynamicRef": "http://127.0.0.1:9/x#a"}, id="S2-dynamic"),
        pytest.param({"$recursiveRef": "http://127.0.0.1:9/x#"}, id="S2-recursive"),
        pytest.param({"$id": "http://127.0.0.1:9/", "allOf": [{"$id": "file:///etc/passwd"}]}, id="S2-id"),
        pytest.param({"$schema": "http://127.0.0.1:9/meta"}, id="S2-dialect"),
        pytest.param({"$vocabulary": {"http://127.0.0.1:9/v": True}}, id="S2-vocabulary"),
        pytest.param({"externalDocs": {"url": "http://127.0.0.1:9/"}, "xml": {"namespace": "http://127.0.0.1:9/"}}, id="S2-links"),
        pytest.param({"example": {"$ref": "file:///etc/passwd"}, "default": {"$ref": "file:///etc/passwd"}}, id="S1-example"),
        pytest.param({"enum": [1, {"$ref": "file:///etc/passwd"}]}, id="S1-enum"),
        pytest.param({"anyOf": [{}], "discriminator": {"propertyName": "t", "mapping": {"a": "file:///etc/passwd"}}}, id="S1-mapping"),
        pytest.param({"contentSchema": {"$ref": "file:///etc/passwd"}}, id="S1-content"),
        pytest.param({"type": "string", "format": "uri-reference", "contentMediaType": "http://127.0.0.1:9/"}, id="S2-format"),
    ],
)
def test_what_looks_like_a_reference_is_not_followed(build: Build, tmp_path: Path, schema: dict[str, Any]) -> None:
    """S1, S2: other keywords with addresses, and references inside plain data, are never opened."""
    connector = build(document(schema={"type": "object", "properties": {"a": schema}}))
    with audit(files=[tmp_path / "openapi.json"]):
        errors = reachable(connector)
    assert all(isinstance(error, (DocumentError, InputError)) for error in errors)


ELSEWHERE = [
    ("root", lambda url: document() | {"servers": [{"url": url}]}),
    ("variable", lambda url: document() | {"servers": [{"url": "{base}", "variables": {"base": {"default": url}}}]}),
    ("operation", lambda url: document(servers=[{"url": url}])),
    ("path", lambda url: _at_path(servers=[{"url": url}])),
    ("link", lambda url: document(responses={"200": {"description": "d", "links": {"l": {"server": {"url": url}}}}})),
    ("callback", lambda url: document(callbacks={"c": {url: {"post": {"responses": {}}}}})),
    ("token", lambda url: _with_scheme({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": url, "scopes": {}}}})),
    ("identity", lambda url: _with_scheme({"type": "openIdConnect", "openIdConnectUrl": url})),
]


def _at_path(**item: Any) -> dict[str, Any]:
    whole = document()
    whole["paths"]["/x"] |= item
    return whole


def _with_scheme(scheme: dict[str, Any]) -> dict[str, Any]:
    whole = document()
    whole["components"]["securitySchemes"]["Key"] = scheme
    return whole


@pytest.mark.parametrize("describe", [pytest.param(make, id=f"S4-{name}") for name, make in ELSEWHERE])
def test_a_description_does_not_say_where_the_key_goes(cottage: Cottage, describe: Callable[[str], dict[str, Any]]) -> None:
    """S4: servers, token addresses and links of a description are not followed; the request goes to the connection's server."""
    with Recorder() as attacker:
        sent = cottage(describe(attacker.url + "/steal")).sent("go", {})
        assert attacker.silent
    assert (sent.target, sent.method) == ("/x", "GET")


CYCLES = """
import json, pathlib
from kosha_connector_openai import Connector, ConnectorError
connector = Connector(pathlib.Path(folder))
nested = None
for _ in range(50):
    nested = {"next": nested} if nested else {}
for ask in (lambda: connector.catalog["go"].input_schema, lambda: connector.check("go", {"a": nested})):
    ask()
print(any("circle" in str(fault) for fault in connector.catalog.document.notes()))
"""
A, B = {"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}


@pytest.mark.parametrize(
    ("schemas", "legal"),
    [
        pytest.param({"A": A}, False, id="S5-self"),
        pytest.param({"A": B, "B": A}, False, id="S5-pair"),
        pytest.param({"A": {"allOf": [B]}, "B": {"anyOf": [A]}}, False, id="S5-composed"),
        pytest.param({"A": {"not": A}}, False, id="S5-not"),
        pytest.param({"A": {"if": A}}, False, id="S5-if"),
        pytest.param({"A": {"description": "x", **A}}, False, id="S5-neighbours"),
        pytest.param({"A": {"$ref": "#/components/schemas"}}, True, id="S5-parent"),
        pytest.param({"A": {"type": "object", "properties": {"next": A}}}, True, id="S5-list"),
        pytest.param({"A": {"properties": {"next": B}}, "B": {"anyOf": [{"type": "null"}, A]}}, True, id="S5-nullable"),
        pytest.param({"A": {"additionalProperties": A}}, True, id="S5-map"),
    ],
)
def test_circles_are_cut_and_recursion_works(build: Build, tmp_path: Path, schemas: dict[str, Any], legal: bool) -> None:
    """S5: references that only lead back to themselves are told with their chain and followed once; schemas of lists and trees are used."""
    build(document(schema={"type": "object", "properties": {"a": A}}, schemas=schemas))
    done = capped(CYCLES, folder=str(tmp_path))
    assert done.output == f"{not legal}\n"


def test_a_circle_of_parameters_is_refused(build: Build) -> None:
    """S5: the same for references to parameters."""
    whole = document(parameters=[{"$ref": "#/components/parameters/A"}])
    whole["components"]["parameters"] = {"A": {"$ref": "#/components/parameters/B"}, "B": {"$ref": "#/components/parameters/A"}}
    assert "circle" in str(failure(lambda: build(whole).catalog["go"]))


HEAD = b"openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {}\n"
BOMB = b"".join(
    f"{name}: &{name} [{', '.join([f'*{inner}' if inner else 'x'] * 9)}]\n".encode()
    for name, inner in zip("abcdefghi", " abcdefgh".replace(" ", "\0"), strict=True)
).replace(b"*\0", b"x")
HOSTILE = {
    "S6-bomb": HEAD + b"x-bomb:\n" + b"".join(b"  " + line + b"\n" for line in BOMB.splitlines()),
    "S6-merge": HEAD + b"x: &x {a: 1, b: 2}\ny: &y {<<: *x, c: [*x, *x]}\n" + b"z: [" + b"*y, " * 300_000 + b"]\n",
    "S7-map": HEAD + b"x: &x {b: *x}\n",
    "S7-list": HEAD + b"x: &x [*x]\n",
    "S7-far": HEAD + b"x: &x {a: {b: {c: [1, *x]}}}\n",
    "S7-key": HEAD + b"x: &x {*x : 1}\n",
    "S7-undefined": HEAD + b"x: *y\n",
    "S8-system": HEAD + b"x: !!python/object/apply:os.system ['touch owned']\n",
    "S8-name": HEAD + b"x: !!python/name:os.system\n",
    "S8-module": HEAD + b"x: !!python/module:subprocess\n",
    "S8-new": HEAD + b"x: !!python/object/new:pathlib.Path [/etc/passwd]\n",
    "S8-local": HEAD + b"x: !include /etc/passwd\n",
    "S8-binary": HEAD + b"x: !!binary aGk=\n",
    "S8-set": HEAD + b"x: !!set {a}\n",
    "S8-verbatim": HEAD + b"x: !<tag:yaml.org,2002:python/tuple> [1]\n",
    "S8-directive": b"%TAG ! tag:yaml.org,2002:python/\n---\n" + HEAD + b"x: !tuple [1]\n",
    "S9-yaml-open": HEAD + b"x: " + b"[" * 100_000,
    "S9-yaml-maps": HEAD + b"x: " + b"{a: " * 100_000,
    "S9-yaml-dashes": HEAD + b"x:\n  " + b"- " * 50_000 + b"x\n",
    "S9-yaml-questions": HEAD + b"x:\n  " + b"? " * 50_000 + b"x\n",
    "S9-yaml-large": HEAD + b"x: " + b"y" * (17 << 20),
    "S9-yaml-utf-8": HEAD + b"x: \xff\xfe\n",
    "S9-yaml-documents": HEAD + b"---\n" + HEAD,
    "S9-json-open": b"{" + b'"a":[' + b"[" * 100_000,
    "S9-json-maps": b'{"a":' * 100_000,
    "S9-json-closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "S9-json-large": b'{"openapi":"3.1.0","paths":{},"x":"' + b"y" * (17 << 20) + b'"}',
    "S9-json-digits": b'{"openapi":"3.1.0","paths":{},"x":' + b"9" * 100_000 + b"}",
    "S9-json-nodes": b'{"openapi":"3.1.0","paths":{},"x":[' + b"0," * 3_000_000 + b"0]}",
    "S9-json-cut": b'{"openapi":"3.1.0","paths":{',
    "S13-json-twice": b'{"openapi":"3.1.0","paths":{},"paths":{}}',
    "S13-json-deep-twice": b'{"openapi":"3.1.0","paths":{"/x":{"get":{"operationId":"a","operationId":"b"}}}}',
    "S13-yaml-twice": HEAD + b"paths: {}\n",
    "S13-yaml-number-twice": HEAD + b"x: {200: a, '200': b}\n",
}
LOAD = """
import pathlib
from kosha_connector_openai import Connector, ConnectorError
for folder in folders:
    try:
        Connector(pathlib.Path(folder)).catalog
        print("loaded")
    except ConnectorError as error:
        print(type(error).__name__, len(str(error)) < 4000)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(build: Build, tmp_path: Path, name: str) -> None:
    """S6-S9, S13: as a DocumentError, in time; nothing is run, opened or started."""
    connector = build(HOSTILE[name], "openapi.yaml" if "json" not in name else "openapi.json")
    started = time.process_time()
    with audit(files=[tmp_path / "openapi.yaml", tmp_path / "openapi.json"]):
        error = failure(lambda: connector.catalog)
    assert isinstance(error, DocumentError)
    assert time.process_time() - started < 3
    assert not Path("owned").exists()


def test_hostile_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    """S6, S7, S9: all of them one after the other, and a file of 200 MB, under a memory cap."""
    huge = tmp_path / "huge"
    for name, data in HOSTILE.items():
        _write(tmp_path / name, data, "openapi.json" if "json" in name else "openapi.yaml")
    _write(huge, b"{", "openapi.json")
    with (huge / "openapi.json").open("ab") as file:
        file.truncate(200 << 20)
    done = capped(LOAD, memory=1024, folders=[str(tmp_path / name) for name in (*HOSTILE, "huge")])
    assert done.output.split("\n") == ["DocumentError True"] * (len(HOSTILE) + 1) + [""]
    assert done.peak < 600


def _write(folder: Path, data: bytes, name: str) -> None:
    from tests.threats.conftest import MANIFEST

    folder.mkdir()
    (folder / name).write_bytes(data)
    (folder / "connector.yaml").write_text(MANIFEST.replace("FILE", name))


@pytest.mark.parametrize(("tag", "line"), [("S8-system", 4), ("S8-local", 4), ("S8-directive", 6)])
def test_a_tag_is_named_with_its_line(build: Build, tag: str, line: int) -> None:
    """S8: whoever wrote it by mistake finds it."""
    assert f"(line {line})" in str(failure(lambda: build(HOSTILE[tag], "openapi.yaml").catalog))


def test_a_large_file_without_aliases_loads(build: Build) -> None:
    """S6: the guard against bombs does not refuse 6 MB of honest text, nor a few honest aliases."""
    texts = "".join(f"  t{number}: {'word ' * 1200}\n" for number in range(1000))
    honest = HEAD + b"x-a: &a {b: 1}\nx-b: [*a, *a]\nx-texts:\n" + texts.encode()
    assert len(honest) > 6_000_000
    assert build(honest, "openapi.yaml").catalog.document.root["x-b"] == [{"b": 1}, {"b": 1}]


@pytest.mark.parametrize(("count", "loads"), [pytest.param(5_000, True, id="S9-most"), pytest.param(5_001, False, id="S9-more")])
def test_the_number_of_operations_is_bounded(build: Build, count: int, loads: bool) -> None:
    """S9: five thousand operations load, one more does not."""
    whole = document() | {"paths": {f"/{number}": {"get": {"operationId": f"o{number}", "responses": {}}} for number in range(count)}}
    connector = build(whole)
    if loads:
        assert len(connector.catalog.document) == count
    else:
        assert isinstance(failure(lambda: connector.catalog), DocumentError)


SLOW = [
    ("nested", "^(a+)+$"),
    ("alternatives", "^(a|a)*$"),
    ("words", r"^(\w+\s?)*$"),
    ("repeated", "a{100}{100}{100}"),
    ("large", "(a{1000}){1000}"),
    ("look-ahead", "^(?=(a+)+$)"),
    ("look-behind", "(?<=(a+)+)b"),
    ("back-reference", r"^(a+)+\1$"),
    ("stars", "a*a*a*a*a*a*a*a*a*a*a*b"),
    ("negative", "^(?!(a+)+$).*$"),
    ("unclosed", "(a"),
    ("class", "[z-a]"),
]
WHERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "pattern": lambda pattern: {"properties": {"a": {"type": "string", "pattern": pattern}}},
    "names": lambda pattern: {"propertyNames": {"pattern": pattern}},
    "properties": lambda pattern: {"patternProperties": {pattern: {"type": "integer"}}, "additionalProperties": False},
    "items": lambda pattern: {"properties": {"a": {"type": ["array", "string"], "items": {"pattern": pattern}}}},
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("pattern", [pytest.param(pattern, id=f"S10-{name}") for name, pattern in SLOW])
def test_a_pattern_cannot_hold_up_a_call(cottage: Cottage, where: str, pattern: str) -> None:
    """S10: forty or forty thousand characters against any pattern end at once, whether refused, accepted or not runnable at all."""
    house = cottage(document(schema={"type": "object", **WHERE[where](pattern)}))
    house.connector.catalog["go"]
    for text in ("a" * 40 + "!", "a" * 40_000 + "!"):
        started = time.process_time()
        with _accepted():
            house.connector.check("go", {"a": [text, text], text: 1} if where != "pattern" else {"a": text})
        assert time.process_time() - started < 1


def _accepted() -> Any:
    from contextlib import suppress

    return suppress(InputError, DocumentError)


WORK = """
import pathlib, time
from kosha_connector_openai import Connector, ConnectorError
connector = Connector(pathlib.Path(folder))
deep = "x"
for _ in range(12):
    deep = {"a": deep}
chain = None
for _ in range(300):
    chain = [chain]
values = {
    "S11-branches": deep, "S11-unique": [{"i": number, "b": [number]} for number in range(100_000)], "S11-deep": chain,
    "S11-equal": [{"a": [0] * 10}] * 100_000, "S11-names": {f"k{number}": number for number in range(100_000)},
}
connection = connector.connection({"server_url": "http://127.0.0.1:9", "api_key": "env:NOT_SET"}, environ={})
started = time.process_time()
try:
    connector.preview("go", {"a": values[name]}, connection)
    print("ok")
except ConnectorError as error:
    print(type(error).__name__, sorted({fault.rule for fault in error.faults}))
print(time.process_time() - started < 2)
"""
LEVELS: dict[str, Any] = {
    f"L{level + 1}": {
        "anyOf": [{"required": [f"r{branch}"], "properties": {"a": {"$ref": f"#/components/schemas/L{level}"}}} for branch in range(8)]
    }
    for level in range(12)
} | {"L0": {"type": "string"}, "List": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/List"}}}


@pytest.mark.parametrize(
    ("name", "schema", "verdict"),
    [
        ("S11-branches", {"$ref": "#/components/schemas/L12"}, "InputError ['too-complex']"),
        ("S11-unique", {"type": "array", "uniqueItems": True}, "ok"),
        ("S11-equal", {"type": "array", "uniqueItems": True}, "InputError ['more', 'uniqueItems']"),
        ("S11-deep", {"$ref": "#/components/schemas/List"}, "InputError ['depth']"),
        ("S11-names", {"type": "object", "propertyNames": {"maxLength": 3}}, "InputError ['more', 'propertyNames']"),
    ],
)
def test_validation_has_a_budget(build: Build, tmp_path: Path, name: str, schema: dict[str, Any], verdict: str) -> None:
    """S11: branches that multiply, comparisons of all with all and deep values end within two seconds, each with its own verdict."""
    build(document(schema={"type": "object", "properties": {"a": schema}}, schemas=LEVELS))
    assert capped(WORK, folder=str(tmp_path), name=name).output == f"{verdict}\nTrue\n"


ODD = ["no", "on", "off", "yes", "y", "12:30:45", "2024-01-01", "0o10", "0x1f", "1_000", ".inf", ".nan", "Null word", "~x", "1e", "=", "<<"]


def test_yaml_means_what_its_json_twin_means(build: Build) -> None:
    """S12: words, times, dates and odd numbers stay text; only YAML 1.2's core types are other."""
    enum = "[" + ", ".join(ODD) + ", 10, -1.5, true, null, 1e3]"
    described = f"openapi: 3.1.0\npaths: {{}}\nx-enum: {enum}\nx-codes: {{200: a, true: b, 1.5: c, no: d}}\n"
    root = build(described.encode(), "openapi.yaml").catalog.document.root
    assert root["x-enum"] == json.loads(json.dumps([*ODD, 10, -1.5, True, None, 1000.0]))
    assert [type(value) for value in root["x-enum"][len(ODD) :]] == [int, float, bool, type(None), float]
    assert root["x-codes"] == {"200": "a", "true": "b", "1.5": "c", "no": "d"}


def test_leading_zeros_are_decimal(build: Build) -> None:
    """S12: ``010`` is ten, as YAML 1.2 has it, and never eight."""
    assert build(b"openapi: 3.1.0\npaths: {}\nx: [010, 08, 0]\n", "openapi.yaml").catalog.document.root["x"] == [10, 8, 0]


@pytest.mark.parametrize(
    ("paths", "key", "pointers"),
    [
        pytest.param(
            {"/a": {"get": {"operationId": "go"}}, "/b": {"post": {"operationId": "go"}}},
            "go",
            ["/paths/~1a/get", "/paths/~1b/post"],
            id="S13-ids",
        ),
        pytest.param(
            {"/a": {"get": {}}, "/{a}/": {"get": {}}, "/A": {"get": {}}}, "getA", ["/paths/~1a/get", "/paths/~1A/get"], id="S13-derived"
        ),
        pytest.param({"/a-b": {"get": {}}, "/a/b": {"get": {}}}, "getAB", ["/paths/~1a-b/get", "/paths/~1a~1b/get"], id="S13-slug"),
    ],
)
def test_clashing_ids_are_refused(build: Build, paths: dict[str, Any], key: str, pointers: list[str]) -> None:
    """S13: neither of two operations with one id is offered; the error lists both places."""
    catalog = build(document() | {"paths": paths}).catalog
    error = failure(lambda: catalog[key])
    assert isinstance(error, DocumentError)
    assert [fault.pointer for fault in error.faults] == pointers
    assert key not in list(catalog)
    assert pointers[0] in [fault.pointer for fault in catalog.faults()]


@pytest.mark.parametrize(
    ("describe", "names"),
    [
        pytest.param(
            lambda: document(parameters=[parameter("a", "query")], schema={"type": "object", "properties": {"a": {}}}),
            ["query.a", "a"],
            id="S13-body",
        ),
        pytest.param(
            lambda: document("/x/{a}", parameters=[parameter("a", "path"), parameter("a", "query")]), ["path.a", "query.a"], id="S13-query"
        ),
        pytest.param(
            lambda: document(parameters=[parameter("a", "header"), parameter("a", "query")]), ["header.a", "query.a"], id="S13-header"
        ),
    ],
)
def test_a_name_with_two_meanings_is_no_guess(build: Build, describe: Callable[[], dict[str, Any]], names: list[str]) -> None:
    """S13: each place has an input of its own, called by the place."""
    assert list(build(describe()).catalog["go"].input_schema["properties"]) == names
