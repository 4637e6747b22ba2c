"""What an action promises to answer, and that an answer without it is never called whole."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.reply_body import lack_of_reply
from kosha_connector_openai.core.result import Result, judge, wanted_items
from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.text import at

CONNECTOR = Connector(folder())
TINY = Path(__file__).parents[3] / "tiny_provider"


@cache
def samples() -> dict[str, dict[str, Any]]:
    """Every action whose answer is a JSON object, with a realistic one."""
    found = {}
    for action in CONNECTOR.catalog.values():
        try:
            value = CONNECTOR.outputs.raw_sample(action.id)
        except DocumentError:
            continue
        if action.promise.is_object and isinstance(value, dict):
            found[action.id] = value
    return found


def outcome(action: Action, value: Any, kind: Any = "json", status: int = 200, wanted: int = 0) -> str:
    """The outcome of an answer, judged as the calls judge it."""
    result = Result(action=action.id, status=status, kind=kind, value=value)
    judge(result, CONNECTOR.manifest.result, "warn", lack_of_reply(action.promise, result, wanted))
    assert bool(result.reasons) is (result.outcome != "complete")
    return result.outcome


def test_there_is_a_sample_of_almost_every_action() -> None:
    """What the tests below say of all actions is said of most of them."""
    assert len(samples()) > 250


def spoilt(action: Action, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Answers of an action that do not hold its result, each with what was done to it."""
    promise = action.promise
    for name in (promise.carrier.name,) if promise.carrier else promise.every:
        yield f"without {name}", {key: item for key, item in value.items() if key != name}
        yield f"{name} is null", {**value, name: None}
    for other in ({}, None, [], [value], "words", 0, True, {"error": {"message": "m"}}, {"unheard_of": 1}):
        yield f"{other!r}", other
    if rule := promise.carrier:
        yield from ((f"{rule.name} is empty", {**value, rule.name: empty}) for empty in ([], "", {}) if rule.filled)
        for place, item in enumerate(value[rule.name] if rule.each or rule.some else ()):
            for path in rule.each:
                yield f"item {place} without its result", {**value, rule.name: [*value[rule.name], without(item, rule.each)]}
                if not path.endswith("*"):
                    yield f"{path} is null in each", {**value, rule.name: [nulled(other, rule.each) for other in value[rule.name]]}
        if rule.some:
            yield (
                "no item with a result",
                {**value, rule.name: [{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]}]},
            )
            yield "a message without text", {**value, rule.name: [{"type": "message", "role": "assistant", "content": []}]}


def heads(paths: Iterable[str]) -> set[str]:
    """The pointers of what the paths lead into."""
    return {path.partition("/*")[0].removesuffix("/0") for path in paths}


def without(item: Any, paths: Iterable[str]) -> Any:
    """An item without what stands at the paths."""
    made = copy.deepcopy(item)
    for way, last in (pointer.rsplit("/", 1) for pointer in heads(paths)):
        if isinstance(holder := at(made, way), dict):
            holder.pop(last, None)
    return made


def nulled(item: Any, paths: Iterable[str]) -> Any:
    """An item with null at the paths."""
    made = copy.deepcopy(item)
    for way, last in (pointer.rsplit("/", 1) for pointer in heads(paths)):
        if isinstance(holder := at(made, way), dict) and last in holder:
            holder[last] = None
    return made


def test_dropping_what_carries_the_result_is_never_complete() -> None:
    """Of each action's answer, and of each of its items: without what carries the result, with null there, or empty."""
    wrong = []
    for name, value in samples().items():
        action = CONNECTOR.catalog[name]
        if outcome(action, value) == "failed":  # a sample may say of itself that it is cut or filtered
            wrong.append(f"{name}: a whole answer is called failed")
        wrong += [f"{name}: {what}" for what, other in spoilt(action, value) if outcome(action, other) == "complete"]
    assert wrong == []


COUNTED: dict[str, tuple[dict[str, Any], int]] = {
    "createChatCompletion": ({"n": 3}, 3),
    "createCompletion": ({"prompt": ["a", "b"], "n": 2}, 4),
    "createEmbedding": ({"input": [[1, 2], [3]]}, 2),
    "createModeration": ({"input": ["a", "b"]}, 2),
    "createImage": ({"n": 2}, 2),
    "createImageEdit": ({"n": 2}, 2),
}


def test_fewer_results_than_were_asked_for_are_never_complete() -> None:
    """As many as asked for are whole, fewer are not; where each input has its own, more are not either, as none can be matched."""
    for name, (inputs, count) in COUNTED.items():
        action = CONNECTOR.catalog[name]
        rule = action.promise.carrier
        assert rule is not None
        assert wanted_items(rule, inputs) == count
        whole = {**samples()[name], rule.name: samples()[name][rule.name][:1] * count}
        assert outcome(action, whole, wanted=count) == "complete", name
        for kept in range(count):
            assert outcome(action, {**whole, rule.name: whole[rule.name][:kept]}, wanted=count) != "complete", name
        more = outcome(action, {**whole, rule.name: whole[rule.name][:1] * (count + 1)}, wanted=count)
        assert more == ("failed" if rule.per else "complete")


@pytest.mark.parametrize(
    "inputs", [{}, {"input": "a"}, {"input": [1, 2, 3]}, {"input": []}, {"input": [{"type": "text", "text": "a"}] * 2}]
)
def test_an_input_that_is_one_wants_one(inputs: dict[str, Any]) -> None:
    """A text, its tokens, or its parts."""
    for name in ("createEmbedding", "createModeration"):
        assert wanted_items(CONNECTOR.catalog[name].promise.carrier, inputs) == 1


@pytest.mark.parametrize(
    ("name", "kind", "status", "complete"),
    [
        ("createChatCompletion", "text", 200, False),
        ("createChatCompletion", "bytes", 200, False),
        ("createChatCompletion", "empty", 200, False),
        ("createChatCompletion", "empty", 204, False),
        ("createTranscription", "text", 200, True),
        ("createTranscription", "empty", 200, False),
        ("createTranscription", "bytes", 200, False),
        ("createSpeech", "bytes", 200, True),
        ("createSpeech", "empty", 200, False),
        ("downloadFile", "empty", 200, False),
        ("downloadFile", "json", 200, True),
        ("RetrieveVideoContent", "empty", 200, False),
        ("RetrieveVideoContent", "text", 200, False),
        ("GetSkillContent", "text", 200, False),
        ("GetSkillContent", "json", 200, False),
        ("create-realtime-call", "json", 200, False),
        ("create-realtime-call", "empty", 201, False),
        ("deleteFile", "empty", 204, True),
        ("deleteFile", "empty", 200, False),
        ("deleteResponse", "empty", 200, True),
        ("hangup-realtime-call", "empty", 200, True),
    ],
)
def test_answers_that_are_no_json(name: str, kind: str, status: int, complete: bool) -> None:
    """Text and bytes are answers where they are promised; nothing is one where nothing is, or where a status says so."""
    found = outcome(
        CONNECTOR.catalog[name], "words" if kind == "text" else {} if kind == "json" else b"" if kind == "bytes" else None, kind, status
    )
    assert (found == "complete") is complete


def test_where_the_manifest_names_no_carriers() -> None:
    """Something of what is described must be there; more is not believed of a description."""
    promise = Connector(TINY).catalog["createWidget"].promise
    assert promise.lack("json", {"owner": None}, 201) == ""
    assert promise.lack("json", {"ok": True}, 201).startswith("The answer does not have `name`")
    assert promise.lack("json", None, 201) == "The reply is null and not the object that the action promises."
