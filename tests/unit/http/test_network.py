"""A stream under a pool of httpcore: it says that it is readable only while nobody waits for a reply on it."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.http.network import Deadline, DeadlineStream
from tests.integration.conftest import Way
from tests.recorder import Recorder


class _Socket:
    """A stream of httpcore with something to read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Takes everything."""
        self.written.append(data)

    def get_extra_info(self, info: str) -> Any:
        """Readable."""
        return info == "is_readable"


def test_a_reply_that_has_come_is_no_closed_connection() -> None:
    """Between a request and the end of its reply, what can be read is that reply; httpcore would close the connection under it."""
    stream = DeadlineStream(None, _Socket(), Deadline())
    assert stream.get_extra_info("is_readable") is True
    stream.write(b"GET / HTTP/1.1\r\n\r\n")
    assert stream.get_extra_info("is_readable") is False
    stream.in_use = False
    assert stream.get_extra_info("is_readable") is True


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ([b"body", b""], [b"headbody"]),
        ([b""], [b"head"]),
        ([b"one", b"two", b""], [b"headone", b"two"]),
        ([b"x" * 70_000, b""], [b"head", b"x" * 65_536, b"x" * 4_464]),
    ],
)
def test_a_short_request_leaves_in_one_write(body: list[bytes], sent: list[bytes]) -> None:
    """The head waits for what follows it, the end of an empty body included; a large body is not copied for its sake."""
    socket = _Socket()
    stream = DeadlineStream(None, socket, Deadline())
    for _ in range(2):
        socket.written.clear()
        stream.write(b"head")
        assert socket.written == []
        for piece in body:
            stream.write(piece)
        assert socket.written == sent
        stream.in_use = False  # its reply is closed; the next request's head waits again


@pytest.mark.parametrize("engine", ["httpx", "httpx2"])
def test_the_mark_is_taken_away_with_the_reply(engine: str, connector: Any, key: str) -> None:
    """After a reply its connection is idle again, so that one which the server has closed is noticed."""
    with Recorder() as upstream:
        way = Way(connector, engine, is_async=False)
        way.run(way.connection(upstream.url), "listModels", {})
        (held,) = next(iter(connector._runtime.clients._sync.values()))._engine._transport._pool.connections
        assert held._connection._network_stream.in_use is False
