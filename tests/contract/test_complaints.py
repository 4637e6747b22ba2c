"""The twenty things that people complain of in connectors of this kind: docs/complaints.md has a row for each, and its tests exist.

Where a complaint runs across several parts of the package, the test that shows it stands here.
"""

from __future__ import annotations

import ast
import json
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from kosha_connector_openai import CallOptions, Connection, Connector
from kosha_connector_openai.core.actions.sample_inputs import action_sample
from kosha_connector_openai.errors import ApiError, InputError, TransportError
from tests.recorder import Recorder, reply, silence

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "complaints.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
POINTER = re.compile(r"`([\w/]+\.py)::(\w+)`")
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def rows() -> dict[int, tuple[str, str, list[tuple[str, str]]]]:
    """Number -> complaint, what is true here, and the tests: file and name."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {int(number): (text, here, POINTER.findall(tests)) for number, text, here, tests in found}


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    return connector.connection(engine="httpx")


def test_every_complaint_has_its_row() -> None:
    """Twenty rows, in order, each with a claim and at least one test."""
    assert list(rows()) == list(range(1, 21))
    assert [number for number, (_, here, tests) in rows().items() if not here.strip() or not tests] == []


@pytest.mark.parametrize("number", range(1, 21))
def test_every_test_that_a_row_names_exists(number: int) -> None:
    """A row never points at a test that is gone."""
    for path, name in rows()[number][2]:
        assert name in names_in(path), f"{path}::{name}"


def test_01_saved_connections_survive(connector: Connector) -> None:
    """The form's names are the contract: what was saved with an earlier version still fills the form, the server's address too."""
    assert {"api_key", "organization", "project", "server_url", "auth_type"} <= set(connector.form["properties"])
    saved = {"server_url": "https://models.example/v1", "api_key": "env:OPENAI_API_KEY"}
    connection = connector.connection(saved)
    assert connector.preview("createChatCompletion", CHAT, connection).url == "https://models.example/v1/chat/completions"


@pytest.mark.parametrize("model", ["my-local-model", "gpt-9", "ft:gpt-4o:acme::1", "org/model:tag"])
def test_03_no_list_of_models_is_frozen_in_code(connector: Connector, connection: Connection, httpx_mock: HTTPXMock, model: str) -> None:
    """Any name of a model is sent as it is; none needs a new version of the connector."""
    httpx_mock.add_response(json={})
    connector.run("createChatCompletion", {**CHAT, "model": model}, connection)
    assert json.loads(httpx_mock.get_requests()[0].content)["model"] == model


def test_04_a_value_that_came_after_us(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A new value of a closed list is refused with the known ones, and goes through as an extra field without a new version."""
    with pytest.raises(InputError) as caught:
        connector.check("createChatCompletion", {**CHAT, "model": "gpt-9", "reasoning_effort": "utmost"})
    assert "xhigh" in str(caught.value)
    httpx_mock.add_response(json={})
    connector.run("createChatCompletion", {**CHAT, "model": "gpt-9", "extra_body": {"reasoning_effort": "utmost"}}, connection)
    assert json.loads(httpx_mock.get_requests()[0].content)["reasoning_effort"] == "utmost"


def test_05_a_slow_model_is_waited_for(connector: Connector, key: str) -> None:
    """The caller's own time counts, shorter and longer than the usual; there is no other ceiling."""
    with Recorder(silence(5), reply(body={"choices": []})) as upstream:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
        began = time.monotonic()
        with pytest.raises(TransportError):
            connector.run("createChatCompletion", CHAT, connection, CallOptions(timeout=0.2, attempts=1))
        assert time.monotonic() - began < 3
        connector.run("createChatCompletion", CHAT, connection, CallOptions(timeout=86_400))
    assert connector.catalog["createChatCompletion"].overlay.timeout == 600


@pytest.mark.parametrize(
    ("code", "category", "word"), [("insufficient_quota", "quota", "credit"), ("rate_limit_exceeded", "rate_limit", "Wait")]
)
def test_07_an_empty_balance_is_no_rate_limit(
    connector: Connector, connection: Connection, httpx_mock: HTTPXMock, code: str, category: str, word: str
) -> None:
    """Both come as 429; the category, the advice and whether trying again helps tell them apart."""
    httpx_mock.add_response(status_code=429, json={"error": {"message": "no", "code": code}})
    with pytest.raises(ApiError) as caught:
        connector.run("createChatCompletion", CHAT, connection, CallOptions(attempts=1))
    assert (caught.value.category, caught.value.retryable) == (category, category == "rate_limit")
    assert word in caught.value.hint


