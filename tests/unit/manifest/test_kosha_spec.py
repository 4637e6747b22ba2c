"""Reading connector_spec.json as the published ones are, and writing one that every reader knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import AUTH_TYPES as SCHEMES
from kosha_connector_openai.core.connection.connection import make_connection
from kosha_connector_openai.core.connection.environment import values_from_environment
from kosha_connector_openai.core.connection.options import Options
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.manifest.kosha_spec import AUTH_TYPES, parse_kosha_spec, read_kosha_spec, write_kosha_spec
from kosha_connector_openai.manifest.manifest import Manifest, read_manifest
from kosha_connector_openai.manifest.part import parse_part

KEYS = ["field", "displayName", "type", "description", "minLength", "maxLength", "required", "helpSection", "example"]
SMALL = b"id: tiny\ntitle: Tiny\nversion: 1.0.0\ntagline: t\npublisher: {name: p}\nlicense: MIT\n"


def field(name: str, **more: object) -> dict[str, object]:
    return {"field": name, "displayName": name, "type": "String", "description": "d", "required": True, **more}


def spec(*fields: object, **more: object) -> bytes:
    return json.dumps({"version": "2.0.0", "fields": fields, **more}, indent=1).encode()


def read(*fields: object, owner: str = "acme", **more: object) -> Manifest:
    return parse_kosha_spec(spec(*fields, **more), owner=owner)


def faults(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(ManifestError) as caught:
        parse_kosha_spec(data, owner="acme")
    return [(fault.pointer, fault.message) for fault in caught.value.faults]


def form(manifest: Manifest) -> dict[str, Any]:
    return {entry.name: entry for entry in manifest.connection.fields}


def test_the_types_are_those_of_the_auth_step() -> None:
    """Each AUTH_TYPE that can be read leads to the scheme that the auth step has for it."""
    assert {name: auth.scheme for name, auth in AUTH_TYPES.items()} == dict(SCHEMES)


def test_each_field_becomes_a_form_field_filled_by_its_variable() -> None:
    """Name in lower case, label, help and variable are the specification's; an example never stands in for a secret."""
    entry = field("ACME_REGION", displayName="Region", helpSection="Where.\nSee the page.", example="eu", default="us")
    token = field("BEARER_TOKEN", example="sk-0123456789", default="sk-0123456789")
    fields = form(read(entry, token))
    region, bearer = fields["acme_region"], fields["bearer_token"]
    assert (region.label, region.help, region.env, region.placeholder) == ("Region", "Where.\nSee the page.", ("ACME_REGION",), "eu")
    assert (region.default, region.secret) == ("us", False)
    assert (bearer.secret, bearer.placeholder, bearer.default, bearer.required) == (True, "env:BEARER_TOKEN", None, True)


@pytest.mark.parametrize(
    ("name", "kind", "secret"),
    [
        ("BEARER_TOKEN", "String", True),
        ("ACME_API_KEY", "String", True),
        ("SKEY", "String", True),
        ("CLIENT_SECRET", "String", True),
        ("PASSWORD", "Password", True),
        ("SCOPE", "password", True),
        ("SCOPE", "String", False),
        ("API_KEY_HEADER_NAME", "String", False),
        ("USERNAME", "password", False),
        ("IKEY", "password", False),
        ("TOKEN_COUNT", "String", False),
    ],
)
def test_a_field_is_secret_by_its_type_or_its_name(name: str, kind: str, secret: bool) -> None:
    """Most published forms give keys the type of plain text; what is only written beside a secret is none."""
    assert form(read(field(name, type=kind)))[name.lower()].secret is secret


@pytest.mark.parametrize(
    ("names", "default", "required"),
    [
        (["BEARER_TOKEN"], "BEARER_TOKEN", {"bearer_token", "server_url"}),
        (["API_KEY"], "API_KEY", {"api_key", "api_key_header_name", "server_url"}),
        (["USERNAME", "PASSWORD"], "BASIC_AUTH", {"username", "password", "server_url"}),
        (["ACCESS_TOKEN", "REFRESH_TOKEN"], "OAUTH2", {"access_token", "server_url"}),
        (["IKEY", "SKEY"], "HMAC", {"ikey", "skey", "server_url"}),
        (["API_KEY", "ACCESS_TOKEN"], None, {"auth_type", "server_url"}),
        (["DB_HOST"], None, {"auth_type", "server_url"}),
    ],
)
def test_without_auth_type_the_fields_decide(names: list[str], default: str | None, required: set[str]) -> None:
    """The one type whose fields are there is the default; otherwise the operator is asked. A missing SERVER_URL is asked for."""
    fields = form(read(*map(field, names)))
    assert fields["auth_type"].default == default
    assert {name for name, entry in fields.items() if entry.required} == required


