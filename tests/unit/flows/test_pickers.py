"""Pickers: what a field is offered, live, kept or as a fallback; why a list could not be had; what is never hidden."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connection, Connector, open_connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.pickers import OptionLists
from kosha_connector_openai.manifest.parts.pickers import Pickers

CATALOG = open_connector().catalog
PART = open_connector().part("pickers", Pickers)
MODELS = ["gpt-4o", "whisper-1", "gpt-5.2", "my-own-model", "text-embedding-3-small", "ft:gpt-4o-2024-08-06:acme::1"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lists(connector: Connector, clock: Clock) -> OptionLists:
    return OptionLists(connector, clock=clock)


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    return connector.connection(engine="httpx")


def page(*items: Any, more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": more, "last_id": items[-1]["id"] if items else None}


def models(*names: str) -> dict[str, Any]:
    return page(*({"id": name, "created": 100 - place, "owned_by": "x"} for place, name in enumerate(names)))


def values(found: Any) -> list[str]:
    return [option.value for option in found.options]


def test_models_for_the_action_first_unknown_ones_last(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Models known for other actions are left out, models that nothing is known of come last and are marked, trained ones stay."""
    httpx_mock.add_response(json=models(*MODELS))
    found = lists.get("createChatCompletion", "model", connection)
    assert values(found) == ["gpt-4o", "gpt-5.2", "ft:gpt-4o-2024-08-06:acme::1", "my-own-model"]
    assert [option.known for option in found.options] == [True, True, True, False]
    assert (found.source, found.problem, found.free_text) == ("live", None, True)


