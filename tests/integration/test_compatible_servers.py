"""Servers with the same API, made by others, behind the connector: what works, what does not, and how it is told.

Needs them installed: ``make e2e`` does it. The table in docs/connections.md says what these tests saw.
"""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector, Result
from kosha_connector_openai.errors import AccessError, ApiError, IncompleteAnswerError, InputError, RejectedError, UnavailableError
from kosha_connector_openai.flows.tasks import TaskResult, run_task
from kosha_connector_openai.sandbox.audio import wav
from kosha_connector_openai.schema.validator import SchemaValidator
from tests.integration.servers import running
from tests.integration.servers.running import KEY, Served

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not running.installed(), reason="the servers are not installed (make e2e)")]

NAMES = ("llama.cpp", "LiteLLM", "dasLLAMA")
ASKED = [{"role": "user", "content": "Say this is a test"}]
SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "mood": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["count", "mood"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "reading", "strict": True, "schema": SCHEMA}}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """All three, running."""
    folder = tmp_path_factory.mktemp("servers")
    with running.all_of_them(folder) as found:
        yield {served.name: served for served in found}


@pytest.fixture(params=NAMES)
def served(request: pytest.FixtureRequest, servers: dict[str, Served], monkeypatch: pytest.MonkeyPatch) -> Served:
    """Each server in turn, its key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return servers[request.param]


def chat(connector: Connector, served: Served, **more: Any) -> Result:
    inputs = {"model": served.model, "messages": ASKED, "max_completion_tokens": 8, **more}
    return connector.run("createChatCompletion", inputs, served.connection(connector))


def test_models(connector: Connector, served: Served) -> None:
    """The list holds the model that is then asked for."""
    result = connector.run("listModels", {}, served.connection(connector))
    assert served.model in [model["id"] for model in result.value["data"]]


def test_the_connection_test_works(connector: Connector, served: Served) -> None:
    """What a person tries first."""
    assert "200" in connector.test(served.connection(connector))


def test_chat(connector: Connector, served: Served) -> None:
    """A text, the model, and the tokens that were used: at most the eight that were asked for."""
    result = chat(connector, served)
    assert (result.status, result.kind) == (200, "json")
    assert result.text
    assert result.model
    assert result.usage is not None
    assert 0 < result.usage["completion_tokens"] <= 8
    assert result.value["choices"][0]["finish_reason"] in ("length", "stop")  # the model speaks at random


def test_a_stream(connector: Connector, served: Served) -> None:
    """The pieces arrive as events, the stream ends as a stream of this API does, and the usage comes last."""
    with connector.stream(
        "createChatCompletion",
        {"model": served.model, "messages": ASKED, "max_completion_tokens": 8, "stream": True, "stream_options": {"include_usage": True}},
        served.connection(connector),
    ) as stream:
        events = list(stream)
    assert stream.result is not None
    assert stream.result.incomplete is None
    assert any(event.text for event in events)
    assert stream.result.text == "".join(event.text for event in events)
    assert stream.result.usage is not None
    assert 0 < stream.result.usage["completion_tokens"] <= 8


def test_structured_output(connector: Connector, served: Served) -> None:
    """Even random weights answer in the schema's form, since the server's grammar binds them."""
    value = json.loads(chat(connector, served, response_format=FORMAT, max_completion_tokens=400).text)
    assert set(value) == {"count", "mood"}
    assert isinstance(value["count"], int)
    assert value["mood"] in ("good", "bad")


def test_embeddings(connector: Connector, served: Served) -> None:
    """A vector for each text, in order, the same each time; other texts, other vectors."""
    inputs = {"model": served.vector_model, "input": ["one", "another text", "one"]}
    result = connector.run("createEmbedding", inputs, served.connection(connector, vectors=True))
    first, second, third = (entry["embedding"] for entry in sorted(result.value["data"], key=lambda entry: entry["index"]))
    assert len(first) == len(second) == 64
    assert first == pytest.approx(third, abs=1e-4)
    assert first != pytest.approx(second, abs=1e-2)


def test_a_wrong_input_is_refused_here(connector: Connector, served: Served) -> None:
    """No server is asked about what the description forbids."""
    with pytest.raises(InputError) as caught:
        chat(connector, served, temperature="hot")
    assert caught.value.faults[0].pointer == "/temperature"


def test_a_path_that_it_does_not_have(connector: Connector, served: Served) -> None:
    """A missing part of the API is an error of the API, not a success and not a crash."""
    with pytest.raises(ApiError) as caught:
        connector.run("listVectorStores", {}, served.connection(connector))
    assert caught.value.status in (400, 404, 500, 501)
    assert KEY not in str(caught.value.to_dict())


def test_a_prompt_that_is_too_long(connector: Connector, served: Served) -> None:
    """More than the context holds is refused with the server's own words, and not tried again."""
    with pytest.raises(ApiError) as caught:
        chat(connector, served, messages=[{"role": "user", "content": "word " * 6000}])
    assert caught.value.attempts == 1
    assert re.search(r"context|token|length|large|exceed", caught.value.message, re.IGNORECASE)


