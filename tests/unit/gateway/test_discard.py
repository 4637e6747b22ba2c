"""What a client sends after its last reply is dropped for as long as something comes, within a bound, and in turns."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kosha_connector_openai.gateway.discard import Discard
from kosha_connector_openai.gateway.rounds import Rounds
from kosha_connector_openai.gateway.turned_flow import TurnedFlow


class Wire:
    """A transport that notes how it ends."""

    def __init__(self, unsent: int = 0) -> None:
        self.ends: list[str] = []
        self.unsent = unsent
        self.protocol: Any = None

    def write_eof(self) -> None:
        self.ends.append("eof")

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Owner:
    def __init__(self) -> None:
        self.lost: list[Exception | None] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def discard(wire: Wire, periods: int, *, turns: int = 100) -> tuple[Discard, Owner]:
    owner = Owner()
    flow = TurnedFlow(cast("Any", wire), Rounds(turns))
    made = Discard(cast("Any", wire), cast("Any", owner), flow, periods)
    assert wire.protocol is made
    return made, owner


async def test_it_goes_on_while_something_comes() -> None:
    """Two periods with much, one with little: then it ends, and its owner learns when the connection has."""
    wire = Wire()
    made, owner = discard(wire, 10)
    for _ in range(2):
        made.get_buffer(-1)[:3] = b"abc"
        made.buffer_updated(100_000)
        made._look()
    assert wire.ends == ["eof"]
    made.buffer_updated(3)
    made._look()
    assert wire.ends == ["eof", "abort"]
    made.connection_lost(None)
    assert owner.lost == [None]


@pytest.mark.parametrize(("unsent", "end"), [(0, "abort"), (100, "close")])
async def test_it_ends_however_much_comes(unsent: int, end: str) -> None:
    """After its periods; a reply that was not sent yet is sent first."""
    wire = Wire(unsent)
    made, _ = discard(wire, 3)
    for _ in range(3):
        assert wire.ends == ["eof"]
        made.buffer_updated(100_000)
        made._look()
    assert wire.ends == ["eof", end]
    made.connection_lost(None)


async def test_a_turn_that_has_not_come_is_not_the_clients_silence() -> None:
    """The client may have sent, and the service has not looked yet."""
    wire = Wire()
    made, _ = discard(wire, 4, turns=0)
    made.buffer_updated(1)
    for _ in range(3):
        made._look()
    assert wire.ends == ["eof"]
    made.connection_lost(None)
