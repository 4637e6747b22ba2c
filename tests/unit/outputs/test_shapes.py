"""Short results: what they hold for whole answers, streams, files and odd answers; nothing but the first item is a fault."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from kosha_connector_openai import Connector, Event, Result
from kosha_connector_openai.core.result.file_sink import SavedFile
from kosha_connector_openai.core.result.result import add_body_facts
from kosha_connector_openai.outputs.outputs import OutputRoom, faults
from kosha_connector_openai.outputs.shapes import normalised_usage, total_tokens

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture
def room(connector: Connector) -> OutputRoom:
    """The short results of the OpenAI connector."""
    return connector.outputs


def answer(action: str, value: Any, connector: Connector | None = None, **more: Any) -> Result:
    """A finished call with a JSON answer."""
    made = Result(action=action, status=200, kind="json", value=value, **more)
    if connector is not None:
        add_body_facts(made, connector.manifest.result)
    return made


def stream(action: str, *data: Any, types: tuple[str, ...] = (), **more: Any) -> Result:
    """A finished call with an event stream."""
    names = types or ("message",) * len(data)
    return Result(action=action, status=200, kind="events", value=[Event(n, d) for n, d in zip(names, data, strict=True)], **more)


def test_the_part_names_only_what_there_is(connector: Connector) -> None:
    """Every action, record and shape that the data names exists."""
    assert list(faults(connector.catalog, connector.outputs.part)) == []


def test_every_choice_of_a_chat(room: OutputRoom) -> None:
    """All answers come, in their order, with parsed JSON and tool calls; the first one also by itself."""
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Oslo"}'}}
    odd = {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    value = {
        "id": "x",
        "choices": [
            {"index": 1, "message": {"content": "[1]", "tool_calls": [call, odd]}, "finish_reason": "tool_calls"},
            {"index": 0, "message": {"content": '{"a": 1}'}, "finish_reason": "stop"},
        ],
    }
    found = room.of(answer("createChatCompletion", value)).result
    assert [choice["text"] for choice in found["choices"]] == ['{"a": 1}', "[1]"]
    assert [choice["json"] for choice in found["choices"]] == [{"a": 1}, [1]]
    assert found["choices"][1]["tool_calls"] == [
        {"id": "c1", "name": "find", "arguments": {"city": "Oslo"}, "text": '{"city": "Oslo"}'},
        {"id": "c2", "name": "sql", "arguments": None, "text": "select 1"},
    ]


@pytest.mark.parametrize("text", ["42", '"a"', "{broken", "null", "", "\ud800", "[NaN]"])
def test_what_is_no_object_and_no_array_is_not_parsed(room: OutputRoom, text: str) -> None:
    """Parsed JSON is an object or an array; all else is null, and the text stays."""
    found = room.of(answer("createChatCompletion", {"choices": [{"message": {"content": text}}]})).result
    assert (found["json"], found["text"]) == (None, text)


def test_a_chat_in_pieces(room: OutputRoom) -> None:
    """Deltas of several choices and of several tool calls become what a whole answer would have been."""
    events = [
        {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "He"}}]},
        {"choices": [{"index": 1, "delta": {"content": "Sa"}}]},
        {"choices": [{"index": 0, "delta": {"content": "llo"}, "finish_reason": None}, {"index": 1, "delta": {"content": "lut"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 1, "function": {"arguments": '"k": 1}'}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    ]
    found = room.of(stream("createChatCompletion", *events)).result
    assert [(choice["text"], choice["reason"]) for choice in found["choices"]] == [("Hello", "tool_calls"), ("Salut", None)]
    assert [(call["id"], call["name"], call["arguments"]) for call in found["tool_calls"]] == [("a", "f", {}), ("b", "g", {"k": 1})]
    assert found["id"] == "x"


def test_a_long_stream_is_joined_in_step_with_its_length(room: OutputRoom) -> None:
    """A hundred thousand pieces are joined once, not one after the other."""
    events = [{"choices": [{"index": 0, "delta": {"content": "word "}}]}] * 100_000
    assert len(room.of(stream("createChatCompletion", *events)).result["text"]) == 500_000


def test_an_item_number_that_is_a_mistake(room: OutputRoom) -> None:
    """A piece for item ten million makes no list of that length."""
    events = [{"choices": [{"index": 10_000_000, "delta": {"content": "x"}}, {"index": -1, "delta": {"content": "y"}}]}, "no object", {}]
    assert room.of(stream("createChatCompletion", *events)).result["choices"] == []


def test_a_response_in_pieces(room: OutputRoom) -> None:
    """The final event holds the whole answer; text and refusal are told apart, and reasoning is not the answer."""
    output = [
        {"type": "reasoning", "summary": [{"text": "First"}], "content": [{"type": "reasoning_text", "text": "hidden"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "A"}, {"type": "refusal", "refusal": "No"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "B", "annotations": [{"type": "url_citation"}]}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "image_generation_call", "result": base64.b64encode(PNG).decode()},
    ]
    final = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output}}
    done = stream("createResponse", {"delta": "A"}, final, types=("response.output_text.delta", "response.completed"))
    found = room.of(done).result
    assert (found["text"], found["refusal"], found["reasoning"], found["id"]) == ("AB", "No", "First", "r")
    assert [len(text["sources"]) for text in found["texts"]] == [0, 1]
    assert [call["name"] for call in found["tool_calls"]] == ["f"]
    assert found["images"][0]["image"].data == PNG


def test_a_stream_that_was_cut_keeps_its_text(room: OutputRoom) -> None:
    """Without its final event a response has the text of its deltas."""
    cut = Result(
        action="createResponse",
        status=200,
        kind="events",
        value=[Event("response.output_text.delta", {"delta": "Half"}, "Half")],
        incomplete="the connection broke",
        outcome="incomplete",
    )
    output = room.of(cut)
    assert (output.result["text"], output.result["refusal"], output.outcome) == ("Half", "", "incomplete")


def test_every_vector_in_the_order_of_the_inputs(room: OutputRoom) -> None:
    """Vectors come sorted by their index, also out of base64; one that is broken is null and moves no other."""
    packed = base64.b64encode(struct.pack("<3f", 0.5, -1.0, 2.0)).decode()
    data = [
        {"index": 2, "embedding": [3.0]},
        {"index": 0, "embedding": packed},
        {"index": 1, "embedding": "###"},
        {"index": 3, "embedding": "AAA="},
    ]
    found = room.of(answer("createEmbedding", {"data": data})).result
    assert found == {"vectors": [[0.5, -1.0, 2.0], None, [3.0], None], "count": 4}


def test_vectors_without_numbers_stay_as_they_came(room: OutputRoom) -> None:
    """Where not every item has a number, the order of the answer stands."""
    data = [{"index": 1, "embedding": [1.0]}, {"embedding": [2.0]}]
    assert room.of(answer("createEmbedding", {"data": data})).result["vectors"] == [[1.0], [2.0]]


def test_pictures_are_files_and_never_text(room: OutputRoom) -> None:
    """All pictures, bytes or URL, with the type of their bytes; what is shown or logged has no base64."""
    text = base64.b64encode(PNG).decode()
    value = {
        "output_format": "jpeg",
        "data": [{"b64_json": text}, {"url": "https://x.example/p", "revised_prompt": "p"}, {"b64_json": "!"}],
    }
    output = room.of(answer("createImage", value))
    first, second = output.files
    assert (first.name, first.content_type, first.data, first.size) == ("image.png", "image/png", PNG, len(PNG))
    assert (second.url, second.content_type, second.data) == ("https://x.example/p", "image/jpeg", None)
    assert output.result["images"][2]["image"] is None
    assert text not in repr(output)
    assert text not in str(output.to_dict())
    assert output.to_dict()["result"]["images"][0]["image"]["sha256"] == first.sha256


def test_pictures_of_a_stream(room: OutputRoom) -> None:
    """Only finished pictures count, all of them; partial ones do not."""
    done = {"type": "image_generation.completed", "b64_json": base64.b64encode(PNG).decode(), "size": "1x1"}
    partial = {"type": "image_generation.partial_image", "b64_json": "AAAA"}
    result = stream("createImage", partial, done, done, types=(partial["type"], done["type"], done["type"]))
    output = room.of(result)
    assert (len(output.files), output.result["size"]) == (2, "1x1")


def test_a_picture_is_saved_whole(room: OutputRoom, tmp_path: Any) -> None:
    """The file's own ``save`` writes its bytes; one that the upstream keeps has none."""
    value = {"data": [{"b64_json": base64.b64encode(PNG).decode()}, {"url": "https://x.example/p"}]}
    first, second = room.of(answer("createImage", value)).files
    assert first.save(tmp_path / "p.png").path.read_bytes() == PNG
    with pytest.raises(Exception, match="no bytes"):
        second.save(tmp_path / "q.png")


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_transcript_as_json_or_text(room: OutputRoom, kind: Any) -> None:
    """The words, whichever format was asked for."""
    value = {"text": "Hello."} if kind == "json" else "Hello."
    made = Result(action="createTranscription", status=200, kind=kind, value=value)
    assert room.of(made).result["text"] == "Hello."


