"""Whatever schema a description holds, its field is true to the format, ends, and loses nothing that the schema takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.forms import Forms
from kosha_connector_openai.manifest.manifest import Manifest, Publisher
from kosha_connector_openai.openapi.document import Document

FORMAT = Draft202012Validator(json.loads((Path(__file__).parents[2] / "docs" / "form.schema.json").read_text()))
MANIFEST = Manifest(id="x", title="X", version="1.0.0", tagline="t", publisher=Publisher(name="p"), license="l")
NAMES = st.sampled_from(["a", "b_id", "type", "maxTokens", "größe", "x-y", ""])
TEXTS = st.sampled_from(["one", "two", "", "a_b", "1.5"])
REFERENCES = st.sampled_from(["A", "B", "C"]).map(lambda name: {"$ref": f"#/components/schemas/{name}"})
SCALARS = st.one_of(
    st.just({}),
    st.builds(lambda kind: {"type": kind}, st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])),
    st.builds(lambda low, high: {"type": "integer", "minimum": low, "maximum": low + high}, st.integers(-5, 5), st.integers(0, 500)),
    st.builds(
        lambda values: {"enum": values}, st.lists(st.one_of(TEXTS, st.none(), st.integers(0, 3), st.booleans()), min_size=1, max_size=3)
    ),
    st.builds(lambda text: {"type": "string", "const": text}, TEXTS),
    st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from(["date", "date-time", "binary", "odd"])),
    st.just({"type": ["string", "integer", "null"]}),
    REFERENCES,
)


def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(NAMES, inner, max_size=3)
    return st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda found, few: {"type": "object", "properties": found, "required": list(found)[:few]}, properties, st.integers(0, 2)),
        st.builds(lambda rest: {"type": "object", "additionalProperties": rest}, inner),
        st.builds(
            lambda keyword, parts, words: {keyword: parts, **words},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=4),
            st.sampled_from([{}, {"description": "d", "default": 1}, {"title": "Some title", "nullable": True}]),
        ),
    )


SCHEMAS = st.recursive(SCALARS, wider, max_leaves=10)


def forms(properties: dict[str, Any], schemas: dict[str, Any]) -> tuple[Forms, Action]:
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}
    operation = {"operationId": "act", "requestBody": body, "responses": {}}
    root = {"openapi": "3.1.0", "info": {}, "paths": {"/a": {"post": operation}}, "components": {"schemas": schemas}}
    catalog = Catalog(MANIFEST, Document(root))
    return Forms(catalog, lambda name, model: model()), catalog["act"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=3), st.fixed_dictionaries(dict.fromkeys("ABC", SCHEMAS)))
def test_any_schema_gives_a_form_of_the_format(properties: dict[str, Any], schemas: dict[str, Any]) -> None:
    """References in circles, alternatives of everything and odd names included."""
    made, _ = forms(properties, schemas)
    try:
        form = made["act"].to_dict()
    except DocumentError:  # a circle of references alone: nothing could ever fit it
        return
    assert [error.message for error in FORMAT.iter_errors(json.loads(json.dumps(form)))] == []
    assert made["act"].to_ui_schema()["ui:order"][-1] == "*"


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=3), st.fixed_dictionaries(dict.fromkeys("ABC", SCHEMAS)))
def test_the_drawn_schema_takes_the_sample(properties: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Where a sample can be made at all; what a form leaves out is never needed."""
    made, action = forms(properties, schemas)
    try:
        sample = made["act"].sample(minimal=False)
        action.check(sample)
    except DocumentError:
        return
    if "null" in json.dumps(sample):  # a form leaves an optional value out where the description would take null
        return
    schema = made["act"].to_json_schema()
    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(sample)] == []


def test_an_alternative_that_no_value_fits_is_not_drawn() -> None:
    """A number that must be a list as well: the other alternative is the field."""
    never = {"allOf": [{"type": "integer", "maximum": 0}, {"type": "array", "items": {}}]}
    made, _ = forms({"a": {"anyOf": [never, {"type": "integer"}]}}, {})
    assert made["act"].to_json_schema()["properties"]["a"]["type"] == "integer"


def test_a_schema_inside_its_own_alternative_is_drawn_once() -> None:
    """An object with a property of which one alternative is the object again, merged with something else."""
    again = {"allOf": [{"type": ["string", "integer", "null"]}, {"$ref": "#/components/schemas/B"}]}
    whole = {"type": "object", "properties": {"a": {"anyOf": [{}, again]}}}
    made, _ = forms({"a": {"$ref": "#/components/schemas/B"}}, {"A": {}, "B": whole, "C": {}})
    assert made["act"].to_json_schema()["properties"]["a"]
