"""Calls of tools in a stream: whatever a server does within its freedoms, the folded calls are the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Event, Result, open_connector

CONNECTOR = open_connector()
NAMES = st.sampled_from(["find", "sum", "get_weather", "é"])
INPUTS = st.dictionaries(
    st.text(max_size=4), st.one_of(st.integers(-9, 9), st.text(max_size=6), st.lists(st.booleans(), max_size=2)), max_size=3
)


WAYS = [
    *(("each", ids) for ids in ("first", "every", "late", "made up", "none")),
    ("beside", "first"),
    *((numbers, ids) for numbers in ("zero", "null", "none") for ids in ("first", "every", "none")),
]
"""What servers say of a call's number and of its id."""


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[str | None, str, Any]]]:
    """The events of one answer by a server of some dialect, and the calls that it means."""
    calls = draw(st.lists(st.tuples(NAMES, INPUTS), min_size=1, max_size=4))
    numbers, ids = draw(st.sampled_from(WAYS))
    names = draw(st.sampled_from(["first", "every"])) if ids != "made up" and numbers != "beside" else "first"
    texts = [json.dumps(inputs, ensure_ascii=draw(st.booleans())) for _, inputs in calls]
    told = [_cut(draw, text, begins_whole=ids == "none" and numbers != "each") for text in texts]
    if ids in ("first", "every") and names == "first":  # an empty object before the inputs, as some bridges send
        told = [["{}", *pieces] if draw(st.booleans()) else pieces for pieces in told]
    apart = numbers == "each" or ids == "every"
    order = _order(draw, [len(pieces) for pieces in told], mixed=apart)
    sent, seen = [], [0] * len(calls)
    for call in order:
        at, seen[call] = seen[call], seen[call] + 1
        piece: dict[str, Any] = {"function": {"arguments": told[call][at]}}
        if at == 0 or names == "every":
            piece["function"]["name"] = calls[call][0]
        elif draw(st.booleans()):
            piece["function"]["name"] = draw(st.sampled_from(["", None]))
        piece |= _number(numbers, call, first=at == 0)
        piece |= _identity(draw, ids, call, at, last=at == len(told[call]) - 1)
        if at == 0:
            piece["type"] = "function"
        sent.append(piece)
    if ids == "every" and draw(st.booleans()):  # the last event brings every call once more in whole
        sent += [{"id": f"call_{call}", "function": {"name": name, "arguments": texts[call]}} for call, (name, _) in enumerate(calls)]
    first = list(range(len(calls))) if numbers == "each" else list(dict.fromkeys(order))
    known = [f"call_{call}" if ids != "none" else None for call in range(len(calls))]
    return _events(draw, sent), [(known[call], calls[call][0], calls[call][1]) for call in first]


def _number(numbers: str, call: int, *, first: bool) -> dict[str, Any]:
    """What a server says of a call's number: its own, the same for all, null, none, or its own only after the call's beginning."""
    own = {"index": call + 3}
    return {"each": own, "beside": {"index": 0} if first else own, "zero": {"index": 0}, "null": {"index": None}, "none": {}}[numbers]


def _cut(draw: st.DrawFn, text: str, *, begins_whole: bool) -> list[str]:
    """The text in pieces, some of them empty; where no id tells calls apart, the name comes with some text."""
    places = sorted(draw(st.lists(st.integers(1 if begins_whole else 0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def _order(draw: st.DrawFn, lengths: list[int], *, mixed: bool) -> list[int]:
    order = [call for call, length in enumerate(lengths) for _ in range(length)]
    return draw(st.permutations(order)) if mixed else order


def _identity(draw: st.DrawFn, ids: str, call: int, at: int, *, last: bool) -> dict[str, Any]:
    named = {"first": at == 0, "every": True, "late": last, "made up": at == 0, "none": False}[ids]
    if named:
        return {"id": f"call_{call}"}
    if ids == "made up":
        return {"id": f"call_{call}_{at}"}
    return draw(st.sampled_from([{}, {"id": ""}, {"id": None}]))


def _events(draw: st.DrawFn, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pieces in chunks of one or more, between chunks without any."""
    events: list[dict[str, Any]] = [{"id": "x", "choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}]
    while pieces:
        size = draw(st.integers(1, 3))
        events.append({"id": "", "choices": [{"index": 0, "delta": {"tool_calls": pieces[:size]}, "finish_reason": None}]})
        pieces = pieces[size:]
    return [*events, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]


@settings(deadline=None, max_examples=200)
@given(made=streams())
def test_the_folded_calls_are_those_that_the_server_means(made: tuple[list[dict[str, Any]], list[Any]]) -> None:
    """By id, by number or by neither, mixed or one after the other, cut anywhere: each call comes once, with its name and its inputs."""
    events, wanted = made
    result = Result(action="createChatCompletion", status=200, kind="events", value=[Event("message", data) for data in events])
    short = CONNECTOR.outputs.of(result)
    assert [(call["id"] or None, call["name"], call["arguments"]) for call in short.result["tool_calls"]] == wanted
    assert (short.warnings, short.raw, short.result["id"]) == ((), (), "x")
