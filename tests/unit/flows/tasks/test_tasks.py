"""Tasks of one call: what is sent, what comes back, and every way in which an answer is not what was asked for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import IncompleteAnswerError, InputError, RefusedAnswerError, RejectedError, UnfitAnswerError
from kosha_connector_openai.flows.tasks import arun_task, find_task, list_tasks, run_task
from kosha_connector_openai.sandbox.media import picture
from kosha_connector_openai.schema.validator import SchemaValidator
from tests.unit.flows.tasks.conftest import Run, said, sent

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}}, "required": ["name"]}
TEN = (
    "ask",
    "extract",
    "classify",
    "summarise",
    "translate",
    "describe-image",
    "transcribe",
    "translate-audio",
    "semantic-search",
    "moderate",
)


def test_the_ten(connector: Connector) -> None:
    """These are offered, each over an action that exists, with inputs, a result and a sample that fit their own schemas."""
    found = list_tasks(connector)
    assert tuple(info.name for info in found) == TEN
    for info in found:
        assert info.action in connector.catalog
        assert SchemaValidator(info.output_schema(info.example)).check(info.sample).faults == ()
        files = {name: b"RIFF" for name, entry in info.rules.inputs.items() if entry.file}
        checked = info.form.check({**info.example, **files})
        for name, entry in info.rules.inputs.items():
            if entry.default is not None and name not in info.example:
                assert checked[name] == entry.default
        json.dumps(info.describe())


def test_every_field_has_a_label_a_help_and_a_default_that_fits(connector: Connector) -> None:
    """A form can be drawn from the schema alone."""
    for info in list_tasks(connector):
        schema = info.input_schema
        assert schema["additionalProperties"] is False
        for name, field in schema["properties"].items():
            assert field["title"], name
            assert field["description"].endswith("."), name
            for value in [field[key] for key in ("default",) if key in field] + field.get("examples", []):
                assert SchemaValidator(field).check(value).faults == (), name


def test_ask(run: Run, httpx_mock: HTTPXMock) -> None:
    """Instructions and the question are messages of their own; the envelope tells what it cost."""
    httpx_mock.add_response(json=said("Blue."), headers={"x-request-id": "req_1"})
    result = run("ask", {"question": "Which colour?", "instructions": "One word.", "max_tokens": 5})
    assert sent(httpx_mock) == [
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "One word."}, {"role": "user", "content": "Which colour?"}],
            "max_completion_tokens": 5,
        }
    ]
    assert (result.value, result.outcome, result.calls, result.request_ids, result.model) == ("Blue.", "ok", 1, ("req_1",), "m-1")
    assert result.usage == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}


async def test_the_same_from_an_event_loop(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """asyncio gets the same result from the same request."""
    link = connector.connection({"api_key": "env:OPENAI_API_KEY"}, engine="httpx")
    httpx_mock.add_response(json=said("Blue."))
    result = await arun_task(connector, "ask", {"question": "Which colour?"}, link)
    assert result.value == "Blue."
    assert sent(httpx_mock)[0]["messages"] == [{"role": "user", "content": "Which colour?"}]
    await connector.aclose()


def test_what_is_left_out_is_not_sent(run: Run, httpx_mock: HTTPXMock) -> None:
    """No empty message, no null."""
    httpx_mock.add_response(json=said("Blue."))
    run("ask", {"question": "Which colour?", "instructions": None, "max_tokens": None})
    assert sent(httpx_mock) == [{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Which colour?"}]}]


def test_extract(run: Run, httpx_mock: HTTPXMock) -> None:
    """The schema goes strict, the answer comes back in the form of the user's own schema."""
    httpx_mock.add_response(json=said('{"name": "Anna", "age": null}'))
    result = run("extract", {"text": "I am Anna", "schema": PERSON})
    body = sent(httpx_mock)[0]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "result",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"], "minimum": 0}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        },
    }
    assert body["messages"][1] == {"role": "user", "content": "I am Anna"}
    assert result.value == {"name": "Anna"}