def test_a_transcript_with_speakers(room: OutputRoom) -> None:
    """Segments keep their times and speakers."""
    segments = [{"start": 0.0, "end": 1.5, "speaker": "A", "text": "Hi."}]
    found = room.of(answer("createTranscription", {"text": "Hi.", "duration": 1.5, "segments": segments})).result
    assert (found["segments"], found["seconds"]) == (segments, 1.5)


def test_speech_as_bytes_as_a_stream_and_saved(room: OutputRoom, tmp_path: Any) -> None:
    """A recording is one file, however it came."""
    sound = b"ID3" + bytes(20)
    whole = room.of(Result(action="createSpeech", status=200, kind="bytes", value=sound, content_type="audio/mpeg")).files[0]
    halves = [base64.b64encode(part).decode() for part in (sound[:10], sound[10:])]
    pieces = [{"type": "speech.audio.delta", "audio": half} for half in halves]
    streamed = room.of(stream("createSpeech", *pieces, types=("speech.audio.delta",) * 2)).files[0]
    assert (whole.data, whole.name) == (sound, "speech.mp3") == (streamed.data, streamed.name)
    kept = SavedFile(tmp_path / "s.mp3", 23, "ab", "audio/mpeg")
    saved = room.of(Result(action="createSpeech", status=200, kind="file", value=kept)).files[0]
    assert (saved.path, saved.size, saved.data) == (kept.path, 23, None)