def test_another_server_shows_everything(connector: Connector, lists: OptionLists, key: str, httpx_mock: HTTPXMock) -> None:
    """Nobody knows what the models of a custom server do, so none is left out."""
    httpx_mock.add_response(json=models(*MODELS))
    elsewhere = connector.connection({"server_url": "https://models.example", "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
    assert values(lists.get("createChatCompletion", "model", elsewhere)) == MODELS


def test_a_server_with_the_providers_models_alone_is_as_the_provider(
    connector: Connector, lists: OptionLists, key: str, httpx_mock: HTTPXMock
) -> None:
    """The sandbox, or a proxy: what is known not to serve the action is left out. A label is always there."""
    httpx_mock.add_response(json=models("gpt-4o", "tts-1", "whisper-1"))
    elsewhere = connector.connection({"server_url": "https://models.example", "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
    found = lists.get("createChatCompletion", "model", elsewhere)
    assert values(found) == ["gpt-4o"]
    assert [option["label"] for option in found.to_dict()["options"]] == ["gpt-4o"]


def test_an_action_without_a_family_shows_everything(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Where the table is silent about an action nothing is left out."""
    httpx_mock.add_response(json=models(*MODELS))
    assert values(lists.get("createFineTuningJob", "model", connection)) == MODELS


def test_a_model_that_goes_away_says_when(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The upstream's own date stands beside the model."""
    httpx_mock.add_response(json={"data": [{"id": "gpt-4o", "owned_by": "system", "shutdown_date": "2027-01-14"}]})
    (option,) = lists.get("createChatCompletion", "model", connection).options
    assert option.about == "system, goes away on 2027-01-14"


@pytest.mark.parametrize(
    ("status", "body", "code", "category"),
    [
        (401, {"error": {"message": "no", "code": "invalid_api_key"}}, "access", "auth"),
        (403, {"error": {"message": "no"}}, "access", "permission"),
        (429, {"error": {"message": "slow"}}, "unavailable", "rate_limit"),
        (429, {"error": {"message": "no money", "code": "insufficient_quota"}}, "access", "quota"),
        (500, {}, "unavailable", "server"),
    ],
)
def test_a_failed_list_says_why_and_falls_back(
    lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock, status: int, body: Any, code: str, category: str
) -> None:
    """The reason as data, after one try, and the models of the description with their date; free text still does."""
    httpx_mock.add_response(status_code=status, json=body)
    found = lists.get("createChatCompletion", "model", connection)
    assert found.problem is not None
    assert (found.problem.code, found.problem.status, found.problem.category) == (code, status, category)
    assert found.problem.hint
    assert (found.source, found.as_of, found.free_text) == ("described", "2026-08-21", True)
    assert {"gpt-5.4", "gpt-4o"} <= set(values(found))
    assert len(httpx_mock.get_requests()) == 1


@pytest.mark.parametrize(("error", "code"), [(httpx.ConnectError("x"), "not_sent"), (httpx.ReadTimeout("x"), "outcome_unknown")])
def test_without_a_network(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock, error: Exception, code: str) -> None:
    """No answer is a reason too."""
    httpx_mock.add_exception(error)
    found = lists.get("createChatCompletion", "model", connection)
    assert found.problem is not None
    assert (found.problem.code, bool(found.options)) == (code, True)


def test_an_answer_of_another_form(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A web page, or no list: a reason and the fallback, no crash."""
    httpx_mock.add_response(html="<html>Sign in</html>")
    found = lists.get("createChatCompletion", "model", connection)
    assert found.problem is not None
    assert found.problem.code == "malformed_reply"
    httpx_mock.add_response(json={"data": "none"})
    found = lists.get("createChatCompletion", "model", connection)
    assert found.problem is not None
    assert (found.source, bool(found.options)) == ("described", True)


def test_items_of_another_form_are_passed_over(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """What has no value of text is no option; the same value comes once; sorting survives what cannot be compared."""
    data = [{"id": "gpt-4o", "created": 5}, {"id": None}, "x", {"id": 3}, {"id": "gpt-4.1", "created": "z"}, {"id": "gpt-4o"}, {"id": ""}]
    httpx_mock.add_response(json={"data": data})
    assert sorted(values(lists.get("createChatCompletion", "model", connection))) == ["gpt-4.1", "gpt-4o"]


def test_without_a_connection(lists: OptionLists) -> None:
    """What needs no call is offered, and why there is no more."""
    found = lists.get("createTranscription", "model")
    assert found.problem is not None
    assert (found.problem.code, found.source) == ("connection", "described")
    assert "whisper-1" in values(found)


def test_a_list_is_kept_for_its_time(lists: OptionLists, connection: Connection, clock: Clock, httpx_mock: HTTPXMock) -> None:
    """One call for ten minutes and for several actions; then, or when asked to, a fresh one."""
    httpx_mock.add_response(json=models("gpt-4o", "whisper-1"), is_reusable=True)
    assert lists.get("createChatCompletion", "model", connection).source == "live"
    assert lists.get("createChatCompletion", "model", connection).source == "kept"
    assert values(lists.get("createTranslation", "model", connection)) == ["whisper-1"]
    assert len(httpx_mock.get_requests()) == 1
    assert lists.get("createChatCompletion", "model", connection, fresh=True).source == "live"
    clock.now = 601
    assert lists.get("createChatCompletion", "model", connection).source == "live"
    lists.forget()
    assert lists.get("createChatCompletion", "model", connection).source == "live"
    assert len(httpx_mock.get_requests()) == 4


def test_tenants_and_keys_never_share_a_list(
    connector: Connector, lists: OptionLists, key: str, monkeypatch: pytest.MonkeyPatch, httpx_mock: HTTPXMock
) -> None:
    """Another tenant, another key, another project or another server is another list."""
    monkeypatch.setenv("BEARER_TOKEN", "another-key-0123456789")
    httpx_mock.add_response(json=models("gpt-4o"), is_reusable=True)
    form = {"api_key": "env:OPENAI_API_KEY"}
    connections = [
        connector.connection(form, engine="httpx", tenant="blue"),
        connector.connection(form, engine="httpx", tenant="red"),
        connector.connection({"api_key": "env:BEARER_TOKEN"}, engine="httpx", tenant="blue"),
        connector.connection({**form, "project": "proj_1"}, engine="httpx", tenant="blue"),
        connector.connection({**form, "server_url": "https://models.example/v1"}, engine="httpx", tenant="blue"),
    ]
    assert [lists.get("createChatCompletion", "model", each).source for each in connections] == ["live"] * 5
    assert [lists.get("createChatCompletion", "model", each).source for each in connections] == ["kept"] * 5


def test_a_failure_is_not_kept(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The next look asks again."""
    httpx_mock.add_response(status_code=429)
    httpx_mock.add_response(json=models("gpt-4o"))
    assert lists.get("createChatCompletion", "model", connection).problem is not None
    assert lists.get("createChatCompletion", "model", connection).source == "live"


def test_every_page_is_followed(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Files of all pages, by purpose, the latest first, with their names."""
    file = {"object": "file", "purpose": "fine-tune", "status": "processed"}
    httpx_mock.add_response(json=page({"id": "f1", "filename": "one", "created_at": 1, **file}, more=True))
    httpx_mock.add_response(json=page({"id": "f2", "filename": "two", "created_at": 2, **file}))
    found = lists.get("createFineTuningJob", "training_file", connection)
    assert [(option.value, option.label, option.about) for option in found.options] == [
        ("f2", "two", "processed"),
        ("f1", "one", "processed"),
    ]
    first, second = httpx_mock.get_requests()
    assert first.url.params["purpose"] == second.url.params["purpose"] == "fine-tune"
    assert second.url.params["after"] == "f1"


def test_a_page_that_fails_keeps_those_before_it(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """What came is offered, with the reason and a word that there is more."""
    httpx_mock.add_response(json=page({"id": "f1"}, more=True))
    httpx_mock.add_response(status_code=500)
    found = lists.get("retrieveFile", "file_id", connection)
    assert found.problem is not None
    assert (values(found), found.more, found.source, found.problem.status) == (["f1"], True, "live", 500)


def test_a_list_without_end_is_stopped(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The picker's own limit ends it, and says so."""
    batch = [{"id": f"b{number}"} for number in range(600)]
    httpx_mock.add_response(json={"data": batch, "has_more": True, "last_id": "b599"})
    httpx_mock.add_response(json={"data": [{"id": f"c{number}"} for number in range(600)], "has_more": True, "last_id": "c599"})
    found = lists.get("retrieveBatch", "batch_id", connection)
    assert (len(found.options), found.more, found.problem) == (1_000, True, None)


def test_a_list_that_depends_on_another_field(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Without that field nothing is asked and its name is told; with it the call names it."""
    found = lists.get("getVectorStoreFile", "file_id", connection)
    assert (found.needs, found.options) == (("vector_store_id",), ())
    assert found.problem is not None
    assert (found.problem.code, "vector_store_id" in found.problem.hint) == ("needs", True)
    httpx_mock.add_response(json=page({"id": "f1"}), is_reusable=True)
    assert values(lists.get("getVectorStoreFile", "file_id", connection, {"vector_store_id": "vs_1"})) == ["f1"]
    assert lists.get("getVectorStoreFile", "file_id", connection, {"vector_store_id": "vs_2"}).source == "live"
    assert [request.url.path for request in httpx_mock.get_requests()] == [f"/v1/vector_stores/vs_{n}/files" for n in (1, 2)]


def test_only_what_can_be_cancelled(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A job that has ended is not offered for cancelling."""
    jobs = [{"id": "a", "status": "running"}, {"id": "b", "status": "succeeded"}]
    httpx_mock.add_response(json=page(*jobs), is_reusable=True)
    assert values(lists.get("cancelFineTuningJob", "fine_tuning_job_id", connection)) == ["a"]
    assert values(lists.get("retrieveFineTuningJob", "fine_tuning_job_id", connection)) == ["a", "b"]


def test_a_static_list_makes_no_call(lists: OptionLists, connection: Connection) -> None:
    """Voices come from the description, and from the words of ours for those that it only mentions."""
    found = lists.get("createSpeech", "voice", connection)
    assert {"alloy", "cedar", "nova"} <= set(values(found))
    assert (found.source, found.problem) == ("described", None)


@pytest.mark.parametrize(
    ("inputs", "sizes"),
    [({"model": "dall-e-3"}, ["1024x1024", "1792x1024", "1024x1792"]), ({"model": "dall-e-2"}, ["1024x1024", "256x256", "512x512"])],
)
def test_values_that_the_model_takes(lists: OptionLists, inputs: Any, sizes: list[str]) -> None:
    """A field without a picker has the values of the description, those that the chosen model takes."""
    assert values(lists.get("createImage", "size", None, inputs)) == sizes
    assert len(values(lists.get("createImage", "size", None, {"model": "unknown"}))) == 8


@pytest.mark.parametrize(
    ("search", "found"),
    [("two", ["f2"]), ("F2", ["f2"]), ("fine one", ["f1"]), ("zzz", []), ("", ["f1", "f2"])],
)
def test_searching(lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock, search: str, found: list[str]) -> None:
    """Every word must occur, in the value, the name or what is said of it."""
    httpx_mock.add_response(
        json=page({"id": "f1", "filename": "one", "purpose": "fine"}, {"id": "f2", "filename": "two", "purpose": "fine"})
    )
    assert sorted(values(lists.get("retrieveFile", "file_id", connection, search=search))) == found


def test_the_same_on_an_event_loop(connector: Connector, lists: OptionLists, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The answer is the same, whichever way the calls are made."""
    httpx_mock.add_response(json=page({"id": "f1"}, more=True))
    httpx_mock.add_response(json=page({"id": "f2"}))

    async def ask() -> Any:
        async with connector:
            return await lists.aget("retrieveFile", "file_id", connection)

    assert sorted(values(asyncio.run(ask()))) == ["f1", "f2"]


@pytest.mark.parametrize("name", ["modl", "zzz"])
def test_a_field_that_is_not_there(lists: OptionLists, name: str) -> None:
    """The error names the nearest field, or all of them."""
    with pytest.raises(InputError) as caught:
        lists.get("createChatCompletion", name)
    assert "model" in caught.value.hint


def test_a_field_within_an_object(lists: OptionLists) -> None:
    """Is asked for by its own name, as forms name its picker."""
    assert "voice" not in lists.fields("createLiveSession")
    assert lists.get("createLiveSession", "voice", search="a").picker == lists.picker("createLiveSession", "voice") is not None


def test_options_are_json(lists: OptionLists) -> None:
    """What a form's page gets is JSON, with nothing that is not."""
    told = json.loads(json.dumps(lists.get("createTranscription", "model").to_dict()))
    assert told["options"][0].keys() == {"value", "label", "about", "known"}
    assert told["problem"]["code"] == "connection"


# The data


def test_the_part_names_only_what_there_is() -> None:
    """Every picker's action, inputs and siblings exist, and every field entry fits a field and names a picker."""
    for name, picker in PART.pickers.items():
        if picker.action is not None:
            inputs = CATALOG[picker.action].inputs.fields
            assert {*picker.inputs, *picker.take} <= set(inputs), name
    for entry in PART.fields:
        assert entry.picker in PART.pickers
        named = [pattern for pattern in entry.actions if pattern != "*"]
        assert all(action in CATALOG for action in named)
        for action in named:
            assert set(entry.fields) & set(CATALOG[action].inputs.fields)


def test_every_picker_is_used() -> None:
    """No picker is written for nothing."""
    lists = OptionLists(open_connector())
    used = {picker for action in CATALOG for picker in lists.fields(action).values()}
    assert used == set(PART.pickers)


def test_every_picker_that_a_form_names_is_there() -> None:
    """A form never names a picker that nobody answers for."""
    connector = open_connector()
    named = {
        field["options"] for action in connector.catalog for field in connector.forms[action].to_dict()["fields"] if "options" in field
    }
    assert named <= set(PART.pickers)


def test_forms_and_lists_agree(connector: Connector, lists: OptionLists) -> None:
    """A form names for each of an action's own fields the picker that fills it, and no other."""
    for action in connector.catalog:
        named = {field["name"]: field["options"] for field in connector.forms[action].fields if "options" in field}
        assert named == lists.fields(action), action


@pytest.mark.parametrize("action", ["getVectorStoreFileBatch", "cancelVectorStoreFileBatch", "listFilesInVectorStoreBatch"])
def test_a_batch_of_files_is_no_batch_of_calls(connector: Connector, lists: OptionLists, connection: Connection, action: str) -> None:
    """Nothing lists batches of files: their field asks nothing, offers nothing and looks like their ids."""
    found = lists.get(action, "batch_id", connection, {"vector_store_id": "vs_1"})
    assert (found.picker, found.options, found.source) == ("", (), "none")
    field = next(field for field in connector.forms[action].fields if field["name"] == "batch_id")
    assert (field["placeholder"].partition("_")[0], "options" in field) == ("vsfb", False)
    assert lists.picker("retrieveBatch", "batch_id") == "batches"