@pytest.mark.parametrize(
    ("answer", "pointer", "rule"),
    [
        ("no JSON", "", "json"),
        ('{"name": "Anna"', "", "json"),
        ('{"age": 3}', "/name", "required"),
        ('{"name": 3}', "/name", "type"),
        ('{"name": "Anna", "age": -1}', "/age", "minimum"),
        ("[]", "", "type"),
    ],
)
def test_an_answer_that_breaks_the_schema(answer: str, pointer: str, rule: str, run: Run, httpx_mock: HTTPXMock) -> None:
    """It is an error that says where, costs what it cost, and repeats no text of it; or a result without a value, if that was asked for."""
    httpx_mock.add_response(json=said(answer), headers={"x-request-id": "req_1"}, is_reusable=True)
    with pytest.raises(UnfitAnswerError) as caught:
        run("extract", {"text": "I am Anna", "schema": PERSON})
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [(pointer, rule)]
    assert (caught.value.usage["total_tokens"], caught.value.request_ids) == (5, ("req_1",))
    assert "Anna" not in str(caught.value.to_dict())
    result = run("extract", {"text": "I am Anna", "schema": PERSON}, on_incomplete="warn")
    assert (result.value, result.outcome, result.partial) == (None, "unfit", answer)
    assert {warning.rule for warning in result.warnings} == {"unfit", rule}


def test_a_length_is_checked_when_the_answer_is_there(run: Run, httpx_mock: HTTPXMock) -> None:
    """What strict mode cannot bind is no less a rule."""
    schema = {"type": "object", "properties": {"code": {"type": "string", "maxLength": 2}}, "required": ["code"]}
    httpx_mock.add_response(json=said('{"code": "long"}'))
    with pytest.raises(UnfitAnswerError) as caught:
        run("extract", {"text": "x", "schema": schema})
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/code", "maxLength")]
    httpx_mock.add_response(json=said('{"code": "ok"}'))
    result = run("extract", {"text": "x", "schema": schema})
    assert result.value == {"code": "ok"}
    assert [(warning.pointer, warning.rule) for warning in result.warnings] == [("/schema/properties/code/maxLength", "strict")]


REFUSED = said(None, refusal="I cannot help with that.")
FILTERED = said("", reason="content_filter")
CUT = said("Once upon", reason="length")
EMPTY = said("  ")


@pytest.mark.parametrize(
    ("answer", "kind", "outcome", "value"),
    [
        (REFUSED, RefusedAnswerError, "refused", None),
        (FILTERED, RefusedAnswerError, "refused", None),
        (CUT, IncompleteAnswerError, "incomplete", "Once upon"),
        (EMPTY, IncompleteAnswerError, "incomplete", "  "),
    ],
    ids=["refused", "filtered", "cut", "empty"],
)
def test_no_silent_success(answer: Any, kind: type[Exception], outcome: str, value: Any, run: Run, httpx_mock: HTTPXMock) -> None:
    """A refusal, a filter, a cut and an empty answer are outcomes of their own, by the policy that was chosen."""
    httpx_mock.add_response(json=answer, is_reusable=True)
    with pytest.raises(kind):
        run("ask", {"question": "Tell me a story"})
    warned = run("ask", {"question": "Tell me a story"}, on_incomplete="warn")
    assert (warned.outcome, warned.value, [warning.rule for warning in warned.warnings]) == (outcome, value, [outcome])
    passed = run("ask", {"question": "Tell me a story"}, on_incomplete="pass")
    assert (passed.outcome, passed.value, passed.warnings) == (outcome, value, ())
    assert passed.reason


def test_a_cut_answer_is_never_read_as_data(run: Run, httpx_mock: HTTPXMock) -> None:
    """JSON that happens to be whole is not trusted where the answer was cut."""
    httpx_mock.add_response(json=said('{"name": "Anna", "age": 1}', reason="length"))
    result = run("extract", {"text": "x", "schema": PERSON}, on_incomplete="pass")
    assert (result.outcome, result.value) == ("incomplete", None)


def test_classify(run: Run, httpx_mock: HTTPXMock) -> None:
    """The labels are the only values that the schema lets through, and the label is the value."""
    httpx_mock.add_response(json=said('{"label": "b"}'))
    assert run("classify", {"text": "x", "labels": ["a", "b"]}).value == "b"
    schema = sent(httpx_mock)[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"label": {"type": "string", "enum": ["a", "b"]}}


def test_several_labels(run: Run, httpx_mock: HTTPXMock) -> None:
    """A list of labels, each checked; none is an answer too."""
    httpx_mock.add_response(json=said('{"label": ["b", "a"]}'))
    httpx_mock.add_response(json=said('{"label": []}'))
    httpx_mock.add_response(json=said('{"label": ["b", "c"]}'))
    inputs = {"text": "x", "labels": ["a", "b"], "several": True}
    assert run("classify", inputs).value == ["b", "a"]
    assert run("classify", inputs).value == []
    with pytest.raises(UnfitAnswerError):
        run("classify", inputs)


