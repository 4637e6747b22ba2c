"""Model rules: they warn with a fix, a source and a date; they never block, never repeat a value, and say nothing of unknown models."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.forms.model_rules import ModelRules
from kosha_connector_openai.manifest.parts.models import FactSource, Family, Models, Retirement, Rule

CONNECTOR = open_connector()
RULES = CONNECTOR.models
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
PICTURE = {"prompt": "p"}
SOUND = {"file": ("a.mp3", b"x")}


def told(action: str, inputs: dict[str, Any]) -> dict[str, str]:
    """Pointer -> fix."""
    return {fault.pointer: fault.fix for fault in RULES.advice(action, inputs)}


@pytest.mark.parametrize(
    ("action", "inputs", "pointers"),
    [
        (
            "createChatCompletion",
            {"model": "o3-mini", "max_tokens": 5, "temperature": 0.2, "top_p": 0.5, **CHAT},
            ["/max_tokens", "/temperature", "/top_p"],
        ),
        ("createChatCompletion", {"model": "o1-2024-12-17", "temperature": 1, **CHAT}, []),
        ("createChatCompletion", {"model": "gpt-5.2", "max_tokens": 5, **CHAT}, ["/max_tokens"]),
        ("createChatCompletion", {"model": "gpt-5-chat-latest", "max_tokens": 5, "temperature": 0.1, **CHAT}, []),
        ("createChatCompletion", {"model": "gpt-4o", "max_tokens": 5, "temperature": 0.2, **CHAT}, []),
        ("createChatCompletion", {"model": "gpt-4o", "reasoning_effort": "low", **CHAT}, ["/reasoning_effort"]),
        ("createChatCompletion", {"model": "ft:gpt-4o-2024-08-06:acme::1", "reasoning_effort": "low", **CHAT}, ["/reasoning_effort"]),
        ("createChatCompletion", {"model": "o3", "extra_body": {"max_tokens": 5}, **CHAT}, ["/max_tokens"]),
        ("createChatCompletion", {"model": "o3-pro", **CHAT}, ["/model"]),
        ("createChatCompletion", {"model": "text-embedding-3-small", **CHAT}, ["/model"]),
        ("createResponse", {"model": "gpt-4.1", "input": "i", "reasoning": {}}, ["/reasoning"]),
        ("createResponse", {"model": "o3-pro", "input": "i"}, []),
        ("createResponse", {"model": "gpt-5.5", "input": "i", "prompt_cache_retention": "in_memory"}, ["/prompt_cache_retention"]),
        ("createCompletion", {"model": "davinci-002", "prompt": "p", "suffix": "s"}, ["/suffix"]),
        ("createCompletion", {"model": "gpt-4o", "prompt": "p"}, ["/model"]),
        ("createImage", {"model": "dall-e-3", "n": 2, "size": "256x256", "quality": "high", **PICTURE}, ["/n", "/quality", "/size"]),
        ("createImage", {"model": "dall-e-3", "prompt": "p" * 4001, "background": "auto"}, ["/background", "/prompt"]),
        (
            "createImage",
            {"model": "gpt-image-1", "response_format": "url", "size": "512x512", "style": "vivid", **PICTURE},
            ["/response_format", "/size", "/style"],
        ),
        ("createImage", {"model": "gpt-image-2", "size": "1536x864", **PICTURE}, []),
        ("createImage", {"model": "gpt-image-1", "background": "transparent", "output_format": "jpeg", **PICTURE}, ["/output_format"]),
        ("createImage", {"model": "gpt-image-1", "background": "opaque", "output_format": "jpeg", **PICTURE}, []),
        ("createImage", {"model": "gpt-image-1", "output_format": "png", "output_compression": 5, **PICTURE}, ["/output_compression"]),
        ("createImageEdit", {"model": "gpt-image-1-mini", "input_fidelity": "high", **PICTURE}, ["/input_fidelity"]),
        ("createImageEdit", {"model": "gpt-image-1-mini", "input_fidelity": "low", **PICTURE}, []),
        ("createImageEdit", {"model": "gpt-image-2", "input_fidelity": "low", "markup": "m", **PICTURE}, ["/input_fidelity", "/markup"]),
        ("createImageEdit", {"model": "gpt-image-2.5-flare", "markup": "m", **PICTURE}, []),
        ("createImage", {"model": "gpt-image-2.5-sunburst-2026-09-08", "quality": "max", **PICTURE}, []),
        ("createImage", {"model": "gpt-image-2", "quality": "max", **PICTURE}, ["/quality"]),
        ("createImage", {"model": "gpt-image-2.6-flare", "quality": "max", **PICTURE}, []),
        ("createImage", {"model": "gpt-image-2", "output_format": "gif", "frame_count": 4, "svg": {"model": "m"}, **PICTURE}, ["/svg"]),
        ("createImage", {"model": "gpt-image-2", "output_format": "svg", "frame_count": 4, **PICTURE}, ["/frame_count"]),
        ("createChatCompletion", {"model": "gpt-6.2-astra-law", **CHAT}, ["/model"]),
        ("createChatCompletion", {"model": "gpt-6.2-astra", **CHAT}, []),
        ("createResponse", {"model": "gpt-6-rosalind", "input": "i"}, []),
        ("createEmbedding", {"model": "gpt-6-sol"}, ["/model"]),
        ("createImageVariation", {"model": "gpt-image-1"}, ["/model"]),
        ("createTranscription", {"model": "gpt-4o-transcribe", "response_format": "srt", **SOUND}, ["/response_format"]),
        ("createTranscription", {"model": "whisper-1", "response_format": "srt", "stream": True, **SOUND}, ["/stream"]),
        ("createTranscription", {"model": "gpt-4o-transcribe-diarize", "prompt": "p", **SOUND}, ["/chunking_strategy", "/prompt"]),
        (
            "createTranscription",
            {"model": "gpt-4o-transcribe-diarize", "chunking_strategy": "auto", "response_format": "diarized_json"},
            [],
        ),
        ("createTranscription", {"model": "whisper-1", "stream": False, **SOUND}, []),
        ("createTranslation", {"model": "gpt-4o-transcribe", **SOUND}, ["/model"]),
        ("createSpeech", {"model": "tts-1", "instructions": "i", "stream_format": "sse"}, ["/instructions", "/stream_format"]),
        ("createEmbedding", {"model": "text-embedding-ada-002", "dimensions": 8}, ["/dimensions"]),
        ("createEmbedding", {"model": "text-embedding-3-large", "dimensions": 8}, []),
    ],
)
def test_what_models_make_of_inputs(action: str, inputs: dict[str, Any], pointers: list[str]) -> None:
    """Each rule speaks of the models that it means, and of no other."""
    assert sorted(told(action, inputs)) == pointers


def test_a_warning_says_what_to_do_and_where_it_is_from() -> None:
    """A fix, a source, a date; never the value that was given."""
    (fault,) = RULES.advice("createChatCompletion", {"model": "o3", "max_tokens": 987_654})
    assert (fault.rule, fault.fix) == ("model", "Use `max_completion_tokens`. (OpenAI's API description 2.3.0, 2026-08-21)")
    (fault,) = RULES.advice("createImage", {"model": "dall-e-3", "size": "SECRET"})
    assert "SECRET" not in str(fault)
    assert fault.allowed == ["1024x1024", "1792x1024", "1024x1792"]


@pytest.mark.parametrize("model", ["llama-3.1-8b", "mistral", "GPT-4o", "gpt-7", "", "x" * 100_000, None, 5, ["o3"], {}])
def test_unknown_models_are_left_alone(model: Any) -> None:
    """A model that no pattern fits, and what is no name at all, gets no warning."""
    assert RULES.advice("createChatCompletion", {"model": model, "max_tokens": 5, "temperature": 0.1}) == ()


@given(
    st.dictionaries(
        st.sampled_from(["size", "n", "prompt", "output_format", "stream", "image", "extra_body", "model"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.lists(st.text()),
            st.dictionaries(st.text(), st.integers()),
        ),
    )
)
def test_no_input_breaks_the_advice(inputs: dict[str, Any]) -> None:
    """Whatever the inputs are: warnings or none, never an error, and always JSON Pointers."""
    for model in ("dall-e-2", "gpt-image-1", inputs.get("model")):
        for fault in RULES.advice("createImage", {**inputs, "model": model}):
            assert fault.pointer.startswith("/")


def test_renaming_on_request_only() -> None:
    """``apply`` renames, keeps the order of the inputs, and changes nothing else; ``check`` changes nothing."""
    inputs = {"max_tokens": 5, "model": "o3", "temperature": 0.2, **CHAT}
    changed = RULES.apply("createChatCompletion", inputs)
    assert list(changed) == ["max_completion_tokens", "model", "temperature", "messages"]
    assert inputs["max_tokens"] == 5
    both = {**inputs, "max_completion_tokens": 9}
    assert RULES.apply("createChatCompletion", both) == both
    other = {**inputs, "model": "local"}
    assert RULES.apply("createChatCompletion", other) == other
    assert RULES.apply("listFiles", {"model": 3}) == {"model": 3}


@pytest.mark.parametrize(
    ("model", "action", "serves"),
    [
        ("gpt-4o", "createChatCompletion", True),
        ("gpt-4o-2024-08-06", "createResponse", True),
        ("ft:gpt-4o-mini-2024-07-18:acme::1", "createChatCompletion", True),
        ("gpt-4o-transcribe", "createChatCompletion", False),
        ("gpt-4o-mini-tts", "createSpeech", True),
        ("gpt-4o-realtime-preview", "createChatCompletion", None),
        ("whisper-1", "createTranslation", True),
        ("gpt-4o", "createFineTuningJob", None),
        ("llama", "createChatCompletion", None),
    ],
)
def test_who_serves_what(model: str, action: str, serves: bool | None) -> None:
    """Known models for their actions; None where nothing is known, which is not no."""
    assert RULES.serves(model, action) is serves


@pytest.mark.parametrize(("today", "word"), [(date(2026, 1, 1), "goes away on"), (date(2027, 1, 1), "went away on")])
def test_retirements(today: date, word: str) -> None:
    """The date, whether it is past, and the successor where one is known."""
    source = FactSource(title="Notice", date=date(2025, 1, 1))
    part = Models(
        sources={"n": source},
        families=(Family(models=("old*",), actions=("say",), source="n"),),
        retirements=(Retirement(models=("old-1",), date=date(2026, 6, 1), successor="new-1", source="n"),),
    )
    rules = ModelRules(part, today=today)
    (fault,) = rules.advice("say", {"model": "old-1"})
    assert f"{word} 2026-06-01" in fault.message
    assert fault.fix == "Use `new-1`. (Notice, 2025-01-01)"
    assert rules.advice("say", {"model": "old-2"}) == ()


def test_the_data_is_sound() -> None:
    """Each source is given, each action and each field exists, and each rule says all that it needs."""
    assert list(RULES.faults()) == []
    catalog = CONNECTOR.catalog
    for rule in RULES._part.rules:
        assert rule.reason.endswith(".")
        assert (rule.to is not None) is (rule.do == "rename")
        assert bool(rule.values or rule.most or rule.longest) is (rule.do == "allow")
        for action in rule.actions:
            fields = catalog[action].inputs.fields
            assert {name for name in (rule.field[1:], rule.to) if name} <= set(fields)
            assert {pointer[1:] for pointer in rule.when} <= set(fields)
    assert {action for family in RULES._part.families for action in family.actions} <= set(catalog.document)


def test_a_source_that_is_not_given() -> None:
    """A rule without a known source is a fault of the data."""
    rule = Rule(do="hide", actions=("say",), models=("m",), field="/x", reason="No.", source="nots")
    part = Models(sources={"notes": FactSource(title="N", date=date(2025, 1, 1))}, rules=(rule,))
    assert [(fault.pointer, fault.fix) for fault in ModelRules(part).faults()] == [("/rules/0/source", "Did you mean `notes`?")]


def test_check_warns_and_blocks_nothing(connector: Connector) -> None:
    """The facade's ``check`` has the warnings beside those of the schema, and what it lets pass can be sent."""
    inputs = {"model": "o3", "max_tokens": 5, "surprise": 1, **CHAT}
    assert sorted(fault.pointer for fault in connector.check("createChatCompletion", inputs)) == ["/max_tokens", "/surprise"]


def test_the_rules_of_a_form(connector: Connector) -> None:
    """A form asks for the rules of an action, or of a model there."""
    assert len(connector.models.rules("createImage")) > len(connector.models.rules("createImage", "dall-e-3")) > 0
    assert connector.models.rules("createImage", "unknown") == ()
