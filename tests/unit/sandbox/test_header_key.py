"""A provider whose description has its key in a header of its own, or in the query: tried against the sandbox as it is described."""

import json
from pathlib import Path

import httpx
import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import ApiError
from kosha_connector_openai.manifest.folder import read_folder
from kosha_connector_openai.manifest_check import ManifestCheck
from kosha_connector_openai.sandbox.process import Sandbox

KEY = "a-key-of-this-sandbox-0123456789"


def folder(path: Path, auth: str, scheme: dict[str, str]) -> Path:
    answer = {
        "description": "ok",
        "content": {"application/json": {"schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "security": [{"Key": []}],
        "paths": {"/ping": {"get": {"operationId": "ping", "responses": {"200": answer}}}},
        "components": {"securitySchemes": {"Key": scheme}},
    }
    (path / "openapi.json").write_text(json.dumps(document))
    (path / "connector.yaml").write_text(
        "{id: tiny, title: Tiny, version: 1.0.0, tagline: T, publisher: {name: N}, license: Apache-2.0, servers: {default: 'https://t.example'},\n"
        f" auth: {{Key: {auth}}},\n"
        " connection: {fields: [{name: api_key, label: Key, secret: true, env: [TINY_KEY], required: true},"
        " {name: url, label: Server, role: server}], test: {action: ping}}}\n"
    )
    return path


@pytest.mark.parametrize(
    ("scheme", "said"),
    [({"type": "apiKey", "in": "header", "name": "X-Key"}, "X-Key: KEY"), ({"type": "apiKey", "in": "query", "name": "k"}, "?k=KEY")],
)
def test_a_described_key_needs_no_setting_and_the_sandbox_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: dict[str, str], said: str
):
    """The header or the parameter is the description's; a wrong key is told as wrong, a missing one with the place where it goes."""
    place = folder(tmp_path, "{scheme: api_key, fields: {token: api_key}}", scheme)
    assert list(ManifestCheck(place, read_folder(place)).faults()) == []
    with Connector(place) as connector, Sandbox(connector=place, key=KEY) as sandbox:
        for key, code in ((KEY, None), ("another-key-0123456789", "invalid_api_key")):
            monkeypatch.setenv("TINY_KEY", key)
            connection = connector.connection({"api_key": "env:TINY_KEY", "url": sandbox.url}, loopback=True)
            if code is None:
                connector.run("ping", {}, connection)
                continue
            with pytest.raises(ApiError) as caught:
                connector.run("ping", {}, connection)
            assert caught.value.status == 401
        bare = httpx.get(f"{sandbox.url}/ping", trust_env=False)
        assert (bare.status_code, said in bare.json()["error"]["message"]) == (401, True)


@pytest.mark.parametrize(
    ("auth", "places"),
    [
        ("{scheme: api_key, fields: {key: api_key}}", {"/auth/Key/fields/key", "/auth/Key/fields"}),
        ("{scheme: api_key, fields: {token: api_key}, settings: {headr: X-Key}}", {"/auth/Key/settings/headr"}),
        ("{scheme: api_key, fields: {token: api_key}, settings: {header: X-Other}}", {"/auth/Key/settings/header"}),
        ("{scheme: bearer, fields: {token: api_key}, settings: {header: X-Key}}", {"/auth/Key/settings/header"}),
        ("{scheme: bearer, fields: {tokn: api_key}}", {"/auth/Key/fields/tokn", "/auth/Key/fields"}),
    ],
)
def test_a_part_or_a_setting_that_a_scheme_does_not_have_is_a_fault(tmp_path: Path, auth: str, places: set[str]):
    """What it holds would go nowhere, and the run would say that a field which is filled in is not."""
    place = folder(tmp_path, auth, {"type": "apiKey", "in": "header", "name": "X-Key"})
    assert {each.fault.pointer for each in ManifestCheck(place, read_folder(place)).faults()} == places