def test_rows_of_a_page(room: OutputRoom) -> None:
    """Every row, with times as text, and where the next page begins."""
    rows = [{"id": "f1", "filename": "a", "created_at": 1767225600, "bytes": 1}, {"id": "f2"}]
    found = room.of(answer("listFiles", {"data": rows, "has_more": True, "last_id": "f2"})).result
    assert [row["id"] for row in found["items"]] == ["f1", "f2"]
    assert (found["items"][0]["created"], found["count"], found["more"], found["next"]) == ("2026-01-01T00:00:00Z", 2, True, "f2")


@pytest.mark.parametrize("seconds", [1e300, "x", True, None, -1e18])
def test_a_time_that_is_none(room: OutputRoom, seconds: Any) -> None:
    """A time that no calendar has is null."""
    assert room.of(answer("retrieveFile", {"id": "f", "created_at": seconds})).result["created"] is None


def test_an_agent_that_is_listened_to(room: OutputRoom) -> None:
    """A session's events give its state and the agent's words, those of a message that was not finished too; not the user's."""
    place = {"turn_id": "turn_1", "session_id": "asess_1"}
    asked = {"id": "a", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sort them."}]}
    said = {"id": "b", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Sorted. "}]}
    begun = {"id": "c", "type": "message", "role": "assistant", "content": []}
    part = {"item_id": "c", "output_index": 2, "content_index": 0, **place}
    given: list[dict[str, Any]] = [
        {"type": "agent.session.created", "session": {"id": "asess_1", "status": "in_progress", "agent": {"id": "agent_1", "model": "m"}}},
        {"type": "agent.session.turn.item.done", "item": asked, "output_index": 0, **place},
        {"type": "agent.session.turn.item.done", "item": said, "output_index": 1, **place},
        {"type": "agent.session.turn.item.added", "item": begun, "output_index": 2, **place},
        {"type": "agent.session.turn.content_part.added", "part": {"type": "output_text", "text": ""}, **part},
        {"type": "agent.session.turn.output_text.delta", "delta": "All of", **part},
        {"type": "agent.session.turn.output_text.delta", "delta": " them.", **part},
    ]
    types = tuple(str(event["type"]) for event in given)
    live = room.of(stream("createAgentSession", *given, types=types)).result
    assert (live["id"], live["status"], live["text"]) == ("asess_1", "in_progress", "Sorted. All of them.")
    idle = {"type": "agent.session.idle", "session": {"id": "asess_1", "status": "idle", "agent": {"id": "agent_1", "model": "m"}}}
    ended = room.of(stream("createAgentSession", *given, idle, types=(*types, "agent.session.idle"))).result
    assert (ended["status"], ended["agent"], ended["text"]) == ("idle", "agent_1", "Sorted. All of them.")
    assert [item["role"] for item in ended["items"]] == ["user", "assistant", "assistant"]


def test_a_secret_that_is_told_once(room: OutputRoom) -> None:
    """The secret of a new webhook endpoint stands in the short result of the calls that make it, and in no other."""
    endpoint = {"id": "we_1", "url": "https://example.com/hook", "event_types": ["response.completed"], "signing_secret": "whsec_1"}
    assert room.of(answer("createWebhookEndpoint", endpoint)).result["secret"] == "whsec_1"
    assert "whsec_1" not in str(room.of(answer("retrieveWebhookEndpoint", endpoint)).result)


def test_verdicts_for_every_input(room: OutputRoom) -> None:
    """A second input that is harmful is not hidden by a first that is not."""
    results = [{"flagged": False, "categories": {"hate": False}}, {"flagged": True, "categories": {"hate": True, "b": True, "c": None}}]
    found = room.of(answer("createModeration", {"results": results})).result
    assert (found["flagged"], found["results"][1]["categories"]) == (True, ["b", "hate"])


@pytest.mark.parametrize("value", [None, [], "text", 3, {"choices": "x"}, {"choices": [None, 1]}, {"choices": [{"message": 5}]}])
def test_answers_of_another_form(room: OutputRoom, value: Any) -> None:
    """An answer that is not what was described gives an empty result, no crash."""
    found = room.of(answer("createChatCompletion", value)).result
    assert (found["tool_calls"], found["json"]) == ([], None)


def test_an_action_without_a_shape(room: OutputRoom) -> None:
    """Its JSON answer is its result; a list or a stream stands under ``value``."""
    assert room.of(answer("listThreads", {"a": 1})).result == {"a": 1}
    assert room.of(answer("listThreads", [1])).result == {"value": [1]}
    assert room.of(stream("listThreads", {"a": 1})).result == {"value": [{"a": 1}]}


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (None, None),
        ({"prompt_tokens": 3, "total_tokens": 3}, {"input": 3, "total": 3}),
        ({"input_tokens": 2, "output_tokens": 5}, {"input": 2, "output": 5, "total": 7}),
        ({"type": "duration", "seconds": 2.5}, {"seconds": 2.5}),
        ({"prompt_tokens": "x", "completion_tokens": True}, {}),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 15, "audio_tokens": 3},
            },
            {
                "input": 10,
                "output": 20,
                "total": 30,
                "cached": 4,
                "cache_write": 2,
                "reasoning": 15,
                "audio_input": 1,
                "audio_output": 3,
            },
        ),
        (
            {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10, "input_tokens_details": {"text_tokens": 2, "image_tokens": 7}},
            {"input": 9, "output": 1, "total": 10, "image_input": 7, "text_input": 2},
        ),
    ],
)
def test_usage_by_one_set_of_names(room: OutputRoom, usage: Any, told: Any) -> None:
    """Whatever an action calls its counts, a workflow reads the same names; no count is made up."""
    assert room.usage(Result(action="x", status=200, kind="json", value={}, usage=usage)) == told