def test_a_refresh_token_brings_the_clients_fields() -> None:
    """Who asks for new tokens can be filled in, though no published form has the fields."""
    assert {"client_id", "client_secret"} <= form(read(field("ACCESS_TOKEN"), field("REFRESH_TOKEN"))).keys()


def test_the_default_server_is_the_connectors() -> None:
    """SERVER_URL's default is where the environment's secrets are for."""
    manifest = read(field("BEARER_TOKEN"), field("SERVER_URL", default=" https://api.acme.example "))
    assert manifest.servers.default == "https://api.acme.example"
    assert form(manifest)["server_url"].required is False


def test_defects_of_published_forms_are_tolerated() -> None:
    """Version 1.0.0, odd types, missing keys, examples beyond their bounds and unknown keys are read; extra keys change nothing."""
    odd = {"field": "PASSWORD", "type": "Password", "minLength": 50, "maxLength": 10, "example": 7, "dropdown": ["a"]}
    manifest = read(odd, field("USERNAME", displayName="  "), version="1.0.0", oauth2_provider_name="acme")
    assert [entry.label for entry in manifest.connection.fields][:2] == ["Password", "Username"]


@pytest.mark.parametrize(
    ("owner", "known"),
    [("Acme_Connector", "acme-connector"), ("7th", "connector-7th"), ("é", "connector"), ("a" * 80, "a" * 63)],
)
def test_the_folder_names_the_connector(owner: str, known: str) -> None:
    """Any folder's name gives an id that a manifest may have."""
    assert read(field("BEARER_TOKEN"), owner=owner).id == known


def test_a_long_key_is_accepted() -> None:
    """The bounds of a form are too narrow for today's keys and are not enforced."""
    manifest = read(field("BEARER_TOKEN", maxLength=60), field("SERVER_URL", default="https://api.acme.example"))
    found = values_from_environment(manifest.connection, {"BEARER_TOKEN": "k" * 512})
    assert str(make_connection(manifest, found, Options()).credentials["*"].references["token"]) == "env:BEARER_TOKEN"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b'{"version": "2.0.0",\n "fields": [}', ("", "is not valid JSON at line 2, column 13: Expecting value."), id="syntax"),
        pytest.param(b'{"version":\n "2.0.0", "version": "2.0.0"}', ("/version", "occurs twice in one object."), id="doubled-key"),
        pytest.param(b"[]", ("", "is not an object. (Line 1.)"), id="no-object"),
        pytest.param(b'{"version": "2.0.0"}', ("/fields", "is missing. (Line 1.)"), id="no-fields"),
        pytest.param(spec(field("A"), version="3.0.0"), ("/version", "Input should be '1.0.0' or '2.0.0'. (Line 2.)"), id="version"),
        pytest.param(spec(), ("/fields", "is empty. (Line 3.)"), id="empty"),
        pytest.param(
            spec(field("A"), field("two words")),
            ("/fields/1/field", "is not a name of letters, digits and underscores. (Line 12.)"),
            id="name",
        ),
        pytest.param(spec(field("A", type="Number")), ("/fields/0/type", "Input should be 'string' or 'password'. (Line 7.)"), id="type"),
        pytest.param(spec({"type": "String"}), ("/fields/0/field", "is missing. (Line 4.)"), id="no-name"),
        pytest.param(spec(field("A"), field("a")), ("/fields/1/field", "is used twice. (Line 12.)"), id="twice"),
        pytest.param(
            spec(field("BEARER_TOKEN"), field("AUTH_TYPE", default="BEARER_TOKN")),
            ("/fields/1/default", "is not a known type. (Line 17.)"),
            id="auth-type",
        ),
        pytest.param(
            spec(field("BEARER_TOKEN"), field("AUTH_TYPE", default="basic auth")),
            ("/fields/1/default", "needs the field USERNAME, which the form does not have. (Line 17.)"),
            id="auth-type-without-fields",
        ),
    ],
)
def test_a_broken_specification_says_what_is_wrong_with_which_line(data: bytes, expected: tuple[str, str]) -> None:
    """The first fault names the place, the rule and the line."""
    assert faults(data)[0] == expected


def test_a_mistyped_type_gets_a_hint() -> None:
    """The nearest known type is named."""
    with pytest.raises(ManifestError) as caught:
        read(field("BEARER_TOKEN"), field("AUTH_TYPE", default="BEARER_TOKN"))
    assert caught.value.faults[0].fix == "Did you mean BEARER_TOKEN?"


def test_a_missing_file_is_a_manifest_error(tmp_path: Path) -> None:
    """The file's name is told, its folder is not."""
    with pytest.raises(ManifestError, match=r"connector_spec\.json cannot be read") as caught:
        read_kosha_spec(tmp_path / "connector_spec.json")
    assert str(tmp_path) not in str(caught.value)


