"""docs/publishing.md followed to the letter: a folder, the check, the sandbox, a green ``test``, a run; for three kinds of credential."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kosha_connector_openai.cli.app import make_app

COMMAND = [sys.executable, "-m", "kosha_connector_openai.cli"]
ITEM = {"type": "object", "required": ["name"], "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}}}
ANSWER = {"200": {"description": "d", "content": {"application/json": {"schema": ITEM}}}}


def description(scheme: dict[str, Any]) -> dict[str, Any]:
    """A provider's own description, as a provider writes one."""
    number = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    accept = {"name": "Accept", "in": "header", "required": True, "schema": {"type": "string"}}
    body = {"required": True, "content": {"application/json": {"schema": ITEM}}}
    return {
        "openapi": "3.0.4",
        "info": {"title": "Shop", "version": "1"},
        "security": [{"shop": []}],
        "paths": {
            "/v1/items": {
                "get": {"operationId": "listItems", "parameters": [accept], "responses": ANSWER},
                "post": {"operationId": "addItem", "requestBody": body, "responses": ANSWER},
            },
            "/v1/items/{id}": {"get": {"operationId": "getItem", "parameters": [number], "responses": ANSWER}},
        },
        "components": {"securitySchemes": {"shop": scheme}},
    }


def manifest(rule: dict[str, Any]) -> dict[str, Any]:
    """The manifest that the page asks for."""
    fields = [
        {"name": "server_url", "label": "Server", "env": ["SHOP_URL"], "role": "server"},
        {"name": "key", "label": "Key", "secret": True, "required": True, "env": ["SHOP_KEY"]},
    ]
    return {
        "id": "shop", "title": "Shop", "version": "1.0.0", "tagline": "Things.", "publisher": {"name": "Shop"}, "license": "Apache-2.0",
        "servers": {"default": "https://api.shop.example"}, "auth": {"shop": rule}, "connection": {"fields": fields},
    }  # fmt: skip


BEARER = ({"type": "http", "scheme": "bearer"}, {"scheme": "bearer", "fields": {"token": "key"}})
HEADER = (
    {"type": "apiKey", "in": "header", "name": "X-Shop-Key"},
    {"scheme": "api_key", "fields": {"token": "key"}, "settings": {"header": "X-Shop-Key"}},
)
FLOWS = {"clientCredentials": {"tokenUrl": "https://auth.shop.example/token", "scopes": {}}}
OAUTH = ({"type": "oauth2", "flows": FLOWS}, {"scheme": "oauth2", "fields": {"token": "key"}})
KOSHA = {"bearer": ["BEARER_TOKEN"], "header": ["API_KEY"], "oauth2": ["ACCESS_TOKEN"]}
TYPES = {"bearer": "BEARER_TOKEN", "header": "API_KEY", "oauth2": "OAUTH2"}


def run(folder: Path, environ: dict[str, str], *arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(make_app(), ["--connector", str(folder), *arguments], prog_name="kosha-openai", env=environ)


@contextmanager
def sandbox(folder: Path, environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variables that the sandbox prints while it runs."""
    command = [*COMMAND, "--connector", str(folder), "sandbox", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        assert process.stderr is not None
        printed = next(line for line in process.stderr if "export" in line)
        yield dict(pair.split("=", 1) for pair in re.findall(r"[A-Z_]+=\S+", printed))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "pair", "own"),
    [
        pytest.param("bearer", BEARER, True, id="bearer"),
        pytest.param("header", HEADER, True, id="header"),
        pytest.param("oauth2", OAUTH, True, id="oauth2"),
        pytest.param("bearer", BEARER, False, id="bearer-no-manifest"),
        pytest.param("header", HEADER, False, id="header-no-manifest", marks=SLOW),
        pytest.param("oauth2", OAUTH, False, id="oauth2-no-manifest", marks=SLOW),
    ],
)
def test_the_page_leads_to_a_green_test(tmp_path: Path, kind: str, pair: tuple[dict[str, Any], dict[str, Any]], own: bool) -> None:
    """With a manifest, and with Kosha's form alone; nothing is set but what the sandbox prints."""
    scheme, rule = pair
    (tmp_path / "openapi.json").write_text(json.dumps(description(scheme)))
    if own:
        (tmp_path / "connector.yaml").write_text(json.dumps(manifest(rule)))
    else:
        names = [*KOSHA[kind], "SERVER_URL", "AUTH_TYPE"]
        fields = [{"field": name, "type": "String", **({"default": TYPES[kind]} if name == "AUTH_TYPE" else {})} for name in names]
        (tmp_path / "connector_spec.json").write_text(json.dumps({"version": "2.0.0", "fields": fields}))
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV")}
    checked = run(tmp_path, environ, "manifest", "--check", str(tmp_path))
    assert (checked.exit_code, "is a valid manifest" in checked.stdout) == (0, True), checked.stderr
    with sandbox(tmp_path, environ) as printed:
        environ |= printed
        tested = run(tmp_path, environ, "test")
        assert (tested.exit_code, "(listItems)" in tested.stdout) == (0, True), tested.stderr
        absent = run(tmp_path, environ, "run", "getItem", "id=7")
        assert "No such item" in absent.stderr
        for action in (["listItems"], ["addItem", "name=n"]):
            done = run(tmp_path, environ, "run", *action)
            assert done.exit_code == 0, done.stderr
        assert (
            run(tmp_path, environ | dict.fromkeys(printed.keys() - {"SERVER_URL", "SHOP_URL", "AUTH_TYPE"}, "x" * 20), "test").exit_code
            != 0
        )
