"""What an action promises to answer, and that an answer without it is never called whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.result import Result, judge
from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.text import to_pointer, walk

CONNECTOR = Connector(folder())
TINY = Path(__file__).parents[3] / "tiny_provider"


def sampled() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every action whose answer is a JSON object, with a realistic one."""
    for action in CONNECTOR.catalog.values():
        try:
            value = CONNECTOR.outputs.raw_sample(action.id)
        except DocumentError:
            continue
        if action.promise.is_object and isinstance(value, dict):
            yield action.id, value


SAMPLES = dict(sampled())


def outcome(action: Action, value: Any, kind: Any = "json", status: int = 200) -> str:
    """The outcome of an answer, judged as the calls judge it."""
    result = Result(action=action.id, status=status, kind=kind, value=value)
    judge(result, CONNECTOR.manifest.result, "warn", action.promise.lack(kind, value, status))
    assert bool(result.reasons) is (result.outcome != "complete")
    return result.outcome


def test_there_is_a_sample_of_almost_every_action() -> None:
    """What the tests below say of all actions is said of most of them."""
    assert len(SAMPLES) > 250


@pytest.mark.parametrize("name", SAMPLES)
def test_dropping_what_carries_the_result_is_never_complete(name: str) -> None:
    """Of each action's answer: without the property that carries the result, with null there, or empty where it must be filled."""
    action, value = CONNECTOR.catalog[name], SAMPLES[name]
    assert outcome(action, value) != "failed"  # a sample may say of itself that it is cut or filtered
    promise = action.promise
    for carrier in (promise.carrier.name,) if promise.carrier else promise.every or ():
        assert outcome(action, {key: item for key, item in value.items() if key != carrier}) != "complete"
        assert outcome(action, {**value, carrier: None}) != "complete"
    if promise.carrier and promise.carrier.filled:
        assert outcome(action, {**value, promise.carrier.name: []}) != "complete"
    for other in ({}, None, [], [value], "words", 0, True, {"error": {"message": "m"}}, {"unheard_of": 1}):
        assert outcome(action, other) != "complete"


@pytest.mark.parametrize("name", [name for name in SAMPLES if (rule := CONNECTOR.catalog[name].promise.carrier) and rule.each])
def test_dropping_the_result_of_an_item_is_never_complete(name: str) -> None:
    """A verdict, a vector, a picture or a message that is missing in one item is missing in the answer."""
    action, value = CONNECTOR.catalog[name], SAMPLES[name]
    rule = action.promise.carrier
    assert rule is not None
    spoilt = copy.deepcopy(value)
    wanted = {path.rstrip("/0") for path in rule.each}
    for pointer, node in walk(spoilt):
        for key in list(node) if isinstance(node, dict) else ():
            if any(f"{pointer}{to_pointer([key])}".endswith(path) for path in wanted):
                del node[key]
    assert orjson.dumps(spoilt) != orjson.dumps(value)
    assert outcome(action, spoilt) != "complete"
    assert outcome(action, {**value, rule.name: [*value[rule.name], *spoilt[rule.name]]}) != "complete"


@pytest.mark.parametrize(
    ("name", "kind", "status", "complete"),
    [
        ("createChatCompletion", "text", 200, False),
        ("createChatCompletion", "bytes", 200, False),
        ("createChatCompletion", "empty", 200, False),
        ("createChatCompletion", "empty", 204, False),
        ("createTranscription", "text", 200, True),
        ("createTranscription", "empty", 200, True),
        ("createSpeech", "bytes", 200, True),
        ("createSpeech", "empty", 200, False),
        ("downloadFile", "empty", 200, True),
        ("deleteFile", "empty", 204, True),
        ("deleteFile", "empty", 200, False),
        ("deleteResponse", "empty", 200, True),
        ("hangup-realtime-call", "empty", 200, True),
    ],
)
def test_answers_that_are_no_json(name: str, kind: str, status: int, complete: bool) -> None:
    """Text and bytes are answers where they are promised; nothing is one where nothing is, or where a status says so."""
    found = outcome(CONNECTOR.catalog[name], "words" if kind == "text" else b"" if kind == "bytes" else None, kind, status)
    assert (found == "complete") is complete


def test_where_the_manifest_names_no_carriers() -> None:
    """Something of what is described must be there; more is not believed of a description."""
    promise = Connector(TINY).catalog["createWidget"].promise
    assert promise.lack("json", {"owner": None}, 201) == ""
    assert promise.lack("json", {"ok": True}, 201).startswith("The answer does not have `name`")
    assert promise.lack("json", None, 201) == "The reply is null and not the object that the action promises."
