"""Every id that an operation takes has a rule of ownership, or a reason why it needs none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.gateway.access.object_ids import Claim, ObjectNames
from kosha_connector_openai.gateway.exchange.multipart_scan import field_values
from kosha_connector_openai.gateway.routes import administration_actions, privileged_actions, sound_actions
from kosha_connector_openai.manifest.parts import RelayRules

_ID = re.compile(r"(?:^|_)ids?\Z")
REASONS: Mapping[str, str] = {
    "approval_request_id": "an item of what the request itself holds, or names by an id that is checked",
    "call_id": "the caller's own word for a tool's call, made by the model in what the request holds",
    "caller_id": "the same, of the program that called",
    "client_id": "the caller's own with another service, as the credential is that it writes",
    "connector_id": "one of the provider's fixed names; the right to it comes with the request",
    "continuation_id": "a text of the caller's choice",
    "field_id": "a field of a question in a session, which the path names",
    "group_id": "a text of the caller's choice, for traces",
    "id": "an item's own, or what the object around it claims",
    "request_id": "a question in a session, which the path names",
    "tool_call_id": "the caller's own word for a tool's call",
}
"""Fields of bodies without a claim by their name alone."""
OPEN = {"model": "names of models are everyone's", "engine_id": "the same, of old"}
"""Variables of paths without a claim."""
WORDS = {
    "call_id": "a field of that name is no realtime call's",
    "external_key_id": "of the administration alone",
    "group_id": "of the administration alone; a field of that name is a text",
    "session_id": "files of chats hold it; `target.session_id` is an agent's session",
    "version": "a number within a skill, which the path names",
}
MINTING = re.compile(r"(?:^|_)(?:client_secret|signing_secret|secret|api_key|private_key|password|ephemeral_key)\Z")


@pytest.fixture
def rules(connector: Connector) -> RelayRules:
    return connector.part("relay", RelayRules)


@pytest.fixture
def names(connector: Connector, rules: RelayRules) -> ObjectNames:
    return ObjectNames(sound_actions(connector.catalog), rules.objects, administration_actions(connector.catalog, rules.privileged))


def fields(connector: Connector, schema: Any, at: str = "", seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Each field in a schema with the name of the one around it."""
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        if schema["$ref"] in seen:
            return
        seen |= {schema["$ref"]}
        found: Any = connector.catalog.document.root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        schema = found
    for name, inner in schema.get("properties", {}).items():
        yield at, name
        yield from fields(connector, inner, name, seen)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ()), schema.get("items")):
        yield from fields(connector, part, at, seen)
    yield from fields(connector, schema.get("additionalProperties"), at, seen)


def everyday(connector: Connector, rules: RelayRules) -> list[Action]:
    apart = administration_actions(connector.catalog, rules.privileged)
    return [action for action in sound_actions(connector.catalog) if action.id not in apart]


def test_every_id_in_a_path_is_somebodys(connector: Connector, rules: RelayRules, names: ObjectNames) -> None:
    """Of every operation, those of the administration too: the first names an object, the others a part of it."""
    wrong: list[str] = []
    for action in sound_actions(connector.catalog):
        variables = re.findall(r"\{([^{}]+)\}", action.operation.path)
        values = {name: f"value-{number}" for number, name in enumerate(variables)}
        claims = dict(names.in_path(action.operation.method, values))
        for number, name in enumerate(variables):
            wanted = {Claim.OBJECT} if number == 0 or variables[0] in OPEN else {Claim.OBJECT, Claim.ANY}
            if name not in OPEN and claims.get(values[name]) not in wanted:
                wrong.append(f"{action.id}: {name} claims {claims.get(values[name])}")
    assert not wrong
    assert set(rules.objects.open) == set(OPEN)
    assert set(rules.objects.words) == set(WORDS)


def test_every_id_in_a_body_or_a_query_has_an_owner_or_a_reason(connector: Connector, rules: RelayRules, names: ObjectNames) -> None:
    """A field that is called as ids are claims an object or a part of one; the others are listed with their reasons."""
    without: dict[str, set[str]] = {}
    count = 0
    for action in everyday(connector, rules):
        body = action.operation.request_body
        found = {each for media in (body.content.values() if body else ()) for each in fields(connector, media.schema)}
        found |= {("", each.name.removesuffix("[]")) for each in action.operation.parameters if each.location == "query"}
        for at, name in found:
            if not _ID.search(name):
                continue
            count += 1
            claims = {claim for text, claim in names.in_value({at: {name: "value-1"}} if at else {name: "value-1"})}
            if not claims & {Claim.OBJECT, Claim.ANY}:
                without.setdefault(name, set()).add(action.id)
    assert count > 300
    unruled = {name: sorted(where)[:3] for name, where in without.items() if name not in REASONS}
    assert unruled == {"session_id": ["listAgentAutomations"]}, "that query narrows a list, of which each item is checked"
    assert set(REASONS) <= {*without, "id"}, "a reason for a field that there is no more"


def test_what_hands_over_a_credential_needs_to_be_named(connector: Connector, rules: RelayRules) -> None:
    """No reply of an action that is not privileged has a field for one; those that say where the account's events go are privileged."""
    privileged = privileged_actions(connector.catalog, rules.privileged)
    found = {
        (action.id, name)
        for action in sound_actions(connector.catalog)
        if action.id not in privileged and action.operation.success
        for media in action.operation.success.content.values()
        for _, name in fields(connector, media.schema)
        if MINTING.search(name)
    }
    assert not found
    groups = ("webhookendpoint", "workloadidentity", "externalkey", "externalstorage", "service-account", "serviceaccount", "api-key")
    changing = {
        action.id
        for action in sound_actions(connector.catalog)
        if action.operation.method != "GET" and any(word in action.id.lower() for word in groups)
    }
    assert changing - privileged == {"testWebhookEndpoint"}, "it sends an event of the provider's own making"
    assert set(rules.privileged.actions) <= set(connector.catalog), "a name that no action has"


def test_common_words_in_schemas_and_data_are_no_ids(names: ObjectNames) -> None:
    """A tool's schema may describe fields that are called as ids are; people and projects are the caller's own words."""
    tool = {
        "type": "function",
        "parameters": {"properties": {name: {"type": "string"} for name in ("file_id", "user_id", "id", "session_id")}},
    }
    said = {"user_id": "u-123456", "project_id": "p-123456", "id": "call_123456", "session_id": "chat-123456", "role_id": "r-123456"}
    claims = {claim for _, claim in names.in_value({"tools": [tool], "input": [said, {"role": "user", "content": "x"}]})}
    assert claims <= {Claim.TEXT, Claim.LABEL}
    bound = dict(
        names.in_value({"target": {"session_id": "sess-123456"}, "tools": [{"tunnel_id": "tunnel_123456"}], "part_ids": ["part_123456"]})
    )
    assert set(bound.values()) == {Claim.OBJECT}
    assert ("sess-123456", Claim.OBJECT) in names.in_fields(field_values("target[session_id]", b"sess-123456")), "in a form too"
