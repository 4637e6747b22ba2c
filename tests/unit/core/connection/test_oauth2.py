"""The end of an access token, and how many calls renew one; what goes over the wire is tested with the made-up providers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import Credential
from kosha_connector_openai.core.connection.oauth2 import expiry
from kosha_connector_openai.core.connection.oauth2_renewal import Grant, RefreshForm, TokenResolver
from kosha_connector_openai.errors import SecretRefusedError, SetupError
from kosha_connector_openai.http import WholeReply
from kosha_connector_openai.http.origin import parse_origin
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore

ENVIRON = {"ACCESS": "given-access-1", "REFRESH": "given-refresh-1"}
TOKEN = SecretReference("env", "ACCESS")
PAST = "1000000000"
Make = Callable[..., TokenResolver]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", math.inf),
        ("1700000000", 1_700_000_000.0),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000.0),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T22:13:20", 1_700_000_000.0),
        ("2023-11-15T00:13:20.500000+02:00", 1_700_000_000.5),
    ],
)
def test_a_moment_is_read_as_people_and_programs_write_it(text: str, moment: float) -> None:
    """Seconds since 1970 or ISO 8601; without a zone it is UTC; nothing means no end."""
    assert expiry({"expires_at": text} if text else {}) == moment


@pytest.mark.parametrize("text", ["soon", "-5", "nan", "1e9", "2023-13-01", "²", "9" * 5000])
def test_no_moment_is_refused(text: str) -> None:
    """Anything else is a fault of the field, without the text."""
    with pytest.raises(SetupError) as caught:
        expiry({"expires_at": text})
    assert caught.value.pointer == "/expires_at"


@given(st.datetimes(timezones=st.timezones()))
@settings(max_examples=100, deadline=None)
def test_every_moment_is_read_back(moment: datetime) -> None:
    """A moment written by ISO 8601 in any zone is that moment."""
    assert expiry({"expires_at": moment.isoformat()}) == moment.timestamp()


class TokenServer:
    """Gives numbered tokens, slowly, and counts."""

    def __init__(self, **answer: object) -> None:
        self.forms: list[bytes] = []
        self._answer = answer

    def __call__(self, url: str, client: object, form: RefreshForm, resolve: object) -> WholeReply:
        self.forms.append(b"".join(form.chunks()))
        time.sleep(0.05)
        token = f"renewed-access-{len(self.forms)}"
        return WholeReply(200, [], orjson.dumps({"access_token": token, "token_type": "bearer", **self._answer}))


def resolver(server: TokenServer, grant: Grant, **more: str) -> TokenResolver:
    stores, given_ = SecretStores([EnvironmentStore(ENVIRON, ENVIRON)]), {"token_url": "https://tokens.example/t", **more}
    references = {"token": TOKEN, "refresh_token": SecretReference("env", "REFRESH")}
    credential = Credential("oauth2", given_, references, frozenset({parse_origin("https://api.example.com")}))
    return TokenResolver(stores, SecretCache(), SecretContext(), credential, grant, server)


def texts(secrets: list[Secret]) -> list[Any]:
    return [secret.reveal() for secret in secrets]


def test_many_calls_renew_an_ended_token_once() -> None:
    """Of calls that find the token ended together, one asks and all get what it got."""
    server, grant = TokenServer(expires_in=3600), Grant()
    with ThreadPoolExecutor(8) as pool:
        found = texts(list(pool.map(lambda _: resolver(server, grant, expires_at=PAST)(TOKEN), range(32))))
    assert (set(found), len(server.forms)) == ({"renewed-access-1"}, 1)


def test_many_refused_calls_renew_once() -> None:
    """Calls that were all refused with the same token get one new token, not one each."""
    server, grant = TokenServer(), Grant()
    refused = [resolver(server, grant) for _ in range(8)]
    assert {one(TOKEN).reveal() for one in refused} == {"given-access-1"}
    assert all(one.refresh() for one in refused)
    assert {one(TOKEN).reveal() for one in refused} == {"renewed-access-1"}
    late = resolver(server, grant)
    assert late(TOKEN).reveal() == "renewed-access-1"
    assert len(server.forms) == 1


@pytest.mark.parametrize(("seconds", "asked"), [(3600, 1), (10, 2), (None, 1), (0, 1), (True, 1), ("60", 1)])
def test_a_renewed_token_is_used_until_shortly_before_its_end(seconds: object, asked: int) -> None:
    """A token that ends within half a minute is not used for another call; an unusable number means no end."""
    server, grant = TokenServer(expires_in=seconds), Grant()
    resolver(server, grant, expires_at=PAST)(TOKEN)
    resolver(server, grant, expires_at=PAST)(TOKEN)
    assert len(server.forms) == asked


def test_every_token_is_noted_for_scrubbing() -> None:
    """What the call used and what it was given are both known to it: an upstream may echo either."""
    one = resolver(TokenServer(refresh_token="renewed-refresh-1"), Grant(), expires_at=PAST)
    one(TOKEN)
    assert {"given-refresh-1", "renewed-access-1", "renewed-refresh-1"} <= set(texts(one.used))


@pytest.mark.parametrize(("more", "renewable"), [({}, True), ({"token_url": ""}, False)])
def test_who_may_wait_is_asked_in_a_thread(more: dict[str, str], renewable: bool) -> None:
    """Only a resolver that could ask a token server waits."""
    assert resolver(TokenServer(), Grant(), **more).immediate is not renewable


def test_without_a_token_server_a_refusal_is_final() -> None:
    """Nothing can be had by asking again, and an ended token is not sent."""
    one = resolver(TokenServer(), Grant(), token_url="", expires_at=PAST)
    with pytest.raises(SecretRefusedError, match="The access token has ended"):
        one(TOKEN)
    assert one.refresh() is False


def test_a_form_and_an_answer_do_not_show_themselves() -> None:
    """Neither text form holds a token: error reporters show the variables of frames."""
    assert "secret" not in f"{RefreshForm(Secret('secret-refresh'), 'id')!r} {WholeReply(200, [], b'secret')!r}"
