"""Settings: read from flags, environment and file, and every mistake named as it was written."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.settings import Settings, is_loopback, read_settings

HASH = hash_token("kosha_0123456789abcdef0123456789abcdef")


def faults(error: pytest.ExceptionInfo[SetupError]) -> str:
    return " | ".join(map(str, error.value.faults))


def test_the_defaults_are_loopback_port_8010_and_checking():
    """Without a word, only this machine can call, at the port that Kosha's connectors have, and calls are validated."""
    settings = read_settings(environ={})
    assert (settings.host, settings.port, settings.validation, settings.cors_origins) == ("127.0.0.1", 8010, "on", ())
    assert settings.loopback
    assert not settings.protected


def test_flags_go_before_the_environment_and_that_before_the_file(tmp_path: Path):
    """The nearest word counts."""
    file = tmp_path / "gateway.yaml"
    file.write_text("port: 1111\nvalidation: off\nstop_seconds: 3\n")
    settings = read_settings({"port": 3333}, file=file, environ={"KOSHA_GATEWAY_PORT": "2222", "KOSHA_GATEWAY_VALIDATION": "warn"})
    assert (settings.port, settings.validation, settings.stop_seconds) == (3333, "warn", 3)


def test_a_json_file_is_read_too(tmp_path: Path):
    """JSON is YAML."""
    file = tmp_path / "gateway.json"
    file.write_text('{"port": 1234, "hosts": ["gateway.example"]}')
    assert read_settings(file=file, environ={}).hosts == ("gateway.example",)


def test_what_is_wrong_in_the_environment_is_named_by_its_variable():
    """A user sees the name that they wrote, and the value is not repeated."""
    with pytest.raises(SetupError) as error:
        read_settings(environ={"KOSHA_GATEWAY_PORT": "eighty"})
    assert "KOSHA_GATEWAY_PORT" in faults(error)
    assert "eighty" not in faults(error)


def test_what_is_wrong_in_the_file_is_named_by_its_place(tmp_path: Path):
    """The pointer leads into the file; an unknown name gets the nearest one."""
    file = tmp_path / "gateway.yaml"
    file.write_text("limits: {cals: 3}\n")
    with pytest.raises(SetupError) as error:
        read_settings(file=file, environ={})
    assert "gateway.yaml#/limits/cals" in faults(error)
    assert "`calls`" in faults(error)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.internal"])
def test_open_to_the_network_without_tokens_does_not_start(host: str):
    """G1: the start is refused, by flag or by variable, and the fix is named."""
    with pytest.raises(SetupError) as error:
        read_settings({"host": host}, environ={})
    assert "--host" in faults(error)
    with pytest.raises(SetupError) as error:
        read_settings(environ={"KOSHA_GATEWAY_HOST": host})
    assert "KOSHA_GATEWAY_TOKEN_HASHES" in faults(error)


def test_digests_in_the_environment_protect():
    """Several, by commas or blanks; each is a token of the default connection."""
    other = hash_token("kosha_another0123456789abcdef0123456789")
    settings = read_settings({"host": "0.0.0.0"}, environ={"KOSHA_GATEWAY_TOKEN_HASHES": f"{HASH}, {other}"})
    assert [(token.name, token.hash) for token in settings.tokens] == [("token-1", HASH), ("token-2", other)]


def test_a_plain_token_among_the_digests_is_refused_and_not_repeated():
    """Tokens are not kept in the clear by mistake."""
    with pytest.raises(SetupError) as error:
        read_settings(environ={"KOSHA_GATEWAY_TOKEN_HASHES": "kosha_plain-token-0123456789"})
    assert "KOSHA_GATEWAY_TOKEN_HASHES" in faults(error)
    assert "plain-token" not in faults(error) + str(error.value)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tokens: [{name: a, hash: HASH, connection: nowhere}]", "/tokens/0/connection"),
        ("tokens: [{name: a, hash: HASH}, {name: b, hash: HASH}]", "/tokens/1/hash"),
        ("cors_origins: ['https://app.example/path']", "/cors_origins/0"),
        ("cors_origins: ['*']", "/cors_origins/0"),
        ("jwt: {issuer: i, audience: a, jwks: k, algorithms: [none]}", "/jwt/algorithms/0"),
        ("jwt: {issuer: i, audience: a, jwks: k, algorithms: [HS256]}", "/jwt/algorithms/0"),
        ("connections: {a: {}, b: {}}\njwt: {issuer: i, audience: a, jwks: k}", "/jwt/connection_claim"),
        ("connections: {a: {}}\njwt: {issuer: i, audience: a, jwks: k, connection_claim: c, connections: {x: b}}", "/jwt/connections/x"),
        ("ownership: memroy", "/ownership"),
        ("access_log: stdoutt", "/access_log"),
        ("- a list", "holds no settings"),
        ("port: [", "not valid YAML"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, where: str):
    """Each is found before anything listens."""
    file = tmp_path / "gateway.yaml"
    file.write_text(text.replace("HASH", HASH))
    with pytest.raises(SetupError) as error:
        read_settings(file=file, environ={})
    assert where in faults(error) + str(error.value)


def test_a_file_that_is_not_there_is_told():
    """Without a traceback."""
    with pytest.raises(SetupError, match="cannot be read"):
        read_settings(file=Path("/nowhere/gateway.yaml"), environ={})


def test_log_levels_as_kosha_writes_them():
    """LOG_LEVEL is the original's variable, in its words."""
    assert read_settings(environ={"LOG_LEVEL": "WARN"}).log_level == "warning"
    assert read_settings(environ={"LOG_LEVEL": ""}).log_level == "info"


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False)])
def test_what_is_loopback(host: str, own: bool):
    """Names and addresses of this machine alone."""
    assert is_loopback(host) is own


def test_settings_do_not_change():
    """They are frozen."""
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]
