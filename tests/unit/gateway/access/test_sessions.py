"""Sessions of browsers: a code counts once, a cookie for our own pages alone and for its time, a token for as long as it is one."""

from __future__ import annotations

from kosha_connector_openai import Connector
from kosha_connector_openai.gateway.access.authentication import Authenticator
from kosha_connector_openai.gateway.access.sessions import SECONDS, Sessions
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest import validated

TOKEN = "kosha_" + "t" * 40
SAME = (b"sec-fetch-site", b"same-origin")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cookie(header: str) -> tuple[bytes, bytes]:
    return b"cookie", header.partition(";")[0].encode()


def test_a_code_counts_once() -> None:
    """It gives the token that it was made for; a second time, and any other text, gives nothing."""
    sessions = Sessions()
    code = sessions.new_code(TOKEN)
    assert [sessions.redeem("x"), sessions.redeem(code), sessions.redeem(code)] == [None, TOKEN.encode(), None]


def test_the_cookie_is_out_of_reach_of_pages() -> None:
    """No script reads it, no other site sends it, and behind TLS it goes by TLS alone."""
    made = Sessions().start(b"t", secure=True)
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(made.split("; "))
    assert "Secure" not in Sessions().start(b"t", secure=False)


def test_a_cookie_counts_for_our_own_pages_alone() -> None:
    """A page of another port is the same site, and sends it: the browser says which page asks, and only ours and the person count."""
    sessions = Sessions()
    held = cookie(sessions.start(TOKEN.encode(), secure=False))
    wrong = [b"same-site", b"cross-site", b""]
    found = {site: sessions.find([held, (b"sec-fetch-site", site)]) for site in (b"same-origin", b"none", *wrong)}
    assert found == {b"same-origin": TOKEN.encode(), b"none": TOKEN.encode(), **dict.fromkeys(wrong)}
    assert sessions.find([held]) is None
    assert sessions.find([held, SAME, SAME]) is None
    assert sessions.find([held, held, SAME]) is None
    assert Sessions().find([held, SAME]) is None


def test_a_session_ends_with_its_time_and_when_it_is_told_to() -> None:
    """After that the cookie counts no more."""
    clock = Clock()
    sessions = Sessions(clock)
    first, second = (cookie(sessions.start(TOKEN.encode(), secure=False)) for _ in range(2))
    assert "Max-Age=0" in sessions.end([first, SAME])
    assert [sessions.find([first, SAME]), sessions.find([second, SAME])] == [None, TOKEN.encode()]
    clock.now = SECONDS + 1
    assert sessions.find([second, SAME]) is None


async def test_a_session_is_the_token_with_which_it_began(connector: Connector) -> None:
    """The caller behind it is the token's; a bearer token beside the cookie is the one that counts, even a wrong one."""
    settings = validated({"tokens": [{"name": "ci", "hash": hash_token(TOKEN)}]}, Settings)
    sessions = Sessions()
    gate = Authenticator(settings, connector.catalog, sessions=sessions)
    assert await gate.sign_in("kosha_" + "x" * 40) is None
    kept = await gate.sign_in(f" {TOKEN} ")
    assert kept is not None
    held = cookie(sessions.start(kept, secure=False))
    caller = await gate.identify([held, SAME])
    assert caller is not None
    assert caller.name == "ci"
    assert await gate.identify([held, SAME, (b"authorization", b"Bearer " + b"y" * 40)]) is None
    assert await gate.identify([held, SAME, (b"authorization", b"Basic eDp5")]) is None
