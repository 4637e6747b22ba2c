"""Kosha's endpoints: the variables with their labels, and a connection that is tried."""

import json

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SecretMissingError
from kosha_connector_openai.gateway.pages.kosha_api import Tries, labels
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.secrets.secret import SecretReference
from kosha_connector_openai.secrets.store import SecretContext
from kosha_connector_openai.secrets.stores import default_stores
from tests.recorder import Recorder, reply

OWN = "the-services-own-key-0123456789"
GIVEN = "a-key-that-is-tried-0123456789"


@pytest.fixture
def upstream():
    with Recorder(reply(body={"object": "list", "data": []})) as running:
        yield running


@pytest.fixture
def tries(upstream: Recorder, root, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", OWN)
    submitted = SubmittedSecrets()
    with Connector(root, stores=[*default_stores(["OPENAI_API_KEY"]), submitted]) as connector:
        home = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": upstream.url})
        yield Tries(connector, submitted, home)


def test_the_list_maps_variables_to_labels(connector: Connector):
    """C13: every name that a field goes by."""
    found = labels(connector)
    assert found["BEARER_TOKEN"] == found["API_KEY"] == "OpenAI API key"
    assert found["SERVER_URL"] == "Server URL"
    assert "AUTH_TYPE" in found


async def test_nothing_submitted_tries_the_services_own_connection(tries: Tries, upstream: Recorder):
    """With its own key, which stays here."""
    answer = await tries.answer(b"{}")
    assert answer.status == 200
    assert answer.value["ok"] is True
    assert upstream.last.header("authorization") == f"Bearer {OWN}"
    assert OWN not in str(answer.value)


async def test_what_is_submitted_is_tried_and_forgotten(tries: Tries, upstream: Recorder):
    """UPPER_SNAKE names, as the platform sends them; the secret is gone afterwards."""
    body = {"BEARER_TOKEN": GIVEN, "AUTH_TYPE": "BEARER_TOKEN", "SERVER_URL": upstream.url}
    answer = await tries.answer(json.dumps(body).encode())
    assert answer.status == 200, answer.value
    assert upstream.last.header("authorization") == f"Bearer {GIVEN}"
    assert tries._submitted._held == {}


async def test_names_in_any_case(tries: Tries, upstream: Recorder):
    """The original's structs matched that way."""
    answer = await tries.answer(json.dumps({"bearer_token": GIVEN, "server_url": upstream.url}).encode())
    assert answer.status == 200


async def test_the_services_key_is_never_sent_to_a_server_that_a_body_names(tries: Tries, upstream: Recorder):
    """U1: another server needs another key."""
    with Recorder() as attacker:
        for body in ({"SERVER_URL": attacker.url}, {"SERVER_URL": attacker.url, "BEARER_TOKEN": ""}):
            answer = await tries.answer(json.dumps(body).encode())
            assert answer.status == 400
        assert attacker.silent


async def test_servers_of_this_network_cannot_be_looked_for(tries: Tries):
    """Who may try connections must not be able to see what listens in here."""
    with Recorder() as inside:
        for url in (inside.url, "http://localhost:1", "https://127.0.0.1", "https://169.254.169.254", "https://10.0.0.1"):
            answer = await tries.answer(json.dumps({"SERVER_URL": url, "BEARER_TOKEN": GIVEN}).encode())
            assert answer.status == 400
        assert inside.silent


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"BEARER_TOKEN": 5}', b'{"BEARER_TOKEN": {}}', b" " * 70_000 + b"{}"])
async def test_what_is_no_object_of_texts_is_refused(tries: Tries, upstream: Recorder, body: bytes):
    """400 with one sentence under `error`, as the platform knows it."""
    answer = await tries.answer(body)
    assert answer.status == 400
    assert isinstance(answer.value["error"], str)
    assert upstream.silent


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"BEARER_TOKN": GIVEN}, "BEARER_TOKN"),
        ({"BEARER_TOKEN": "bad\nkey-0123456789"}, "api_key"),
        ({"BEARER_TOKEN": GIVEN, "AUTH_TYPE": "BEARER_TOKN"}, "BEARER_TOKEN"),
        ({"BEARER_TOKEN": GIVEN, "SERVER_URL": "localhost:1"}, "OPENAI_BASE_URL"),
        ({"SERVER_URL": "https://api.example"}, "OPENAI_API_KEY"),
    ],
)
async def test_mistakes_are_told_by_variable_and_without_the_secret(tries: Tries, body: dict[str, str], word: str):
    """What to change, in a sentence."""
    answer = await tries.answer(json.dumps(body).encode())
    assert answer.status == 400
    assert word in answer.value["error"]
    assert "key-0123456789" not in answer.value["error"].replace(word, "")
    assert GIVEN not in answer.value["error"]


async def test_a_key_that_the_upstream_refuses_is_400_with_advice(root, monkeypatch: pytest.MonkeyPatch):
    """The original said `Account not verified`; ours says what to do, and does not repeat the key."""
    echo = {"error": {"message": f"Incorrect API key provided: {GIVEN}", "code": "invalid_api_key"}}
    monkeypatch.setenv("OPENAI_API_KEY", OWN)
    with Recorder(reply(401, echo)) as upstream, Connector(root, stores=[*default_stores(["OPENAI_API_KEY"]), SubmittedSecrets()]) as made:
        tries = Tries(made, made.stores["submitted"], made.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}))  # type: ignore[arg-type]
        answer = await tries.answer(json.dumps({"BEARER_TOKEN": GIVEN, "SERVER_URL": upstream.url}).encode())
        assert len(upstream.requests) == 1
    assert answer.status == 400
    assert "not accepted" in answer.value["error"]
    assert GIVEN not in answer.value["error"]


def test_a_submitted_secret_is_gone_after_its_block():
    """Whoever kept the reference finds nothing."""
    store = SubmittedSecrets()
    with store.hold({"token": GIVEN}) as references:
        reference = SecretReference.parse(references["token"])
        assert store.read(reference, SecretContext()).reveal() == GIVEN
    with pytest.raises(SecretMissingError):
        store.read(reference, SecretContext())
