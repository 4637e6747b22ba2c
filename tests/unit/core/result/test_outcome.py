"""A cut, refused or filtered answer is never silent success: what the outcome is, and what each policy makes of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from kosha_connector_openai import CallOptions, Connector
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.core.result.outcome import _places
from kosha_connector_openai.errors import AnswerError, ApiError, IncompleteAnswerError, RefusedAnswerError, SetupError
from kosha_connector_openai.manifest.reply_rules import SignPlace
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.text import find

ASKED = {"input": "i", "model": "m", "questions": [{"type": "predicate", "instructions": each} for each in ("Is it?", "Was it?")]}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {"content-type": "text/event-stream"}


def choice(reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "x", **message}}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT = {"type": "output_text", "text": "x"}


def response(status: str | None, reason: str | None = None, content: Any = (TEXT,)) -> dict[str, Any]:
    details = {"reason": reason} if reason else None
    return {
        "object": "response",
        "status": status,
        "incomplete_details": details,
        "output": [{"type": "message", "content": list(content)}],
    }


@pytest.mark.parametrize(
    ("action", "inputs", "body", "outcome"),
    [
        ("createChatCompletion", CHAT, {"choices": [choice()]}, "complete"),
        ("createChatCompletion", CHAT, {"choices": [choice("tool_calls", content=None, tool_calls=[CALL])]}, "complete"),
        ("createChatCompletion", CHAT, {"choices": [choice("tool_calls", tool_calls=[])]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [{**choice(), "native_finish_reason": "network_error"}]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(), choice("length")]}, "incomplete"),
        ("createChatCompletion", CHAT, {"choices": [choice("length"), choice("content_filter")]}, "filtered"),
        ("createChatCompletion", CHAT, {"choices": [choice(refusal="No.")]}, "refused"),
        ("createChatCompletion", CHAT, {"choices": [choice(refusal="")]}, "complete"),
        ("createCompletion", {"model": "m", "prompt": "p"}, {"choices": [{"text": "x", "finish_reason": "length"}]}, "incomplete"),
        ("createResponse", {"model": "m", "input": "i"}, response("completed"), "complete"),
        ("createResponse", {"model": "m", "input": "i"}, response("incomplete", "max_output_tokens"), "incomplete"),
        ("createResponse", {"model": "m", "input": "i"}, response("incomplete", "content_filter"), "filtered"),
        ("createResponse", {"model": "m", "input": "i"}, response("incomplete", "something_new"), "incomplete"),
        ("createResponse", {"model": "m", "input": "i"}, response("completed", content=[{"type": "refusal", "refusal": "No."}]), "refused"),
        ("createResponse", {"model": "m", "input": "i"}, response("failed"), "failed"),
        ("createResponse", {"model": "m", "input": "i"}, response("queued"), "pending"),
        ("retrieveFile", {"file_id": "f"}, {"id": "f", "object": "file", "status": "failed"}, "complete"),
        ("retrieveFile", {"file_id": "f"}, {"object": "file", "status": "processed"}, "failed"),
        ("createModeration", {"input": "i"}, [1, 2], "failed"),
        ("createModeration", {"input": "i"}, {"results": [{"flagged": False}, {"categories": {}}]}, "failed"),
        ("createEmbedding", {"model": "m", "input": "i"}, {"data": [{"index": 0, "embedding": None}]}, "failed"),
        ("createEmbedding", {"model": "m", "input": "i"}, {"data": []}, "failed"),
        ("createImage", {"prompt": "p"}, {"data": [{"revised_prompt": "p"}]}, "failed"),
        ("createChatCompletion", CHAT, None, "failed"),
        ("createChatCompletion", CHAT, "sorry, busy", "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content=None)]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content="")]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice("error", content="Half an")]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(None)]}, "incomplete"),
        ("createChatCompletion", CHAT, {"choices": [choice("")]}, "incomplete"),
        ("createChatCompletion", CHAT, {"choices": [choice(), choice(None)]}, "incomplete"),
        ("createChatCompletion", CHAT, {"choices": [choice(), choice(content="")]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(), choice(content=None, refusal="No.")]}, "refused"),
        ("createChatCompletion", CHAT, {"choices": [choice(content="", tool_calls=[])]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content=[{"type": "thinking", "thinking": "Hm"}])]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content=[{"type": "text", "text": ""}])]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content="", reasoning_content="Hm")]}, "failed"),
        ("createChatCompletion", CHAT, {"choices": [choice(content="", images=[{"image_url": {"url": "data:"}}])]}, "complete"),
        ("createChatCompletion", CHAT, {"choices": [choice(content=None, audio={"id": "a", "data": ""})]}, "failed"),
        ("createChatCompletion", {**CHAT, "n": 2}, {"choices": [choice()]}, "incomplete"),
        ("createChatCompletion", {**CHAT, "n": 2}, {"choices": [choice(), choice()]}, "complete"),
        ("createCompletion", {"model": "m", "prompt": ["p", "q"]}, {"choices": [{"text": "x", "finish_reason": "stop"}]}, "failed"),
        ("createResponse", {"model": "m", "input": "i"}, response("finished_somehow"), "incomplete"),
        ("createResponse", {"model": "m", "input": "i"}, response(None), "complete"),
        ("createResponse", {"model": "m", "input": "i"}, response("completed", content=[{"type": "output_text", "text": ""}]), "failed"),
        ("createResponse", {"model": "m", "input": "i"}, {**response("completed"), "output": [{"type": "reasoning", "id": "r"}]}, "failed"),
        ("createEmbedding", {"model": "m", "input": ["i", "j"]}, {"data": [{"index": 1, "embedding": [0.1]}]}, "failed"),
        ("createEmbedding", {"model": "m", "input": "i"}, {"data": [{"embedding": [None, None]}]}, "failed"),
        ("createModeration", {"input": ["i", "j"]}, {"results": [{"flagged": False}]}, "failed"),
        ("createDecision", ASKED, {"answers": [{"type": "predicate", "probability": 0}, {"type": "choice", "choice": False}]}, "complete"),
        ("createDecision", ASKED, {"answers": [{"type": "predicate", "probability": 0.5}]}, "failed"),
        ("createDecision", ASKED, {"answers": [{"type": "predicate", "probability": 0.5}, {"type": "choice"}]}, "failed"),
        ("createDecision", ASKED, {"answers": [{"type": "refusal"}, {"type": "score", "score": 0.0}]}, "refused"),
        ("createImage", {"prompt": "p", "n": 2}, {"data": [{"url": "https://x.example/a"}]}, "incomplete"),
        ("createTranscription", {"model": "m", "file": b"x"}, {"task": "transcribe"}, "failed"),
        ("createTranscription", {"model": "m", "file": b"x"}, {"text": ""}, "complete"),
        ("create-realtime-client-secret", {}, {"expires_at": 1, "session": {}}, "failed"),
        ("listModels", {}, {"data": []}, "complete"),
        ("listModels", {}, {"object": "list"}, "failed"),
        ("deleteFile", {"file_id": "f"}, {"id": "f"}, "failed"),
        ("deleteFile", {"file_id": "f"}, {"id": "f", "deleted": False}, "failed"),
        ("retrieveFile", {"file_id": "f"}, {"id": "", "object": "file"}, "failed"),
    ],
)
def test_outcomes(connector: Connector, key: str, httpx_mock: HTTPXMock, action: str, inputs: Any, body: Any, outcome: str) -> None:
    """Of several signs the gravest counts; a reason comes with each, and by default a warning where something is lacking."""
    httpx_mock.add_response(json=body)
    result = connector.run(action, inputs, connector.connection())
    assert result.outcome == outcome
    assert bool(result.reasons) is (outcome != "complete")
    assert bool(result.warnings) is (outcome not in ("complete", "pending"))
    assert all(warning.rule in ("incomplete", "refused", "filtered", "failed") for warning in result.warnings)


def test_the_warning_tells_the_counts(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """How many came of how many; an unknown word for the end is repeated."""
    httpx_mock.add_response(json={"data": [{"index": 0, "embedding": [0.1]}]})
    result = connector.run("createEmbedding", {"model": "m", "input": ["i", "j", "k"]}, connector.connection())
    assert [warning.message for warning in result.warnings] == ["`data` holds 1 of 3 results that were asked for."]
    httpx_mock.add_response(json={"choices": [choice("length"), choice("vanished")]})
    result = connector.run("createChatCompletion", {**CHAT, "n": 3}, connector.connection())
    assert (result.outcome, result.reasons) == (
        "incomplete",
        (
            "The answer reached its limit of tokens.",
            "The answer ended for a reason that is not known: vanished.",
            "`choices` holds 2 of 3 results that were asked for.",
        ),
    )


def test_the_policy_fail(key: str, httpx_mock: HTTPXMock) -> None:
    """The error names the outcome, the reasons and what was paid for, is recorded, and holds no text of the answer."""
    records: list[Record] = []
    httpx_mock.add_response(json={"choices": [choice("length", content="A secret plan")], "usage": {"total_tokens": 9}})
    with Connector(folder(), record=records.append) as connector, pytest.raises(IncompleteAnswerError) as caught:
        connector.run("createChatCompletion", CHAT, connector.connection(), CallOptions(policy="fail"))
    error = caught.value
    assert (error.usage, error.retryable) == ({"total_tokens": 9}, False)
    assert [(fault.rule, fault.message) for fault in error.faults] == [("incomplete", "The answer reached its limit of tokens.")]
    assert "secret plan" not in f"{error}{error.to_dict()}"
    assert [record.outcome for record in records] == ["incomplete_answer"]


def test_the_policy_fail_lets_whole_and_pending_answers_pass(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """What is still being made is no failure."""
    httpx_mock.add_response(json=response("queued"))
    result = connector.run("createResponse", {"model": "m", "input": "i"}, connector.connection(), CallOptions(policy="fail"))
    assert result.outcome == "pending"


def test_the_policy_pass(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """No warning, but the outcome is there."""
    httpx_mock.add_response(json={"choices": [choice("length")]})
    result = connector.run("createChatCompletion", CHAT, connector.connection(), CallOptions(policy="pass"))
    assert (result.outcome, result.warnings) == ("incomplete", ())


@pytest.mark.parametrize("policy", ["warn", "pass"])
def test_a_cut_stream_always_has_a_warning(connector: Connector, key: str, httpx_mock: HTTPXMock, policy: Any) -> None:
    """The result itself says that what follows is missing, and so does its short form."""
    httpx_mock.add_response(stream=IteratorStream([b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n']), headers=STREAM)
    result = connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection(), CallOptions(policy=policy))
    for warnings in (result.warnings, connector.outputs.of(result).warnings):
        assert [(warning.rule, warning.message) for warning in warnings] == [("incomplete", "The stream ended without its final event.")]


@pytest.mark.parametrize("policy", ["warn", "fail"])
@pytest.mark.parametrize(
    ("chunks", "outcome"),
    [
        ([b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"length"}]}\n\n', b"data: [DONE]\n\n"], "incomplete"),
        ([b'data: {"choices":[{"index":0,"delta":{"refusal":"No"}}]}\n\n', b"data: [DONE]\n\n"], "refused"),
        ([b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'], "incomplete"),
    ],
)
def test_streams(connector: Connector, key: str, httpx_mock: HTTPXMock, chunks: list[bytes], outcome: str, policy: Any) -> None:
    """A stream is judged like a whole answer, also one that was cut, in threads and on an event loop."""
    httpx_mock.add_response(stream=IteratorStream(chunks), headers=STREAM, is_reusable=True)
    options, inputs = CallOptions(policy=policy), {**CHAT, "stream": True}
    if policy == "fail":
        with pytest.raises(AnswerError) as caught:
            connector.run("createChatCompletion", inputs, connector.connection(), options)
        with pytest.raises(AnswerError) as caught:
            asyncio.run(_arun(connector, inputs, options))
        assert isinstance(caught.value, RefusedAnswerError) is (outcome == "refused")
    else:
        result = connector.run("createChatCompletion", inputs, connector.connection(), options)
        assert result.outcome == outcome


async def _arun(connector: Connector, inputs: Any, options: CallOptions) -> None:
    async with connector:
        await connector.arun("createChatCompletion", inputs, connector.connection(engine="httpx"), options)


def test_a_response_stream_that_reached_its_limit(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """The final event says that the answer was cut."""
    data = {"type": "response.incomplete", "response": response("incomplete", "max_output_tokens")}
    event = b"data: " + json.dumps(data).encode() + b"\n\n"
    httpx_mock.add_response(stream=IteratorStream([event]), headers=STREAM)
    result = connector.run("createResponse", {"model": "m", "input": "i", "stream": True}, connector.connection())
    assert (result.outcome, result.incomplete) == ("incomplete", None)


def test_another_policy_is_refused() -> None:
    """Only the three words are policies."""
    with pytest.raises(SetupError, match="policy"):
        CallOptions(policy="ignore")  # type: ignore[arg-type]


def test_a_saved_answer_is_judged_too(connector: Connector, key: str, httpx_mock: HTTPXMock, tmp_path: Path) -> None:
    """An answer that goes to a file is no silent success: its outcome and its usage are read from there, its short result too."""
    httpx_mock.add_response(json={"choices": [choice("length", content="Half")], "usage": {"total_tokens": 9}}, is_reusable=True)
    out = CallOptions(out=tmp_path / "answer.json")
    result = connector.run("createChatCompletion", CHAT, connector.connection(), out)
    assert (result.kind, result.outcome, result.usage) == ("file", "incomplete", {"total_tokens": 9})
    assert connector.outputs.of(result).result["text"] == "Half"
    with pytest.raises(IncompleteAnswerError):
        connector.run("createChatCompletion", CHAT, connector.connection(), CallOptions(out=tmp_path / "again.json", policy="fail"))
    assert (tmp_path / "again.json").is_file()
    out.out.unlink()  # type: ignore[union-attr]
    assert connector.outputs.of(result).result["text"] == ""


def test_a_saved_answer_that_is_no_json(connector: Connector, key: str, httpx_mock: HTTPXMock, tmp_path: Path) -> None:
    """It stays as it came, and is no answer of an action that promises JSON."""
    httpx_mock.add_response(content=b"{broken", headers={"content-type": "application/json"})
    result = connector.run("createChatCompletion", CHAT, connector.connection(), CallOptions(out=tmp_path / "answer.json"))
    assert (result.kind, result.outcome, result.value.path.read_bytes()) == ("file", "failed", b"{broken")


def event(**data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def part(index: int = 0, reason: str | None = None, **delta: Any) -> bytes:
    return event(choices=[{"index": index, "delta": delta, "finish_reason": reason}])


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (part(content="a") + part(reason="stop"), "complete"),
        (part(content="a") + part(reason="stop") + event(choices=[], usage={"total_tokens": 2}), "complete"),
        (part(content="a", reason="stop"), "complete"),
        (part(tool_calls=[{"index": 0, "id": "c"}]) + part(reason="tool_calls"), "complete"),
        (part(content="a") + DONE, "complete"),
        (part(0, content="a") + part(1, content="b") + part(0, "stop") + part(1, "stop"), "complete"),
        (part(0, content="a") + part(1, content="b") + part(0, "stop"), "incomplete"),
        (part(0, content="a") + part(1, content="b") + part(0, "stop") + DONE, "incomplete"),
        (part(0, content="a") + part(1, content="") + part(0, "stop") + part(1, "stop") + DONE, "failed"),
        (part(0, content="a") + part(1, refusal="No") + part(0, "stop") + part(1, "stop") + DONE, "refused"),
        (part(content="a"), "incomplete"),
        (b"", "incomplete"),
        (DONE, "incomplete"),
        (b": ping\n\n" + DONE, "incomplete"),
        (part(role="assistant", content="") + DONE, "failed"),
        (part(role="assistant") + part(reason="stop") + DONE, "failed"),
        (event(choices=[], usage={"total_tokens": 2}) + DONE, "incomplete"),
        (part(reasoning_content="hm") + part(reason="stop") + DONE, "failed"),
        (part(content="a") + part(reason="error") + DONE, "failed"),
    ],
)
def test_a_stream_is_whole_where_it_says_so_and_brought_something(
    connector: Connector, key: str, httpx_mock: HTTPXMock, body: bytes, outcome: str
) -> None:
    """The end of every choice is a sign as good as the closing event; neither is one where nothing came before."""
    httpx_mock.add_response(content=body, headers=STREAM)
    result = connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection())
    assert result.outcome == outcome
    assert bool(result.warnings) is (outcome != "complete")


@pytest.mark.parametrize(
    ("content_type", "body", "kind", "text"),
    [
        ("application/octet-stream", json.dumps({"choices": [choice()]}).encode(), "json", "x"),
        ("text/plain", b"\n " + json.dumps({"choices": [choice()]}).encode(), "json", "x"),
        ("application/json", part(content="a") + part(reason="stop"), "events", "a"),
        (None, b": ok\n\n" + part(content="a") + DONE, "events", "a"),
        ("text/html", json.dumps({"choices": [choice()]}).encode(), "json", "x"),
        ("application/x-ndjson", json.dumps({"choices": [choice()]}).encode(), "json", "x"),
        ("application/x-sse", part(content="a") + DONE, "events", "a"),
        ("text/plain", b"{broken", "text", "{broken"),
        ("text/plain", b'"words"', "text", '"words"'),
    ],
)
def test_bodies_are_read_by_what_they_are(
    connector: Connector, key: str, httpx_mock: HTTPXMock, content_type: str | None, body: bytes, kind: str, text: str
) -> None:
    """JSON and events under a name that says nothing are read, with a warning; what is neither is kept and is no answer."""
    httpx_mock.add_response(content=body, headers={"content-type": content_type} if content_type else {})
    result = connector.run("createChatCompletion", CHAT, connector.connection())
    assert (result.kind, result.text) == (kind, text)
    assert result.warnings[0].rule == ("content-type" if kind != "text" else "failed")
    assert (result.outcome == "complete") is (kind != "text")


STOP = [{"choices": [{"index": 0, "delta": {"content": "a"}}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
DONE_ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
BODIES = {
    "no empty lines": b"".join(b"data: %b\n" % json.dumps(data).encode() for data in STOP) + b"data: [DONE]\n",
    "no empty line at the end": b"\n\n".join(b"data: %b" % json.dumps(data).encode() for data in STOP),
    "CRLF": part(content="a").replace(b"\n", b"\r\n") + part(reason="stop").replace(b"\n", b"\r\n"),
    "comments between": b": PROCESSING\n\n" + part(content="a") + b": PROCESSING\n\n" + part(reason="stop"),
    "JSON over several lines": b'data: {"choices":\ndata: [{"delta": {"content": "a"}}]}\n\n' + DONE,
    "the whole message after its pieces": part(content="a") + event(choices=[choice(content="a")]) + DONE,
}


def test_streams_as_servers_write_them(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """Empty lines that are missing, comments, and a message that comes once more in whole: the text is there once."""
    for name, body in BODIES.items():
        httpx_mock.add_response(content=body, headers=STREAM)
        result = connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection())
        short = connector.outputs.of(result)
        assert (result.outcome, result.text, short.result["text"], short.raw) == ("complete", "a", "a", ()), name


def test_the_text_of_a_response_is_read_where_it_comes(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """In pieces, in items or in the last event alone; never twice."""
    delta = event(type="response.output_text.delta", delta="a", output_index=0, content_index=0)
    item = event(type="response.output_item.done", output_index=0, item=DONE_ITEM)
    for before in (b"", delta, item, delta + item):
        for output in ([DONE_ITEM], []):
            if before or output:
                last = event(type="response.completed", response={"object": "response", "status": "completed", "output": output})
                httpx_mock.add_response(content=before + last, headers=STREAM)
                result = connector.run("createResponse", {"model": "m", "input": "i", "stream": True}, connector.connection())
                assert (result.outcome, result.text) == ("complete", "a")


def test_a_stream_of_another_action_is_no_answer(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """A server that answers everything as a chat has not started a job."""
    httpx_mock.add_response(content=part(content="a") + part(reason="stop") + DONE, headers=STREAM)
    result = connector.run("createFineTuningJob", {"model": "m", "training_file": "f"}, connector.connection())
    assert (result.outcome, result.reasons) == ("failed", ("The stream is not the answer that the action promises.",))


def test_a_half_of_an_event_is_none(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """What is cut inside of an event is cut, whether an empty line follows or not."""
    httpx_mock.add_response(content=part(content="a") + b'data: {"choices": [{"delta": {"con', headers=STREAM)
    result = connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection())
    assert (result.outcome, result.text, len(result.value)) == ("incomplete", "a", 1)


def test_a_text_that_looks_like_json_stays_text(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """Where text is promised nobody guesses."""
    httpx_mock.add_response(content=b'{"text": "spoken"}', headers={"content-type": "text/plain"})
    inputs = {"model": "whisper-1", "file": b"x", "response_format": "text"}
    result = connector.run("createTranscription", inputs, connector.connection())
    assert (result.kind, result.value, result.outcome) == ("text", '{"text": "spoken"}', "complete")


SPEECH = {"model": "m", "input": "i", "voice": "alloy"}


@pytest.mark.parametrize("to_file", [False, True])
def test_sound_is_taken_for_what_it_is(connector: Connector, key: str, httpx_mock: HTTPXMock, tmp_path: Path, to_file: bool) -> None:
    """Sound under the name of text stays sound, byte for byte; an object in JSON under the name of sound is none."""
    options = CallOptions(attempts=1, out=tmp_path / "out" if to_file else None)
    for body in (b"ID3\x04\x00\xff\xfb\x90", b"{\x00\x01\x02"):
        httpx_mock.add_response(content=body, headers={"content-type": "text/plain"})
        result = connector.run("createSpeech", SPEECH, connector.connection(), options)
        read = (tmp_path / "out").read_bytes() if to_file else result.value
        assert (result.outcome, read) == ("complete", body)
        (tmp_path / "out").unlink(missing_ok=True)
    httpx_mock.add_response(content=b' {"detail": "No such voice"}', headers={"content-type": "audio/mpeg"})
    with pytest.raises(ApiError, match="No such voice"):
        connector.run("createSpeech", SPEECH, connector.connection(), options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content_type", "body", "word"),
    [("text/plain", b"the voice is busy", "busy"), ("audio/mpeg", b"<html><title>Sign in</title></html>", "Sign in")],
)
def test_words_are_no_sound(connector: Connector, key: str, httpx_mock: HTTPXMock, content_type: str, body: bytes, word: str) -> None:
    """Text and web pages where sound is promised are failed answers, with their words."""
    httpx_mock.add_response(content=body, headers={"content-type": content_type})
    result = connector.run("createSpeech", SPEECH, connector.connection(), CallOptions(attempts=1))
    assert result.outcome == "failed"
    assert word in result.reasons[0]


ENDS = {
    "complete": ("stop", "eos", "eos_token", "end_turn", "STOP", "stop_sequence"),
    "incomplete": ("length", "max_tokens", "model_length", "MAX_TOKENS", "something_new", 7),
    "filtered": ("content_filter", "sensitive", "SAFETY", "PROHIBITED_CONTENT"),
    "failed": ("error", "abort", "network_error", "insufficient_system_resource"),
}


def test_how_other_servers_end_a_choice(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """Their words for the end of an answer mean the same, whole or streamed; an error beside a good end is an error all the same."""
    for outcome, reasons in ENDS.items():
        for reason in reasons:
            httpx_mock.add_response(json={"choices": [{**choice(), "finish_reason": reason}]})
            assert connector.run("createChatCompletion", CHAT, connector.connection()).outcome == outcome, reason
            httpx_mock.add_response(content=part(content="a") + part(reason=reason) + DONE, headers=STREAM)
            assert connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection()).outcome == outcome, reason
    httpx_mock.add_response(json={"choices": [choice(), {**choice(), "error": {"message": "It died"}}]})
    result = connector.run("createChatCompletion", CHAT, connector.connection())
    assert (result.outcome, result.reasons) == ("failed", ("The server failed while it answered: It died.",))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (part(content="a") + b'data: {"object": "error", "message": "It died", "code": 500}\n\n' + DONE, "It died"),
        (b'data: {"detail": "Not loaded"}\n\n', "Not loaded"),
        (b"data: error: no worker\n\n" + DONE, "no worker"),
        (b"upstream connect error", "upstream connect error"),
        (b'{"detail": "Not loaded"}', "Not loaded"),
    ],
)
def test_an_error_in_a_stream_has_its_words(connector: Connector, key: str, httpx_mock: HTTPXMock, body: bytes, words: str) -> None:
    """Whatever its shape, and where nothing else came also words."""
    httpx_mock.add_response(content=body, headers=STREAM)
    with pytest.raises(ApiError, match=words):
        connector.run("createChatCompletion", {**CHAT, "stream": True}, connector.connection(), CallOptions(attempts=1))


@pytest.mark.parametrize(
    ("action", "inputs", "body", "category"),
    [
        ("createSpeech", {"model": "m", "input": "i", "voice": "alloy"}, {"error": {"message": "No voice", "code": 429}}, "rate_limit"),
        ("createEmbedding", {"model": "m", "input": "i"}, {"object": "error", "message": "m", "code": 400}, "invalid_input"),
        ("createImage", {"prompt": "p"}, {"data": [], "error": {"message": "m", "type": "server_error"}}, "server"),
        (
            "createResponse",
            {"model": "m", "input": "i"},
            {**response("failed", content=()), "error": {"code": "server_error", "message": "m"}},
            "server",
        ),
        ("listModels", {}, {"detail": "busy", "status": 503}, "overloaded"),
        ("createModeration", {"input": "i"}, {"base_resp": {"status_code": 1, "status_msg": "m"}}, "unknown"),
    ],
)
def test_an_error_in_a_200_is_an_error(
    connector: Connector, key: str, httpx_mock: HTTPXMock, action: str, inputs: Any, body: Any, category: str, tmp_path: Path
) -> None:
    """Also of an action that promises sound, and where the answer goes to a file: none is left."""
    httpx_mock.add_response(json=body, is_reusable=True, is_optional=True)
    for options in (CallOptions(attempts=1), CallOptions(attempts=1, out=tmp_path / "out")):
        with pytest.raises(ApiError) as caught:
            connector.run(action, inputs, connector.connection(), options)
        assert (caught.value.category, caught.value.status) == (category, 200)
    assert not list(tmp_path.iterdir())


def test_an_object_that_tells_of_its_failure_is_what_was_asked_for(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """The state of a failed response is asked for and given; its words are in the reasons."""
    body = {**response("failed"), "id": "r", "error": {"code": "server_error", "message": "It broke"}}
    httpx_mock.add_response(json=body)
    result = connector.run("getResponse", {"response_id": "r"}, connector.connection())
    assert (result.outcome, result.reasons) == ("failed", ("The response failed: It broke.",))


@pytest.mark.parametrize(
    ("results", "flagged"),
    [
        ([{"flagged": False}, {"flagged": False}], False),
        ([{"flagged": False}, {}], None),
        ([{"flagged": None}], None),
        ([{"flagged": "no"}], None),
        ([{}, {"flagged": True}], True),
        ([], None),
    ],
)
def test_a_missing_verdict_is_no_verdict(connector: Connector, key: str, httpx_mock: HTTPXMock, results: Any, flagged: bool | None) -> None:
    """One that is harmful counts; without that all must have said that they are not."""
    httpx_mock.add_response(json={"id": "m", "model": "m", "results": results})
    result = connector.run("createModeration", {"input": "i"}, connector.connection())
    assert connector.outputs.of(result).result["flagged"] is flagged


LINES = b"".join(json.dumps(data).encode() + b"\n" for data in STOP)


@pytest.mark.parametrize("asked", [True, False])
def test_json_lines_are_the_stream_that_they_are(connector: Connector, key: str, httpx_mock: HTTPXMock, *, asked: bool) -> None:
    """Under each of their names, with and without the end's mark, line break or a byte order mark, asked for or not; an error is one."""
    for kind in ("application/x-ndjson", "application/jsonl; charset=utf-8", "application/x-jsonlines"):
        for body in (LINES, LINES.rstrip(), LINES + b"[DONE]\n", LINES.replace(b"\n", b"\r\n\r\n"), b"\xef\xbb\xbf" + LINES):
            httpx_mock.add_response(content=body, headers={"content-type": kind})
            result = connector.run("createChatCompletion", {**CHAT, "stream": asked}, connector.connection())
            assert (result.kind, result.outcome, result.text, result.warnings) == ("events", "complete", "a", ()), (kind, body)
    error = json.dumps({"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}).encode()
    httpx_mock.add_response(content=error + b"\n" + error, headers={"content-type": "application/x-ndjson"})
    with pytest.raises(ApiError, match="Slow down"):
        connector.run("createChatCompletion", {**CHAT, "stream": asked}, connector.connection())


def test_json_lines_arrive_one_by_one(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """Where events were asked for, the first is there before the second; a cut stream is no whole one."""
    httpx_mock.add_response(stream=IteratorStream(LINES.splitlines(keepends=True)[:1]), headers={"content-type": "application/x-ndjson"})
    with connector.stream("createChatCompletion", {**CHAT, "stream": True}, connector.connection()) as stream:
        assert [event.text for event in stream] == ["a"]
    assert stream.result.outcome == "incomplete"


def test_a_place_is_looked_at_wherever_it_leads_to_a_value() -> None:
    """What leaves places out by the names in a list leaves none out that has a value: names, indices, lists in lists, conditions."""
    paths = ("/a", "/a/b", "/a/*", "/a/*/b", "/a/*/b/c", "/a/*/0", "/a/*/*/b", "/a/*[b=1]/c")
    values: tuple[Any, ...] = ({"b": 1}, [{"b": 1, "c": 2}, 7], [{"b": {"c": 3}}], [[4]], [[{"b": 5}]], [{"d": 6}], [], None)
    missed = [
        (path, value)
        for path in paths
        for value in values
        for place in [SignPlace.of(path, ())]
        if find({"a": value}, path) and place not in _places({"a": value}, SimpleNamespace(signs={"a": (place,)}))  # type: ignore[arg-type]
    ]
    assert missed == []
    assert {path: SignPlace.of(path, ()).member for path in paths if SignPlace.of(path, ()).member} == {"/a/*/b": "b", "/a/*/b/c": "b"}
