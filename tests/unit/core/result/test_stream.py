"""Event streams: each event typed by the manifest's rules, a cut told from an end, an error found inside a 200."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.result.sse import EventLimits
from kosha_connector_openai.core.result.stream import Event, StreamReader
from kosha_connector_openai.errors import ReplyTooLargeError
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.manifest import ResultRules, StreamRules

RULES = validated(
    {
        "done": "[END]",
        "final": ["finished"],
        "failed": ["broken"],
        "type": "/kind",
        "error": "/error",
        "text": [{"type": "word", "pointer": "/word"}, {"pointer": "/parts/0/text"}],
    },
    StreamRules,
)
FACTS = validated({"model": ["/model", "/answer/model"], "usage": ["/usage"]}, ResultRules)
GOLDEN = (
    b'\xef\xbb\xbfevent: start\ndata: {"model":"m1"}\n\n'
    b': a comment\r\nid: 7\r\ndata: {"kind":"word",\r\ndata: "word":"caf\xc3\xa9 \xe2\x80\xa8"}\r\n\r\n'
    b'data: {"parts":[{"text":"!"}],"usage":{"n":3}}\r\r'
    b"data: plain words\n\n"
    b"data: [END]\n\n"
    b'data: {"kind":"word","word":"after the end"}\n\n'
)
EVENTS = [
    Event("start", {"model": "m1"}),
    Event("word", {"kind": "word", "word": "café \u2028"}, "café \u2028", "7"),
    Event("message", {"parts": [{"text": "!"}], "usage": {"n": 3}}, "!", "7"),
    Event("message", "plain words", "", "7"),
]


def read(*chunks: bytes, rules: StreamRules = RULES) -> tuple[list[Event], StreamReader]:
    reader = StreamReader(rules, FACTS)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events, reader


def test_a_golden_stream() -> None:
    """Types from the data or the event line, text where the rules say, data that is no JSON as text, nothing after the end."""
    events, reader = read(GOLDEN)
    assert events == EVENTS
    assert (reader.finished, reader.incomplete, reader.model, reader.usage) == (True, None, "m1", {"n": 3})


@pytest.mark.parametrize("cut", range(1, len(GOLDEN)))
def test_every_split_gives_the_same_events(cut: int) -> None:
    """U11: where the network cuts is nobody's business."""
    events, reader = read(GOLDEN[:cut], GOLDEN[cut:])
    assert events == EVENTS
    assert reader.incomplete is None


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, len(GOLDEN)), max_size=30))
def test_any_splits_give_the_same_events(cuts: list[int]) -> None:
    """U11: many pieces, empty ones too."""
    places = [0, *sorted(cuts), len(GOLDEN)]
    events, _ = read(*(GOLDEN[start:end] for start, end in pairwise(places)))
    assert events == EVENTS


@pytest.mark.parametrize(
    ("data", "cut", "incomplete"),
    [
        (b"data: [END]\n\n", None, None),
        (b"data: [END] \n\n", None, None),
        (b'data: {"kind":"finished"}\n\n', None, None),
        (b'data: {"kind":"finished"}\n\n', "the connection broke", None),
        (b"event: finished\ndata: {}\n\n", None, None),
        (b"data: {}\n\n", None, "the stream ended without its final event"),
        (b"", None, "the stream ended without its final event"),
        (b"data: {}\n\n", "the connection broke (ReadError)", "the connection broke (ReadError)"),
        (b'data: {"error":{"code":"x"}}\n\n', None, "the upstream reported an error in the stream"),
        (b'data: {"error":{"code":"x"}}\n\n', "the connection broke", "the upstream reported an error in the stream"),
    ],
)
def test_a_cut_is_told_from_an_end(data: bytes, cut: str | None, incomplete: str | None) -> None:
    """U12: only the closing mark or a final event makes a stream whole."""
    _, reader = read(data)
    assert reader.incomplete in (None, "the stream has not ended")
    reader.end(cut)
    assert reader.incomplete == incomplete


