"""Lists of headers: what is not on one stays here, in both directions and in any case of letters."""

from __future__ import annotations

from kosha_connector_openai.gateway.exchange.headers import HeaderRules
from kosha_connector_openai.manifest.parts.relay import RelayRules

RULES = RelayRules(
    request_headers=("accept", "x-lib-*"), reply_headers=("etag",), hidden_headers=("x-org",), refused_headers=("x-*-endpoint", "base-url")
)
HEADERS = HeaderRules(RULES, ("x-request-id", "x-*", "location", "content-type", "connection", "set-cookie"))


def test_only_listed_headers_go_on_in_order() -> None:
    """Repeated ones stay repeated; the empty list lets nothing through."""
    given = [(b"accept", b"a"), (b"cookie", b"c"), (b"x-lib-b", b"1"), (b"x-lib-a", b"\xe9"), (b"accept", b"b"), (b"xaccept", b"d")]
    assert HEADERS.sent(given) == (("accept", "a"), ("x-lib-b", "1"), ("x-lib-a", "\xe9"), ("accept", "b"))
    assert HeaderRules(RelayRules(request_headers=()), ()).sent(given) == ()


def test_a_header_that_chooses_the_upstream_is_named() -> None:
    """Whichever fits a pattern."""
    assert HEADERS.refused([(b"a", b""), (b"x-my-endpoint", b"x")]) == "x-my-endpoint"
    assert HEADERS.refused([(b"base-url", b"x")]) == "base-url"
    assert HEADERS.refused([(b"x-endpoints", b"x"), (b"my-base-url", b"x")]) is None


def test_private_headers_do_not_come_back_even_if_listed() -> None:
    """Hop-by-hop ones, cookies, and those that the part hides."""
    reply = [
        ("x-request-id", "r"),
        ("x-org", "o"),
        ("set-cookie", "c"),
        ("connection", "x"),
        ("etag", "e"),
        ("via", "v"),
        ("content-length", "3"),
    ]
    assert HEADERS.shown(reply) == [(b"x-request-id", b"r"), (b"etag", b"e"), (b"content-length", b"3")]


def test_a_location_comes_back_only_as_a_path() -> None:
    """An address would name the upstream."""
    for location in ("https://inside.example/x", "//inside.example/x", "x"):
        assert HEADERS.shown([("location", location)]) == []
    assert HEADERS.shown([("location", "/v1/x")]) == [(b"location", b"/v1/x")]


def test_a_value_has_a_longest() -> None:
    """Eight KiB."""
    assert HEADERS.shown([("etag", "a" * 8_193), ("x-a", "b")]) == [(b"x-a", b"b")]


def test_what_is_remembered_is_bounded() -> None:
    """Names come from outside."""
    for number in range(5_000):
        HEADERS.sent([(f"x-lib-{number}".encode(), b"")])
    assert len(HEADERS._sent) <= 2_048
