"""The events of a stream become the answer that would have come without one, and what has no place in it is told."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kosha_connector_openai import Connector, Event, Result
from kosha_connector_openai.outputs.stream_pieces import joined_base64

SOUND = bytes(range(256)) * 3


def short(connector: Connector, *data: Any, action: str = "createChatCompletion", **more: Any) -> Any:
    """The short result of a stream; events have the type that their data names."""
    events = [Event(item.get("type", "message") if isinstance(item, dict) else "message", item) for item in data]
    return connector.outputs.of(Result(action=action, status=200, kind="events", value=events, **more))


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    """An event with a piece of one choice."""
    return {"id": "c", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def test_content_as_a_list_of_parts(connector: Connector) -> None:
    """Texts of parts are the answer, thoughts among them are not; a text before or between parts is one of them."""
    told = short(
        connector,
        delta(content="It "),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm, "}]}]),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "yes."}]}, {"type": "text", "text": "is "}]),
        delta(content="fine."),
    )
    assert (told.result["text"], told.result["reasoning"], told.warnings) == ("It is fine.", "Hm, yes.", ())


def test_what_is_put_together_is_no_piece_any_more(connector: Connector) -> None:
    """The answer says what it is as one that came whole does; where no event says it, the answer does not."""
    events = [Event("message", {**delta(content=text), "object": "chat.completion.chunk"}) for text in ("It ", "works")]
    whole = connector.outputs.whole(Result(action="createChatCompletion", status=200, kind="events", value=events))
    assert (whole.value["object"], whole.value["choices"][0]["message"]["content"]) == ("chat.completion", "It works")
    bare = connector.outputs.whole(
        Result(action="createChatCompletion", status=200, kind="events", value=[Event("message", delta(content="x"))])
    )
    assert "object" not in bare.value


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_beside_the_content(connector: Connector, name: str) -> None:
    """By whichever name a server gives it, streamed or whole, it stands apart from the answer."""
    streamed = short(connector, delta(**{name: "First "}), delta(**{name: "this."}, content=""), delta(content="42"))
    message = {"role": "assistant", "content": "42", name: "First this."}
    whole = connector.outputs.of(Result(action="createChatCompletion", status=200, kind="json", value={"choices": [{"message": message}]}))
    for told in (streamed, whole):
        assert (told.result["text"], told.result["reasoning"]) == ("42", "First this.")


def test_reasoning_as_numbered_details(connector: Connector) -> None:
    """Pieces of one detail are joined by its number; the answer stays apart."""
    details = [[{"index": 0, "type": "reasoning.text", "text": text}] for text in ("One, ", "two.")]
    told = short(connector, *(delta(reasoning_details=detail) for detail in details), delta(content="2"))
    assert (told.result["text"], told.result["reasoning"]) == ("2", "One, two.")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("padded", [True, False])
def test_sound_in_pieces(connector: Connector, size: int, *, padded: bool) -> None:
    """Bytes come whole, whether each piece is base64 of its own or the text was cut anywhere; what is said is the text."""
    if padded:
        pieces = [base64.b64encode(SOUND[at : at + size]).decode() for at in range(0, len(SOUND), size)]
    else:
        text = base64.b64encode(SOUND).decode()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
    told = short(
        connector,
        delta(audio={"id": "a", "transcript": "Hel"}),
        *(delta(audio={"data": piece}) for piece in pieces),
        delta(audio={"transcript": "lo"}),
    )
    assert (told.result["audio"].data, told.result["text"], told.warnings) == (SOUND, "Hello", ())


def test_sound_that_is_no_base64_is_kept_and_told(connector: Connector) -> None:
    """Pieces that no bytes can be made of stand in ``raw``."""
    told = short(connector, delta(audio={"data": "AA"}), delta(audio={"data": "?!"}))
    assert (told.raw, [fault.rule for fault in told.warnings]) == (("AA?!",), ["base64"])
    assert joined_base64(["QQ", "I="]) is None or joined_base64(["QUI", "="]) == b"AB"


def test_an_empty_text_replaces_nothing(connector: Connector) -> None:
    """Neither an id, nor a model, nor the name of a call."""
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}
    rest = {"index": 0, "id": "", "function": {"name": "", "arguments": "}"}}
    told = short(connector, delta(tool_calls=[call]), {**delta(tool_calls=[rest]), "id": ""})
    found = told.result["tool_calls"][0]
    assert (told.result["id"], found["id"], found["name"], found["arguments"]) == ("c", "a", "f", {})


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        pytest.param(
            [(None, "x", "f", "{}"), (None, "y", "f", "{}")], [("x", "f"), ("y", "f")], id="two calls of one tool without a number"
        ),
        pytest.param([(0, "", "f", "{}"), (0, "", "g", "{}")], [("", "f"), ("", "g")], id="no id, one number, other names"),
        pytest.param([(0, None, "f", '{"a":1}'), (0, None, "f", '{"a":2}')], [(None, "f"), (None, "f")], id="only whole inputs tell"),
        pytest.param([(1, "b", "g", "{}"), (0, "a", "f", "{}")], [("a", "f"), ("b", "g")], id="numbers give the order"),
        pytest.param([(0, "a", "f", "{"), (0, "other", None, "}")], [("a", "f")], id="an id for each piece"),
        pytest.param([(0, None, "f", ""), (0, "a", None, "{}")], [("a", "f")], id="the id comes later"),
        pytest.param(
            [(0, "a", "f", "{"), (0, "b", "g", "{"), (0, "a", None, "}"), (0, "b", None, "}")], [("a", "f"), ("b", "g")], id="mixed"
        ),
    ],
)
def test_calls_are_told_apart(connector: Connector, calls: list[Any], wanted: list[Any]) -> None:
    """By id; where that is missing, by number, name and whole inputs."""
    pieces = [{"index": number, "id": identity, "function": {"name": name, "arguments": text}} for number, identity, name, text in calls]
    told = short(connector, *(delta(tool_calls=[piece]) for piece in pieces))
    assert [(call["id"], call["name"]) for call in told.result["tool_calls"]] == wanted
    assert all(isinstance(call["arguments"], dict) for call in told.result["tool_calls"])


def test_inputs_after_whole_ones_are_kept_and_told(connector: Connector) -> None:
    """Nothing says whose they are: glued to the call before, both were unreadable."""
    stray = delta(tool_calls=[{"index": 0, "function": {"name": "", "arguments": '{"b": 2}'}}])
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a": 1}'}}
    told = short(connector, delta(tool_calls=[call]), stray)
    assert [(each["name"], each["arguments"]) for each in told.result["tool_calls"]] == [("f", {"a": 1})]
    assert (told.raw, [fault.rule for fault in told.warnings]) == ((stray,), ["index"])


def test_one_id_for_several_calls(connector: Connector) -> None:
    """Other whole inputs under a known id are another call."""
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": text}} for text in ('{"a": 1}', '{"a": 2}')]
    told = short(connector, *(delta(tool_calls=[call]) for call in calls))
    assert [each["arguments"] for each in told.result["tool_calls"]] == [{"a": 1}, {"a": 2}]


def test_inputs_as_values(connector: Connector) -> None:
    """Some servers send an object in place of its text."""
    told = short(connector, delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"a": 1}}}]))
    assert told.result["tool_calls"][0]["arguments"] == {"a": 1}


def test_a_whole_message_takes_the_place_of_its_pieces(connector: Connector) -> None:
    """What it does not bring is kept."""
    whole = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}]}
    told = short(connector, delta(content="Hel"), delta(content="lo", reasoning_content="Hm"), whole)
    assert (told.result["text"], told.result["reasoning"], told.raw) == ("Hello", "Hm", ())


def test_what_has_no_place_is_kept_and_told(connector: Connector) -> None:
    """A text between the events, an item without a possible number, a piece of another form: all in ``raw``, each with a warning."""
    odd = delta(content={"text": "x"})
    told = short(connector, delta(content="a"), "cut here", delta(index=-7, content="b"), odd, [1], {"choices": "none"})
    assert told.result["text"] == "a"
    assert told.raw == ("cut here", delta(index=-7, content="b"), odd, [1], {"choices": "none"})
    assert sorted(fault.rule for fault in told.warnings) == ["index", "json", "type", "type", "type"]
    assert told.to_dict()["raw"][0] == "cut here"


def test_token_facts_of_pieces_go_on(connector: Connector) -> None:
    """Lists that are told piece by piece are one list in the end; the first answer's text is that of the choice with the number 0."""
    part = connector.outputs.part.shapes["chat"].stream
    from kosha_connector_openai.outputs.stream_fold import fold

    assert part is not None
    events = [Event("", {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": token}]}}]}) for token in "ab"]
    assert fold(events, part).value["choices"][0]["logprobs"]["content"] == [{"token": "a"}, {"token": "b"}]
