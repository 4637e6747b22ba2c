"""What the sandbox answers: by schema everywhere, and with sense where the behaviour says so."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from kosha_connector_openai.core.actions.sample_inputs import action_sample
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.request import build_request
from kosha_connector_openai.sandbox import DEFAULT_KEY
from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.message import Blob, Incoming
from kosha_connector_openai.sandbox.operations import Operations

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello to Ann!"}]}
SAID = "Hello to Ann (sandbox)."


def answered(app: App, name: str, inputs: dict[str, Any]) -> Any:
    """The app's own reply to what the connector would send, without a network."""
    request = build_request(app.actions[name], inputs, FilePolicy())
    body = b"".join(request.body.chunks()) if request.body else b""
    headers = {key.lower(): value for key, value in request.headers} | {"authorization": f"Bearer {DEFAULT_KEY}"}
    return app.answer(Incoming(request.method, request.target, headers, Blob.of(body)))


def test_every_operation_answers_by_its_schema(app_of: Callable[..., App]) -> None:
    """Sample inputs of every operation, none left out, give 2XX, a declared media type and JSON that the reference library accepts."""
    app = app_of(retired=True)
    wrong = {}
    for name, action in app.actions.items():
        reply = answered(app, name, action_sample(action))
        declared = (reply.content_type or "").partition(";")[0] in (action.output_types or ("",))
        json_ok = reply.content_type != "application/json" or jsonschema.Draft202012Validator(action.output_schema).is_valid(
            json.loads(reply.whole())
        )
        if not (200 <= reply.status < 300 and declared and json_ok):
            wrong[name] = (reply.status, reply.content_type, reply.whole()[:200])
    assert wrong == {}
    assert len(app.actions) > 60