# What is told in docs/connections.md, server by server: each probe gives the word that stands there.


def _works(run: Callable[[], object]) -> str:
    try:
        run()
    except ApiError as error:
        return f"{error.status} {error.category}"
    return "yes"


def _vectors(connector: Connector, served: Served) -> str:
    inputs = {"model": served.vector_model, "input": ["one"], "encoding_format": "base64"}
    vector = connector.run("createEmbedding", inputs, served.connection(connector, vectors=True)).value["data"][0]["embedding"]
    if isinstance(vector, str):
        assert len(base64.b64decode(vector)) == 64 * 4
        return "yes"
    return "numbers in place of it"


def _wrong_key(connector: Connector, served: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    if not served.keyed:
        return "takes no key"
    with monkeypatch.context() as changed:
        changed.setenv("OPENAI_API_KEY", "sk-some-other-key-0123456789")
        with pytest.raises((AccessError, RejectedError, UnavailableError)) as caught:
            connector.run("listModels", {}, served.connection(connector))
    assert "sk-some-other-key" not in str(caught.value.to_dict())
    return f"{caught.value.status} {caught.value.category}"


def _unknown_model(connector: Connector, served: Served) -> str:
    found = _works(lambda: chat(connector, served, model="no-such-model"))
    return "answers all the same" if found == "yes" else found


def seen(connector: Connector, served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The row of one server."""
    link = served.connection(connector)
    return [
        _works(lambda: chat(connector, served)),
        _works(lambda: connector.run("createCompletion", {"model": served.model, "prompt": "Say", "max_tokens": 4}, link)),
        _works(lambda: connector.run("createResponse", {"model": served.model, "input": "Say", "max_output_tokens": 16}, link)),
        _vectors(connector, served),
        _wrong_key(connector, served, monkeypatch),
        _unknown_model(connector, served),
    ]


def test_the_table_says_what_is_seen(connector: Connector, served: Served, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """The row of this server in docs/connections.md is true."""
    lines = (root / "docs" / "connections.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    told = next(row[1:] for row in rows if row[0].startswith(f"{served.name} "))
    found = " | ".join(seen(connector, served, monkeypatch))
    assert " | ".join(told) == found, f"docs/connections.md: {found}"


# Tasks against real servers: random weights say nonsense, so the form of the results is what counts.


def task(connector: Connector, served: Served, name: str, inputs: dict[str, Any], **options: Any) -> TaskResult:
    return run_task(connector, name, {"model": served.model, **inputs}, served.connection(connector), **options)


def test_ask(connector: Connector, served: Served) -> None:
    """A text that was cut at the most tokens is told as incomplete, by every server in its own answer."""
    result = task(connector, served, "ask", {"question": "Say this is a test", "max_tokens": 8}, on_incomplete="warn")
    assert (result.outcome, [warning.rule for warning in result.warnings]) == ("incomplete", ["incomplete"])
    assert isinstance(result.value, str)
    assert 0 < result.usage["completion_tokens"] <= 8
    with pytest.raises(IncompleteAnswerError):
        task(connector, served, "ask", {"question": "Say this is a test", "max_tokens": 8})


def test_classify(connector: Connector, served: Served) -> None:
    """The label is one of those that were given."""
    labels = ["praise", "complaint", "a question"]
    assert task(connector, served, "classify", {"text": "Too late again.", "labels": labels}).value in labels


def test_extract(connector: Connector, served: Served) -> None:
    """Objects in lists, numbers within bounds, optional properties: the value fits the user's own schema."""
    schema = {
        "type": "object",
        "properties": {
            "mood": {"type": "string", "enum": ["good", "bad"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 9},
            "items": {
                "type": "array",
                "minItems": 1,
                "maxItems": 2,
                "items": {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]},
            },
            "maybe": {"type": "boolean"},
        },
        "required": ["mood", "count", "items"],
    }
    value = task(connector, served, "extract", {"text": "Two, and all is well.", "schema": schema}).value
    assert SchemaValidator(schema).check(value).faults == ()
    assert value["mood"] in ("good", "bad")
    assert isinstance(value["items"][0]["sure"], bool)


def test_semantic_search(connector: Connector, served: Served) -> None:
    """The same words come first, whichever form the server's vectors have."""
    texts = ["The shop opens at nine.", "Refunds take five days.", "xyz"]
    inputs = {"query": "Refunds take five days.", "texts": texts, "model": served.vector_model}
    result = run_task(connector, "semantic-search", inputs, served.connection(connector, vectors=True))
    assert result.value[0]["index"] == 1
    assert result.value[0]["score"] > 0.9  # llama.cpp's vector of a text depends a little on what else is in the batch
    assert sorted(hit["index"] for hit in result.value) == [0, 1, 2]


def silence(seconds: int) -> bytes:
    """A WAV file of 8 kHz."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(seconds * 16_000))
    return target.getvalue()


def test_transcribe(connector: Connector, servers: dict[str, Served]) -> None:
    """A server that hears: text, subtitles, and a sound that is longer than one call may be, with the times of the whole."""
    served = servers["dasLLAMA"]
    short = task(connector, served, "transcribe", {"audio": silence(3), "model": served.ears})
    assert (short.value, short.calls) == ("hello world", 1)
    subtitles = task(connector, served, "translate-audio", {"audio": silence(3), "model": served.ears, "format": "vtt"})
    assert subtitles.value == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nhello world\n\n"
    long = task(connector, served, "transcribe", {"audio": silence(1_230), "model": served.ears, "format": "segments"})
    starts = [segment["start"] for segment in long.value["segments"]]
    assert (long.calls, long.value["duration"]) == (2, 1_230.0)
    assert starts == sorted(starts)
    assert starts[-1] > 1_190
    assert {segment["text"] for segment in long.value["segments"]} == {"hello world"}


def test_subtitles_that_are_none(connector: Connector, servers: dict[str, Served]) -> None:
    """The server answers with JSON where subtitles were asked for: decoded by what arrives, and the reason why tasks write them here."""
    served = servers["dasLLAMA"]
    for form in ("srt", "vtt"):
        inputs = {"file": silence(3), "model": served.ears, "response_format": form}
        result = connector.run("createTranscription", inputs, served.connection(connector))
        assert (result.kind, result.value) == ("json", {"text": " hello world"})


@pytest.mark.parametrize("served", ["llama.cpp", "LiteLLM"], indirect=True)
def test_a_task_that_the_server_does_not_offer(connector: Connector, served: Served) -> None:
    """Its own error, and no result."""
    with pytest.raises(ApiError):
        task(connector, served, "transcribe", {"audio": wav()})
