"""A credential is written for its own origins only, exactly as its scheme says, and echoes of it are scrubbed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import AUTH_TYPES, SCHEMES, Credential, auth_type, authorize, scrub
from kosha_connector_openai.core.connection.scheme import RequestFacts
from kosha_connector_openai.errors import OriginError, SecretMissingError, SetupError
from kosha_connector_openai.http.origin import Origin, parse_origin
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from tests.canary import Canary

_OWN = parse_origin("https://api.example.com")
_REFERENCE = SecretReference("env", "API_KEY")
_REQUEST = RequestFacts("GET", "https://api.example.com/v1/things")


class _Reads:
    """Gives one secret for every reference, and remembers which were asked for."""

    def __init__(self, value: str) -> None:
        self.asked: list[str] = []
        self._secret = Secret(value)

    def __call__(self, reference: SecretReference) -> Secret:
        self.asked.append(str(reference))
        return self._secret


def _credential(scheme: str, part: str = "token", **given: str) -> Credential:
    return Credential(scheme, given, {part: _REFERENCE}, frozenset({_OWN}))


@pytest.fixture
def canary() -> Canary:
    """A fresh key."""
    return Canary()


@pytest.mark.parametrize(
    ("credential", "headers"),
    [
        (_credential("bearer"), [("Authorization", "Bearer value-12345")]),
        (_credential("api_key", header="Api-Key"), [("Api-Key", "value-12345")]),
        (_credential("api_key", header="Authorization", prefix="Bot"), [("Authorization", "Bot value-12345")]),
        (_credential("basic", "password", username="ann"), [("Authorization", "Basic YW5uOnZhbHVlLTEyMzQ1")]),
        (_credential("oauth2"), [("Authorization", "Bearer value-12345")]),
        (_credential("basic", "password", username="ann\u00e9"), [("Authorization", "Basic YW5uw6k6dmFsdWUtMTIzNDU=")]),
        (Credential("none", {}, {}, frozenset({_OWN})), []),
    ],
)
def test_each_scheme_writes_its_header(credential: Credential, headers: list[tuple[str, str]]) -> None:
    """The headers are exactly these, and each reference of the credential is read once."""
    reads = _Reads("value-12345")
    assert authorize(credential, _OWN, reads, _REQUEST) == headers
    assert reads.asked == [str(reference) for reference in credential.references.values()]


@pytest.mark.parametrize(
    "url",
    [
        "https://attacker.example",
        "https://api.example.com.attacker.example",
        "https://api.example.com:8443",
        "https://example.com",
        "http://localhost",
        "https://xn--pi-7lc.example.com",
    ],
)
@pytest.mark.parametrize("credential", [_credential("bearer"), _credential("api_key", header="api-key")])
def test_another_origin_gets_nothing_and_no_secret_is_read(url: str, credential: Credential) -> None:
    """A server that the credential was not given for is refused before any store is asked."""
    reads = _Reads("value-12345")
    with pytest.raises(OriginError) as caught:
        authorize(credential, parse_origin(url), reads, _REQUEST)
    assert reads.asked == []
    assert caught.value.pointer == "/server"
    assert "https://api.example.com" in caught.value.hint


def test_a_credential_without_origins_goes_nowhere() -> None:
    """No origin listed means none allowed, not all."""
    with pytest.raises(OriginError) as caught:
        authorize(Credential("bearer", {}, {"token": _REFERENCE}), _OWN, _Reads("value-12345"), _REQUEST)
    assert "It is for: none." in caught.value.hint


@given(st.sampled_from(["https", "http"]), st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True), st.integers(1, 65535))
@settings(max_examples=100, deadline=None)
def test_no_other_origin_is_ever_served(scheme: str, host: str, port: int) -> None:
    """Whatever the origin, headers are written for the credential's own one and for no other."""
    origin, reads = Origin(scheme, host, port), _Reads("value-12345")
    try:
        authorize(_credential("bearer"), origin, reads, _REQUEST)
    except OriginError:
        assert reads.asked == []
    assert (origin == _OWN) == bool(reads.asked)


