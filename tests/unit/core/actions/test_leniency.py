"""What other servers take although our description does not know it can be sent, and every refusal says how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError, SetupError

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
AUDIO = {"model": "m", "messages": [{"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "https://example.com/a"}}]}]}
GIVEN: Mapping[str, str] = {"server_url": "http://localhost:9", "api_key": "env:OPENAI_API_KEY"}


def sent(connector: Connector, action: str, inputs: Mapping[str, Any], values: Mapping[str, str] = GIVEN, **options: Any) -> Any:
    """The body that would go, and its warnings."""
    import json

    preview = connector.preview(action, inputs, connector.connection({**GIVEN, **values}, **options))
    return json.loads(preview.body()), preview.request.warnings


UNKNOWN = [
    pytest.param("createChatCompletion", AUDIO, "/messages/0/content/0/type", id="part"),
    pytest.param("createChatCompletion", {**CHAT, "service_tier": "on_demand"}, "/service_tier", id="value"),
    pytest.param("createChatCompletion", {**CHAT, "tools": [{"type": "builtin", "name": "x"}]}, "/tools/0/type", id="tool"),
    pytest.param("createSpeech", {"model": "m", "input": "a", "voice": "v", "response_format": "ulaw"}, "/response_format", id="format"),
]


@pytest.mark.parametrize(("action", "inputs", "pointer"), UNKNOWN)
def test_what_is_not_listed_is_refused_and_the_ways_are_named(connector: Connector, action: str, inputs: Any, pointer: str) -> None:
    """For the provider's own server; the refusal names `extra_body` and `validation`."""
    with pytest.raises(InputError) as caught:
        sent(connector, action, inputs)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert "`extra_body`" in caught.value.faults[0].fix
    assert "`validation`" in caught.value.faults[0].fix


@pytest.mark.parametrize("kind", ["compatible", "vllm", "ollama", "llama-cpp", "lm-studio"])
@pytest.mark.parametrize(("action", "inputs", "pointer"), UNKNOWN)
def test_compatible_servers_get_it_with_a_warning(connector: Connector, kind: str, action: str, inputs: Any, pointer: str) -> None:
    """Byte for byte what was given."""
    body, warnings = sent(connector, action, inputs, {"server_kind": kind})
    assert (body, [warning.pointer for warning in warnings]) == (inputs, [pointer])


def test_the_option_goes_before_the_kind(connector: Connector) -> None:
    """``validation`` of the connection decides; `open` still refuses what is wrong in another way, `warn` sends that too."""
    with pytest.raises(InputError):
        sent(connector, "createChatCompletion", AUDIO, {"server_kind": "vllm"}, validation="on")
    wrong = {**CHAT, "temperature": "warm"}
    with pytest.raises(InputError, match="temperature"):
        sent(connector, "createChatCompletion", wrong, validation="open")
    body, warnings = sent(connector, "createChatCompletion", wrong, validation="warn")
    assert (body, [warning.pointer for warning in warnings]) == (wrong, ["/temperature"])
    with pytest.raises(SetupError):
        connector.connection(GIVEN, validation="never")


def test_what_cannot_be_written_is_refused_whatever_is_set(connector: Connector) -> None:
    """A path without its value, a value that JSON does not have."""
    connection = connector.connection(GIVEN, validation="warn")
    for action, inputs in (("retrieveModel", {}), ("createChatCompletion", {**CHAT, "temperature": float("nan")})):
        with pytest.raises(InputError):
            connector.preview(action, inputs, connection)


def test_extra_body_counts_for_required_fields_and_merges(connector: Connector) -> None:
    """A required field may stand there alone; objects are merged; what is in it is not checked; no other fault is lost."""
    extra = {"messages": [{"role": "narrator"}], "stream_options": {"new": 1}}
    inputs = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "extra_body": extra}
    body, warnings = sent(connector, "createChatCompletion", inputs)
    assert body["messages"] == extra["messages"]
    assert body["stream_options"] == {"include_usage": True, "new": 1}
    assert warnings == ()
    with pytest.raises(InputError, match="/temperature"):
        sent(connector, "createChatCompletion", {**inputs, "temperature": "warm"})
    with pytest.raises(InputError, match="/extra_body/stream_options/include_usage: is given twice"):
        sent(connector, "createChatCompletion", {**inputs, "extra_body": {**extra, "stream_options": {"include_usage": False}}})


GIVEN_BACK = [
    ("createResponse", "input", {"type": "reasoning", "id": "r", "summary": [], "content": None, "status": None}),
    ("createResponse", "input", {"type": "brand_new_call", "id": "b", "action": None}),
    ("createChatCompletion", "messages", {"role": "assistant", "content": "x", "tool_calls": None, "function_call": None, "audio": None}),
    ("createConversation", "items", {"type": "brand_new_call", "id": "b"}),
]


@pytest.mark.parametrize(("action", "name", "item"), GIVEN_BACK)
def test_an_answer_can_be_given_back(connector: Connector, action: str, name: str, item: Any) -> None:
    """With the nulls and the types that the server wrote itself, unchanged."""
    inputs = {**({} if action == "createConversation" else {"model": "m"}), name: [item]}
    body, _ = sent(connector, action, inputs)
    assert body == inputs


def test_a_typing_mistake_in_it_is_still_a_fault(connector: Connector) -> None:
    """A type that is nearly a known one, and a null where no answer has one."""
    for inputs in (
        {"model": "m", "input": [{"type": "mesage", "role": "user", "content": "x"}]},
        {"model": None, "input": "x", "stream": "a"},
    ):
        with pytest.raises(InputError):
            sent(connector, "createResponse", inputs)


def test_the_list_of_types_is_the_true_one(connector: Connector) -> None:
    """All branches of the union, not those alone that look most like the value."""
    with pytest.raises(InputError) as caught:
        sent(connector, "createResponse", {"model": "m", "input": [], "tools": [{"type": "zzzzzz", "server_label": "s"}]})
    allowed = caught.value.faults[0].allowed
    assert {"function", "mcp", "web_search", "file_search", "code_interpreter"} <= set(allowed)
