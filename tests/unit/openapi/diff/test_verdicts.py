"""The verdicts held against a validator: a change that breaks nobody refuses nothing that was accepted before."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kosha_connector_openai.openapi.diff import Change
from tests.unit.openapi.diff.describe import compare_schemas, seen

BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
NAMES = ("a", "b", "kind")

texts = st.one_of(
    st.just({"type": "string"}),
    st.lists(st.sampled_from("xyz"), min_size=1, unique=True).map(lambda values: {"enum": values}),
    st.integers(0, 2).map(lambda size: {"type": "string", "maxLength": size}),
)
numbers = st.builds(
    lambda kind, bound, at: {"type": kind, **({bound: at} if bound else {})},
    st.sampled_from(["integer", "number"]),
    st.sampled_from(["", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    st.integers(0, 2),
)
plain = st.one_of(texts, numbers, st.just({"type": "boolean"}), st.just({"type": "null"}), st.just({"enum": [True, 1]}))


def closed_objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects without unnamed fields, which alone tell a validator everything."""
    return st.builds(
        lambda properties, required: {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if name in properties],
            "additionalProperties": False,
        },
        st.dictionaries(st.sampled_from(NAMES), parts, max_size=3),
        st.lists(st.sampled_from(NAMES), unique=True),
    )


def larger(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Arrays, objects and unions of smaller schemas."""
    return st.one_of(
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, parts, st.integers(0, 1)),
        closed_objects(parts),
        st.lists(parts, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.lists(plain, min_size=1, max_size=2).map(lambda branches: {"allOf": branches}),
    )


schemas = st.recursive(plain, larger, max_leaves=8)
pairs = st.one_of(
    st.tuples(schemas, schemas),
    st.builds(lambda one, other: (one, {"anyOf": [one, other]}), schemas, schemas),
    st.builds(lambda one, other: ({"anyOf": [one, other]}, one), schemas, schemas),
    st.builds(lambda one, other: (one, {"allOf": [one, other]}), plain, plain),
    st.builds(lambda one, other: ({"allOf": [one, other]}, one), plain, plain),
    st.tuples(texts, texts),
    st.builds(
        lambda whole, names: (whole, {**whole, "required": [*names]}), closed_objects(plain), st.lists(st.sampled_from(NAMES), unique=True)
    ),
    st.builds(lambda one, other: ({"type": "array", "items": one}, {"type": "array", "items": other}), plain, plain),
)
"""Two schemas, often one that is a part of the other, or close to it."""
scalars = st.one_of(st.none(), st.booleans(), st.integers(-1, 3), st.sampled_from([0.5, 2.0]), st.sampled_from(["", "x", "y", "zz", "xyz"]))
values = st.recursive(
    scalars, lambda parts: st.one_of(st.lists(parts, max_size=2), st.dictionaries(st.sampled_from(NAMES), parts, max_size=3)), max_leaves=5
)


def breaking(changes: tuple[Change, ...], direction: str) -> list[Change]:
    return [change for change in changes if change.direction == direction and change.verdict == "breaking"]


@BOUNDED
@given(schema=schemas)
def test_a_schema_equals_itself(schema: dict[str, Any]) -> None:
    """No schema differs from itself, nor from itself in a wrapper."""
    assert seen(compare_schemas(schema, schema)) == []
    assert seen(compare_schemas(schema, {"allOf": [schema]})) == []


@BOUNDED
@given(pair=pairs, samples=st.lists(values, min_size=5, max_size=25))
def test_a_request_that_does_not_break_is_still_accepted(pair: tuple[Any, Any], samples: list[Any]) -> None:
    """Where no change breaks senders, whatever the first schema accepts the second accepts too."""
    safe = not breaking(compare_schemas(*pair), "request")
    old, new = map(jsonschema_rs.Draft202012Validator, pair)
    assert [value for value in samples if safe and old.is_valid(value) and not new.is_valid(value)] == []


@BOUNDED
@given(pair=pairs, samples=st.lists(values, min_size=5, max_size=25))
def test_a_response_that_does_not_break_was_known_before(pair: tuple[Any, Any], samples: list[Any]) -> None:
    """Where no change breaks readers and no field is new, whatever the second schema accepts the first accepted too."""
    changes = compare_schemas(*pair)
    safe = not breaking(changes, "response") and not any("field-added" in change.kind for change in changes)
    old, new = map(jsonschema_rs.Draft202012Validator, pair)
    assert [value for value in samples if safe and new.is_valid(value) and not old.is_valid(value)] == []


@BOUNDED
@given(pair=pairs)
def test_what_breaks_a_sender_one_way_breaks_a_reader_the_other_way(pair: tuple[Any, Any]) -> None:
    """But for fields that came or went, a sender's verdict is the reader's verdict of the way back."""
    there, back = compare_schemas(*pair), compare_schemas(*pair[::-1])
    fields = any("field" in change.kind for change in there)
    assert fields or bool(breaking(there, "request")) == bool(breaking(back, "response"))
