"""Samples: valid under their schema, the same every time, and there for every operation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.core.actions.sample_inputs import action_sample
from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.document import read_document
from kosha_connector_openai.schema.sample_scalars import pattern_texts
from kosha_connector_openai.schema.samples import sample

LIST = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["next", "kids"],
        }
    },
}


def valid(schema: Any, value: Any) -> bool:
    """Whether the reference library accepts the value."""
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": {"a": [1]}}, {"a": [1]}),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "string", "enum": [3, "x"]}, "x"),
        ({"type": "integer", "default": 7}, 7),
        ({"type": "integer", "default": "inf"}, 0),
        ({"type": ["string", "null"]}, "sample"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.5),
        ({"type": "number", "exclusiveMinimum": 0.2, "exclusiveMaximum": 0.3}, 0.25),
        ({"type": "integer", "format": "unixtime"}, 1_735_689_600),
        ({"type": "string", "minLength": 10}, "samplesamp"),
        ({"type": "string", "maxLength": 3}, "sam"),
        ({"type": "string", "format": "date-time"}, "2025-01-01T00:00:00Z"),
        ({"type": "string", "format": "email"}, "someone@example.com"),
        ({"type": "string", "format": "date"}, "2025-01-01"),
        ({"type": "string", "format": "byte"}, "c2FtcGxl"),
        ({"type": "string", "format": "uri"}, "https://example.com/sample"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, ["sample", "sample2"]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"const": "z"}], "minItems": 2}, [0, "z"]),
        ({"anyOf": [False, {"type": "boolean"}]}, False),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.5),
        ({"allOf": [{"type": "number"}, {"type": "integer", "minimum": 2}]}, 2),
        ({"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, "b"),
        ({"type": "object", "properties": {"a": {"const": 1}, "b": {}}, "required": ["a"]}, {"a": 1, "b": "b"}),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}, {"key1": 0, "key2": 0}),
        ({"type": "object", "required": ["free"]}, {"free": "free"}),
        (
            {"properties": {"b": {"const": 2}}, "anyOf": [{"required": ["c"], "properties": {"c": False}}, {"required": ["b"]}]},
            {"b": 2},
        ),
    ],
)  # fmt: skip
def test_each_keyword_is_honoured(schema: Any, value: Any) -> None:
    """The sample of a schema is this value, and the reference library accepts it."""
    assert sample(schema) == value
    assert valid(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}, {"b": "b"}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"type": ["string", "null"]}, None),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, ["sample"]),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "minProperties": 1}, {"a": "a"}),
    ],
)
def test_minimal_is_the_least(schema: Any, value: Any) -> None:
    """A minimal sample has required properties only, null where allowed and empty arrays, unless that is not enough."""
    assert sample(schema, minimal=True) == value
    assert valid(schema, value)


def test_recursion_ends() -> None:
    """A schema that refers to itself gives a finite value by the branch and the array that end it."""
    assert sample(LIST) == {"next": None, "kids": []}


def test_a_discriminator_stays_with_its_branch() -> None:
    """Each branch of a union gets its own constant, never the other one's."""
    cat = {
        "type": "object",
        "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "minimum": 9}},
        "required": ["kind", "lives"],
    }
    dog = {"type": "object", "properties": {"kind": {"const": "dog"}, "lives": {"type": "integer", "maximum": 1}}, "required": ["kind"]}
    assert sample({"oneOf": [cat, dog]}) == {"kind": "cat", "lives": 9}
    assert sample({"oneOf": [cat, dog], "properties": {"kind": {"enum": ["dog"]}}}) == {"kind": "dog", "lives": 0}


def test_files_are_made_by_the_caller() -> None:
    """A binary field becomes what the given function makes of its name."""
    schema = {"type": "object", "properties": {"image": {"type": "string", "format": "binary"}}}
    assert sample(schema, file=lambda name: name.encode()) == {"image": b"image"}


