"""A head and what follows it leave together; an interim reply, an empty piece or the end lets go what is held."""

from __future__ import annotations

from typing import Any, cast

from kosha_connector_openai.gateway.head_buffer import HeadBuffer


class Wire:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Cycle:
    def __init__(self, *, more_body: bool = False) -> None:
        self.more_body = more_body
        self.keep_alive = True


def head_buffer() -> tuple[HeadBuffer, Wire]:
    wire = Wire()
    return HeadBuffer(cast("Any", wire), Cycle(), wire.close), wire


def test_b12_a_reply_before_the_end_of_a_body_says_that_it_is_the_last() -> None:
    """The client learns that the connection ends, and that what it still sends is not read."""
    wire, cycle, ends = Wire(), Cycle(more_body=True), []
    buffer = HeadBuffer(cast("Any", wire), cycle, lambda: ends.append(True))
    buffer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
    assert not cycle.keep_alive
    buffer.close()
    assert wire.written == [b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]
    assert ends == [True]
    assert not wire.closed


def test_head_and_first_piece_are_one_write() -> None:
    """And the rest goes at once; nothing is written for nothing."""
    buffer, wire = head_buffer()
    for data in (b"HTTP/1.1 200 OK\r\n\r\n", b"one", b"two", b""):
        buffer.write(data)
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]


def test_an_empty_piece_lets_the_head_go() -> None:
    """For streams, whose first event may come late."""
    buffer, wire = head_buffer()
    buffer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.written == []
    buffer.write(b"")
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\n"]


def test_an_interim_reply_is_no_head() -> None:
    """100 Continue is waited for."""
    buffer, wire = head_buffer()
    buffer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    buffer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert len(wire.written) == 1


def test_nothing_held_is_lost_at_the_end() -> None:
    """A reply that is a head alone arrives."""
    buffer, wire = head_buffer()
    buffer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert not buffer.is_closing()
    buffer.close()
    assert wire.written == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    assert buffer.is_closing()
