"""An action: how an operation is shown, and what is said about running it."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.manifest import ActionOverlay, Group
from kosha_connector_openai.openapi.document import Document

PLAIN = Group(id="g", title="G")
PAID = Group(id="g", title="G", paid=True)


def make(
    method: str = "get",
    *,
    group: Group = PLAIN,
    overlay: dict[str, Any] | None = None,
    content: dict[str, Any] | None = None,
    **operation: Any,
) -> Action:
    """An action of a description with this one operation."""
    raw = {"operationId": "doThisThing", "responses": {"200": {"description": "", "content": content or {}}}, **operation}
    document = Document({"openapi": "3.1.0", "paths": {"/things": {method: raw}}})
    return Action(document[raw["operationId"]], document, validated(overlay or {}, ActionOverlay), group)


@pytest.mark.parametrize(
    ("operation", "overlay", "title", "summary"),
    [
        ({}, {}, "Do this thing", "Do this thing"),
        ({"operationId": "list-chat_things"}, {}, "List chat things", "List chat things"),
        ({"summary": " Short. "}, {}, "Short.", "Short."),
        ({"summary": "Short", "description": "Long.\nSecond line."}, {}, "Short", "Long."),
        ({"summary": "Short", "description": "Long."}, {"title": "T", "summary": "S"}, "T", "S"),
    ],
)
def test_title_and_summary(operation: dict[str, Any], overlay: dict[str, Any], title: str, summary: str) -> None:
    """The manifest's words, else the description's, else the id in words."""
    action = make(overlay=overlay, **operation)
    assert (action.title, action.summary) == (title, summary)


@pytest.mark.parametrize(
    ("method", "group", "overlay", "expected"),
    [
        ("get", PAID, {}, {"paid": False, "read_only": True, "destructive": False, "idempotent": True}),
        ("head", PLAIN, {}, {"paid": False, "read_only": True, "destructive": False, "idempotent": True}),
        ("post", PAID, {}, {"paid": True, "read_only": False, "destructive": False, "idempotent": False}),
        ("post", PLAIN, {}, {"paid": False, "read_only": False, "destructive": False, "idempotent": False}),
        ("put", PAID, {}, {"paid": False, "read_only": False, "destructive": False, "idempotent": False}),
        ("delete", PLAIN, {}, {"paid": False, "read_only": False, "destructive": True, "idempotent": False}),
        ("post", PAID, {"paid": False, "read_only": True, "idempotent": True}, {"paid": False, "read_only": True, "idempotent": True}),
        ("get", PLAIN, {"paid": True, "destructive": True}, {"paid": True, "destructive": True}),
        ("delete", PLAIN, {"destructive": False}, {"destructive": False}),
        ("get", PLAIN, {"long_running": True, "replacement": "other"}, {"long_running": True, "replacement": "other"}),
    ],
)
def test_hints_come_from_the_manifest_else_from_the_method(
    method: str, group: Group, overlay: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Only GET and HEAD are taken for harmless to repeat; a paid group's POST costs money."""
    hints = make(method, group=group, overlay=overlay).hints
    assert {name: getattr(hints, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("content", "streams", "file_out", "output_types"),
    [
        ({"application/json": {}}, False, False, ("application/json",)),
        ({"application/json": {}, "text/event-stream": {}}, True, False, ("application/json", "text/event-stream")),
        ({"audio/mpeg": {}}, False, True, ("audio/mpeg",)),
        ({"application/octet-stream": {}}, False, True, ("application/octet-stream",)),
        ({"application/pdf": {"schema": {"type": "string", "format": "binary"}}}, False, True, ("application/pdf",)),
        ({}, False, False, ()),
    ],
)
def test_hints_about_answers_come_from_the_media_types(
    content: dict[str, Any], streams: bool, file_out: bool, output_types: tuple[str, ...]
) -> None:
    """What the description promises is what a builder shows."""
    action = make(content=content)
    assert (action.hints.streams, action.hints.file_out, action.output_types) == (streams, file_out, output_types)


def test_a_file_input_is_hinted() -> None:
    """A multipart body with a binary field takes a file."""
    schema = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    assert make("post", requestBody={"content": {"multipart/form-data": {"schema": schema}}}).hints.file_in
    assert not make("post", requestBody={"content": {"application/json": {"schema": schema}}}).hints.file_in


@pytest.mark.parametrize(
    ("mark", "paid", "replacement"),
    [({"successor": "newThing"}, False, "newThing"), ({}, True, None), (True, True, None)],
)
def test_a_retired_operation(mark: Any, paid: bool, replacement: str | None) -> None:
    """What its description marks as retired costs nothing any more and names its successor."""
    action = make("post", group=PAID, deprecated=True, **{"x-kosha-retired": mark})
    assert (action.hints.deprecated, action.hints.paid, action.hints.replacement) == (True, paid, replacement)


def test_without_any_answer() -> None:
    """An operation that promises nothing has no output schema and no types."""
    action = make(responses={})
    assert (action.output_schema, action.output_types, action.hints.streams) == (None, (), False)


def test_the_output_schema_is_json_schema() -> None:
    """The first JSON answer's schema, in 2020-12, with all it refers to."""
    action = make(content={"text/plain": {}, "application/problem+json": {"schema": {"type": "object", "nullable": True}}})
    assert action.output_schema == {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": ["object", "null"]}


def test_a_json_answer_without_a_schema() -> None:
    """Nothing is made up."""
    assert make(content={"application/json": {}}).output_schema is None


def test_describe() -> None:
    """The action as plain values, for lists and palettes."""
    values = make("post", group=PAID, overlay={"featured": True}, content={"application/json": {}}).describe()
    assert values | {"hints": None} == {
        "id": "doThisThing",
        "title": "Do this thing",
        "summary": "Do this thing",
        "group": "g",
        "method": "POST",
        "path": "/things",
        "featured": True,
        "hints": None,
        "output_types": ["application/json"],
    }
    assert values["hints"]["paid"] is True


def test_an_action_shows_itself() -> None:
    """In a debugger one sees which it is."""
    assert repr(make()) == "<Action doThisThing: GET /things>"


def test_an_action_checks_its_inputs() -> None:
    """The same check as everywhere."""
    action = make(parameters=[{"name": "n", "in": "query", "required": True, "schema": {"type": "integer"}}])
    assert action.check({"n": 1}).parameters == {"n": 1}
    with pytest.raises(InputError, match="/n"):
        action.check({})
    assert action.input_schema["required"] == ["n"]
