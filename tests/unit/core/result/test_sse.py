"""Server-sent events from bytes, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.result.sse import EventDecoder, EventLimits, ServerSentEvent
from kosha_connector_openai.errors import ReplyTooLargeError

GOLDEN = (
    b"\xef\xbb\xbf: welcome\r\n\r\n"
    b'data: {"t":"a\xe2\x80\xa8b\xc2\x85c\x0bd"}\n\n'
    b"event: delta\rid: 7\rdata:one\rdata:  two\rdata\r\r"
    b"retry: 1500\r\ndata: \xf0\x9f\x98\x80 \xff\xc3\r\n\r\n"
    b"id: a\0b\nid\ndata: [DONE]\n\n"
    b"event: lost\ndata: no blank line\n"
)
EVENTS = [
    ServerSentEvent("message", '{"t":"a\u2028b\u0085c\u000bd"}'),
    ServerSentEvent("delta", "one\n two\n", "7"),
    ServerSentEvent("message", "\U0001f600 \ufffd\ufffd", "7", 1500),
    ServerSentEvent("message", "[DONE]", ""),
]


def decode(chunks, limits=None):
    decoder = EventDecoder(limits) if limits else EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events, decoder


def test_the_golden_stream():
    """BOM, comments, three line ends, odd separators in data, ids, retry, invalid UTF-8 and a lost last event."""
    events, decoder = decode([GOLDEN])
    assert events == EVENTS
    assert decoder.pending
    assert decoder.close()
    assert not decoder.pending


@pytest.mark.parametrize("cut", range(len(GOLDEN) + 1))
def test_every_split_point_gives_the_same_events(cut):
    """Cutting the stream in two anywhere, also inside a character, a CRLF or the BOM, changes nothing."""
    events, decoder = decode([GOLDEN[:cut], b"", GOLDEN[cut:]])
    assert (events, decoder.pending) == (EVENTS, True)


def test_byte_by_byte():
    """One byte at a time gives the same events."""
    assert decode([bytes([byte]) for byte in GOLDEN])[0] == EVENTS


stream_text = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data",
            b"id: 1",
            b"event: e",
            b"retry: 5",
            b":c",
            b"\xc3\xa9",
            b"\xff",
            b"\r",
            b"\n",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(stream_text, st.lists(st.integers(0, 120), max_size=6).map(sorted))
def test_chunking_never_matters(stream, cuts):
    """Any stream cut at any places gives what it gives in one piece, pending or not."""
    whole, decoder = decode([stream])
    ends = [0, *cuts, len(stream)]
    pieces, cut_decoder = decode([stream[start:end] for start, end in pairwise(ends) if start < end])
    assert (pieces, cut_decoder.pending) == (whole, decoder.pending)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data\n\n", [ServerSentEvent(data="")]),
        (b"data:\ndata\n\n", [ServerSentEvent(data="\n")]),
        (b"data:a\n\ndata: a\n\ndata:  a\n\n", [ServerSentEvent(data="a"), ServerSentEvent(data="a"), ServerSentEvent(data=" a")]),
        (b"event: only\n\ndata: x\n\n", [ServerSentEvent(data="x")]),
        (b"Data: x\nfoo: y\n data: z\n\n", []),
        (b"id: 1\n\ndata: x\n\nid\ndata: y\n\n", [ServerSentEvent(data="x", id="1"), ServerSentEvent(data="y", id="")]),
        (b"id: 1\nid: 2\0\ndata: x\n\n", [ServerSentEvent(data="x", id="1")]),
        (b"retry: 10\ndata: x\n\n", [ServerSentEvent(data="x", retry=10)]),
        (b"retry: 1.5\ndata: x\n\n", [ServerSentEvent(data="x")]),
        (b"retry: -1\ndata: x\n\n", [ServerSentEvent(data="x")]),
        (b"retry: \xd9\xa5\ndata: x\n\n", [ServerSentEvent(data="x")]),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [ServerSentEvent(data="x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
        (b"data: a:b: c\n\n", [ServerSentEvent(data="a:b: c")]),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_the_rules_of_the_standard(stream, events):
    """Field by field as the WHATWG rules say."""
    assert decode([stream])[0] == events


@pytest.mark.parametrize(
    ("stream", "pending"),
    [(b"data: x\n\n", False), (b"data: x\r", True), (b"dat", True), (b"event: e\n", True), (b": ping\n", False), (b"", False)],
)
def test_pending_tells_of_a_cut_event(stream, pending):
    """An event without its closing blank line is reported, a finished stream and a comment are not."""
    assert decode([stream])[1].pending is pending


@pytest.mark.parametrize(
    ("limits", "stream"),
    [
        (EventLimits(line=10), b"data: 12345\n\n"),
        (EventLimits(line=10), b"data: 12345"),
        (EventLimits(line=10), b": a long comment"),
        (EventLimits(event=8), b"data: 12345\ndata: 12345\n\n"),
        (EventLimits(event=8), b"event: 12345\ndata: 12345\n\n"),
        (EventLimits(lines=2), b"data:\ndata:\ndata:\n"),
        (EventLimits(stream=9), b"data: 1234"),
    ],
)
def test_every_limit_is_an_error(limits, stream):
    """Line, event, line count and stream are bounded, whole and byte by byte."""
    with pytest.raises(ReplyTooLargeError):
        decode([stream], limits)
    with pytest.raises(ReplyTooLargeError):
        decode([bytes([byte]) for byte in stream], limits)


def test_events_before_a_limit_are_not_lost():
    """What was complete comes out first; the error follows at the next call, again and again."""
    decoder = EventDecoder(EventLimits(line=10))
    assert decoder.feed(b"data: x\n\ndata: 123456\n\n") == [ServerSentEvent(data="x")]
    with pytest.raises(ReplyTooLargeError):
        decoder.feed(b"")
    with pytest.raises(ReplyTooLargeError):
        decoder.close()


def test_many_tiny_pieces_of_a_long_line_stay_linear():
    """A line of 800 kB in single bytes is one event; quadratic joining would take minutes."""
    decoder = EventDecoder()
    assert [decoder.feed(b"x") for _ in range(3)] == [[], [], []]
    decoder = EventDecoder()
    decoder.feed(b"data:")
    for _ in range(800_000):
        decoder.feed(b"x")
    assert decoder.feed(b"\n\n") == [ServerSentEvent(data="x" * 800_000)]
