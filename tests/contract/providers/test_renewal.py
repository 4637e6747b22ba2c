"""An access token that has ended or was refused is renewed once, at the operator's token server and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from kosha_connector_openai.errors import AccessError, ConnectorError, SecretRefusedError, SecretStoreError
from tests.contract.providers.conftest import Provider
from tests.recorder import Recorder, reply

GIVEN = {"ACCESS_TOKEN": "given-access-1", "REFRESH_TOKEN": "given-refresh-1"}
CLIENT = {"CLIENT_ID": "client-1", "CLIENT_SECRET": "client-secret-1"}
PAST, FUTURE = "2001-01-31T12:00:00.000000+00:00", "4102444800"
RENEWED = {"access_token": "renewed-access-2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "renewed-refresh-2"}
REFUSED = reply(401, {"error": "expired given-access-1"})


@pytest.fixture
def tokens() -> Iterator[Recorder]:
    """The operator's token server."""
    with Recorder(reply(body=RENEWED)) as recorder:
        yield recorder


def sent(upstream: Recorder) -> list[str | None]:
    return [request.header("authorization") for request in upstream.requests]


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_an_ended_token_is_renewed_before_the_call(provider: Provider, upstream: Recorder, tokens: Recorder, engine: str) -> None:
    """The refresh request is that of RFC 6749, section 6; the call carries the new token, and so does the next without asking again."""
    variables = {**GIVEN, **CLIENT, "EXPIRES_AT": PAST}
    connector, connection = provider("ferrytown", variables, token_url=f"{tokens.url}/oauth/token/", engine=engine)
    async with connector:
        await connector.arun("listTrips", {}, connection)
        await connector.arun("listTrips", {}, connection)
    assert sent(upstream) == ["Bearer renewed-access-2"] * 2
    (asked,) = tokens.requests
    assert (asked.method, asked.target) == ("POST", "/oauth/token/")
    assert asked.header("authorization") == "Basic Y2xpZW50LTE6Y2xpZW50LXNlY3JldC0x"
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.body == b"grant_type=refresh_token&refresh_token=given-refresh-1"


def test_a_refused_token_is_renewed_once(provider: Provider, upstream: Recorder, tokens: Recorder) -> None:
    """After a 401, which is not executed, the call is sent once more with the new token."""
    upstream.scripts[:] = [REFUSED, reply()]
    connector, connection = provider("ferrytown", {**GIVEN, "CLIENT_ID": "client-1"}, token_url=f"{tokens.url}/t")
    assert connector.run("searchTrips", {"to": "x"}, connection).status == 200
    assert sent(upstream) == ["Bearer given-access-1", "Bearer renewed-access-2"]
    assert upstream.requests[0].body == upstream.requests[1].body
    assert parse_qs(tokens.last.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["given-refresh-1"],
        "client_id": ["client-1"],
    }
    assert tokens.last.header("authorization") is None


def test_a_token_that_stays_refused_ends_the_call(provider: Provider, upstream: Recorder, tokens: Recorder) -> None:
    """One renewal a call: a second 401 is the answer, and shows neither token."""
    upstream.scripts[:] = [reply(401, {"error": "no: given-access-1 renewed-access-2"})]
    connector, connection = provider("ferrytown", GIVEN, token_url=f"{tokens.url}/t")
    with pytest.raises(AccessError) as caught:
        connector.run("listTrips", {}, connection)
    assert (len(upstream.requests), len(tokens.requests)) == (2, 1)
    assert "***" in str(caught.value)
    assert "access-" not in str(caught.value)


def test_a_turned_refresh_token_is_used_next(provider: Provider, upstream: Recorder, tokens: Recorder) -> None:
    """Where the token server gives a new refresh token, the old one is not used again (RFC 6749, section 6)."""
    upstream.scripts[:] = [REFUSED, reply(), REFUSED, reply()]
    connector, connection = provider("ferrytown", GIVEN, token_url=f"{tokens.url}/t")
    connector.run("listTrips", {}, connection)
    tokens.scripts[:] = [reply(body={**RENEWED, "access_token": "renewed-access-3"})]
    connector.run("listTrips", {}, connection)
    assert [parse_qs(asked.body.decode())["refresh_token"] for asked in tokens.requests] == [["given-refresh-1"], ["renewed-refresh-2"]]
    assert sent(upstream)[-1] == "Bearer renewed-access-3"


def test_a_token_that_holds_is_sent_as_it_is(provider: Provider, upstream: Recorder, tokens: Recorder) -> None:
    """Nothing is renewed ahead of need."""
    connector, connection = provider("ferrytown", {**GIVEN, "EXPIRES_AT": FUTURE}, token_url=f"{tokens.url}/t")
    connector.run("listTrips", {}, connection)
    assert (sent(upstream), tokens.silent) == (["Bearer given-access-1"], True)


@pytest.mark.parametrize("variables", [GIVEN, {"ACCESS_TOKEN": "given-access-1"}])
def test_an_ended_token_that_cannot_be_renewed_is_not_sent(provider: Provider, upstream: Recorder, variables: dict[str, str]) -> None:
    """Without a refresh token, or without the operator's token server, the message says what to do; the description's is not asked."""
    connector, connection = provider("ferrytown", {**variables, "EXPIRES_AT": PAST})
    with pytest.raises(SecretRefusedError, match=r"The access token has ended\..*token_url"):
        connector.run("listTrips", {}, connection)
    assert upstream.silent


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        pytest.param(reply(400, {"error": "invalid_grant"}), SecretRefusedError, r"renew the access token \(invalid_grant\)", id="refused"),
        pytest.param(reply(400, {"error": "given-refresh-1"}), SecretRefusedError, r"renew the access token\. ", id="no-known-word"),
        pytest.param(reply(302, b"", [("Location", "https://attacker.example/")]), SecretRefusedError, "refused", id="redirect"),
        pytest.param(reply(503, b"busy"), SecretStoreError, "answered 503", id="busy"),
        pytest.param(reply(200, b"<html>"), SecretStoreError, "holds no bearer token", id="no-json"),
        pytest.param(reply(200, {**RENEWED, "token_type": "mac"}), SecretStoreError, "holds no bearer token", id="another-kind"),
        pytest.param(reply(200, {**RENEWED, "access_token": 7}), SecretStoreError, "holds no bearer token", id="no-text"),
        pytest.param(reply(200, {**RENEWED, "access_token": "a b\r\nc: d-0123"}), SecretRefusedError, "line break", id="unfit-text"),
        pytest.param(reply(200, b"[" + b"1," * 40_000 + b"1]"), SecretStoreError, "too large", id="too-large"),
        pytest.param(lambda *_: False, SecretStoreError, "did not answer", id="silence"),
    ],
)
def test_a_failed_renewal_says_so_and_sends_nothing(
    provider: Provider, upstream: Recorder, tokens: Recorder, answer: object, error: type[ConnectorError], words: str
) -> None:
    """Each failure is a typed error about the connection; the provider sees no call, and no token is in the text."""
    tokens.scripts[:] = [answer]
    connector, connection = provider("ferrytown", {**GIVEN, "EXPIRES_AT": PAST}, token_url=f"{tokens.url}/t")
    with pytest.raises(error, match=words) as caught:
        connector.run("listTrips", {}, connection)
    assert upstream.silent
    assert "-refresh-" not in repr(caught.value.to_dict())
