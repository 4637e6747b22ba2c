"""What was counted is found at the end of a reply, in any writing, and never in a text that only looks like it."""

from __future__ import annotations

import pytest

from kosha_connector_openai.gateway.exchange.usage_scan import Tail, UsageFinder

FINDER = UsageFinder(["/usage", "/response/usage"])


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (b'{"usage":{"a":1}}', {"a": 1}),
        (b'{"usage" : \n {"a":1, "b":{"c":"}"}}, "x":1}', {"a": 1, "b": {"c": "}"}}),
        (b'data: {"usage":{"a":1}}\n\ndata: {"usage":{"a":2}}\n\ndata: [DONE]\n\n', {"a": 2}),
        (b'{"text":"\\"usage\\":{\\"a\\":1}"}', None),
        (b'{"usage":null}', None),
        (b'data: {"usage":{"a":1}}\n\ndata: {"usage":null}\n\n', {"a": 1}),
        (b'{"usage":{"a":', None),
        (b'{"usage":[1]}', None),
        (b"", None),
        (b'\xff"usage":{"a":1}', {"a": 1}),
    ],
)
def test_usage_is_found(reply: bytes, found: object) -> None:
    """The last one counts."""
    assert FINDER.find(reply) == found


def test_a_tail_keeps_the_end_alone() -> None:
    """However long the reply is; an event that is cut in two is one again."""
    tail = Tail()
    for _ in range(10_000):
        tail.add(b"x" * 100)
    tail.add(b'{"usage":{"pro')
    tail.add(b'mpt":1}}')
    assert len(tail.text()) < 17_000
    assert FINDER.find(tail.text()) == {"prompt": 1}


def test_the_count_of_a_stream_stands_in_its_last_lines() -> None:
    """As events or as lines of JSON; one that a text of the answer repeats is none."""
    for mark in (b"data: ", b""):
        assert FINDER.in_events(mark + b'{"usage":{"a":1}}\n' + mark + b'{"text":"\\"usage\\":{\\"a\\":9}"}\n') == {"a": 1}


def test_a_large_piece_is_kept_whole() -> None:
    """The last one always is."""
    tail = Tail()
    tail.add(b"a")
    tail.add(b"b" * 100_000)
    assert tail.text().endswith(b"b" * 100_000)