@pytest.mark.parametrize(
    "answer", ['{"label": "c"}', '{"label": "A"}', '{"label": "a "}', '"a"', '{"label": "a", "why": "x"}', '{"label": null}']
)
def test_a_label_that_is_none_of_them(answer: str, run: Run, httpx_mock: HTTPXMock) -> None:
    """A server that does not keep to the schema is found out."""
    httpx_mock.add_response(json=said(answer))
    with pytest.raises(UnfitAnswerError):
        run("classify", {"text": "x", "labels": ["a", "b"]})


@pytest.mark.parametrize(
    ("inputs", "has", "has_not"),
    [
        ({}, ["three to five sentences"], ["bullet", "language"]),
        ({"length": "sentence", "style": "bullets"}, ["one sentence", "bullet points"], ["three to five"]),
        ({"length": "long", "language": "Norsk"}, ["several paragraphs", "in this language: Norsk."], ["bullet"]),
    ],
)
def test_summarise(inputs: dict[str, Any], has: list[str], has_not: list[str], run: Run, httpx_mock: HTTPXMock) -> None:
    """What was chosen stands in the instructions; the text stands alone."""
    httpx_mock.add_response(json=said("Short."))
    assert run("summarise", {"text": "Long.", **inputs}).value == "Short."
    system, user = sent(httpx_mock)[0]["messages"]
    assert user == {"role": "user", "content": "Long."}
    assert all(words in system["content"] for words in has)
    assert not any(words in system["content"] for words in has_not)


def test_translate(run: Run, httpx_mock: HTTPXMock) -> None:
    """Both languages are named where both are given."""
    httpx_mock.add_response(json=said("Bonjour"))
    assert run("translate", {"text": "Hello", "language": "French", "source": "English"}).value == "Bonjour"
    system, user = sent(httpx_mock)[0]["messages"]
    assert system["content"].startswith("Translate the user's message from this language: English, into this language: French. ")
    assert user["content"] == "Hello"


def test_describe_an_image(run: Run, httpx_mock: HTTPXMock, tmp_path: Path, connector: Connector) -> None:
    """Bytes, base64, a data: URL and a path go as a data: URL with the same bytes; an address goes as it is."""
    httpx_mock.add_response(json=said("A square."), is_reusable=True)
    png = picture("png", 8, 8)
    (tmp_path / "x.png").write_bytes(png)
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    for image in (png, {"base64": base64.b64encode(png).decode()}, url, ("x.png", png)):
        assert run("describe-image", {"image": image}).value == "A square."
    link = connector.connection({"api_key": "env:OPENAI_API_KEY"}, roots=[tmp_path])
    run_task(connector, "describe-image", {"image": {"path": str(tmp_path / "x.png")}}, link)
    run("describe-image", {"image": "https://example.org/a.png", "detail": "low", "question": "What is it?"})
    parts = [body["messages"][0]["content"] for body in sent(httpx_mock)]
    assert all(
        part == [{"type": "text", "text": "Describe this image."}, {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]
        for part in parts[:-1]
    )
    assert parts[-1][1]["image_url"] == {"url": "https://example.org/a.png", "detail": "low"}


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("x.png", "file"),
        ("/etc/passwd", "file"),
        ("ftp://x/y.png", "file"),
        (3, "file"),
        (b"%PDF-1.4", "type"),
        ({"path": "/etc/passwd"}, "path"),
    ],
)
def test_an_image_that_is_none(image: Any, rule: str, run: Run) -> None:
    """Text is never opened as a path, other kinds of file are named; nothing is sent."""
    with pytest.raises(InputError) as caught:
        run("describe-image", {"image": image})
    assert [(fault.pointer.split("/")[1], fault.rule) for fault in caught.value.faults] == [("image", rule)]


def test_an_image_that_is_too_large(run: Run) -> None:
    """The limit is data and is known before anything is encoded."""
    with pytest.raises(InputError, match="52428800 bytes"):
        run("describe-image", {"image": picture("png", 8, 8) + bytes(52_428_800)})