def test_what_a_picture_cost(room: OutputRoom, tmp_path: Any) -> None:
    """An answer that does not name its model is priced by the one that was asked for, each picture by itself."""
    path = tmp_path / "prices.yaml"
    path.write_text("date: 2026-11-01\nmodels: {dall-e-2: {each: 0.02}}\n")
    made = answer("createImage", {"data": [{"url": "https://x.example/1"}, {"url": "https://x.example/2"}]})
    output = room.of(made, prices=room.prices(path), model="dall-e-2")
    assert (output.cost, output.model) == ({"amount": 0.04, "currency": "USD", "prices_of": "2026-11-01"}, "dall-e-2")
    assert room.of(made, prices=room.prices(path)).cost is None


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 13}, 13),
        ({"input_tokens": 5, "output_tokens": 7}, 12),
        ({"output_tokens": 7, "total_tokens": None}, 7),
        ({"prompt_tokens": 5, "total_tokens": True}, 5),
        ({"total_tokens": 0}, 0),
        ({"seconds": 3}, None),
        (None, None),
        ("12", None),
    ],
)
def test_the_total_alone_is_that_of_all_counts(room: OutputRoom, usage: Any, total: int | None) -> None:
    """What a run counts of each answer is the ``total`` that a short result would tell."""
    assert total_tokens(usage, room.part) == total
    if isinstance(usage, dict):
        assert (normalised_usage(usage, room.part) or {}).get("total") == total