def test_every_cut_before_the_end_is_a_cut() -> None:
    """U12: at each border of an event before the mark the stream counts as cut."""
    whole = [piece + b"\n\n" for piece in (b"data: {}", b'data: {"kind":"word","word":"a"}', b"data: {}")]
    for count in range(len(whole) + 1):
        _, reader = read(*whole[:count])
        reader.end()
        assert reader.incomplete == "the stream ended without its final event"


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b'{"error":{"code":"x"}}', {"code": "x"}),
        (b'{"error":"words"}', {"error": "words"}),
        (b'{"kind":"broken","why":"x"}', {"kind": "broken", "why": "x"}),
        (b'{"kind":"broken","error":{"code":"y"}}', {"code": "y"}),
        (b'{"error":null}', None),
        (b'{"kind":"word"}', None),
    ],
)
def test_an_error_inside_a_stream_is_found(data: bytes, failure: Any) -> None:
    """The upstream's own error, by the pointer or by the type of the event."""
    _, reader = read(b"data: " + data + b"\n\n")
    assert reader.failure == failure


PARTS = validated({"type": "/kind", "error": "/error", "content": ["/word"], "reasoning": ["/thought"]}, StreamRules)
START, WORD, ERROR = b'data: {"kind":"start"}\n\n', b'data: {"word":"a"}\n\n', b'data: {"error":{"code":"slow"}}\n\n'


@pytest.mark.parametrize(
    ("data", "rules", "ran"),
    [
        (ERROR, PARTS, False),
        (START + ERROR, PARTS, False),
        (b'data: {"word":""}\n\n' + ERROR, PARTS, False),
        (b'data: {"usage":{"n":0}}\n\n' + ERROR, PARTS, False),
        (WORD + ERROR, PARTS, True),
        (ERROR + WORD, PARTS, True),
        (b'data: {"thought":"a"}\n\n' + ERROR, PARTS, True),
        (b'data: {"usage":{"n":1}}\n\n' + ERROR, PARTS, True),
        (b'data: {"word":"a","error":{"code":"slow"}}\n\n', PARTS, True),
        (ERROR, RULES, False),
        (START + ERROR, RULES, True),
        (b"data: words\n\n" + ERROR, RULES, True),
    ],
)
def test_a_call_has_run_once_a_part_reasoning_or_a_use_came(data: bytes, rules: StreamRules, *, ran: bool) -> None:
    """Without rules about parts, any event but an error tells that it has."""
    _, reader = read(data, rules=rules)
    assert (reader.ran, reader.failure) == (ran, {"code": "slow"})


def test_without_rules_events_are_events() -> None:
    """A provider that says nothing about its streams still has them, typed by their event lines."""
    events, reader = read(b'event: tick\ndata: {"kind":"x"}\n\ndata: [DONE]\n\n', rules=StreamRules())
    assert [(event.type, event.data, event.text) for event in events] == [("tick", {"kind": "x"}, ""), ("message", "[DONE]", "")]
    assert not reader.finished


def test_a_text_rule_finds_only_text() -> None:
    """A number or an object at the place of the text adds nothing, and neither does another type's rule."""
    data = b'data: {"kind":"word","word":5}\n\ndata: {"kind":"other","word":"x"}\n\ndata: {"parts":[]}\n\n'
    assert [event.text for event in read(data)[0]] == ["", "", ""]


def test_facts_of_the_wrong_kind_are_passed_over() -> None:
    """A model that is no text and a usage that is no object replace nothing."""
    _, reader = read(b'data: {"model":"m","usage":{"n":1}}\n\ndata: {"model":{"a":1},"usage":7}\n\ndata: {"model":null}\n\n')
    assert (reader.model, reader.usage) == ("m", {"n": 1})


def test_the_last_facts_count() -> None:
    """Usage often comes at the end; an answer's model may be named anew."""
    _, reader = read(b'data: {"model":"a","usage":{"n":1}}\n\ndata: {"answer":{"model":"b"},"usage":{"n":2}}\n\n')
    assert (reader.model, reader.usage) == ("b", {"n": 2})


def test_limits_are_kept() -> None:
    """U10: an event without end is an error, not a growing buffer."""
    reader = StreamReader(RULES, FACTS, EventLimits(line=100, event=100, stream=1_000))
    with pytest.raises(ReplyTooLargeError):
        list(reader.feed(b"data: " + b"x" * 200))
