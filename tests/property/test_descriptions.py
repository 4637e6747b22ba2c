"""Random descriptions, right and mutated: they load or are refused with a place, and what loads is sent as the judge reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kosha_connector_openai.cli.fields import read_fields
from kosha_connector_openai.core.actions import Catalog, action_sample
from kosha_connector_openai.core.request import FilePolicy, build_request, check_inputs
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.forms import Forms
from kosha_connector_openai.manifest.manifest import Manifest, Publisher
from kosha_connector_openai.openapi import parse_document
from tools.sweep.judge import Judge, differences

MANIFEST = Manifest(id="any", title="Any", version="1.0.0", tagline="Any.", publisher=Publisher(name="Any"), license="Apache-2.0")
OK: dict[str, Any] = {"responses": {"200": {"description": "d"}}}
NAMES = st.sampled_from(["id", "name", "a", "b", "filter", "X-Trace", "Accept", "items[]", "path"])
SCALARS = st.sampled_from(
    [
        {"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "number", "minimum": 0.5}, {"type": "string", "enum": ["x"]},
        {"type": "string", "format": "date"}, {"type": "string", "pattern": "^[a-c]{2}$"}, {"$ref": "#/components/schemas/Text"},
    ]
)  # fmt: skip
LISTS = SCALARS.map(lambda items: {"type": "array", "items": items})
OBJECTS = st.dictionaries(st.sampled_from(["k", "l"]), SCALARS, min_size=1, max_size=2).map(
    lambda properties: {"type": "object", "properties": properties, "additionalProperties": False}
)
VALUES = SCALARS | LISTS | OBJECTS


def types(schema: dict[str, Any]) -> set[str]:
    """The types that a value of a schema may have; none where its parts exclude each other."""
    parts = [types(part) for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()))]
    if "allOf" in schema:
        return set.intersection(*parts)
    return set().union(*parts) if parts else {schema.get("type", "string")}


BODIES = st.recursive(
    VALUES,
    lambda inner: (
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(lambda properties: {"type": "object", "properties": properties})
        | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}).filter(types)
        | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts}).filter(lambda union: len(types(union)) == 1)
    ),
    max_leaves=5,
)
STYLES = {"path": ["simple", "label", "matrix"], "query": ["form", "spaceDelimited", "pipeDelimited", "deepObject"], "header": ["simple"]}
TYPES = st.sampled_from(
    ["application/json", "text/json", "application/vnd.a+json", "*/*", "application/yaml", "application/x-www-form-urlencoded",
     "multipart/form-data", "application/xml", "application/octet-stream"]
)  # fmt: skip

BYTES = {"application/xml", "application/octet-stream"}
OFFERED = st.lists(TYPES, min_size=1, max_size=2, unique=True).filter(lambda names: len(names) == 1 or not BYTES & {*names})
"""A body that can be bytes as well as values is whatever the input is."""


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    place = draw(st.sampled_from(["path", "query", "header"]))
    style = draw(st.sampled_from(STYLES[place]))
    schema = draw(OBJECTS if style == "deepObject" else LISTS if style.endswith("Delimited") else VALUES)
    found = {"name": draw(NAMES), "in": place, "style": style, "explode": draw(st.booleans()), "schema": schema}
    if draw(st.integers(0, 5)) == 0:
        found = {"name": found["name"], "in": place, "content": {"application/json": {"schema": schema}}}
    return {**found, "required": place == "path" or draw(st.booleans())}


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """OpenAPI 3.0 or 3.1: one operation, every style, several media types, compositions."""
    found = draw(st.lists(parameters(), max_size=4, unique_by=lambda each: (each["name"], each["in"])))
    path = "/x" + "".join(f"/{{{each['name']}}}" for each in found if each["in"] == "path") + draw(st.sampled_from(["", "#copy"]))
    operation: dict[str, Any] = {"operationId": "act", "parameters": found, **OK}
    method = draw(st.sampled_from(["get", "post", "put", "delete"]))
    if method in ("post", "put"):
        schema = draw(BODIES)
        content = {name: {"schema": schema} for name in draw(OFFERED)}
        operation["requestBody"] = {"required": draw(st.booleans()), "content": content}
    return {
        "openapi": draw(st.sampled_from(["3.0.4", "3.1.1"])),
        "info": {"title": "t", "version": "1"},
        "paths": {path: {method: operation}},
        "components": {"schemas": {"Text": {"type": "string"}}},
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(descriptions(), st.booleans())
def test_what_loads_is_sent_as_the_judge_reads_it(root: dict[str, Any], minimal: bool) -> None:
    """The sample, where there is one that can be written."""
    catalog = Catalog(MANIFEST, parse_document(json.dumps(root).encode()))
    assert catalog.faults() == ()
    action = catalog["act"]
    try:
        inputs = action_sample(action, minimal=minimal)
        request = build_request(action, inputs, FilePolicy())
    except ConnectorError:
        return
    assume({} not in inputs.values())  # no style says how an object without properties is written
    judge = Judge(root)
    [place] = judge.places().values()
    headers = {name.lower(): value for name, value in request.headers}
    body = b"".join(request.body.chunks()) if request.body is not None and hasattr(request.body, "chunks") else b""
    expected = judge.expected(place, inputs, headers.get("content-type", ""))
    assert differences(expected, request.method, request.target, headers, body) == []


BASE: dict[str, Any] = {
    "openapi": "3.0.4",
    "info": {"title": "t", "version": "1"},
    "security": [{"k": []}],
    "paths": {
        "/good": {"get": {"operationId": "good", **OK}},
        "/x/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "post": {
                "operationId": "act",
                "tags": ["T"],
                "parameters": [
                    {"name": "q", "in": "query", "explode": False, "schema": {"type": "array", "items": {"enum": ["a"]}}},
                    {"$ref": "#/components/parameters/H"},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/A"}},
                        "multipart/form-data": {"encoding": {"a": {"contentType": "text/csv"}}, "schema": {"properties": {"a": {}}}},
                    }
                },
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "array", "items": {}}}}}},
            },
        },
    },
    "components": {
        "parameters": {"H": {"name": "X-H", "in": "header", "schema": {"type": "string"}}},
        "securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "X-K"}},
        "schemas": {
            "A": {
                "allOf": [{"type": "object", "required": ["n"], "properties": {"n": {"type": "number", "minimum": 0}}}],
                "oneOf": [{"$ref": "#/components/schemas/B"}],
                "discriminator": {"propertyName": "k"},
            },
            "B": {"type": "object", "properties": {"k": {"type": "string", "pattern": "^a$"}, "self": {"$ref": "#/components/schemas/B"}}},
        },
    },
}
OLD: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "t", "version": "1"},
    "basePath": "/v1",
    "consumes": ["application/json"],
    "paths": {
        "/good": {"get": {"operationId": "good", **OK}},
        "/x": {
            "post": {
                "operationId": "act",
                "parameters": [
                    {"name": "b", "in": "body", "schema": {"$ref": "#/definitions/A"}},
                    {"name": "q", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"},
                ],
                "responses": {"200": {"description": "ok", "schema": {"type": "object"}}},
            }
        },
    },
    "definitions": {"A": {"type": "object", "properties": {"a": {"type": "string"}}}},
    "securityDefinitions": {"k": {"type": "basic"}},
}
ODD: list[Any] = [None, True, 5, -1.5, "", "x", [], {}, [None], {"a": 1}, {"$ref": "#/none"}, {"$ref": 5}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from places(part, (*path, key))


def mutations(root: Any) -> list[Any]:
    """The description, each time with one value replaced by another."""
    found = []
    for path in places(root):
        for odd in ODD:
            changed: Any = {"": copy.deepcopy(root)}
            owner = changed
            for key in ("", *path)[:-1]:
                owner = owner[key]
            owner[("", *path)[-1]] = odd
            found.append(changed[""])
    return found


def use(root: Any) -> Catalog | None:
    """All that lists, shows, forms, samples and checks; only our own errors may come of it."""
    try:
        document = parse_document(json.dumps(root).encode())
        catalog = Catalog(MANIFEST, document)
        assert all(fault.message for fault in (*catalog.faults(), *document.notes()))
        listed = list(catalog)
    except ConnectorError:
        return None
    forms = Forms(catalog, lambda name, model: model())
    for key in listed:
        action = catalog[key]
        steps = (
            action.describe,
            lambda action=action: (action.input_schema, action.output_schema, action.paging, action.can_run, read_fields(action)),
            lambda key=key: (forms[key].to_dict(), forms[key].to_json_schema(), forms[key].sample(minimal=False)),
            lambda action=action: check_inputs(action, action_sample(action)),
        )
        for step in steps:
            with suppress(ConnectorError):
                step()
    return catalog


EVERY = [pytest.param(BASE, 1, id="openapi", marks=pytest.mark.slow), pytest.param(OLD, 1, id="swagger", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("root", "step"), [pytest.param(BASE, 11, id="some-openapi"), pytest.param(OLD, 7, id="some-swagger"), *EVERY])
def test_no_value_at_any_place_is_a_crash(root: dict[str, Any], step: int) -> None:
    """Each value of a description replaced by another: a fault or nothing; where the paths are whole, the good operation is there."""
    for changed in mutations(root)[::step]:
        catalog = use(changed)
        paths = changed.get("paths") if isinstance(changed, dict) else None
        if catalog is not None and isinstance(paths, dict) and paths.get("/good") == root["paths"]["/good"]:
            assert "good" in catalog