def test_moderate(run: Run, httpx_mock: HTTPXMock) -> None:
    """The verdict, the categories that were found, and how sure each is."""
    item = {"flagged": True, "categories": {"hate": False, "violence": True}, "category_scores": {"hate": 0.1, "violence": 0.9}}
    httpx_mock.add_response(json={"id": "modr-1", "model": "m", "results": [item]})
    result = run("moderate", {"text": "violence"})
    assert sent(httpx_mock) == [{"model": "omni-moderation-latest", "input": "violence"}]
    assert result.value == {"flagged": True, "categories": ["violence"], "scores": {"hate": 0.1, "violence": 0.9}}


def test_a_verdict_that_is_missing_is_no_verdict(run: Run, httpx_mock: HTTPXMock) -> None:
    """An answer without results does not mean that nothing was found."""
    httpx_mock.add_response(json={"id": "modr-1", "model": "m", "results": []})
    with pytest.raises(UnfitAnswerError):
        run("moderate", {"text": "x"})


@pytest.mark.parametrize(
    ("task", "inputs", "pointer", "rule", "fix"),
    [
        ("ask", {}, "/question", "required", "Add `question`."),
        ("ask", {"qestion": "x"}, "/qestion", "unknown", "Did you mean `question`?"),
        ("ask", {"question": "x", "colour": "red"}, "/colour", "unknown", "Known here: question, instructions, model, max_tokens."),
        ("ask", {"question": 3}, "/question", "type", ""),
        ("ask", {"question": ""}, "/question", "minLength", ""),
        ("ask", {"question": "x", "max_tokens": 0}, "/max_tokens", "minimum", ""),
        ("classify", {"text": "x", "labels": ["a"]}, "/labels", "minItems", ""),
        ("classify", {"text": "x", "labels": ["a", "a"]}, "/labels", "uniqueItems", ""),
        ("classify", {"text": "x", "labels": ["a", 3]}, "/labels/1", "type", ""),
        ("summarise", {"text": "x", "length": "huge"}, "/length", "enum", ""),
        ("semantic-search", {"query": "x", "texts": ["a", ""]}, "/texts/1", "minLength", ""),
        ("transcribe", {"audio": "song.mp3"}, "/audio", "file", ""),
        ("extract", {"text": "x", "schema": {"type": "array"}}, "/schema", "type", "Make it the property of an object."),
    ],
)
def test_wrong_inputs(task: str, inputs: dict[str, Any], pointer: str, rule: str, fix: str, run: Run) -> None:
    """Each fault has its pointer, its rule and words, as an action's has; nothing is sent."""
    with pytest.raises(InputError) as caught:
        run(task, inputs)
    found = next(fault for fault in caught.value.faults if fault.pointer == pointer)
    assert found.rule == rule
    assert found.message
    assert fix in found.fix


def test_all_faults_at_once(run: Run) -> None:
    """Also those of files."""
    with pytest.raises(InputError) as caught:
        run("describe-image", {"image": "x", "question": 3, "detail": "much"})
    assert {fault.pointer for fault in caught.value.faults} == {"/image", "/question", "/detail"}


def test_a_fault_that_only_the_action_knows_is_told_of_the_tasks_own_input(run: Run) -> None:
    """The action's pointer is turned back into the input that stands there."""
    with pytest.raises(InputError) as caught:
        run("semantic-search", {"query": "x", "texts": ["fine", "torn \ud800"]})
    assert {fault.pointer for fault in caught.value.faults} == {"/texts/1"}


def test_a_task_is_worked_out_once(connector: Connector) -> None:
    """Its form, whose check is compiled, is the same for every row; another connector has one of its own."""
    assert find_task(connector, "ask").form is find_task(connector, "ask").form
    with connector.with_stores(()) as other:
        assert find_task(other, "ask") is not find_task(connector, "ask")


def test_an_unknown_task(connector: Connector) -> None:
    """The nearest name is offered."""
    with pytest.raises(InputError) as caught:
        find_task(connector, "transcibe")
    assert caught.value.faults[0].fix == "Did you mean `transcribe`?"


def test_an_unknown_policy(run: Run) -> None:
    """A policy that is none is not taken for the mildest."""
    with pytest.raises(InputError, match="policy"):
        run("ask", {"question": "x"}, on_incomplete="ignore")


def test_the_upstreams_own_errors_pass_through(run: Run, httpx_mock: HTTPXMock) -> None:
    """A refused request is what it is for an action."""
    httpx_mock.add_response(400, json={"error": {"message": "bad", "code": "context_length_exceeded"}})
    with pytest.raises(RejectedError) as caught:
        run("ask", {"question": "x"})
    assert caught.value.api_code == "context_length_exceeded"