def test_a_missing_secret_is_no_empty_header() -> None:
    """The store's refusal reaches the caller as it is; no header is written."""

    def fails(reference: SecretReference) -> Secret:
        raise SecretMissingError("The environment variable API_KEY is not set.")

    with pytest.raises(SecretMissingError):
        authorize(_credential("bearer"), _OWN, fails, _REQUEST)


@pytest.mark.parametrize(
    ("scheme", "given_settings", "parts", "pointer"),
    [
        ("digest", {}, ("token",), "/auth_type"),
        ("", {}, ("token",), "/auth_type"),
        ("bearer", {}, (), ""),
        ("bearer", {}, ("token", "password"), ""),
        ("none", {}, ("token",), ""),
        ("basic", {"username": "ann"}, ("token",), ""),
        ("oauth2", {}, ("refresh_token",), ""),
        ("oauth2", {"expires_at": "soon"}, ("token",), "/expires_at"),
        ("oauth2", {"token_url": "http://tokens.example.com"}, ("token",), "/token_url"),
        ("hmac", {}, ("secret_key",), "/integration_key"),
        ("hmac", {"integration_key": "a:b"}, ("secret_key",), "/integration_key"),
        ("basic", {}, ("password",), "/username"),
        ("basic", {"username": "a:b"}, ("password",), "/username"),
        ("basic", {"username": "a\r\nX: y"}, ("password",), "/username"),
        ("api_key", {}, ("token",), "/header"),
        ("api_key", {"header": ""}, ("token",), "/header"),
        ("api_key", {"header": "Api Key"}, ("token",), "/header"),
        ("api_key", {"header": "Api-Key\r\nX-Other"}, ("token",), "/header"),
        ("api_key", {"header": "Api-K\u00e9y"}, ("token",), "/header"),
        ("api_key", {"header": "HOST"}, ("token",), "/header"),
        ("api_key", {"header": "Content-Length"}, ("token",), "/header"),
        ("api_key", {"header": "Api-Key", "prefix": "a\n"}, ("token",), "/prefix"),
    ],
)
def test_a_faulty_credential_cannot_be_made(scheme: str, given_settings: Mapping[str, str], parts: tuple[str, ...], pointer: str) -> None:
    """An unknown scheme, a missing or superfluous secret and an unfit setting are refused when the credential is made."""
    with pytest.raises(SetupError) as caught:
        Credential(scheme, given_settings, dict.fromkeys(parts, _REFERENCE), frozenset({_OWN}))
    assert caught.value.pointer == pointer


def test_a_credential_keeps_what_was_checked() -> None:
    """Changing the mappings that it was made from changes nothing; it compares by value and shows references only."""
    given_settings = {"header": "Api-Key"}
    credential = Credential("api_key", given_settings, {"token": _REFERENCE}, frozenset({_OWN}))
    given_settings["header"] = "Host"
    assert credential == _credential("api_key", header="Api-Key")
    with pytest.raises(FrozenInstanceError):
        credential.scheme = "none"  # type: ignore[misc]
    with pytest.raises(TypeError):
        credential.settings["header"] = "Host"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("BEARER_TOKEN", "bearer"),
        ("bearer token", "bearer"),
        ("Bearer%20Token", "bearer"),
        (" bearer-token ", "bearer"),
        ("API_KEY", "api_key"),
        ("api key", "api_key"),
        ("BASIC_AUTH", "basic"),
        ("basic-auth", "basic"),
        ("OAuth2", "oauth2"),
        ("hmac", "hmac"),
        ("NONE", "none"),
        ("none", "none"),
    ],
)
def test_auth_types_are_read_as_people_write_them(text: str, scheme: str) -> None:
    """Case, blank, ``%20`` and ``-`` do not count, and each name leads to a scheme that exists."""
    assert auth_type(text) == scheme
    assert scheme in SCHEMES


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("BEARER_TOKN", "Did you mean BEARER_TOKEN?"),
        ("BASIC_AUHT", "Did you mean BASIC_AUTH?"),
        ("", "Write one of BEARER_TOKEN, API_KEY, BASIC_AUTH, OAUTH2, HMAC, NONE."),
        ("  ", "Write one of BEARER_TOKEN, API_KEY, BASIC_AUTH, OAUTH2, HMAC, NONE."),
        ("OAUTH1", "Did you mean OAUTH2?"),
        ("DIGEST", "Write one of BEARER_TOKEN, API_KEY, BASIC_AUTH, OAUTH2, HMAC, NONE."),
        ("sk-0123456789abcdef", "Write one of BEARER_TOKEN, API_KEY, BASIC_AUTH, OAUTH2, HMAC, NONE."),
    ],
)
def test_a_mistyped_auth_type_never_means_none(text: str, hint: str) -> None:
    """Anything unknown, empty included, is refused by the field's name, with the nearest known value and without the text."""
    with pytest.raises(SetupError) as caught:
        auth_type(text)
    assert caught.value.message == "AUTH_TYPE has no known value."
    assert (caught.value.hint, caught.value.pointer) == (hint, "/auth_type")


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_known_auth_type_or_refused(text: str) -> None:
    """No text leads to a scheme outside the table, and none to another error."""
    try:
        scheme = auth_type(text)
    except SetupError:
        return
    assert scheme in AUTH_TYPES.values()