def test_08_a_run_never_makes_more_calls_than_it_may(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """One call is one request, and a budget of two calls refuses the third before it is sent."""
    httpx_mock.add_response(json={}, is_reusable=True)
    options = CallOptions(budget=connector.outputs.budget(calls=2))
    for _ in range(2):
        connector.run("createChatCompletion", CHAT, connection, options)
    with pytest.raises(Exception, match="cap on calls"):
        connector.run("createChatCompletion", CHAT, connection, options)
    assert len(httpx_mock.get_requests()) == 2


def test_09_usage_reaches_the_next_step(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Plain, streamed and of a picture: cached, reasoning and picture tokens are in the result that a step maps."""
    chat = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    httpx_mock.add_response(json={"choices": [], "usage": chat})
    lines = [f"data: {json.dumps({'choices': [], 'usage': chat})}\n\n".encode(), b"data: [DONE]\n\n"]
    httpx_mock.add_response(stream=IteratorStream(lines), headers={"content-type": "text/event-stream"})
    picture = {
        "input_tokens": 60,
        "output_tokens": 270,
        "total_tokens": 330,
        "input_tokens_details": {"image_tokens": 50, "text_tokens": 10},
    }
    httpx_mock.add_response(json={"data": [], "usage": picture})
    plain = connector.outputs.of(connector.run("createChatCompletion", CHAT, connection)).usage
    streamed = connector.outputs.of(connector.run("createChatCompletion", {**CHAT, "stream": True}, connection)).usage
    drawn = connector.outputs.of(connector.run("createImage", {"prompt": "p"}, connection)).usage
    assert plain == streamed == {"input": 9, "output": 5, "total": 14, "cached": 4, "reasoning": 3}
    assert drawn == {"input": 60, "output": 270, "total": 330, "image_input": 50, "text_input": 10}


def test_10_objects_stay_objects(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A schema is given as an object, its keys keep their order on the wire, and the answer comes back parsed."""
    schema = {"type": "object", "properties": {"zebra": {"type": "string"}, "apple": {"type": "integer"}}, "required": ["zebra", "apple"],
              "additionalProperties": False}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "animal", "strict": True, "schema": schema}}
    httpx_mock.add_response(json={"choices": [{"index": 0, "message": {"content": '{"zebra": "z", "apple": 1}'}}]})
    result = connector.run("createChatCompletion", {**CHAT, "response_format": form}, connection)
    assert list(json.loads(httpx_mock.get_requests()[0].content)["response_format"]["json_schema"]["schema"]["properties"]) == [
        "zebra",
        "apple",
    ]
    assert connector.outputs.of(result).result["json"] == {"zebra": "z", "apple": 1}


@pytest.mark.parametrize("around", ["{}", "Bearer {}", " {}\n"])
@pytest.mark.parametrize("length", [51, 164, 300])
def test_11_a_key_as_people_paste_it(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, httpx_mock: HTTPXMock, around: str, length: int
) -> None:
    """With the word Bearer or without, with a line end, of any length; the project goes with it as a header."""
    pasted = "sk-proj-" + "a" * (length - 8)
    monkeypatch.setenv("OPENAI_API_KEY", around.format(pasted))
    httpx_mock.add_response(json={"data": []})
    connector.run("listModels", {}, connector.connection({"project": "proj_1"}, engine="httpx"))
    (request,) = httpx_mock.get_requests()
    assert (request.headers["authorization"], request.headers["openai-project"]) == (f"Bearer {pasted}", "proj_1")


def test_12_a_field_that_we_do_not_know(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """It is sent with a warning, by itself or among the extra fields; nobody needs another step for it."""
    httpx_mock.add_response(json={"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Yes"}}]})
    inputs = {**CHAT, "brand_new": 1, "extra_body": {"newer": {"a": [1]}}}
    result = connector.run("createChatCompletion", inputs, connection)
    body: Any = json.loads(httpx_mock.get_requests()[0].content)
    assert (body["brand_new"], body["newer"]) == (1, {"a": [1]})
    assert [warning.pointer for warning in result.warnings] == ["/brand_new"]


@pytest.mark.parametrize(
    ("file", "name", "content_type"),
    [
        (("note.ogg", b"OggS"), "note.ogg", "audio/ogg"),
        (("note.opus", b"OggS"), "note.opus", None),
        ("data:audio/ogg;base64,T2dnUw==", "file.ogg", "audio/ogg"),
        ({"base64": "T2dnUw==", "filename": "v.webm"}, "v.webm", None),
    ],
)
def test_17_sound_keeps_its_name(connector: Connector, connection: Connection, file: Any, name: str, content_type: str | None) -> None:
    """The upstream knows a recording by its name's ending, so each form of file has one."""
    preview = connector.preview("createTranscription", {"model": "whisper-1", "file": file}, connection)
    part = next(part for part in preview.request.body.parts if part.name == "file")  # type: ignore[union-attr]
    assert part.value.name == name
    assert content_type in (None, part.value.content_type)


def test_17_what_cannot_be_sent_is_said_here(connector: Connector, connection: Connection) -> None:
    """A URL in place of a file is refused with the forms that do, and a format that the model has not is warned of."""
    with pytest.raises(InputError, match="data: URL"):
        connector.preview("createTranscription", {"model": "whisper-1", "file": "https://x.example/a.mp3"}, connection)
    inputs = {"model": "gpt-4o-transcribe", "file": ("a.mp3", b"x"), "response_format": "srt"}
    assert [warning.pointer for warning in connector.check("createTranscription", inputs)] == ["/response_format"]


def test_18_every_action_says_what_it_is(connector: Connector) -> None:
    """A title and a line for all of them, whether it is retired and what to use instead, and how mature the connector is."""
    assert connector.manifest.maturity in ("beta", "stable")
    silent = [action.id for action in connector.catalog.values() if not (action.title.strip() and action.summary.strip())]
    lost = [
        action.id for action in connector.catalog.values() if action.hints.replacement and action.hints.replacement not in connector.catalog
    ]
    assert (silent, lost) == ([], [])


def test_19_few_fields_are_needed(connector: Connector) -> None:
    """A conversation needs two inputs, and no featured action shows more than four before one asks for the rest."""
    assert set(action_sample(connector.catalog["createChatCompletion"])) == {"model", "messages"}
    for action in connector.catalog.values():
        if action.overlay.featured:
            fields = connector.forms[action.id].to_dict()["fields"]
            assert sum(field["group"] == "main" for field in fields) <= 4