def test_what_is_written_has_the_ten_keys_and_keeps_its_own_bounds(root: Path) -> None:
    """Version 2.0.0, unique names in capitals, two types, keys of 512 characters, defaults and examples within the bounds."""
    written = write_kosha_spec(read_manifest(root / "connector.yaml"))
    fields = written["fields"]
    assert (list(written), written["version"]) == (["version", "fields"], "2.0.0")
    assert [entry["field"] for entry in fields] == [
        "BEARER_TOKEN",
        "OPENAI_ADMIN_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "SERVER_KIND",
        "SERVER_URL",
        "OPENAI_API_VERSION",
        "OPENAI_DEPLOYMENT",
        "AUTH_TYPE",
    ]
    assert {tuple(entry) for entry in fields} == {tuple(KEYS), (*KEYS, "default")}
    assert {entry["type"] for entry in fields} == {"String", "password"}
    assert all(entry["minLength"] <= len(entry.get("default", entry["example"])) <= entry["maxLength"] == 512 for entry in fields)
    assert all(entry["minLength"] <= len(entry["example"]) <= entry["maxLength"] for entry in fields)


def test_what_is_written_can_be_read_and_used(root: Path) -> None:
    """The written form of our own manifest makes the same connection: server, scheme and variable."""
    written = json.dumps(write_kosha_spec(read_manifest(root / "connector.yaml"))).encode()
    manifest = parse_kosha_spec(written, owner="again")
    found = values_from_environment(manifest.connection, {"BEARER_TOKEN": "x"})
    connection = make_connection(manifest, found, Options())
    credential = connection.credential((("ApiKeyAuth",),))
    assert credential is not None
    assert (str(connection.server), credential.scheme, str(credential.references["token"])) == (
        "https://api.openai.com",
        "bearer",
        "env:BEARER_TOKEN",
    )


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=30)
_ENTRIES = st.lists(
    st.tuples(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.sampled_from(["String", "password", "Password"]), _TEXT),
    max_size=6,
    unique_by=lambda entry: entry[0],
)


@given(_ENTRIES, st.sampled_from(sorted(AUTH_TYPES)))
@settings(max_examples=100, deadline=None)
def test_reading_what_was_written_changes_nothing(entries: list[tuple[str, str, str]], kind: str) -> None:
    """For any form: written, read and written again it is the same text."""
    taken = {"AUTH_TYPE", "SERVER_URL", *AUTH_TYPES[kind].needs.values(), *AUTH_TYPES[kind].takes.values()}
    own = [field(name) for name in AUTH_TYPES[kind].needs.values()]
    more = [field(name, type=type_, displayName=label) for name, type_, label in entries if name not in taken]
    once = write_kosha_spec(read(*own, *more, field("AUTH_TYPE", default=kind)))
    again = write_kosha_spec(parse_kosha_spec(json.dumps(once).encode(), owner="acme"))
    assert again == once


def test_a_fixed_header_becomes_a_field() -> None:
    """The name of a key's header, fixed in the manifest, is written as Kosha's field with its default."""
    text = SMALL + (
        b"auth: {Key: {scheme: api_key, fields: {token: key}, settings: {header: X-Tiny-Key}}}\n"
        b"connection: {fields: [{name: key, label: Key, secret: true, required: true, env: [TINY_KEY, API_KEY]}]}\n"
    )
    fields = {
        entry["field"]: entry.get("default") for entry in write_kosha_spec(parse_part(text, Manifest, name="connector.yaml"))["fields"]
    }
    assert fields == {"API_KEY": None, "API_KEY_HEADER_NAME": "X-Tiny-Key", "SERVER_URL": None, "AUTH_TYPE": "API_KEY"}


@pytest.mark.parametrize(
    ("more", "pointer", "fix"),
    [
        (
            b"auth: {Key: {scheme: bearer, fields: {token: key}}}\nconnection: {fields: [{name: key, label: Key, env: [TINY_KEY]}]}\n",
            "/connection/fields/0/env",
            "Add BEARER_TOKEN.",
        ),
        (
            b"auth: {Key: {scheme: digest}}\n",
            "/auth",
            "Known: BEARER_TOKEN, API_KEY, BASIC_AUTH, OAUTH2, HMAC, NONE.",
        ),
    ],
)
def test_a_manifest_that_kosha_could_not_fill_is_refused(more: bytes, pointer: str, fix: str) -> None:
    """Kosha sets a variable of its own name: a field that does not take it would stay empty there."""
    with pytest.raises(ManifestError) as caught:
        write_kosha_spec(parse_part(SMALL + more, Manifest, name="connector.yaml"))
    assert [(fault.pointer, fault.fix) for fault in caught.value.faults] == [(pointer, fix)]
