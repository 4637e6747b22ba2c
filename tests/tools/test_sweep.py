"""The sweep finds what is wrong, and nothing where nothing is: its judge is tried with requests that are changed in one place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import action_sample
from tools.sweep.__main__ import folders, main
from tools.sweep.judge import Judge, differences, in_path, pairs, simple

ROOT = Path(__file__).parents[2]
PROVIDERS = ROOT / "tests" / "contract" / "providers"
SERVER = "http://127.0.0.1:9"
TEXT = {"type": "string"}
FORM = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": TEXT}, "b": TEXT, "o": {"type": "object", "properties": {"k": TEXT}}},
}
OK: dict[str, Any] = {"responses": {"200": {"description": "d"}}}


def described(kind: str) -> dict[str, Any]:
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": TEXT},
        {"name": "q", "in": "query", "schema": {"type": "array", "items": TEXT}},
        {"name": "X-H", "in": "header", "schema": TEXT},
    ]
    operation = {"operationId": "act", "parameters": parameters, "requestBody": {"content": {kind: {"schema": FORM}}}, **OK}
    return {"openapi": "3.0.4", "info": {"title": "t", "version": "1"}, "paths": {"/a/{id}": {"post": operation}}}


def changed(request: tuple[str, str, dict[str, str], bytes]) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """The request, each time with one thing otherwise."""
    method, target, headers, body = request
    yield "PUT", target, headers, body
    yield method, target.replace("/a/", "/b/"), headers, body
    yield method, target.replace("q=q", "q=r"), headers, body
    yield method, target + "&extra=1", headers, body
    yield method, target.partition("?")[0], headers, body
    yield method, target, headers | {"x-h": "other"}, body
    yield method, target, headers | {"content-type": "text/plain"}, body
    yield method, target, headers, b""
    yield method, target, headers, body.replace(b"k", b"l")
    yield method, target, headers, body.replace(b"b", b"c", 1)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_the_judge_sees_every_difference(tmp_path: Path, kind: str) -> None:
    """None in the request itself, and one at least in each that is changed in one place."""
    root = described(kind)
    spec = {
        "version": "2.0.0",
        "fields": [{"field": "SERVER_URL", "type": "String"}, {"field": "AUTH_TYPE", "type": "String", "default": "NONE"}],
    }
    (tmp_path / "connector_spec.json").write_text(json.dumps(spec))
    (tmp_path / "openapi.json").write_text(json.dumps(root))
    with Connector(tmp_path) as connector:
        inputs = action_sample(connector.catalog["act"], minimal=False)
        preview = connector.preview("act", inputs, connector.connection({"server_url": SERVER}, environ={}))
    sent = (
        preview.method,
        preview.url.removeprefix(SERVER),
        {name.lower(): value for name, value in preview.headers},
        preview.body(),
    )
    judge = Judge(root)
    expected = judge.expected(judge.places()["post", "/a/{id}"], inputs)
    assert differences(expected, *sent) == []
    for number, request in enumerate(changed(sent)):
        assert request != sent, number
        assert differences(expected, *request), number


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (in_path("c", [1, 2], "matrix", True), ";c=1;c=2"),
        (in_path("c", {"R": 1, "G": 2}, "label", True), ".R=1.G=2"),
        (in_path("c", {"R": 1, "G": 2}, "simple", False), "R,1,G,2"),
        (simple({"R": 1, "G": 2}, True), "R=1,G=2"),
        (pairs("c", ["a", "b"], "pipeDelimited", False), [("c", "a|b")]),
        (pairs("c", {"R": 1}, "deepObject", True), [("c[R]", "1")]),
        (pairs("c", {"R": 1, "G": 2}, "form", False), [("c", "R,1,G,2")]),
    ],
)
def test_the_judge_writes_the_examples_of_the_specification(written: Any, expected: Any) -> None:
    """OpenAPI 3.0.4, section 4.7.12.4, and RFC 6570, section 3.2."""
    assert written == expected


def test_nothing_is_found_over_our_own_folders(capsys: pytest.CaptureFixture[str]) -> None:
    """Every operation of every made-up provider, with the least and with all inputs, is as the judge reads it."""
    assert main([str(PROVIDERS)]) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].split()[0] == "folder"
    assert len(table.splitlines()) == 1 + len(list(PROVIDERS.glob("*/openapi.json")))


def test_what_is_found_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A description that stands alone gets a folder; what the judge does not expect is a line."""
    (tmp_path / "alone.json").write_text(json.dumps(described("application/json")))
    monkeypatch.setattr("tools.sweep.judge.simple", lambda value, explode: "otherwise")
    assert main([str(tmp_path)]) == 1
    assert "act (all): header x-h" in capsys.readouterr().out


def test_it_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder."""
    assert main([]) == 2
    assert "make sweep DIR=" in capsys.readouterr().err
    assert folders(tmp_path, tmp_path) == {}
