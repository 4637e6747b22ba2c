"""What a workflow editor draws with, over HTTP: forms, samples, options."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.gateway.access.ownership import Ownership, make_ownership
from kosha_connector_openai.gateway.pages.builder_api import BuilderApi
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.records import Allowance, Caller
from kosha_connector_openai.gateway.settings import OwnershipEntry
from kosha_connector_openai.manifest.parts import RelayRules
from tests.recorder import Recorder, reply

FILES = {
    "object": "list",
    "data": [{"id": "file-mine12", "filename": "a.jsonl"}, {"id": "file-other1", "filename": "b.jsonl"}],
    "has_more": False,
}


def caller(tenant: str = "acme", actions: frozenset[str] | None = None) -> Caller:
    return Caller("ci", tenant, "default", "on", Allowance(10, 10), actions)


def make(connector: Connector, url: str, owners: Ownership | None = None) -> tuple[BuilderApi, Downloads]:
    connections = {"default": connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": url})}
    downloads = Downloads()
    return BuilderApi(CheckedCalls(connector, connections, owners)), downloads


@pytest.fixture
def builder(connector: Connector, key: str) -> Iterator[BuilderApi]:
    """The builder's answers, in front of a server that nobody asks."""
    api, downloads = make(connector, "http://127.0.0.1:9")
    yield api
    downloads.close()


def test_a_form_comes_as_it_is_and_drawn(builder: BuilderApi, connector: Connector) -> None:
    """The same form as in Python, or its JSON Schema and uiSchema."""
    form = connector.forms["createEmbedding"]
    plain, drawn = builder.form(caller(), "createEmbedding"), builder.form(caller(), "createEmbedding", drawn=True)
    assert (plain.status, json.loads(plain.body())) == (200, json.loads(json.dumps(form.to_dict())))
    assert json.loads(drawn.body()) == {"schema": form.to_json_schema(), "ui_schema": form.to_ui_schema()}


@pytest.mark.parametrize("action", ["createChatCompletion", "createSpeech", "listFiles", "createTranscription"])
def test_samples_fit_what_they_are_samples_of(builder: BuilderApi, connector: Connector, action: str) -> None:
    """The inputs pass the check, the short result its schema; a reply of bytes comes as base64."""
    value = json.loads(builder.sample(caller(), action).body())
    connector.check(action, value["inputs"])
    jsonschema.validate(value["result"], value["result_schema"])
    assert ("base64" in value["answer"]) == (action == "createSpeech")


@pytest.mark.parametrize("answer", ["form", "sample"])
def test_what_the_caller_may_not_run_it_does_not_see(builder: BuilderApi, answer: str) -> None:
    """G12: the same answer as for an action that does not exist."""
    hidden = getattr(builder, answer)(caller(actions=frozenset({"listModels"})), "createEmbedding")
    unknown = getattr(builder, answer)(caller(), "noSuchAction")
    assert (hidden.status, unknown.status) == (404, 404)


async def test_options_come_from_the_account(connector: Connector, key: str) -> None:
    """A live list, asked once with the connection's key."""
    with Recorder(reply(200, FILES)) as upstream:
        api, downloads = make(connector, upstream.url)
        answer = await api.options(caller(), "retrieveFile", "file_id", {"search": "b.jsonl"})
        downloads.close()
        await connector.aclose()
    value = json.loads(answer.body())
    assert (answer.status, value["source"], [each["value"] for each in value["options"]]) == (200, "live", ["file-other1"])
    assert [(seen.method, seen.target.partition("?")[0]) for seen in upstream.requests] == [("GET", "/v1/files")]
    assert upstream.requests[0].header("authorization") == f"Bearer {key}"


async def test_another_tenants_things_are_not_on_offer(connector: Connector, key: str) -> None:
    """G12: on a shared connection the list leaves out what others made."""
    rules = connector.part("relay", RelayRules).objects
    owners = make_ownership(OwnershipEntry(), {"default": "default"}, connector.catalog, rules)
    assert owners is not None
    owners.learn(caller("other"), "createFile", b'{"id": "file-other1"}')
    owners.learn(caller(), "createFile", b'{"id": "file-mine12"}')
    with Recorder(reply(200, FILES)) as upstream:
        api, downloads = make(connector, upstream.url, owners)
        answer = await api.options(caller(), "retrieveFile", "file_id", {})
        downloads.close()
        await connector.aclose()
    assert [each["value"] for each in json.loads(answer.body())["options"]] == ["file-mine12"]


@pytest.mark.parametrize("body", [[], {"inputs": []}, {"search": 5}, {"input": {}}, None])
async def test_a_body_of_another_form_is_refused(builder: BuilderApi, body: object) -> None:
    """400 in the provider's shape; nothing is asked."""
    answer = await builder.options(caller(), "retrieveFile", "file_id", body)
    assert (answer.status, json.loads(answer.body())["error"]["type"]) == (400, "invalid_request_error")


async def test_a_field_that_is_not_there_is_named(builder: BuilderApi) -> None:
    """With the nearest name."""
    answer = await builder.options(caller(), "retrieveFile", "file_idd", {})
    error = json.loads(answer.body())["error"]
    assert answer.status == 400
    assert "file_id" in error["message"]
