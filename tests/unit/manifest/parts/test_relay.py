"""The part that says what may pass: closed, and sound for our own provider."""

from __future__ import annotations

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.request.parameters import is_protected
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.manifest.part import parse_part
from kosha_connector_openai.manifest.parts.relay import RelayRules


def test_our_lists_are_names_of_headers_in_lower_case(connector: Connector) -> None:
    """And nothing protected would be sent on, nor is anything both sent on and refused."""
    rules = connector.part("relay", RelayRules)
    names = [*rules.request_headers, *rules.reply_headers, *rules.hidden_headers, *rules.refused_headers]
    assert all(name == name.lower() and name.isascii() and " " not in name for name in names)
    assert not [name for name in rules.request_headers if is_protected(name) and name != "accept"]
    assert not set(rules.request_headers) & set(rules.refused_headers)
    assert rules.retry_hint in connector.manifest.result.headers


def test_no_field_of_an_action_is_refused_by_accident(connector: Connector) -> None:
    """A field that the provider declares may always be given."""
    rules = connector.part("relay", RelayRules)
    declared = {name for key in connector.catalog.document for form in connector.catalog[key].inputs.bodies for name in form.properties}
    assert not declared & set(rules.refused_fields)


def test_unknown_keys_are_refused() -> None:
    """As in the manifest itself."""
    with pytest.raises(ManifestError, match="request_headers"):
        parse_part(b"request_header: [a]", RelayRules, name="relay.yaml")