def test_every_answer_says_that_it_is_the_sandbox(call: Any) -> None:
    """Each answer, errors too, has the sandbox's header, a request id that counts on, and rate limits."""
    first, second = call("GET", "/v1/models"), call("GET", "/v1/nothing")
    assert (first.headers["x-kosha-sandbox"], second.headers["x-kosha-sandbox"]) == ("1", "1")
    numbers = [int(answer.headers["x-request-id"].removeprefix("req_sandbox_")) for answer in (first, second)]
    assert numbers[1] == numbers[0] + 1
    assert first.headers["openai-processing-ms"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "9999"


def test_the_seed_example(call: Any) -> None:
    """The first example of the vendor's documentation gives its sentence, and says who says it."""
    answer = call("POST", "/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this is a test"})
    assert answer.json["choices"] == [{"text": "\n\nThis is a test (sandbox).", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert answer.json["model"] == "gpt-3.5-turbo-instruct"
    assert answer.json["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


def test_chat_answers_the_last_message(call: Any) -> None:
    """As many choices as asked for, each with the text."""
    answer = call("POST", "/v1/chat/completions", {**CHAT, "n": 2})
    assert [choice["message"]["content"] for choice in answer.json["choices"]] == [SAID, SAID]
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1]


def test_chat_answers_in_the_schema_asked_for(call: Any) -> None:
    """A JSON schema in the request shapes the text of the answer."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    answer = call("POST", "/v1/chat/completions", {**CHAT, "response_format": wanted})
    assert json.loads(answer.json["choices"][0]["message"]["content"]) == {"city": "city"}


TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
CALLED = {"name": "weather", "arguments": '{"city": "city"}'}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_tool_is_called(call: Any, choice: Any) -> None:
    """Where the request insists on a function, it is called with arguments made from its schema; streamed as well."""
    body = {**CHAT, "tools": [{"type": "function", "function": TOOL}], "tool_choice": choice}
    whole = call("POST", "/v1/chat/completions", body).json["choices"][0]
    assert (whole["finish_reason"], whole["message"]["content"], whole["message"]["tool_calls"][0]["function"]) == (
        "tool_calls",
        None,
        CALLED,
    )
    chunks = call("POST", "/v1/chat/completions", {**body, "stream": True}).events[:-1]
    assert chunks[1]["choices"][0]["delta"]["tool_calls"][0]["function"] == CALLED
    assert chunks[2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_forced_tool_is_called_in_responses(call: Any) -> None:
    """The output is the call; the stream tells of it and of nothing else."""
    body = {"model": "m", "input": "x", "tools": [{"type": "function", "strict": True, **TOOL}], "tool_choice": "required"}
    output = call("POST", "/v1/responses", body).json["output"]
    assert [(item["type"], item["name"], item["arguments"]) for item in output] == [("function_call", *CALLED.values())]
    types = [event["type"].removeprefix("response.") for event in call("POST", "/v1/responses", {**body, "stream": True}).events]
    arguments = ["function_call_arguments.delta", "function_call_arguments.done"]
    assert types == ["created", "in_progress", "output_item.added", *arguments, "output_item.done", "completed"]


@pytest.mark.parametrize("most", ["max_tokens", "max_completion_tokens"])
def test_an_answer_has_at_most_the_tokens_asked_for(call: Any, most: str) -> None:
    """Tokens are words: the answer is cut and says so; with room for all of it, it is whole."""
    cut = call("POST", "/v1/chat/completions", CHAT | {most: 2}).json
    assert (cut["choices"][0]["message"]["content"], cut["choices"][0]["finish_reason"]) == ("Hello to", "length")
    assert cut["usage"]["completion_tokens"] == 2
    whole = call("POST", "/v1/chat/completions", CHAT | {most: 4}).json
    assert (whole["choices"][0]["message"]["content"], whole["choices"][0]["finish_reason"]) == (SAID, "stop")
    events = call("POST", "/v1/chat/completions", CHAT | {most: 2, "stream": True}).events
    assert events[-2]["choices"][0]["finish_reason"] == "length"


def test_a_refusal_on_request(call: Any) -> None:
    """A message that begins with the word gets a refusal in its own field, whole and as a stream."""
    chat = CHAT | {"messages": [{"role": "user", "content": "Refuse this"}]}
    message = call("POST", "/v1/chat/completions", chat).json["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"]
    events = call("POST", "/v1/chat/completions", chat | {"stream": True}).events[:-1]
    assert [event["choices"][0]["delta"].get("refusal") for event in events] == [None, message["refusal"], None]


def test_chat_streams_as_the_vendor_does(call: Any) -> None:
    """A role, the text in pieces, an end, the usage where it is asked for, and the closing word; each chunk fits its schema."""
    answer = call("POST", "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}})
    *chunks, done = answer.events
    assert done == "[DONE]"
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]) == SAID
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 8)
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert len(chunks) == 1 + 4 + 1 + 1


def test_responses_stream_their_whole_life(call: Any) -> None:
    """From created to completed, numbered, named on a line of their own, with the whole object at the end."""
    answer = call("POST", "/v1/responses", {"model": "gpt-4o", "input": "Say hello to Ann!", "stream": True})
    types = [event["type"] for event in answer.events]
    assert types[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert types[4:-4] == ["response.output_text.delta"] * 4
    assert types[-1] == "response.completed"
    assert [event["sequence_number"] for event in answer.events] == list(range(len(types)))
    assert answer.body.startswith(b"event: response.created\ndata: {")
    assert (answer.events[0]["response"]["status"], answer.events[0]["response"]["output"]) == ("in_progress", [])
    whole = answer.events[-1]["response"]
    assert whole["output"][0]["content"][0]["text"] == SAID
    assert call("GET", f"/v1/responses/{whole['id']}").json == whole
    assert call("GET", f"/v1/responses/{whole['id']}?stream=true").events[-1]["response"] == whole


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("createChatCompletion", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}),
        ("createResponse", {"model": "m", "input": "x", "stream": True}),
        (
            "createResponse",
            {
                "model": "m",
                "input": "x",
                "stream": True,
                "tools": [{"type": "function", "strict": True, **TOOL}],
                "tool_choice": "required",
            },
        ),
        ("createImage", {"prompt": "x", "stream": True, "partial_images": 2}),
        ("createImageEdit", {"prompt": "x", "image": ("a.png", b"x"), "stream": True, "partial_images": 1}),
        ("createTranscription", {"model": "m", "file": ("a.wav", b"x"), "stream": True}),
        ("createSpeech", {"model": "m", "input": "x", "voice": "alloy", "stream_format": "sse"}),
    ],
)
def test_every_event_fits_its_schema(app: App, name: str, inputs: dict[str, Any]) -> None:
    """Each event is valid under the schema that the description gives for events.

    Completions are not here: their chunks are described as whole answers, which the vendor's own chunks do not fit either.
    """
    from kosha_connector_openai.openapi.dialect import to_json_schema

    reply = answered(app, name, inputs)
    document = app.actions[name]._document
    raw = app.actions[name].operation.success.content["text/event-stream"].schema
    schema = to_json_schema(document.root, raw, version=document.version, request=False)
    data = [line[6:] for line in reply.whole().decode().split("\n") if line.startswith("data: {")]
    assert [text for text in data if not jsonschema.Draft202012Validator(schema).is_valid(json.loads(text))] == []
    assert len(data) >= 2


def test_every_operation_that_can_stream_does(app_of: Callable[..., App]) -> None:
    """Each operation whose description has an event stream gives one when it is asked to, with at least one event."""
    app = app_of(retired=True)
    streaming = [action for action in app.actions.values() if action.hints.streams]
    asked = {"stream": True}, {"stream_format": "sse"}
    flags = [next((flag for flag in asked if flag.keys() <= action.inputs.fields.keys()), {}) for action in streaming]
    replies = [answered(app, action.id, action_sample(action) | flag) for action, flag in zip(streaming, flags, strict=True)]
    assert {reply.content_type for reply in replies} == {"text/event-stream; charset=utf-8"}
    assert [action.id for action, reply in zip(streaming, replies, strict=True) if b"data: {" not in reply.whole()] == []
    assert len(replies) > 10


def test_pictures_are_real_in_the_size_asked_for(call: Any) -> None:
    """Base64 of a PNG with the asked width and height, as often as asked."""
    answer = call("POST", "/v1/images/generations", {"prompt": "a cat", "size": "1024x1536", "n": 2})
    pictures = [base64.b64decode(entry["b64_json"]) for entry in answer.json["data"]]
    assert [struct.unpack(">II", data[16:24]) for data in pictures] == [(1024, 1536)] * 2


def test_pictures_by_address_can_be_fetched(call: Any) -> None:
    """With the format ``url`` the address leads to a PNG on the sandbox itself."""
    answer = call("POST", "/v1/images/generations", {"prompt": "a cat", "size": "256x256", "response_format": "url"})
    path = "/__sandbox__/" + answer.json["data"][0]["url"].partition("/__sandbox__/")[2]
    picture = call("GET", path, authorization="")
    assert (picture.status, picture.headers["content-type"], picture.body[:4]) == (200, "image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "content_type", "start"),
    [("wav", "audio/wav", b"RIFF"), ("mp3", "audio/mpeg", b"\xff\xfb"), ("flac", "audio/flac", b"fLaC"), ("opus", "audio/opus", b"OggS")],
)
def test_speech_is_what_its_type_says(call: Any, kind: str, content_type: str, start: bytes) -> None:
    """The bytes are of the format that the Content-Type names."""
    answer = call("POST", "/v1/audio/speech", {"model": "tts-1", "input": "x", "voice": "alloy", "response_format": kind})
    assert (answer.headers["content-type"], answer.body[: len(start)]) == (content_type, start)


@pytest.mark.parametrize(
    ("kind", "content_type", "start"),
    [
        ("json", "application/json", b'{"text": "This is'),
        ("text", "text/plain; charset=utf-8", b"This is a test (sandbox).\n"),
        ("srt", "application/x-subrip; charset=utf-8", b"1\n00:00:00,000 --> "),
        ("vtt", "text/vtt; charset=utf-8", b"WEBVTT\n\n"),
        ("verbose_json", "application/json", b'{"task": "transcribe"'),
    ],
)
def test_transcripts_come_in_each_form(call: Any, kind: str, content_type: str, start: bytes) -> None:
    """The form asked for, under its own Content-Type."""
    answer = call.form("/v1/audio/transcriptions", {"model": "whisper-1", "response_format": kind}, {"file": ("a.wav", b"RIFF")})
    assert (answer.headers["content-type"], answer.body[: len(start)]) == (content_type, start)


def test_embeddings_are_unit_vectors_in_order(call: Any) -> None:
    """One vector a text, as long as asked, equal for equal texts, different for different ones."""
    body = {"model": "m", "input": ["a", "b", "a"], "dimensions": 40}
    data = call("POST", "/v1/embeddings", body).json["data"]
    assert [entry["index"] for entry in data] == [0, 1, 2]
    assert data[0]["embedding"] == data[2]["embedding"] != data[1]["embedding"]
    assert [len(entry["embedding"]) for entry in data] == [40, 40, 40]
    assert math.isclose(sum(value * value for value in data[1]["embedding"]), 1)


def test_embeddings_in_base64_are_the_same_numbers(call: Any) -> None:
    """Little-endian floats of 32 bits."""
    body = {"model": "m", "input": "a", "dimensions": 3}
    plain = call("POST", "/v1/embeddings", body).json["data"][0]["embedding"]
    packed = call("POST", "/v1/embeddings", {**body, "encoding_format": "base64"}).json["data"][0]["embedding"]
    assert struct.unpack("<3f", base64.b64decode(packed)) == pytest.approx(plain)


def test_moderation_flags_violence(call: Any) -> None:
    """Each text has its own verdict; only the one with the word is flagged."""
    answer = call("POST", "/v1/moderations", {"input": ["a kitten", "pure Violence"]})
    assert [verdict["flagged"] for verdict in answer.json["results"]] == [False, True]
    assert [verdict["categories"]["violence"] for verdict in answer.json["results"]] == [False, True]
    assert answer.json["results"][1]["category_scores"]["violence"] == 0.99


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        ("/v1/chat/completions", {"model": "m"}, 400, "missing_required_parameter", "messages"),
        ("/v1/chat/completions", {**CHAT, "temperature": "hot"}, 400, "invalid_type", "temperature"),
        ("/v1/chat/completions", {**CHAT, "max_token": 1}, 400, "unknown_parameter", "max_token"),
        ("/v1/chat/completions", {**CHAT, "model": "no-such-model"}, 404, "model_not_found", "model"),
        ("/v1/chat/completions", {**CHAT, "model": "quota"}, 429, "insufficient_quota", "model"),
        ("/v1/chat/completions", b"{", 400, None, None),
        ("/v1/files/missing", None, 405, "method_not_supported", None),
        ("/v1/nothing", {}, 404, "unknown_url", None),
        ("/v1/edits", {"model": "m", "instruction": "x"}, 404, "unknown_url", None),
    ],
)
def test_errors_have_the_vendors_shape(call: Any, path: str, body: Any, status: int, code: str | None, param: str | None) -> None:
    """Status, code and param say what is wrong; the message is text; all four keys are there."""
    answer = call("POST", path, body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param)
    assert answer.error.keys() == {"message", "type", "param", "code"}
    assert isinstance(answer.error["message"], str)


def test_a_retired_operation_names_its_successor_unless_it_is_asked_for(call: Any) -> None:
    """404 with the successor's name; with the header the answer by schema."""
    body = {"model": "m", "instruction": "Say it works", "input": "x"}
    assert "createChatCompletion" in call("POST", "/v1/edits", body).error["message"]
    answer = call("POST", "/v1/edits", body, x_kosha_retired_ok="1")
    assert (answer.status, answer.json["object"]) == (200, "edit")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", None),
        ("Basic abc", None),
        ("Bearer ", None),
        ("Bearer wrong-key-of-someone-else", "invalid_api_key"),
        ("Bearer kürzer", "invalid_api_key"),
    ],
)
def test_only_the_key_opens(call: Any, given: str, code: str | None) -> None:
    """401 without the key or with another; the answer shows at most the other key's ends."""
    answer = call("GET", "/v1/models", authorization=given.encode().decode("latin-1"))
    assert (answer.status, answer.error["code"]) == (401, code)
    assert b"wrong-key-of-someone-else" not in answer.body
    assert b"key-of" not in answer.body


def test_behaviour_names_only_what_there_is(app: App) -> None:
    """Each operation, collection and error that the behaviour names exists."""
    operations = app._operations
    assert isinstance(operations, Operations)
    behaviour = operations._behaviour
    assert set(behaviour["operations"]) - app.actions.keys() == set()
    paths = {action.operation.path for action in app.actions.values()}
    assert [path for path in behaviour["collections"] if not any(known.startswith(path) for known in paths)] == []
    assert {*behaviour["fault_errors"].values(), *behaviour["models"].values()} <= behaviour["errors"].keys()
