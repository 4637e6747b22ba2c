"""Static tokens: random, kept as digests, found by comparison in constant time."""

import hmac

import pytest

from kosha_connector_openai.gateway.access import tokens
from kosha_connector_openai.gateway.access.tokens import TokenTable, hash_token, new_token


def test_a_new_token_is_random_and_short_enough_for_forms():
    """C08: at most 180 characters; 256 bits, so that a fast digest is enough."""
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) <= 60 and token.startswith("kosha_") for token in made)


def test_digests_of_one_token_differ_and_all_find_it():
    """Each has a salt of its own, so that equal tokens do not show."""
    one, other = hash_token("kosha_x" * 5), hash_token("kosha_x" * 5)
    assert one != other
    assert TokenTable([(other, "b")]).find(b"kosha_x" * 5) == "b"


def test_near_misses_find_nobody():
    """One character more, less or another."""
    token = new_token()
    table = TokenTable([(hash_token(token), "a")])
    assert table.find(token.encode()) == "a"
    for wrong in (token[:-1], token + "x", token.swapcase(), "", "kosha_"):
        assert table.find(wrong.encode()) is None
    assert table.find(token.encode()) == "a"


def test_every_digest_is_compared_and_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    """How many comparisons there are does not tell where a token stands in the list."""
    compared: list[bytes] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(b)
        return hmac.compare_digest(a, b)

    made = [new_token() for _ in range(5)]
    table = TokenTable([(hash_token(token), token) for token in made])
    monkeypatch.setattr(tokens, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
    for guess in (made[0], made[4], "none-of-them"):
        compared.clear()
        table.find(guess.encode())
        assert len(compared) == 5


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Good tokens are remembered so that the next call is quick, but not without end."""
    monkeypatch.setattr(tokens, "_REMEMBERED", 2)
    made = [new_token() for _ in range(5)]
    table = TokenTable([(hash_token(token), token) for token in made])
    for token in made * 2:
        assert table.find(token.encode()) == token
    assert len(table._seen) <= 2
