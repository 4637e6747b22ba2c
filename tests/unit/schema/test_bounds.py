"""``schema.bounds``: what to send, in one sentence, for every pair of bounds."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.schema.bounds import range_fix
from kosha_connector_openai.schema.reader import SchemaReader

CASES: list[tuple[dict[str, Any], str]] = [
    ({"minimum": 1}, "Send a value of at least 1."),
    ({"maximum": 1}, "Send a value of at most 1."),
    ({"exclusiveMinimum": 0}, "Send a value above 0."),
    ({"exclusiveMaximum": 1}, "Send a value below 1."),
    ({"minimum": 0, "maximum": 2}, "Send a value from 0 to 2."),
    ({"exclusiveMinimum": 0, "maximum": 1}, "Send a value that is above 0 and at most 1."),
    ({"minimum": 0, "exclusiveMaximum": 1}, "Send a value that is at least 0 and below 1."),
    ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, "Send a value that is above 0 and below 1."),
    ({"minimum": 0.5, "maximum": 0.5}, "Send 0.5."),
    ({"minimum": 2, "exclusiveMinimum": 1, "maximum": 9}, "Send a value from 2 to 9."),
    ({"minimum": 1, "exclusiveMinimum": 1}, "Send a value above 1."),
    ({"maximum": 9, "exclusiveMaximum": 9}, "Send a value below 9."),
    ({"maximum": 8, "exclusiveMaximum": 9}, "Send a value of at most 8."),
    ({"type": "integer", "exclusiveMinimum": 0}, "Send a value of at least 1."),
    ({"type": ["integer", "null"], "exclusiveMaximum": 10}, "Send a value of at most 9."),
    ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}, "Send a value from 1 to 9."),
    ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, "Send a value from 1 to 2."),
    ({"type": "integer", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1.5}, "Send 1."),
    ({"type": ["integer", "number"], "exclusiveMinimum": 0}, "Send a value above 0."),
    ({"allOf": [{"minimum": 0}, {"minimum": 1}], "maximum": 3}, "Send a value from 1 to 3."),
    ({"minimum": 2, "maximum": 1}, ""),
    ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, ""),
    ({"exclusiveMinimum": 1, "maximum": 1}, ""),
]


def test_a_range_in_one_sentence() -> None:
    """Open and closed ends, one or both, of numbers and of whole numbers; nothing where no value is allowed."""
    told = [(schema, range_fix(SchemaReader(schema), schema, "minimum")) for schema, _ in CASES]
    assert told == CASES
