"""The connections, checked when the service starts: what is wrong is named by its variable or its place in the file."""

from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.connections import open_connections
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest import validated

KEY = "test-key-0123456789abcdef"


def opened(connector: Connector, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, **settings: object):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made, connections = open_connections(connector, validated(settings, Settings), SubmittedSecrets())
    made.close()
    return connections


def refused(connector: Connector, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, **settings: object) -> str:
    with pytest.raises(SetupError) as error:
        opened(connector, environ, monkeypatch, **settings)
    return str(error.value)


def test_the_environment_is_the_default_connection(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """Kosha's variables, as the original had them."""
    environ = {"BEARER_TOKEN": KEY, "AUTH_TYPE": "BEARER_TOKEN", "SERVER_URL": "https://api.openai.com"}
    found = opened(connector, environ, monkeypatch)["default"]
    assert str(found.server) == "https://api.openai.com"
    assert [str(reference) for reference in found.credentials["ApiKeyAuth"].references.values()] == ["env:BEARER_TOKEN"]


@pytest.mark.parametrize("text", ["https://api.openai.com/v1", "https://api.openai.com/", "api.openai.com", "api.openai.com/v1"])
def test_servers_as_people_write_them(connector: Connector, monkeypatch: pytest.MonkeyPatch, text: str):
    """T33: with or without /v1, slash and scheme."""
    found = opened(connector, {"BEARER_TOKEN": KEY, "SERVER_URL": text}, monkeypatch)["default"]
    assert str(found.server).removesuffix("/v1") == "https://api.openai.com"


@pytest.mark.parametrize(
    "text", ["localhost:8080", "api.openai.com:443", "10.0.0.5", "http://api.openai.com", "ftp://x", "https://u:p@x.example"]
)
def test_servers_that_could_mean_anything_are_refused(connector: Connector, monkeypatch: pytest.MonkeyPatch, text: str):
    """T32: the variable is named, and the fix."""
    message = refused(connector, {"BEARER_TOKEN": KEY, "SERVER_URL": text}, monkeypatch)
    assert "SERVER_URL" in message
    assert text not in message


@pytest.mark.parametrize("name", ["BEARER_TOKEN", "SERVER_URL", "AUTH_TYPE"])
def test_variables_set_to_nothing_are_mistakes(connector: Connector, monkeypatch: pytest.MonkeyPatch, name: str):
    """T31: not a default, and not an empty header."""
    environ = {"BEARER_TOKEN": KEY, name: "  "}
    assert f"{name}: is set and empty." in refused(connector, environ, monkeypatch)


def test_an_empty_variable_beside_a_full_one_is_none(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """Compose files set what they do not use to nothing."""
    assert opened(connector, {"API_KEY": "", "BEARER_TOKEN": KEY, "OPENAI_ORG_ID": ""}, monkeypatch)


def test_a_mistyped_authentication_does_not_start(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """T30: it must not mean `none`."""
    message = refused(connector, {"BEARER_TOKEN": KEY, "AUTH_TYPE": "BEARER_TOKN"}, monkeypatch)
    assert "AUTH_TYPE" in message
    assert "BEARER_TOKEN" in message


@pytest.mark.parametrize("value", ["test-key\n0123456789", "test-key 0123456789", "k3y-s", "test-key-\x1b-0123456789"])
def test_keys_that_no_header_carries_do_not_start(connector: Connector, monkeypatch: pytest.MonkeyPatch, value: str):
    """T34: the variable is named and the value is not."""
    message = refused(connector, {"BEARER_TOKEN": value}, monkeypatch)
    assert "BEARER_TOKEN" in message
    assert value not in message


def test_blanks_around_a_key_are_trimmed(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """T34: a line break at the end is what files have."""
    assert opened(connector, {"BEARER_TOKEN": f" {KEY}\n"}, monkeypatch)


def test_without_a_key_the_variables_are_named(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """All that would do."""
    message = refused(connector, {}, monkeypatch)
    assert "OPENAI_API_KEY" in message
    assert "BEARER_TOKEN" in message


def test_connections_of_the_file_take_nothing_from_the_environment(connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """C9: a tenant without a key does not get another's."""
    message = refused(connector, {"OPENAI_API_KEY": KEY}, monkeypatch, connections={"a": {}})
    assert "/connections/a/values/api_key" in message
    place = tmp_path / "key"
    place.write_text(KEY)
    place.chmod(0o600)
    entries = {"a": {"values": {"api_key": f"file:{place}"}}, "b": {"values": {"api_key": "env:TEAM_B"}}}
    found = opened(connector, {"TEAM_B": KEY}, monkeypatch, connections=entries)
    assert {name: connection.options.tenant for name, connection in found.items()} == {"a": "a", "b": "b"}


def test_every_fault_of_every_connection_is_told_at_once(connector: Connector, monkeypatch: pytest.MonkeyPatch):
    """Nobody starts it five times to see five mistakes."""
    entries = {
        "a": {"values": {"api_key": "env:NOT_SET"}},
        "b": {"values": {"api_key": "env:NOT_SET_EITHER", "server_url": "http://x.example"}},
        "c": {"values": {"apikey": "env:X"}},
        "d": {"values": {"api_key": "env:X"}, "options": {"any_path": True}},
    }
    message = refused(connector, {}, monkeypatch, connections=entries)
    for place in ("/connections/b/values/server_url", "/connections/c/options/apikey", "/connections/d/options/any_path"):
        assert place in message
    message = refused(connector, {}, monkeypatch, connections={"a": entries["a"]})
    assert "NOT_SET" in message
