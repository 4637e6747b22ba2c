"""Any schema of the subset, made strict: what fits the strict one fits the user's own once it is read back."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import open_connector
from kosha_connector_openai.flows.tasks.strict_schema import StrictSchema
from kosha_connector_openai.manifest.parts.tasks import Tasks
from kosha_connector_openai.schema.samples import sample
from kosha_connector_openai.schema.validator import SchemaValidator

with open_connector() as _connector:
    RULES = _connector.part("tasks", Tasks).strict

NAMES = st.sampled_from(["a", "b", "c", "$input", "a/b", "x~y", "\u00fc"])
LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        {"type": "integer", "minimum": 1, "maximum": 9},
        {"type": "boolean"},
        {"enum": ["x", "y"]},
        {"enum": ["x", None]},
        {"const": 3},
        {"type": "string", "format": "date"},
        {"$ref": "#/$defs/leaf"},
    ]
)


def _objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def make(draw: st.DrawFn) -> dict[str, Any]:
        properties = draw(st.dictionaries(NAMES, parts, min_size=1, max_size=4))
        required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
        return {"type": "object", "properties": properties, "required": required}

    return make()


PARTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(lambda items: {"type": "array", "items": items, "minItems": 1}, inner),
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, inner),
    ),
    max_leaves=8,
)
SCHEMAS = _objects(PARTS).map(lambda schema: {**schema, "$defs": {"leaf": {"type": "string", "enum": ["leaf"]}}})


def closed(schema: Any) -> bool:
    """Whether every object is closed and requires all that it names."""
    if isinstance(schema, list):
        return all(map(closed, schema))
    if not isinstance(schema, dict):
        return True
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    if is_object and (schema.get("additionalProperties") is not False or schema["required"] != list(schema["properties"])):
        return False
    return all(closed(value) for key, value in schema.items() if key not in ("required", "enum", "const"))


@settings(deadline=None, max_examples=150)
@given(SCHEMAS, st.booleans())
def test_what_fits_the_strict_schema_fits_the_users_own(schema: dict[str, Any], minimal: bool) -> None:
    """With nulls wherever they are allowed and with none: the value that is read back breaks nothing, and nothing required is lost."""
    made = StrictSchema(schema, RULES, "/schema")
    assert closed(made.sent)
    answer = sample(made.sent, minimal=minimal)
    assert SchemaValidator(schema).check(made.read_back(answer)).faults == ()


@settings(deadline=None, max_examples=60)
@given(SCHEMAS)
def test_strict_is_stable(schema: dict[str, Any]) -> None:
    """What was made strict is strict: making it again changes nothing."""
    once = StrictSchema(schema, RULES, "/schema").sent
    assert StrictSchema(once, RULES, "/schema").sent == once
