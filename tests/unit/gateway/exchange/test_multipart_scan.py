"""A multipart body seen while it passes: the same is found however it is cut, and bombs are refused as soon as they are seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai.gateway.exchange.multipart_scan import MOST_HEAD, MOST_PARTS, Parts, boundary

BODY = (
    b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
    b"--b\r\ncontent-type: text/plain\r\nContent-Disposition: form-data; filename=\"x\"; name=\"f[]\"\r\n\r\n\r\n--bb\r\n--b \r\n\r\n\r\n"
    b"--b\r\n\r\nno head\r\n--b--\r\nepilogue --b\r\n"
)  # fmt: skip


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=30))
def test_the_cuts_do_not_matter(cuts: list[int]) -> None:
    """Byte by byte or whole: the same names, the same number, the same end."""
    parts = Parts(b"b")
    edges = [0, *sorted(cuts), len(BODY)]
    for start, end in pairwise(edges):
        assert parts.feed(BODY[start:end]) is None
    assert (parts.names, parts.count, parts.closed) == ({"a", "f[]", ""}, 3, True)


def test_byte_by_byte() -> None:
    """The finest cut of all."""
    parts = Parts(b"b")
    assert [parts.feed(BODY[at : at + 1]) for at in range(len(BODY))] == [None] * len(BODY)
    assert parts.closed


def test_lacking_names() -> None:
    """A list's part may have brackets."""
    parts = Parts(b"b")
    parts.feed(BODY)
    assert parts.lacking(["a", "f", "g"]) == ["g"]


def test_a_refused_name_is_told() -> None:
    """As soon as its head is there."""
    refusal = Parts(b"b", frozenset({"f[]"})).feed(BODY)
    assert refusal is not None
    assert (refusal.status, refusal.param) == (400, "f[]")


def test_too_many_parts() -> None:
    """One more than the most."""
    parts = Parts(b"b")
    part = b"--b\r\nA: b\r\n\r\n\r\n"
    assert parts.feed(part * MOST_PARTS) is None
    refusal = parts.feed(part)
    assert refusal is not None
    assert refusal.status == 413


@pytest.mark.parametrize("step", [1_000, 1 << 20])
def test_a_head_without_end(step: int) -> None:
    """It is not kept beyond its limit."""
    parts = Parts(b"b")
    data = b"--b\r\n" + b"A: b\r\n" * MOST_HEAD
    answers = [parts.feed(data[at : at + step]) for at in range(0, len(data), step)]
    assert any(answer is not None and answer.status == 413 for answer in answers)


def test_little_is_held_of_a_large_part() -> None:
    """No more than could be the beginning of a boundary."""
    parts = Parts(b"b" * 70)
    parts.feed(b"--" + b"b" * 70 + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n')
    for _ in range(10):
        parts.feed(b"x" * 100_000)
        assert len(parts._held) < 200


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=x; BOUNDARY="a b:c"', b"a b:c"),
        ("multipart/form-data; boundary=abc; charset=x", b"abc"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ('multipart/form-data; boundary=""', None),
        ("multipart/form-data; boundary=" + "a" * 71, None),
        ("multipart/form-data; boundary=a\xe9", None),
    ],
)
def test_boundaries(content_type: str, found: bytes | None) -> None:
    """RFC 2046, section 5.1.1."""
    assert boundary(content_type) == found
