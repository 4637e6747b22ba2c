"""The envelope around an answer: what it tells of the reply, and how it looks as plain values."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai.core.result.file_sink import SavedFile
from kosha_connector_openai.core.result.result import Result, add_body_facts, merge, read_facts
from kosha_connector_openai.core.result.stream import Event
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.manifest import ResultRules

RULES = validated(
    {
        "request_id": ["x-request-id", "x-other-id"],
        "headers": ["x-limit-*", "retry-after"],
        "rate_limit": {"left": "x-limit-left", "reset": "x-limit-reset"},
        "model": ["/model"],
        "usage": ["/usage"],
        "text": ["/choices/0/text", "/output/*/text"],
    },
    ResultRules,
)


def result(kind: Any, value: Any, **more: Any) -> Result:
    return Result("a", 200, kind, value, **more)


def test_the_headers_that_the_manifest_names_are_kept() -> None:
    """By exact name or by beginning; of the rest nothing is kept, cookies least of all."""
    headers = [("x-limit-left", "7"), ("retry-after", "1"), ("set-cookie", "s=1"), ("x-request-id", "r1"), ("x-limited", "no")]
    facts = read_facts(headers, RULES)
    assert facts.headers == {"x-limit-left": "7", "retry-after": "1"}
    assert (facts.request_id, facts.rate_limit) == ("r1", {"left": "7"})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([("x-other-id", "o")], "o"), ([("x-other-id", "o"), ("x-request-id", "r")], "r"), ([], None)],
)
def test_the_request_id_is_the_first_that_is_there(headers: list[tuple[str, str]], expected: str | None) -> None:
    """The manifest's order counts, not the reply's."""
    assert read_facts(headers, RULES).request_id == expected


def test_headers_of_one_name_are_joined() -> None:
    """RFC 9110, section 5.3."""
    assert merge([("a", "1"), ("b", "2"), ("a", "3")]) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    ("value", "model", "usage", "text"),
    [
        ({"model": "m", "usage": {"n": 1}, "choices": [{"text": "t"}]}, "m", {"n": 1}, "t"),
        ({"output": [{"text": "a"}, {}, {"text": "b"}]}, None, None, "ab"),
        ({"model": 5, "usage": "many", "choices": [{"text": None}]}, None, None, ""),
        ([1], None, None, ""),
        (None, None, None, ""),
    ],
)
def test_the_body_tells_model_usage_and_text(value: Any, model: str | None, usage: Any, text: str) -> None:
    """Where the manifest says; what is of another kind is not taken."""
    found = result("json", value)
    add_body_facts(found, RULES)
    assert (found.model, found.usage, found.text) == (model, usage, text)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "42", "42"),
        ("events", [Event("a", {}, "one "), Event("b", {}), Event("a", {}, "two")], "one two"),
        ("bytes", b"x", ""),
        ("empty", None, ""),
    ],
)
def test_the_text_of_an_answer(kind: Any, value: Any, text: str) -> None:
    """A text body itself, the events' texts together, and nothing for what is no text."""
    assert result(kind, value).text == text


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        ("json", {"b": [1, None], "a": 12345678901234567890}, {"b": [1, None], "a": 12345678901234567890}),
        ("text", "42", "42"),
        ("bytes", b"\x00\xff", {"base64": base64.b64encode(b"\x00\xff").decode(), "size": 2}),
        (
            "file",
            SavedFile(Path("out/a.mp3"), 3, "ab" * 32, "audio/mpeg"),
            {"path": str(Path("out/a.mp3")), "size": 3, "sha256": "ab" * 32, "content_type": "audio/mpeg"},
        ),
        ("events", [Event("a", {"x": 1}, "t", "7")], [{"type": "a", "data": {"x": 1}}]),
        ("events", [], []),
        ("empty", None, None),
    ],
)
def test_plain_values(kind: Any, value: Any, plain: Any) -> None:
    """The envelope is JSON-ready whatever the answer is; bytes are base64, a file is its description."""
    values = result(kind, value).to_dict()
    assert values["value"] == plain
    orjson.dumps(values)


def test_the_whole_envelope() -> None:
    """Every fact is there under its name; the seconds are cut to microseconds, and the raw body is left out."""
    found = result(
        "json",
        {},
        content_type="application/json",
        headers={"x-a": "1"},
        request_id="r",
        model="m",
        usage={"n": 1},
        rate_limit={"left": "7"},
        attempts=2,
        duration=0.12345678,
        warnings=(Fault("/p", "unknown", "is not known.", "It is sent."),),
        incomplete="cut",
        raw=b"{}",
    )
    assert found.to_dict() == {
        "action": "a",
        "status": 200,
        "kind": "json",
        "value": {},
        "content_type": "application/json",
        "headers": {"x-a": "1"},
        "request_id": "r",
        "model": "m",
        "usage": {"n": 1},
        "rate_limit": {"left": "7"},
        "attempts": 2,
        "duration": 0.123457,
        "warnings": [{"pointer": "/p", "rule": "unknown", "message": "is not known.", "fix": "It is sent."}],
        "incomplete": "cut",
        "outcome": "complete",
        "reasons": [],
    }


def test_the_raw_body_is_not_shown() -> None:
    """What is kept for programs does not fill a log."""
    assert "secret" not in repr(result("json", {}, raw=b"secret"))


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("bytes", bytes(1 << 20), "<1048576 bytes>"),
        ("events", [Event("x", {"a": "b" * 99_999})] * 3, "<3 events>"),
        ("text", "x" * 1_000_000, "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        ("json", {"a": ["b" * 99_999] * 99}, "{'a': ['bbbbbbbbbbbb...bbbbbbbbbbbbb', "),
    ],
)
def test_a_result_is_written_down_shortly(kind: Any, value: Any, shown: str) -> None:
    """asyncio writes down the result of a task: four times the bytes of a large one would be held for that."""
    text = repr(Result("a", 200, kind, value))
    assert shown in text
    assert len(text) < 500
