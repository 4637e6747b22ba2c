"""Places: the oldest anonymous connections give way, known ones never; what ends waits only in small numbers."""

from __future__ import annotations

from kosha_connector_openai.gateway.places import Places


class Peer:
    """A connection that notes whether it was dropped."""

    def __init__(self, *, waits: bool = False) -> None:
        self.dropped = False
        self._waits = waits

    def drop(self) -> None:
        self.dropped = True

    def waits(self) -> bool:
        return self._waits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_oldest_anonymous_one_gives_way_once_it_had_time() -> None:
    """One that showed a token, one of another address, and one whose first bytes are still unread stay."""
    clock = Clock()
    places = Places(100, 2, clock=clock)
    known, behind, old, elsewhere = Peer(), Peer(waits=True), Peer(), Peer()
    assert places.add(known, "a")
    places.know(known)
    assert all(places.add(peer, "a") for peer in (old, behind))
    assert places.add(elsewhere, "b")
    assert places.add(Peer(), "a")  # all are young: many may start together
    assert not old.dropped
    clock.now = 4
    assert places.add(Peer(), "a")
    assert places.add(Peer(), "a")
    assert old.dropped
    assert not any(peer.dropped for peer in (known, behind, elsewhere))


def test_too_many_young_ones_are_turned_away() -> None:
    """Of one address; another one still gets in, until all places are taken."""
    places = Places(30, 2, clock=Clock())
    assert [places.add(Peer(), "a") for _ in range(20)] == [True] * 16 + [False] * 4
    assert [places.add(Peer(), str(number)) for number in range(20)] == [True] * 14 + [False] * 6


def test_places_come_back() -> None:
    """Whoever leaves leaves nothing."""
    places = Places(4, 4, clock=Clock())
    for _ in range(3):
        peers = [Peer() for _ in range(4)]
        assert all(places.add(peer, "a") for peer in peers)
        assert not places.add(Peer(), "a")
        for peer in peers:
            places.remove(peer)
            places.remove(peer)
    assert not places._all
    assert not places._waiting


def test_b12_few_wait_for_their_end() -> None:
    """B12: a crowd that is refused is closed at once."""
    places = Places(100, 2, clock=Clock())
    peers = [Peer() for _ in range(3)]
    for peer in peers:
        places.add(peer, "a")
    assert [places.linger(peer) for peer in peers] == [True, True, False]
    places.remove(peers[0])
    assert places.linger(peers[2])


def test_b01_heads_of_connections_without_a_token_are_bounded_together() -> None:
    """B1: over the bound, whoever holds more than a usual head is refused, and a usual head never is; what is given back counts no more."""
    places = Places(100, 10, clock=Clock())
    assert places.hold(0, 1024 * 1024)
    assert not places.hold(0, 8 * 1024 + 1)
    assert places.hold(0, 8 * 1024)
    assert places.hold(1024 * 1024, 0)
    assert places.hold(8 * 1024, 16 * 1024)