@pytest.mark.parametrize(
    "write",
    [
        "Incorrect API key provided: {}. Try again.".format,
        lambda key: json.dumps({"error": {"message": f"bad key {key}"}}),
        lambda key: json.dumps({"key": key}).replace("/", "\\/"),
        lambda key: json.dumps({"key": key}).replace("+", "\\u002B").replace('\\"', "\\u0022"),
        lambda key: json.dumps({"key": key}).replace("+", "\\u002b").replace('\\"', "\\u0022"),
        lambda key: "".join(f"\\u{ord(each):04x}" for each in key),
        lambda key: f"https://api.example.com/?key={quote(key, safe='')}&x=1",
        lambda key: f"https://api.example.com/?key={quote(key, safe='').replace('%2F', '%2f').replace('%2B', '%2b')}",
        lambda key: "Basic " + base64.b64encode(key.encode()).decode(),
        lambda key: "Basic " + base64.b64encode(f":{key}".encode()).decode(),
        lambda key: "Basic " + base64.b64encode(f"me:{key}".encode()).decode(),
        lambda key: "Basic " + base64.urlsafe_b64encode(f"ann:{key}:x".encode()).decode(),
        lambda key: f"{key}{key} {key}",
    ],
)
def test_echoes_are_scrubbed_in_every_writing(write: Callable[[str], str], canary: Canary) -> None:
    """Plain, JSON-, URL- and base64-written echoes of a secret become stars, inside other text too."""
    cleaned = scrub(write(canary.key), [Secret("unrelated-1"), Secret(canary.key)])
    assert "***" in cleaned
    canary.scan(cleaned)


def test_scrubbing_leaves_the_rest_alone(canary: Canary) -> None:
    """Text around an echo is kept letter by letter, and text without one is the same text."""
    text = f'{{"error": "key {canary.key} is unknown"}}'
    assert scrub(text, [Secret(canary.key)]) == '{"error": "key *** is unknown"}'
    assert scrub("nothing here", [Secret(canary.key)]) == "nothing here"
    assert scrub("nothing here", []) == "nothing here"


def test_a_secret_inside_another_leaves_no_rest() -> None:
    """Of two secrets of which one begins like the other, the longer is replaced whole."""
    assert scrub("key value-12345-67890", [Secret("value-12345"), Secret("value-12345-67890")]) == "key ***"


@pytest.mark.parametrize("short", ["", "a", "error", "message"])
def test_short_secrets_are_not_scrubbed(short: str) -> None:
    """Replacing a short word would spoil the text and show what the secret is."""
    text = "error: a message about an error"
    assert scrub(text, [Secret(short)]) == text


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60), st.binary(max_size=4), st.binary(max_size=4)
)
@settings(max_examples=200, deadline=None)
def test_base64_at_any_place_is_scrubbed(key: str, before: bytes, after: bytes) -> None:
    """Wherever a secret lies in what was encoded, decoding the scrubbed text does not give it back."""
    encoded = base64.b64encode(before + key.encode() + after).decode()
    cleaned = scrub(encoded, [Secret(key)])
    assert "***" in cleaned
    assert len(cleaned) < len(encoded)
