"""What a person reads who gave a wrong input: the place, the rule, and what to do instead, of the actions as they are."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import InputError

CANARY = "canary words of a prompt"
CHAT = {"model": "m", "messages": [{"role": "user", "content": CANARY}]}
RESPONSE = {"model": "m", "input": CANARY}
EXTRA = "give the field in `extra_body`, or set the connection's `validation` to `warn`"

FAULTS: list[tuple[str, dict[str, Any], str, str, str]] = [
    # action, inputs, pointer, rule, words of the fix
    ("createChatCompletion", {**CHAT, "temperature": 2.5}, "/temperature", "maximum", "Send a value from 0 to 2."),
    ("createChatCompletion", {**CHAT, "temperature": 2.5}, "/temperature", "maximum", EXTRA),
    ("createChatCompletion", {**CHAT, "temperature": -1}, "/temperature", "minimum", "Send a value from 0 to 2."),
    ("createChatCompletion", {**CHAT, "temperature": float("nan")}, "/temperature", "type", "Give a number."),
    ("createChatCompletion", {**CHAT, "n": 0}, "/n", "minimum", "Send a value from 1 to 128."),
    ("createChatCompletion", {**CHAT, "n": 1.5}, "/n", "type", "Give a whole number."),
    ("createChatCompletion", {**CHAT, "n": "3"}, "/n", "type", "Remove the quotes."),
    ("createChatCompletion", {**CHAT, "top_logprobs": 21}, "/top_logprobs", "maximum", "Send a value from 0 to 20."),
    ("createChatCompletion", {"model": "m"}, "/messages", "required", "Add `messages`."),
    ("createChatCompletion", {**CHAT, "messages": []}, "/messages", "minItems", "Send 1 item or more."),
    ("createChatCompletion", {**CHAT, "messages": CANARY}, "/messages", "type", "Put it in a list."),
    ("createChatCompletion", {**CHAT, "messages": [{"role": "usr", "content": CANARY}]}, "/messages/0/role", "enum", "`user`?"),
    ("createChatCompletion", {**CHAT, "stop": [CANARY] * 5}, "/stop", "maxItems", "Send 1 to 4 items."),
    ("createChatCompletion", {**CHAT, "temprature": CANARY}, "/temprature", "unknown", "Did you mean `temperature`?"),
    ("createChatCompletion", {**CHAT, "reasoning_effort": "hgh"}, "/reasoning_effort", "enum", "Did you mean `high`?"),
    ("createChatCompletion", {**CHAT, "modalities": [CANARY]}, "/modalities/0", "enum", EXTRA),
    ("createChatCompletion", {**CHAT, "stream": CANARY}, "/stream", "type", "Give true or false."),
    ("createChatCompletion", {**CHAT, "logit_bias": {"5": CANARY}}, "/logit_bias/5", "type", "Give a whole number."),
    ("createEmbedding", {"model": "m", "input": []}, "/input", "minItems", "Send 1 to 2048 items."),
    ("createEmbedding", {**RESPONSE, "dimensions": 0}, "/dimensions", "minimum", "Send a value of at least 1."),
    ("createSpeech", {**RESPONSE, "voice": "alloy", "speed": 9}, "/speed", "maximum", "Send a value from 0.25 to 4."),
    ("createImage", {"prompt": CANARY, "n": 11}, "/n", "maximum", "Send a value from 1 to 10."),
    ("createResponse", {**RESPONSE, "top_p": 3}, "/top_p", "maximum", "Send a value from 0 to 1."),
    ("createVectorStore", {"file_ids": [CANARY] * 501}, "/file_ids", "maxItems", "Send 500 items or fewer."),
    ("listFiles", {"limit": CANARY}, "/limit", "type", "Give a whole number."),
    ("retrieveFile", {}, "/file_id", "required", "Add `file_id`."),
    ("createFile", {"purpose": "batch"}, "/file", "required", "Add `file`."),
]  # fmt: skip


def test_each_fault_names_its_place_its_rule_and_a_fix(connector: Connector) -> None:
    """P13: a fault has one pointer, one rule and something to do, and repeats nothing of what was given."""
    wrong = []
    for action, inputs, pointer, rule, fix in FAULTS:
        try:
            connector.catalog[action].check(inputs)
        except InputError as error:
            told = [(fault.pointer, fault.rule) for fault in error.faults]
            if told != [(pointer, rule)] or fix not in error.faults[0].fix or CANARY in f"{error} {error.faults!r}":
                wrong.append((action, pointer, told, error.faults[0].fix))
        else:
            wrong.append((action, pointer, [], "was let through"))
    assert wrong == []
