"""Whatever an upstream answers, the short result fits its schema: a workflow never maps a value of another type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kosha_connector_openai import Event, Result, open_connector
from kosha_connector_openai.core.result.result import add_body_facts

CONNECTOR = open_connector()
ROOM = CONNECTOR.outputs
SHAPES = {shape: action for action, shape in ROOM.part.actions.items()}
SCHEMAS = {
    action: Draft202012Validator(ROOM.schema(action)) for action in (*SHAPES.values(), "listFiles", "searchVectorStore", "createBatch")
}
"""One action for each shape, and some rows."""
WORDS = (
    *("data", "choices", "message", "content", "text", "id", "index", "embedding", "output", "type", "results", "flagged", "categories"),
    *("b64_json", "url", "tool_calls", "function", "arguments", "usage", "created_at", "status", "delta", "segments", "output_text"),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=5), st.sampled_from(WORDS))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4), max_leaves=12
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """A realistic answer in which something was replaced."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: mutated(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [mutated(value[0], data), *value[1:]]
    return data.draw(VALUES)


@pytest.mark.parametrize("action", sorted(SCHEMAS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_short_result_fits_its_schema(action: str, data: st.DataObject) -> None:
    """Odd answers and odd streams too; nothing raises."""
    raw = ROOM.raw_sample(action)
    answer = data.draw(VALUES) if isinstance(raw, bytes) else mutated(raw, data)
    made = Result(action=action, status=200, kind="json", value=answer)
    add_body_facts(made, CONNECTOR.manifest.result)
    SCHEMAS[action].validate(ROOM.of(made).to_dict())
    types = st.sampled_from(["message", "response.completed", "image_generation.completed", "speech.audio.delta", "transcript.text.done"])
    events = [Event(data.draw(types), data.draw(VALUES)) for _ in range(3)]
    SCHEMAS[action].validate(ROOM.of(Result(action=action, status=200, kind="events", value=events)).to_dict())
