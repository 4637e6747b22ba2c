"""Every operation of every description at hand: an example of it is checked, sent to a recorder and found whole on the wire."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.core.actions.sample_inputs import action_sample
from tests.recorder import Received, Recorder, reply
from tests.tables import check_each

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "specs"
DESCRIPTIONS = {
    "ours": ROOT / "openapi.json",
    "original": SHARED / "kosha-openai-24ops-oas30.json",
    "vendor": SHARED / "openai-2.3.0-oas31.json",
}
MANIFEST = """
id: every
title: Every
version: 1.0.0
tagline: t
publisher: {name: p}
license: Apache-2.0
spec: {file: %s}
auth:
  ApiKeyAuth: {scheme: bearer, fields: {token: key}}
  AdminApiKeyAuth: {scheme: bearer, fields: {token: admin_key}}
connection:
  fields:
    - {name: key, label: Key, secret: true, env: [EVERY_KEY]}
    - {name: admin_key, label: Admin key, secret: true, env: [EVERY_ADMIN_KEY]}
    - {name: server_url, label: Server, role: server}
"""
METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


def operations(name: str) -> list[str]:
    path = DESCRIPTIONS[name]
    if not path.exists():
        return []
    paths = json.loads(path.read_text())["paths"]
    return [item[method].get("operationId", "") for item in paths.values() for method in item if method in METHODS]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    """One strict recorder for all operations."""
    with Recorder(reply(body={})) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def connectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Connector]]:
    """A connector for each description that is at hand."""
    opened = {}
    for name, path in DESCRIPTIONS.items():
        if path.exists():
            folder = tmp_path_factory.mktemp(name)
            (folder / path.name).write_bytes(path.read_bytes())
            (folder / "connector.yaml").write_text(MANIFEST % path.name)
            opened[name] = Connector(folder)
    yield opened
    for connector in opened.values():
        connector.close()


@pytest.fixture
def connection(connectors: dict[str, Connector], upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection that can meet both security schemes."""
    monkeypatch.setenv("EVERY_KEY", "key-for-everything")
    monkeypatch.setenv("EVERY_ADMIN_KEY", "admin-for-everything")
    return connectors["ours"].connection({"server_url": upstream.url})


@pytest.mark.parametrize("name", [name for name, path in DESCRIPTIONS.items() if path.exists()])
@pytest.mark.parametrize("minimal", [True, False], ids=["minimal", "full"])
def test_an_example_of_the_operation_arrives_whole(
    connectors: dict[str, Connector], connection: Connection, upstream: Recorder, name: str, minimal: bool
) -> None:
    """Method, path, query, headers, media type and body on the wire are those of the description and of the inputs."""
    connector = connectors[name]

    def arrives(action_id: str) -> None:
        action = connector.catalog[action_id]
        inputs = action_sample(action, minimal=minimal)
        before = len(upstream.requests)
        connector.run(action_id, inputs, connection)
        (sent,) = upstream.requests[before:]
        assert sent.method == action.operation.method
        check_target(action, inputs, sent)
        check_headers(action, sent)
        check_body(action, inputs, sent)

    check_each(operations(name), arrives)


def check_target(action: Action, inputs: dict, sent: Received) -> None:
    path, _, query = sent.target.partition("?")
    template = action.operation.path.split("/")
    segments = path.split("/")
    assert len(segments) == len(template)
    for expected, actual in zip(template, segments, strict=True):
        variable = expected.strip("{}")
        assert unquote(actual) == (str(inputs[variable]) if expected.startswith("{") else expected)
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    own = [name for name, _ in action.operation.query]
    given = {p.name for p in action.operation.parameters if p.location == "query" and p.name in inputs}
    # An exploded form object stands under the names of its own properties (OpenAPI 3.1, section 4.8.12.2).
    given |= {key for name in given if isinstance(inputs[name], dict) for key in inputs[name]}
    assert names[: len(own)] == own
    assert {name.partition("[")[0] for name in names[len(own) :]} <= {name.partition("[")[0] for name in given}


def check_headers(action: Action, sent: Received) -> None:
    admin = any("AdminApiKeyAuth" in alternative for alternative in action.operation.security)
    key = "admin-for-everything" if admin else "key-for-everything"
    assert [value for name, value in sent.headers if name.lower() == "authorization"] == [f"Bearer {key}"]
    assert not [name for name, _ in sent.headers if "{" in name]
    for parameter in action.operation.parameters:
        if parameter.location == "header" and parameter.required:
            assert sent.header(parameter.name) is not None


def check_body(action: Action, inputs: dict, sent: Received) -> None:
    fields = {name: value for name, value in inputs.items() if name not in action.inputs.parameters}
    content_type = sent.header("Content-Type")
    if not sent.body:
        assert not fields
        return
    assert content_type is not None
    assert action.operation.request_body is not None
    assert content_type.partition(";")[0] in action.operation.request_body.content
    if content_type == "application/json":
        assert json.loads(sent.body) == (fields if action.inputs.bodies[0].is_flat or len(action.inputs.bodies) > 1 else fields["body"])
    elif content_type.startswith("multipart/form-data"):
        message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + sent.body)
        names = {str(part.get_param("name", header="content-disposition")).partition("[")[0] for part in message.get_payload()}
        filled = {name.partition("[")[0] for name, value in fields.items() if value not in (None, [], {})}
        assert names == filled


def test_no_operation_is_left_out() -> None:
    """All operations of all descriptions that are at hand are sent: 24 and 288 of the published ones."""
    counts = {name: len(operations(name)) for name in DESCRIPTIONS}
    assert counts["ours"] == 395
    assert counts["original"] in (0, 24)
    assert counts["vendor"] in (0, 288)
