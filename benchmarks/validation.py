"""A long chat checked before it is sent: what splitting, limits and warnings cost beyond the schema engine's bare yes or no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any

import jsonschema_rs

from benchmarks.measure import Bar, Effort, Figure, compare, cpu, measure
from kosha_connector_openai import open_connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.openapi import to_json_schema

EFFORT = Effort(rounds=15, calls=100)
BARE_BAR = Bar(ratio=1.5)
FAULT_BAR = Bar(seconds=0.005)
MESSAGES = 500

_TURNS: tuple[dict[str, Any], ...] = (
    {"role": "system", "content": "Answer briefly, and say so where you do not know."},
    {"role": "user", "content": "What does the invoice of last month say about the delivery, and who signed it?"},
    {"role": "assistant", "content": "It names two deliveries; the second one was signed for by the night shift."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Is this the signature?"},
            {"type": "image_url", "image_url": {"url": "https://example.org/signature.png"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "compare", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "The signatures agree."},
)


def run(_url: str, effort: Effort) -> list[Figure]:
    """A valid body against the engine's ``is_valid`` with the same schema; then a body with one wrong field, reported."""
    good, bad = chat(), spoilt()
    with checked_and_bare() as (action, bare):
        contestants = {
            "ours": partial(cpu, partial(action.check, good), effort.calls),
            "jsonschema_rs": partial(cpu, partial(bare.is_valid, good), effort.calls),
            "ours, one fault": partial(cpu, partial(fault, action, bad), effort.calls),
        }
        series = measure(contestants, effort.rounds)
    return [
        compare(f"chat of {MESSAGES} messages checked", series, "ours", "jsonschema_rs", BARE_BAR),
        compare("its one wrong field reported", series, "ours, one fault", "jsonschema_rs", FAULT_BAR),
    ]


def chat() -> dict[str, Any]:
    """A body of 500 messages in every usual form."""
    return {"model": "gpt-4o-mini", "messages": list(islice(cycle(_TURNS), MESSAGES))}


def spoilt() -> dict[str, Any]:
    """The same with one wrong field, in the last message."""
    messages = chat()["messages"]
    return chat() | {"messages": [*messages[:-1], {"role": "user", "content": 5}]}


@contextmanager
def checked_and_bare() -> Iterator[tuple[Action, jsonschema_rs.Draft202012Validator]]:
    """The action, and a validator of the schema engine alone for the schema of its body."""
    with open_connector() as connector:
        action = connector.catalog["createChatCompletion"]
        document = connector.catalog.document
        (form,) = action.inputs.bodies
        schema = to_json_schema(document.root, form.schema, version=document.version, request=True)
        yield action, jsonschema_rs.Draft202012Validator(schema, offline=True)


def fault(action: Action, inputs: dict[str, Any]) -> str:
    """The pointer of the first fault that the check reports."""
    try:
        action.check(inputs)
    except InputError as error:
        return error.faults[0].pointer
    raise AssertionError("the wrong field was not found")
