"""Kinds of server in the manifest: faulty ones are refused, and ours name only what exists."""

from __future__ import annotations

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.connection.auth import auth_type
from kosha_connector_openai.core.connection.server_kinds import server_kind_of
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.http.origin import parse_server
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.manifest import Manifest
from kosha_connector_openai.manifest.part import parse_part
from kosha_connector_openai.manifest.servers import PathRule

BASE = "id: t\ntitle: T\nversion: 1.0.0\ntagline: t\npublisher: {name: p}\nlicense: Apache-2.0\n"


@pytest.mark.parametrize(
    "rule",
    [
        '{path: "no/slash"}',
        '{path: "/a/../b"}',
        '{path: "/a?b=c"}',
        '{path: "/a/{path}/b"}',
        '{path: "/a//b"}',
        '{path: "/a/{unknown}{path}"}',
        '{path: "/a{path}", values: {unused: {input: model}}}',
        '{path: "/a{path}", values: {x: {inptu: model}}}',
        "{actions: [a]}",
    ],
)
def test_a_faulty_rule_is_refused(rule: str) -> None:
    """A path that could not be written, and a variable without a source, are told when the manifest is read."""
    text = f"{BASE}servers: {{kinds: {{x: {{title: X, form: {{paths: [{rule}]}}}}}}}}\n"
    with pytest.raises(ManifestError) as caught:
        parse_part(text.encode(), Manifest, name="connector.yaml")
    assert all(fault.pointer.startswith("/servers/kinds/x/form/paths/0") for fault in caught.value.faults)


@pytest.mark.parametrize("path", ["", "{path}", "/a{path}", "/a/b", "/a/{x}{path}", "/{x}"])
def test_a_rule_says_where(path: str) -> None:
    """Plain segments, variables and the described path at the end."""
    values = {"x": {"input": "model"}} if "{x}" in path else {}
    assert validated({"path": path, "values": values}, PathRule).path == path


def test_our_kinds_of_server_name_what_exists(connector: Connector) -> None:
    """Fields, operations, servers and authentication types of every kind are there, and each has a title and a line of help."""
    manifest, catalog = connector.manifest, connector.catalog
    fields = {entry.name for entry in manifest.connection.fields}
    for kind in manifest.servers.kinds.values():
        assert kind.title
        assert kind.help
        named = {*kind.values, *kind.required}
        for rule in kind.form.paths if kind.form else ():
            assert set(rule.actions) <= set(catalog)
            for source in rule.values.values():
                named |= {source.field} if source.field else set()
                assert all(source.input in catalog[action].input_schema["properties"] for action in rule.actions)
        named |= set(kind.form.query.values()) if kind.form else set()
        assert named <= fields
        assert auth_type(kind.values.get("auth_type", "NONE"))
        assert parse_server(kind.values.get("server_url", "https://x.example"))


def test_a_form_offers_the_kinds(connector: Connector) -> None:
    """A host that draws the form can offer them by title."""
    kinds = connector.form["properties"]["server_kind"]["oneOf"]
    assert {kind["const"] for kind in kinds} == set(connector.manifest.servers.kinds)
    assert all(kind["title"] and kind["description"] for kind in kinds)


def test_the_words_of_the_version_before_are_read() -> None:
    """``presets`` of servers and the role ``preset`` mean kinds of server; a saved connection may still hold the field ``preset``."""
    fields = "connection: {fields: [{name: server_kind, aliases: [preset], label: Kind, role: preset}]}\n"
    manifest = parse_part(
        f"{BASE}servers: {{presets: {{near: {{title: Near, values: {{server_url: x}}}}}}}}\n{fields}".encode(),
        Manifest,
        name="connector.yaml",
    )
    assert manifest.servers.kinds["near"].title == "Near"
    assert server_kind_of(manifest, {"preset": "near"}) is manifest.servers.kinds["near"]
    assert server_kind_of(manifest, {"preset": "far", "server_kind": "near"}).title == "Near"