def test_seeds_tell_values_apart() -> None:
    """Two seeds give two texts, one seed always the same one."""
    schema = {"type": "string"}
    assert [sample(schema, seed=seed) for seed in ("", "a", "b", "a")] == ["sample", "sample-a", "sample-b", "sample-a"]


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {}},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9},
        {"allOf": [{"type": "string"}, {"type": "object"}]},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "((((((a{999}){999}){999}){999}){999}){999})"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}},
    ],
)
def test_what_cannot_be_met_is_said(schema: Any) -> None:
    """Where there is no value, or none that can be made, DocumentError says so and nothing runs away."""
    with pytest.raises(DocumentError):
        sample(schema)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[a-zA-Z0-9_-]+$", "a"),
        ("^tunnel_[a-z0-9]{32}$", "tunnel_" + "a" * 32),
        (r"^\d{3}-(foo|bar)\.x?$", "000-foo."),
        ("^[^a]b*c+?$", "0c"),
        (r"^(?:\w\s){2,}[\]\\]$", "a a ]"),
    ],
)
def test_patterns_are_met(pattern: str, text: str) -> None:
    """The shortest text that a pattern takes."""
    assert next(pattern_texts(pattern)) == text
    assert re.search(pattern, text)


def test_a_pattern_is_stretched_to_the_least_length() -> None:
    """With ``minLength`` the part that may be repeated is repeated."""
    assert sample({"type": "string", "pattern": "^id_[0-9]+$", "minLength": 8}) == "id_00000"


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 1, "maximum": 9},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": ["boolean", "null"]},
        {"enum": ["x", None, 3]},
        {"const": "fixed"},
        {"type": "string", "pattern": "^[a-f]{4}$"},
        {},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 2)),
        st.builds(
            lambda named, some: {"type": "object", "properties": named, "required": sorted(named)[: some], "additionalProperties": False},
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
            st.integers(0, 3),
        ),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)  # fmt: skip


@given(schema=SCHEMAS, minimal=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_samples_are_valid_and_always_the_same(schema: Any, minimal: bool) -> None:
    """For schemas that can be met the sample is valid under the reference library, and equal when made again."""
    made = sample(schema, minimal=minimal)
    assert valid(schema, made)
    assert sample(schema, minimal=minimal) == made


@pytest.fixture(scope="module")
def bundled(root: Path) -> Callable[[Path], Catalog]:
    """The catalog of a description under the bundled manifest."""
    return lambda path: Catalog(Connector(root).manifest, read_document(path))


DESCRIPTIONS = ["openapi.json", "openai-2.3.0-oas31.json", "kosha-openai-24ops-oas30.json"]


@pytest.fixture(params=DESCRIPTIONS)
def catalog(request: pytest.FixtureRequest, root: Path, bundled: Callable[[Path], Catalog]) -> Catalog:
    """Each description that is at hand: our own, and the published ones where they are."""
    own = request.param == "openapi.json"
    return bundled(root / request.param if own else request.getfixturevalue("specs") / request.param)


@pytest.mark.parametrize("minimal", [True, False])
def test_every_operation_has_inputs_that_its_check_accepts(catalog: Catalog, minimal: bool) -> None:
    """No operation is left out, and nothing in its sample is even worth a warning."""
    warnings = {key: catalog[key].check(action_sample(catalog[key], minimal=minimal)).warnings for key in catalog.document}
    assert len(warnings) == len(catalog.document) > 0
    assert set(warnings.values()) == {()}


@pytest.mark.parametrize("minimal", [True, False])
def test_every_output_schema_has_a_valid_sample(catalog: Catalog, minimal: bool) -> None:
    """Each JSON answer that an operation describes can be made, as the reference library confirms."""
    schemas = [schema for key in catalog.document if (schema := catalog[key].output_schema) is not None]
    assert [schema for schema in schemas if not valid(schema, sample(schema, minimal=minimal))] == []


def test_file_fields_are_given_as_named_bytes(connector: Connector) -> None:
    """The file of an upload is a name and bytes."""
    assert action_sample(connector.catalog["createFile"])["file"] == ("sample.txt", b"sample\n")
