"""Operations that ask for several credentials at once: all of them go into the request, or none does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.connection.auth import Credential, authorize
from kosha_connector_openai.core.connection.scheme import RequestFacts
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.errors import OriginError, SetupError
from kosha_connector_openai.http.origin import parse_origin
from kosha_connector_openai.secrets.secret import SecretReference
from tests.recorder import Recorder, reply

MANIFEST = """
id: tiny
title: Tiny
version: 1.0.0
tagline: t
publisher: {name: p}
license: Apache-2.0
auth:
  User: {scheme: bearer, fields: {token: user}}
  App: {scheme: api_key, fields: {token: app}, settings: {header: X-App}}
  Admin: {scheme: basic, fields: {username: name, password: word}}
connection:
  fields:
    - {name: user, label: User, secret: true, env: [USER_KEY]}
    - {name: app, label: App, secret: true, env: [APP_KEY]}
    - {name: name, label: Name}
    - {name: word, label: Word, secret: true, env: [WORD]}
    - {name: server_url, label: Server, role: server}
"""
SECURITY = {
    "both": [{"User": [], "App": []}],
    "either": [{"User": [], "App": []}, {"App": []}],
    "clash": [{"User": [], "Admin": []}],
    "clashOrApp": [{"User": [], "Admin": []}, {"App": []}],
    "one": [{"App": []}],
    "none": [{}],
}
VALUES = {"user": "env:USER_KEY", "app": "env:APP_KEY", "name": "n", "word": "env:WORD"}


@pytest.fixture
def records() -> list[Record]:
    """What is recorded."""
    return []


@pytest.fixture
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[Record]) -> Iterator[Connector]:
    """A connector whose operations ask for credentials in all ways."""
    for name in ("USER_KEY", "APP_KEY", "WORD"):
        monkeypatch.setenv(name, f"secret-of-{name.lower()}")
    paths = {f"/{key}": {"get": {"operationId": key, "security": rule, "responses": {}}} for key, rule in SECURITY.items()}
    schemes = {name: {"type": "http", "scheme": "bearer"} for name in ("User", "App", "Admin")}
    description = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"securitySchemes": schemes}}
    (tmp_path / "openapi.json").write_text(json.dumps(description))
    (tmp_path / "connector.yaml").write_text(MANIFEST)
    with Connector(tmp_path, record=records.append) as opened:
        yield opened


def connect(connector: Connector, url: str, *fields: str, **options: object) -> Connection:
    """A connection with these fields filled in."""
    return connector.connection({"server_url": url, **{name: VALUES[name] for name in fields}}, environ={}, **options)


@pytest.mark.parametrize(
    ("action", "fields", "sent"),
    [
        ("both", ("user", "app"), ("Bearer secret-of-user_key", "secret-of-app_key")),
        ("either", ("user", "app"), ("Bearer secret-of-user_key", "secret-of-app_key")),
        ("either", ("app",), (None, "secret-of-app_key")),
        ("clashOrApp", ("user", "app", "name", "word"), (None, "secret-of-app_key")),
        ("one", ("user", "app"), (None, "secret-of-app_key")),
        ("none", ("user", "app"), (None, None)),
    ],
)
def test_each_scheme_of_an_alternative_is_written(
    connector: Connector, action: str, fields: tuple[str, ...], sent: tuple[str, str]
) -> None:
    """The first alternative that the connection can meet whole is met whole, and no other."""
    with Recorder() as upstream:
        connector.run(action, {}, connect(connector, upstream.url, *fields))
    assert (upstream.last.header("Authorization"), upstream.last.header("X-App")) == sent


@pytest.mark.parametrize(
    ("action", "fields"),
    [("both", ("user",)), ("both", ("app",)), ("both", ()), ("clash", ("user", "app", "name", "word")), ("either", ("user",))],
)
def test_half_of_them_is_none(connector: Connector, action: str, fields: tuple[str, ...]) -> None:
    """Where one is missing, or two would write the same header, nothing is sent and the alternatives are named."""
    with Recorder() as upstream, pytest.raises(SetupError, match="credential") as caught:
        connector.run(action, {}, connect(connector, upstream.url, *fields))
    assert upstream.silent
    assert caught.value.faults[0].rule == "security"


def test_the_record_names_all_of_them(connector: Connector, records: list[Record]) -> None:
    """Each reference that was used."""
    with Recorder() as upstream:
        connector.run("both", {}, connect(connector, upstream.url, "user", "app"))
    assert set(records[0].credential.split(", ")) == {"env:USER_KEY", "env:APP_KEY"}


def test_an_echo_of_any_of_them_is_scrubbed(connector: Connector) -> None:
    """What comes back with either secret in it is shown without."""
    body = {"error": {"message": "no: secret-of-user_key secret-of-app_key"}}
    with Recorder(reply(status=401, body=body)) as upstream, pytest.raises(Exception, match="no:") as caught:
        connector.run("both", {}, connect(connector, upstream.url, "user", "app"))
    assert "secret-of" not in str(caught.value)


def test_a_preview_masks_all_of_them(connector: Connector) -> None:
    """No secret is read for a preview."""
    preview = connector.preview("both", {}, connect(connector, "https://a.example", "user", "app"))
    headers = dict(preview.headers)
    assert (headers["Authorization"], headers["X-App"]) == ("Bearer ********", "********")


def test_each_stays_with_its_own_origins() -> None:
    """If one of them may not go to a server, none is read and none goes."""
    here, there = parse_origin("https://a.example"), parse_origin("https://b.example")
    other = Credential("api_key", {"header": "X-App"}, {"token": SecretReference.parse("env:APP_KEY")}, frozenset({there}))
    both = Credential("bearer", {}, {"token": SecretReference.parse("env:USER_KEY")}, frozenset({here, there}), (other,))
    asked: list[SecretReference] = []
    with pytest.raises(OriginError):
        authorize(both, here, asked.append, RequestFacts("GET", "https://a.example/"))  # type: ignore[arg-type]
    assert asked == []
