"""Compressed replies: read piece by piece, and never for more or less than was sent."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator

import pytest

from kosha_connector_openai.http.content_coding import decoded
from kosha_connector_openai.http.engine import HeaderList, WireError

PLAIN = os.urandom(3_000) + b"plain" * 40_000
RAW = zlib.compress(PLAIN)[2:-4]


class Reply:
    """A reply whose body comes in pieces."""

    status = 200

    def __init__(self, coding: str, body: bytes, size: int) -> None:
        self.headers: HeaderList = [("content-encoding", coding), ("content-length", str(len(body))), ("x-request-id", "r")]
        self._pieces = [body[start : start + size] for start in range(0, len(body), size)]

    def chunks(self, idle: float, deadline: float) -> Iterator[bytes]:
        yield from self._pieces

    def close(self) -> None:
        pass


def read(coding: str, body: bytes, size: int = 1 << 20) -> bytes:
    reply = decoded(Reply(coding, body, size))
    pieces = list(reply.chunks(1, 1))
    assert max(map(len, pieces), default=0) <= 65_536
    return b"".join(pieces)


@pytest.mark.parametrize("size", [1, 7, 4_096, 1 << 20])
def test_each_coding_in_pieces_of_any_size(size: int) -> None:
    """gzip by both its names, of several members and padded; deflate with its frame and, where its beginning is seen, without."""
    for coding, body in (
        ("gzip", gzip.compress(PLAIN)),
        ("X-GZIP", gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]) + bytes(20)),
        ("deflate", zlib.compress(PLAIN)),
        *([("deflate", RAW)] if size > 1 else []),
    ):
        assert read(coding, body, size) == PLAIN
    assert [name for name, _ in decoded(Reply("gzip", b"", 1)).headers] == ["x-request-id"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_not_of_its_coding_is_an_error(coding: str) -> None:
    """Garbage, a plain body, what follows an end, a stream that is cut: nothing of it passes for an answer."""
    whole = gzip.compress(PLAIN) if coding == "gzip" else zlib.compress(PLAIN)
    spoilt = [b"garbage", b'{"id": 1}', b"ID3\x04\x00" * 9, whole + b"garbage", whole[:-6], whole[:2_000], whole[:9] + b"x" * 500]
    spoilt += [b"\x03\x00garbage", RAW + b"garbage", RAW[:-3]] if coding == "deflate" else [whole[:-8] + bytes(8)]
    for body in spoilt:
        for size in (5, 1 << 20):
            with pytest.raises(WireError):
                read(coding, body, size)
    assert read(coding, b"") == b""


def test_a_coding_that_is_not_known_is_left() -> None:
    """What reads the reply refuses it by its header."""
    for coding in ("br", "gzip, gzip"):
        assert read(coding, b"any bytes") == b"any bytes"
