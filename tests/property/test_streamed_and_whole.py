"""An answer is judged alike whether it comes whole or in a stream, choice by choice, however the stream is cut into events."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Result, open_connector
from kosha_connector_openai.core.reply_body import lack_of_reply
from kosha_connector_openai.core.result import Asked, StreamReader, judge

CONNECTOR = open_connector()
MANIFEST, PROMISE = CONNECTOR.manifest, CONNECTOR.catalog["createChatCompletion"].promise
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CONTENTS = st.sampled_from([None, "", "Hello", [], [{"type": "thinking", "thinking": "Hm"}], [{"type": "text", "text": "Hello"}]])
MESSAGES = st.fixed_dictionaries(
    {"content": CONTENTS},
    optional={
        "reasoning_content": st.sampled_from(["", "Hm"]),
        "tool_calls": st.sampled_from([None, [], [CALL]]),
        "refusal": st.sampled_from([None, "", "No."]),
        "audio": st.sampled_from([None, {"id": "a"}, {"id": "a", "data": "AAAA"}]),
    },
)
ENDS = st.sampled_from(["stop", "STOP", "tool_calls", "length", "content_filter", "error", "something_new", None, ""])


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The choices of an answer, and the events of a stream that brings them; one choice at least tells of its end."""
    choices = [
        {"index": number, "message": {"role": "assistant", **draw(MESSAGES)}, "finish_reason": draw(ENDS)}
        for number in range(draw(st.integers(1, 3)))
    ]
    if not any(choice["finish_reason"] for choice in choices):
        choices[0]["finish_reason"] = "stop"
    parts = [
        {"index": choice["index"], "delta": {key: value}, "finish_reason": None}
        for choice in choices
        for key, value in choice["message"].items()
    ]
    ends = [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]} for choice in choices]
    after = [{"index": draw(st.integers(0, len(choices) - 1)), "delta": {}, "finish_reason": None}] if draw(st.booleans()) else []
    told = [*draw(st.permutations(parts)), *draw(st.permutations(ends)), *after]
    events = []
    while told:
        size = draw(st.integers(1, 2))
        events.append({"choices": told[:size]})
        told = told[size:]
    return choices, events


@settings(deadline=None)
@given(answer=answers(), wanted=st.integers(1, 3))
def test_one_answer_has_one_outcome(answer: tuple[list[dict[str, Any]], list[dict[str, Any]]], wanted: int) -> None:
    """Text, parts, calls, refusals and sound count; reasoning and what is empty do not; the same words for the end mean the same."""
    choices, events = answer
    whole = Result(action="createChatCompletion", status=200, kind="json", value={"choices": choices})
    judge(whole, MANIFEST.result, "warn", lack_of_reply(PROMISE, whole, wanted))
    reader = StreamReader(MANIFEST.streams, MANIFEST.result, asked=Asked(PROMISE.carrier, wanted))
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    streamed = Result(action="createChatCompletion", status=200, kind="events", value=list(reader.feed(body)))
    reader.end()
    streamed.incomplete = reader.incomplete
    judge(streamed, MANIFEST.result, "warn", reader.lack)
    assert (streamed.outcome, set(streamed.reasons)) == (whole.outcome, set(whole.reasons))
